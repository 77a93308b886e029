package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"keytree/scripts/process"
)

// founders is how many members there are.
const founders = 3

// readyTime is how long a member, or Prometheus, may take to serve.
const readyTime = 20 * time.Second

// A member serves clients in plain text and its numbers over TLS, and speaks
// TLS to the others, so that there are certificates of both sides to watch.
type member struct {
	*process.Server
	metrics string // host:port
}

type cluster []*member

// startCluster starts the members and waits until they serve. After an error
// those that run have to be stopped all the same.
func startCluster(ctx context.Context, binary, dir string, ports *process.Ports) (all cluster, err error) {
	configs := make([]process.Config, founders)
	metrics := make([]string, founders)
	var list []string
	for i := range configs {
		var port [3]int
		for k := range port {
			if port[k], err = ports.Take(); err != nil {
				return nil, err
			}
		}
		name, peer := fmt.Sprint("n", i), fmt.Sprintf("https://127.0.0.1:%d", port[1])
		metrics[i] = fmt.Sprintf("127.0.0.1:%d", port[2])
		list = append(list, name+"="+peer)
		configs[i] = process.Config{
			Binary: binary, Name: name, Dir: filepath.Join(dir, name), Client: port[0], Peer: port[1], AdvertisePeer: peer,
			Args: []string{
				"--listen-peer-urls", peer, "--peer-auto-tls", "--auto-tls", "--listen-metrics-urls", "https://" + metrics[i],
				"--watch-history", "500", "--quota-bytes", "100000000", "--audit-log", filepath.Join(dir, name+".audit"),
			},
		}
	}
	for i, c := range configs {
		c.Cluster = strings.Join(list, ",")
		s, err := process.Start(ctx, c)
		if err != nil {
			return all, err
		}
		all = append(all, &member{s, metrics[i]})
	}
	ready, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	for _, m := range all {
		if err := m.Ready(ready); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (c cluster) stop() (err error) {
	for _, m := range c {
		err = errors.Join(err, m.Stop())
	}
	return err
}

// page is what m shows at /metrics.
func (m *member) page(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+m.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	// The member has made its certificate itself, and nobody vouches for it.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics of %s: %s", m.metrics, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
