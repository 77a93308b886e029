package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
)

// identity says whose data a directory holds. It is written before anything
// else when a member is founded, and again, without Founding, when all is
// there: what lies beside a founding identity is a ruin that nobody has used.
// It is a small text, so a person who finds the directory can read it.
type identity struct {
	Format   int    `json:"format"`
	Member   string `json:"member"`
	Cluster  string `json:"cluster"`
	Founding bool   `json:"founding,omitempty"`

	// Peers are the members that one which joined was told of. They show it the
	// way until the leader has sent it the roster.
	Peers []peerHint `json:"peers,omitempty"`

	// Sum is the CRC-32C, in hex, of this object without it: one flipped bit
	// could make another member of this one.
	Sum string `json:"sum"`
}

// sum is what Sum should be.
func (id identity) sum() string {
	id.Sum = ""
	text, err := json.Marshal(id)
	if err != nil {
		panic(err) // plain values always marshal
	}
	return fmt.Sprintf("%08x", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

type peerHint struct {
	ID   string   `json:"id"`
	URLs []string `json:"urls"`
}

// format is the layout of a member's directory; docs/DISK.md draws it. A
// layout that this program cannot read takes the next number.
const format = 1

const identityFile = "identity"

// maxIdentity bounds what is read of one that is damaged.
const maxIdentity = 1 << 20

var errNoIdentity = errors.New("no identity")

func (id identity) ids() (self, cluster member.ID, err error) {
	self, err1 := member.ParseID(id.Member)
	cluster, err2 := member.ParseID(id.Cluster)
	return self, cluster, errors.Join(err1, err2)
}

// members are the hints as members; they were checked by ids.
func (id identity) members() []member.Member {
	var all []member.Member
	for _, p := range id.Peers {
		if one, err := member.ParseID(p.ID); err == nil {
			all = append(all, member.Member{ID: one, PeerURLs: p.URLs})
		}
	}
	return all
}

func readIdentity(fs vfs.FS, dir string) (id identity, err error) {
	path := fs.PathJoin(dir, identityFile)
	f, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return id, errNoIdentity
	}
	if err != nil {
		return id, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIdentity))
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("%s is damaged: %w; restore the directory from a backup, or remove it and let the member join again", path, err)
	}
	if id.Format > format {
		return id, fmt.Errorf("%s says format %d, this program reads up to %d: start the newer keytree that wrote it", path, id.Format, format)
	}
	if _, _, err := id.ids(); err != nil || id.Sum != id.sum() {
		return id, fmt.Errorf("%s is damaged: its sum is %q, not %q; restore the directory from a backup, or remove it and let the member join again", path, id.sum(), id.Sum)
	}
	return id, nil
}

// writeIdentity makes id durable in dir, all or nothing.
func writeIdentity(fs vfs.FS, dir string, id identity) error {
	id.Sum = id.sum()
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return writeWhole(fs, dir, identityFile, append(text, '\n'))
}

// writeWhole makes a file with the given contents durable in dir, all or
// nothing.
func writeWhole(fs vfs.FS, dir, name string, text []byte) error {
	path, fresh := fs.PathJoin(dir, name), fs.PathJoin(dir, name+".new")
	f, err := fs.Create(fresh, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// makeDir makes dir and what is missing above it, and has each known to its
// parent: a file is not safe while the way to it is not.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent != dir && parent != "." {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
