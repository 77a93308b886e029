package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	outageMedian = "no write, median"
	outageMax    = "no write, max"
	bothMedian   = "until both write, median"
	lostWrites   = "acknowledged writes lost"
)

const (
	outageDir      = "outage"
	attemptEvery   = 5 * time.Millisecond
	attemptLimit   = 2 * time.Second        // then a write is given up; later ones are under way
	beforeTheEnd   = 300 * time.Millisecond // of writing before the leader is ended
	afterTheEnd    = time.Second            // of writing after both survivors write again
	outageLimit    = time.Minute
	afterTheReturn = time.Second // of rest once the ended member has caught up
)

// outageRows are the rows of a scenario that ends leaders.
func outageRows(limit float64) []row {
	return []row{
		{figure: outageMedian, unit: "ms", floor: floor{oursAtMost, limit}},
		{figure: outageMax, unit: "ms", floor: floor{oursAtMost, limit}},
		{figure: bothMedian, unit: "ms"},
		{figure: lostWrites, unit: "", floor: floor{oursAtMost, 0}},
	}
}

// acknowledged is a write that was answered with success.
type acknowledged struct {
	key        string
	sent, done time.Time
}

// outage is the longest time without a success, from the given time to the
// last success.
func outage(from time.Time, successes []time.Time) (longest time.Duration) {
	for _, t := range slices.SortedFunc(slices.Values(successes), time.Time.Compare) {
		if t.Before(from) {
			continue
		}
		longest, from = max(longest, t.Sub(from)), t
	}
	return longest
}

// runOutages ends the leader by sig and lets it come back, b.kills times, and
// looks in the end for all that was acknowledged.
func runOutages(sig syscall.Signal) func(context.Context, *bench, *cluster) (figures, error) {
	return func(ctx context.Context, b *bench, c *cluster) (figures, error) {
		var none, both []float64
		var kept []acknowledged
		for n := range b.kills {
			o, err := c.endLeader(ctx, sig, fmt.Sprintf("/%s/%d", outageDir, n))
			if err != nil {
				return nil, fmt.Errorf("%v number %d: %w", sig, n+1, err)
			}
			none, both = append(none, milliseconds(o.none)), append(both, milliseconds(o.both))
			kept = append(kept, o.kept...)
		}
		lost, err := c.missing(ctx, kept)
		return figures{
			outageMedian: median(none),
			outageMax:    slices.Max(none),
			bothMedian:   median(both),
			lostWrites:   float64(lost),
		}, err
	}
}

// observed is what writers saw of the end of a leader.
type observed struct {
	none time.Duration // no survivor wrote
	both time.Duration // one of the survivors did not write
	kept []acknowledged
}

