package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	aloneRSS       = "HTTP/1.1, RSS per watch"
	aloneCPU       = "HTTP/1.1, server CPU per event"
	muxRSS         = "HTTP/2, RSS per watch"
	muxCPU         = "HTTP/2, server CPU per event"
	muxConnections = "HTTP/2, connections"
)

const muxWatchers = 1000

func muxRows() []row {
	return []row{
		{figure: aloneRSS, unit: "KiB", digits: 1},
		{figure: muxRSS, unit: "KiB", digits: 1},
		{figure: aloneCPU, unit: "us/event", digits: 2},
		{figure: muxCPU, unit: "us/event", digits: 2},
		{figure: muxConnections, unit: ""},
	}
}

// runMux measures watches on connections of their own, and then, on the same
// server started again, watches that share connections by HTTP/2 without TLS.
func runMux(ctx context.Context, b *bench, s *server) (figures, error) {
	apart, err := b.measureCrowd(ctx, s, s.streamers(muxWatchers))
	if err != nil {
		return nil, err
	}
	if _, err := s.stop(syscall.SIGTERM); err != nil {
		return nil, err
	}
	if _, err := s.launch(ctx, "/v2/keys"); err != nil {
		return nil, err
	}
	if err := s.healthy(ctx); err != nil {
		return nil, err
	}
	f, err := b.measureMux(ctx, s, muxWatchers, func() error { return nil })
	if err != nil {
		return nil, fmt.Errorf("HTTP/2: %w", err)
	}
	f[aloneRSS], f[aloneCPU] = apart[watcherRSS], apart[eventCPU]
	f[others] = max(f[others], apart[others])
	return f, nil
}

// mux is stream watchers that share connections. It opens the connections
// itself: an http.Client may dial a second one while the first has just begun,
// and then spreads the watches over both.
type mux struct {
	transport   *http.Transport
	connections []*http.ClientConn
	events      atomic.Int64 // delivered to all of them together
	target      atomic.Int64
	reached     chan struct{}
	bodies      []io.ReadCloser
}

func newMux() *mux {
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	return &mux{
		transport: &http.Transport{Protocols: &plain},
		reached:   make(chan struct{}, 1), // one target at a time
	}
}

// open opens n watches and waits for their headers.
func (m *mux) open(ctx context.Context, s *server, n int) error {
	for range n {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.host()+"/v2/keys/"+dir+"?wait=true&recursive=true&stream=true", nil)
		if err != nil {
			return err
		}
		conn, err := m.room(ctx, s)
		if err != nil {
			return err
		}
		resp, err := conn.RoundTrip(r)
		if err != nil {
			return err
		}
		m.bodies = append(m.bodies, resp.Body)
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
			return fmt.Errorf("a watch is answered with %s %s", resp.Proto, resp.Status)
		}
	}
	return nil
}

// room is the newest connection, or another if the server allows no more
// watches on that one.
func (m *mux) room(ctx context.Context, s *server) (*http.ClientConn, error) {
	if n := len(m.connections); n > 0 && m.connections[n-1].Available() > 0 {
		return m.connections[n-1], nil
	}
	conn, err := m.transport.NewClientConn(ctx, "http", s.host())
	if err != nil {
		return nil, err
	}
	m.connections = append(m.connections, conn)
	return conn, nil
}

// close ends the watches with their connections.
func (m *mux) close() (err error) {
	for _, body := range m.bodies {
		err = errors.Join(err, body.Close())
	}
	for _, conn := range m.connections {
		err = errors.Join(err, conn.Close())
	}
	return err
}

// listen counts the events of one watch until it ends.
func (m *mux) listen(body io.Reader) {
	buf := make([]byte, 4<<10)
	for {
		k, err := body.Read(buf)
		if n := int64(bytes.Count(buf[:k], []byte{'\n'})); n > 0 {
			sum, target := m.events.Add(n), m.target.Load()
			if sum-n < target && target <= sum {
				m.reached <- struct{}{}
			}
		}
		if err != nil {
			return // an end that was not meant shows as events that never come
		}
	}
}

// measureMux opens n watches, calls idle, and then has one writer write and wait
// until all watches have the event.
func (b *bench) measureMux(ctx context.Context, s *server, n int, idle func() error) (f figures, err error) {
	before, err := s.rss()
	if err != nil {
		return nil, err
	}
	m := newMux()
	ctx, leave := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		leave()
		err = errors.Join(err, m.close())
		wg.Wait()
	}()
	if err := m.open(ctx, s, n); err != nil {
		return nil, err
	}
	after, err := s.rss()
	if err != nil {
		return nil, err
	}
	if err := idle(); err != nil {
		return nil, err
	}
	for _, body := range m.bodies {
		wg.Go(func() { m.listen(body) })
	}
	writer, err := dialLoad(s.addrs(), 1, 1, func(int) source { return &puts{put: s.putRequest(), space: b.space} })
	if err != nil {
		return nil, err
	}
	defer writer.close()
	spent, err := costOf(s, func() error {
		for began := time.Now(); time.Since(began) < b.measured; {
			if err := m.fanout(ctx, writer.loops[0], int64(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return figures{
		muxRSS:         float64(after-before) / 1024 / float64(n),
		muxCPU:         spent.server.Seconds() * 1e6 / float64(m.events.Load()),
		muxConnections: float64(len(m.connections)),
		others:         spent.others,
	}, nil
}

// fanout writes once and waits until all n watches have it.
func (m *mux) fanout(ctx context.Context, writer *loop, n int64) error {
	m.target.Add(n)
	if err := writer.run(ctx, time.Nanosecond); err != nil {
		return err
	}
	if err := writer.counts.err(); err != nil {
		return err
	}
	select {
	case <-m.reached:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(patience):
		return fmt.Errorf("%d of %d events delivered in %v", m.events.Load(), m.target.Load(), patience)
	}
}
