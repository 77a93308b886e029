package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// How often the endpoints that something is held against are probed.
	probeInterval = 500 * time.Millisecond

	// An endpoint that does not answer a probe in this time is silent.
	probePatience = 2 * time.Second

	// Of the answer to a probe, this much is read so that its connection can
	// be used again.
	probeBody = 64 << 10
)

// probeUntilDone finds out which endpoints answer until ctx is done. A silent
// one does not hold up the probes of others.
func (p *Proxy) probeUntilDone(ctx context.Context) {
	var probes sync.WaitGroup
	defer probes.Wait()
	next := time.NewTicker(probeInterval)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-p.endpoints.doubts:
		}
		for _, e := range p.endpoints.due() {
			probes.Go(func() { p.probe(ctx, e) })
		}
	}
}

// probe asks e for something cheap. Whatever it answers, it is alive.
func (p *Proxy) probe(ctx context.Context, e *endpoint) {
	patience, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	attempt, link := watchLink(patience)
	r := &http.Request{
		Method: http.MethodGet,
		URL:    &url.URL{Scheme: e.scheme, Host: e.host, Path: "/version"},
		Header: http.Header{"User-Agent": {"keytree-proxy"}},
	}
	answer, err := p.transport.RoundTrip(r.WithContext(attempt))
	if err == nil {
		_, err = io.CopyN(io.Discard, answer.Body, probeBody)
		if err == io.EOF {
			err = nil
		}
		_ = answer.Body.Close() // nothing was written
	}
	if ctx.Err() != nil {
		return // the probe was cut short by the proxy's own end
	}
	p.endpoints.learn(e, link.made(), err)
}
