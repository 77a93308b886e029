package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"keytree/scripts/process"
)

// A player feeds one pair of servers with a random sequence.
type player struct {
	*generator
	p      *pair
	report *report
	where  string
	replay string
	ops    int
}

func newPlayer(seed uint64, p *pair, r *report, replay string) *player {
	return &player{generator: newGenerator(seed), p: p, report: r, where: fmt.Sprintf("seed %d", seed), replay: replay}
}

// errParted stops a sequence: what follows would only show the same fault.
var errParted = errors.New("the two trees have parted, the rest of this sequence is left out")

// play sends about n operations, mostly one by one, now and then with watches
// open or with keys that expire.
func (p *player) play(ctx context.Context, n int) error {
	for p.ops < n {
		var err error
		switch k := p.r.IntN(1000); {
		case k < 25:
			err = p.episode(ctx, func() error { return p.several(ctx, 1+p.r.IntN(8)) })
		case k < 28:
			err = p.expiring(ctx)
		case k < 30:
			err = p.episode(ctx, func() error { return p.expiring(ctx) })
		default:
			err = p.several(ctx, 1)
		}
		if err != nil {
			return err
		}
	}
	return p.finish(ctx)
}

// several sends n random requests in which nothing expires.
func (p *player) several(ctx context.Context, n int) error {
	for range n {
		path, q := p.next(ttlLong)
		if err := p.send(ctx, path, q); err != nil {
			return err
		}
	}
	return nil
}

// send sends one request to both sides and compares.
func (p *player) send(ctx context.Context, path string, q process.Request) error {
	x := p.p.do(ctx, q)
	p.ops++
	same := p.report.note(kindOp, fmt.Sprintf("%s operation %d", p.where, p.ops), p.replay, x)
	p.learn(path, x.etcd.Answer)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if q.Method == "HEAD" && x.etcd.err == nil && x.keytree.err == nil {
		same = p.checkHead(ctx, x) && same
	}
	if same {
		return nil
	}
	a, b, err := p.p.indexes(ctx)
	if err == nil && a != b {
		err = errParted
	}
	return err
}

// checkHead holds the lengths that HEAD tells against the bodies of GET.
func (p *player) checkHead(ctx context.Context, head exchange) bool {
	if head.etcd.Header.Get("Content-Length") == head.keytree.Header.Get("Content-Length") {
		return true
	}
	q := head.request
	q.Method = "GET"
	get := p.p.do(ctx, q)
	ds := compare(get)
	for _, s := range []struct{ head, get reply }{{head.etcd, get.etcd}, {head.keytree, get.keytree}} {
		if s.get.err == nil && s.head.Header.Get("Content-Length") != s.get.Header.Get("Content-Length") {
			ds = append(ds, difference{"length of HEAD", head.etcd.Header.Get("Content-Length"), head.keytree.Header.Get("Content-Length")})
			break
		}
	}
	return p.report.add(kindBulk, fmt.Sprintf("%s operation %d", p.where, p.ops), p.replay, head, ds)
}

// Patience with events: the last one is known to come, and what a silent
// stream would still bring is not worth a long wait.
const (
	lastEvent   = 5 * time.Second
	silentEvent = 60 * time.Millisecond
)

// episode opens watches, does something, and collects what they brought.
func (p *player) episode(ctx context.Context, do func() error) error {
	type open struct {
		watchSpec
		w *watching
	}
	var watches []open
	for range 1 + p.r.IntN(3) {
		spec := p.generator.watch()
		watches = append(watches, open{spec, p.p.watch(ctx, spec.request(p.generator))})
		p.ops++
	}
	defer func() {
		for _, o := range watches {
			o.w.close()
		}
	}()
	if err := do(); err != nil {
		return err
	}
	for _, o := range watches {
		if err := p.collect(ctx, o.watchSpec, o.w); err != nil {
			return err
		}
	}
	return nil
}

// collect makes an event that the watch must bring, waits for it on both
// sides, and compares all that came before it.
func (p *player) collect(ctx context.Context, spec watchSpec, w *watching) error {
	last, err := p.mark(ctx, spec)
	if err != nil {
		return err
	}
	switch {
	case last == 0:
		w.settle(ctx, silentEvent)
	case spec.stream && spec.since > 0 && w.etcd.head != nil && spec.since <= w.etcd.head.Index("X-Etcd-Index"):
		// etcd falls silent after an event from the past.
		w.until(ctx, lastEvent, func(f *feed) bool { lines, _, _ := f.state(); return len(lines) > 0 })
		w.settle(ctx, silentEvent)
		if w.etcd.reached(last) { // not silent: nothing had happened in the past
			w.until(ctx, lastEvent, func(f *feed) bool { return f.reached(last) })
		}
	default:
		w.until(ctx, lastEvent, func(f *feed) bool { return f.reached(last) })
		if spec.stream {
			// A second copy of the last event is on its way, or not at all.
			w.settle(ctx, silentEvent)
		}
	}
	// An answer that ends by itself does so right after its only line.
	w.until(ctx, lastEvent, func(f *feed) bool {
		lines, _, _ := f.state()
		return len(lines) == 0 || spec.stream && f.head.Status == 200
	})
	x := w.close()
	p.report.note(kindOp, fmt.Sprintf("%s operation %d, watch", p.where, p.ops), p.replay, x)
	return nil
}