// endLeader ends the leader by sig while writers try every few milliseconds on
// the others, and brings it back.
func (c *cluster) endLeader(ctx context.Context, sig syscall.Signal, dir string) (o observed, err error) {
	leader, err := c.leader(ctx)
	if err != nil {
		return o, err
	}
	var writers []*writer
	var wg sync.WaitGroup
	writing, stop := context.WithCancel(ctx)
	defer wg.Wait()
	defer stop()
	for _, s := range c.members {
		if s == leader {
			continue
		}
		w := &writer{to: s, dir: dir + "/" + s.member, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
		writers = append(writers, w)
		wg.Go(func() { w.run(writing) })
	}
	if err := sleep(ctx, beforeTheEnd); err != nil {
		return o, err
	}
	began := time.Now()
	if _, err := leader.stop(sig); err != nil {
		return o, err
	}
	if err := awaitWrites(ctx, writers, time.Now()); err != nil {
		return o, err
	}
	stop()
	wg.Wait()

	var all []time.Time
	for _, w := range writers {
		times := make([]time.Time, 0, len(w.kept))
		for _, k := range w.kept {
			times = append(times, k.done)
		}
		o.both = max(o.both, outage(began, times))
		all = append(all, times...)
		o.kept = append(o.kept, w.kept...)
	}
	o.none = outage(began, all)
	return o, c.bringBack(ctx, leader)
}

// awaitWrites waits until each writer has had a success that it asked for after
// the given time, and then a while longer: a cluster may stumble again.
func awaitWrites(ctx context.Context, writers []*writer, after time.Time) error {
	for {
		waiting := slices.ContainsFunc(writers, func(w *writer) bool { return !w.succeeded(after) })
		switch {
		case !waiting:
			return sleep(ctx, afterTheEnd)
		case time.Since(after) > outageLimit:
			return fmt.Errorf("no writes on both survivors in %v", outageLimit)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// bringBack launches a member that was ended and waits until it has what the
// others have.
func (c *cluster) bringBack(ctx context.Context, ended *server) error {
	if _, err := ended.launch(ctx, "/v2/keys"); err != nil {
		return err
	}
	if err := ended.healthy(ctx); err != nil {
		return err
	}
	leader, err := c.leader(ctx)
	if err != nil {
		return err
	}
	goal, err := leader.raftIndex(ctx)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		position, err := ended.raftIndex(ctx)
		if err != nil {
			return err
		}
		if position >= goal {
			return sleep(ctx, afterTheReturn)
		}
		if time.Since(began) > readyPatience {
			return fmt.Errorf("%s is at %d of %d after %v", ended.member, position, goal, readyPatience)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// missing counts the acknowledged writes that the cluster does not have.
func (c *cluster) missing(ctx context.Context, kept []acknowledged) (lost int, err error) {
	leader, err := c.leader(ctx)
	if err != nil {
		return 0, err
	}
	a, err := leader.get(ctx, "/v2/keys/"+outageDir+"?recursive=true&quorum=true")
	if err != nil {
		return 0, err
	}
	if a.status != http.StatusOK {
		return 0, fmt.Errorf("listing of all writes has status %d", a.status)
	}
	var listing struct{ Node node }
	if err := json.Unmarshal(a.body, &listing); err != nil {
		return 0, err
	}
	return listing.Node.without(kept), nil
}

// node is as much of the v2 API's node as a count needs.
type node struct {
	Key   string
	Dir   bool
	Nodes []node
}

// without counts the writes that are not keys beneath n.
func (n *node) without(kept []acknowledged) (lost int) {
	have := make(map[string]bool)
	n.keys(have)
	for _, k := range kept {
		if !have[k.key] {
			lost++
		}
	}
	return lost
}

// keys adds the keys beneath n to have.
func (n *node) keys(have map[string]bool) {
	if !n.Dir {
		have[n.Key] = true
	}
	for i := range n.Nodes {
		n.Nodes[i].keys(have)
	}
}

// writer tries to write to one member every few milliseconds, whether the
// writes before are answered or not: one that waits for an answer which never
// comes must not hide that others would succeed.
type writer struct {
	to     *server
	dir    string
	client *http.Client

	mu   sync.Mutex
	kept []acknowledged
}

// run writes until ctx is done.
func (w *writer) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer w.client.CloseIdleConnections()
	defer wg.Wait()
	tick := time.NewTicker(attemptEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		wg.Go(func() { w.attempt(ctx, fmt.Sprintf("%s/%06d", w.dir, n)) })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// attempt writes key once and notes when that succeeds.
func (w *writer) attempt(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	sent := time.Now()
	if err := w.put(ctx, key); err != nil {
		return // as is expected while there is no leader
	}
	done := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, acknowledged{key, sent, done})
}

func (w *writer) put(ctx context.Context, key string) error {
	form := strings.NewReader(url.Values{"value": {key}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+w.to.host()+"/v2/keys"+key, form)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// succeeded reports whether a write sent after t was acknowledged.
func (w *writer) succeeded(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.kept, func(k acknowledged) bool { return k.sent.After(t) })
}
