package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	probeEvery = 5 * time.Second
	// clocksApart is how far a peer's clock may be off before that is told.
	clocksApart = time.Second
	// tellAgain is how long the same trouble is not told again.
	tellAgain = time.Minute
	maxProbe  = 4 << 10
)

// newProbeClient keeps one connection to each peer. It follows nobody, and
// asks no proxy.
func newProbeClient(c Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            c.Dial,
			DialTLSContext:         c.DialTLS,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        3 * probeEvery,
			MaxResponseHeaderBytes: maxProbe,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// probe asks the peer now and then what time it has, until ctx is done.
func (p *peer) probe(ctx context.Context) {
	var next int // the URL to ask
	var toldDown, toldClock time.Time
	timer := time.NewTicker(probeEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-p.check:
		case <-ctx.Done():
			return
		}
		urls := slices.DeleteFunc(slices.Clone(p.urls()), isFile) // those are on this machine
		if len(urls) == 0 {
			continue
		}
		roundTrip, ahead, err := p.probeOnce(ctx, urls[next%len(urls)])
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			next++
			if since(&toldDown) {
				p.t.log.Warn(fmt.Sprintf("health check for peer %v could not connect: %v", p.id, err))
			}
			continue
		}
		toldDown = time.Time{}
		p.stats.Probed(roundTrip, ahead)
		if ahead.Abs() > clocksApart && since(&toldClock) {
			p.t.log.Warn(fmt.Sprintf("the clock difference against peer %v is too high [%v > %v]", p.id, ahead, clocksApart))
		}
	}
}

// since reports whether it is time to tell again, and notes that it is told.
func since(told *time.Time) bool {
	now := time.Now()
	if !told.IsZero() && now.Sub(*told) < tellAgain {
		return false
	}
	*told = now
	return true
}

// probeOnce tells how long the peer took to answer, and how far its clock was
// ahead when it did.
func (p *peer) probeOnce(ctx context.Context, raw string) (roundTrip, ahead time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.config.dialTimeout())
	defer cancel()
	request, err := probeRequest(ctx, raw)
	if err != nil {
		return 0, 0, err
	}
	began := p.t.config.Now()
	answer, err := p.t.client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxProbe))
	roundTrip = p.t.config.Now().Sub(began)
	if err != nil {
		return 0, 0, err
	}
	var health struct {
		OK  bool
		Now time.Time
	}
	if answer.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("it answered %s", answer.Status)
	}
	if err := json.Unmarshal(text, &health); err != nil || !health.OK {
		return 0, 0, errors.New("it did not answer that it is well")
	}
	return roundTrip, health.Now.Sub(began.Add(roundTrip / 2)), nil
}

// probeRequest asks the host of raw. The client's own dialling settles the rest.
func probeRequest(ctx context.Context, raw string) (*http.Request, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("peer URL: %w", err)
	}
	u.Path = pathProbing
	return http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
}