// mark writes to the watched key until the index has passed what the watch
// waits for. It returns the index of the last such event, 0 if the key cannot
// be written to.
func (p *player) mark(ctx context.Context, spec watchSpec) (uint64, error) {
	path := spec.path
	if path == "/" {
		if !spec.recursive {
			return 0, nil // no event is about the root
		}
		path = "/mark"
	}
	for {
		update := process.Request{Method: "PUT", Target: "/v2/keys" + path + "?prevExist=true", Header: process.Form()}
		set := process.Request{Method: "PUT", Target: "/v2/keys" + path, Header: process.Form(), Body: []byte("value=mark")}
		written := false
		for _, q := range []process.Request{update, set} {
			before := p.index
			if err := p.send(ctx, path, q); err != nil {
				return 0, err
			}
			if written = p.index > before; written {
				break
			}
		}
		if !written {
			return 0, nil
		}
		if p.index >= spec.since {
			return p.index, nil
		}
	}
}

// reached reports whether the feed has brought an event of index i or later.
func (f *feed) reached(i uint64) bool {
	lines, _, _ := f.state()
	return len(lines) > 0 && modifiedIndex(lines[len(lines)-1]) >= i
}

func modifiedIndex(event string) uint64 {
	var e struct {
		Node struct{ ModifiedIndex uint64 }
	}
	if json.Unmarshal([]byte(event), &e) != nil {
		return 0
	}
	return e.Node.ModifiedIndex
}

// expiring sends some requests with short times to live, quickly, and waits
// until both sides have removed what is due.
func (p *player) expiring(ctx context.Context) error {
	var written []string
	n := 3 + p.r.IntN(8)
	for i := range n {
		rule := ttlShort
		if i == n-1 && p.chance(50) {
			rule = ttlNow
		}
		path, q := p.next(rule)
		if err := p.send(ctx, path, q); err != nil {
			return err
		}
		written = append(written, path)
	}
	ctx, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	for _, path := range written {
		if err := poll(ctx, 20*time.Millisecond, func() (bool, error) { return p.settled(ctx, path) }); err != nil {
			return err
		}
	}
	if err := p.p.level(ctx); err != nil {
		p.report.fail(p.where+" after an expiry", p.replay, err)
		return errParted
	}
	return p.send(ctx, "/", process.Request{Method: "GET", Target: "/v2/keys/?recursive=true&sorted=true"})
}

// settled reports whether neither side has a key at path that will expire
// soon.
func (p *player) settled(ctx context.Context, path string) (bool, error) {
	x := p.p.do(ctx, process.Request{Method: "GET", Target: "/v2/keys" + path})
	for _, r := range []reply{x.etcd, x.keytree} {
		if r.err != nil {
			return false, r.err
		}
		var e struct {
			Node struct{ Expiration time.Time }
		}
		if r.Status != 200 || json.Unmarshal(r.Body, &e) != nil {
			continue // not there
		}
		if at := e.Node.Expiration; !at.IsZero() && time.Until(at) < time.Minute {
			return false, fmt.Errorf("%s has not expired:\n  etcd    %.300s\n  keytree %.300s", path, x.etcd.Body, x.keytree.Body)
		}
	}
	return true, nil
}

// finish compares all that is left: the trees, the history, the counters.
func (p *player) finish(ctx context.Context) error {
	for _, path := range []string{"", "/_h", "/_h/_i", "/a/_h", "/a/_h/x", "/dir/_"} {
		if err := p.send(ctx, path, process.Request{Method: "GET", Target: "/v2/keys" + path + "?recursive=true&sorted=true"}); err != nil {
			return err
		}
	}
	if err := p.send(ctx, "/mark", process.Request{Method: "PUT", Target: "/v2/keys/mark?value=end"}); err != nil {
		return err
	}
	for since := p.index - min(p.index-1, 1010); since <= p.index; since += 1 + p.r.Uint64N(20) {
		q := process.Request{Method: "GET", Target: "/v2/keys?wait=true&recursive=true&waitIndex=" + strconv.FormatUint(since, 10)}
		if err := p.send(ctx, "/", q); err != nil {
			return err
		}
	}
	return p.watchersGone(ctx)
}

// watchersGone waits until both sides have noticed that nobody watches any
// more, then compares the counters.
func (p *player) watchersGone(ctx context.Context) error {
	if err := p.p.unwatched(ctx); err != nil {
		p.report.fail(p.where+" counters", p.replay, err)
	}
	return p.send(ctx, "/", process.Request{Method: "GET", Target: "/v2/stats/store"})
}
