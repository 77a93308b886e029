package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keytree/raftlog/member"
)

// The file in a proxy's directory that holds the peer URLs of the members, as
// they were last told. It is etcd's own, so that either takes over from the
// other:
//
//	{"PeerURLs":["http://127.0.0.1:2380"]}
const peersFile = "cluster"

type peersText struct{ PeerURLs []string }

// readPeers is what the file in dir says; nothing, if there is none.
func readPeers(dir string) ([]string, error) {
	name := filepath.Join(dir, peersFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the proxy's peer URLs: %w", err)
	}
	var known peersText
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("%s holds no peer URLs (remove it to begin from the flags): %w", name, err)
	}
	if len(known.PeerURLs) == 0 {
		return nil, nil
	}
	peers, err := member.ParseURLs(known.PeerURLs)
	if err != nil {
		return nil, fmt.Errorf("%s holds a wrong peer URL (remove it to begin from the flags): %w", name, err)
	}
	return peers, nil
}

// keepPeers replaces the file in dir in one step: after a power cut it is the
// old one or the new one.
func keepPeers(dir string, peers []string) error {
	text, err := json.Marshal(peersText{peers})
	if err != nil {
		return err
	}
	name := filepath.Join(dir, peersFile)
	fresh := name + ".new"
	if err := writeSynced(fresh, text); err != nil {
		return err
	}
	if err := os.Rename(fresh, name); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
