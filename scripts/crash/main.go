// Crash kills a server again and again while clients write to it, and holds
// what is left against what was acknowledged.
//
// Writers keep a record of every answer. Two followers, one with long polls
// and one with streams, resume by waitIndex after each restart. After each
// restart the tree, the events and the record must tell the same story.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"keytree/scripts/process"
)

type options struct {
	server  string
	dir     string
	kills   int
	writers int
	seed    uint64
	longest time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "bin/keytree", "server `binary`")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the server's data (default: the system's for temporary files)")
	flag.IntVar(&o.kills, "kills", 30, "how often to kill the server")
	flag.IntVar(&o.writers, "writers", 8, "clients that write at the same time")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the writers and of the moments to kill at (default: drawn)")
	flag.DurationVar(&o.longest, "longest", 2*time.Second, "longest time between a start and a kill")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// A trial is one server with its writers, followers and killer.
type trial struct {
	options
	config  process.Config
	isEtcd  bool
	addr    string
	r       *rand.Rand
	record  *record
	writers []*writer
	marker  *writer // writes after each restart, while the others rest
	poll    *follower
	stream  *follower
	history history
	kills   int
	early   int             // kills while starting
	server  *process.Server // started last
}

func run(ctx context.Context, o options) (err error) {
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	fmt.Printf("seed %d\n", o.seed)
	dir, err := os.MkdirTemp(o.dir, "keytree-crash-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t, err := newTrial(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() {
		if t.server != nil {
			err = errors.Join(err, t.server.Kill())
		}
	}()
	following, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { t.poll.poll(following) })
	wg.Go(func() { t.stream.stream(following, t.isEtcd) })
	started := time.Now()
	if err := t.lives(ctx); err != nil {
		return fmt.Errorf("%w\n(seed %d)", err, o.seed)
	}
	t.summary(time.Since(started))
	return nil
}

func newTrial(ctx context.Context, o options, dir string) (*trial, error) {
	args, err := process.V2Flags(ctx, o.server)
	if err != nil {
		return nil, err
	}
	var ports process.Ports
	client, err := ports.Take()
	if err != nil {
		return nil, err
	}
	peer, err := ports.Take()
	if err != nil {
		return nil, err
	}
	t := &trial{
		options: o,
		config:  process.Config{Binary: o.server, Dir: filepath.Join(dir, "data"), Client: client, Peer: peer, Args: args},
		isEtcd:  args != nil,
		addr:    fmt.Sprintf("127.0.0.1:%d", client),
		r:       rand.New(rand.NewPCG(o.seed, 0)),
		record:  &record{},
	}
	t.poll = newFollower("long poll", t.addr, t.record)
	t.stream = newFollower("stream", t.addr, t.record)
	for i := range o.writers {
		t.writers = append(t.writers, t.newWriter(i, t.throttle))
	}
	t.marker = t.newWriter(-1, func(context.Context) error { return nil })
	return t, nil
}

func (t *trial) newWriter(id int, throttle func(context.Context) error) *writer {
	return &writer{
		id: id, r: rand.New(rand.NewPCG(t.seed, uint64(id)+2)), conn: process.NewConn(t.addr),
		record: t.record, throttle: throttle, own: make(map[string]node),
	}
}

// lag is how many events the followers may be behind. The server remembers a
// thousand.
const lag = 300

// throttle waits until both followers are close enough.
func (t *trial) throttle(ctx context.Context) error {
	highest := t.record.highest()
	if highest < lag {
		return nil
	}
	for _, f := range []*follower{t.poll, t.stream} {
		if err := f.reach(ctx, highest-lag); err != nil {
			return err
		}
	}
	return nil
}

// lives starts the server, checks it, lets the writers write, kills it, and so
// on; at the end it is started and checked once more.
func (t *trial) lives(ctx context.Context) error {
	for {
		starts, err := t.start(ctx)
		if err != nil {
			return err
		}
		if err := t.verify(ctx, starts); err != nil {
			return err
		}
		if t.kills >= t.options.kills {
			return t.server.Stop()
		}
		if err := t.live(ctx); err != nil {
			return err
		}
		last, _ := t.poll.last()
		fmt.Printf("kill %d of %d: %d operations, index %d\n", t.kills, t.options.kills, len(t.record.ops), last)
	}
}

// start starts the server until it answers. Sometimes it is killed before.
func (t *trial) start(ctx context.Context) (starts int, err error) {
	for {
		starts++
		if t.server, err = process.Start(ctx, t.config); err != nil {
			return starts, err
		}
		if t.kills == 0 || t.kills >= t.options.kills || t.r.IntN(3) != 0 {
			limit, stop := context.WithTimeout(ctx, 30*time.Second)
			defer stop()
			return starts, t.server.Ready(limit)
		}
		t.early++
		if err := t.kill(ctx, time.Duration(t.r.Int64N(int64(500*time.Millisecond)))); err != nil {
			return starts, err
		}
	}
}

// kill kills the server after a while.
func (t *trial) kill(ctx context.Context, after time.Duration) error {
	pause(ctx, after)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.server.Ended() {
		return fmt.Errorf("server ended by itself:\n%s", t.server.Output())
	}
	t.kills++
	return t.server.Kill()
}

// live lets the writers write until the server is killed.
func (t *trial) live(ctx context.Context) error {
	writing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, w := range t.writers {
		wg.Go(func() { w.run(writing) })
	}
	const shortest = 50 * time.Millisecond
	return t.kill(ctx, shortest+time.Duration(t.r.Int64N(int64(t.longest))))
}

// verify looks at the server after a start: the tree as it is, then a mark
// that both followers must see, then everything against everything.
func (t *trial) verify(ctx context.Context, starts int) error {
	floor := t.record.highest()
	t.history.lives = append(t.history.lives, life{floor, starts})
	snap, err := t.snapshot(ctx)
	if err != nil {
		return err
	}
	snap.floor = floor
	if snap.index < floor {
		snap.later = t.catchUp(ctx, floor)
	}
	t.history.snapshots = append(t.history.snapshots, snap)
	for _, w := range t.writers {
		w.learn(snap)
	}
	err = t.marker.write(ctx, op{action: "set", key: markKey, value: t.marker.value(), must: true}, "PUT", nil)
	t.marker.conn.Close()
	if err != nil {
		return fmt.Errorf("write after a restart: %w", err)
	}
	faults := t.faults(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(faults) == 0 {
		return nil
	}
	errs := []error{fmt.Errorf("%d faults after %d kills", len(faults), t.kills)}
	for _, f := range faults {
		errs = append(errs, errors.New(f))
	}
	return errors.Join(errs...)
}

// catchUp tells a server that answers too early from one that has lost
// something: it looks whether the index comes to floor after all.
func (t *trial) catchUp(ctx context.Context, floor uint64) string {
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	for ctx.Err() == nil {
		if s, err := t.snapshot(ctx); err == nil && s.index >= floor {
			return fmt.Sprintf(", and came to %d after %v: the server answered before it had read its log", s.index, time.Since(began).Round(time.Millisecond))
		}
		pause(ctx, time.Millisecond)
	}
	return ", and stays there: writes are lost"
}

// faults waits for both followers and returns all that is wrong so far.
// Nobody writes meanwhile.
func (t *trial) faults(ctx context.Context) []string {
	reaching, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	var faults []string
	for _, f := range []*follower{t.poll, t.stream} {
		if err := f.reach(reaching, t.record.highest()); err != nil {
			faults = append(faults, err.Error())
		}
	}
	t.history.ops = t.record.ops
	t.history.sequences = []sequence{t.poll.sequence(), t.stream.sequence()}
	faults = append(faults, t.history.check()...)
	if n := t.stream.silences(); n > 0 && !t.isEtcd {
		faults = append(faults, fmt.Sprintf("%d streams fell silent", n))
	}
	return append(faults, t.record.faults...)
}

// snapshot reads the whole tree.
func (t *trial) snapshot(ctx context.Context) (snapshot, error) {
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	conn := process.NewConn(t.addr)
	defer conn.Close()
	a, err := conn.Do(ctx, process.Request{Method: "GET", Target: "/v2/keys?recursive=true"})
	if err != nil {
		return snapshot{}, fmt.Errorf("read the tree: %w", err)
	}
	var said answer
	if json.Unmarshal(a.Body, &said) != nil || said.Node == nil {
		return snapshot{}, fmt.Errorf("read the tree: status %d: %.300s", a.Status, a.Body)
	}
	s := snapshot{index: a.Index("X-Etcd-Index"), nodes: make(map[string]node)}
	s.add(said.Node)
	return s, nil
}

func (s *snapshot) add(n *answerNode) {
	if !n.Dir {
		s.nodes[n.Key] = node{n.Value, n.CreatedIndex, n.ModifiedIndex}
	}
	for _, child := range n.Nodes {
		s.add(child)
	}
}

func (t *trial) summary(took time.Duration) {
	var counts [3]int
	for _, o := range t.record.ops {
		counts[o.outcome]++
	}
	last, _ := t.poll.last()
	fmt.Printf("%d kills (%d of them while starting) in %v\n", t.kills, t.early, took.Round(time.Second))
	fmt.Printf("%d writes acknowledged, %d refused, %d of unknown outcome; index %d\n", counts[acknowledged], counts[refused], counts[unknown], last)
	fmt.Printf("%d events by long poll, %d by stream; %d trees of up to %d keys\n", len(t.poll.sequence().events), len(t.stream.sequence().events),
		len(t.history.snapshots), len(t.history.snapshots[len(t.history.snapshots)-1].nodes))
	if n := t.stream.silences(); n > 0 {
		fmt.Printf("%d streams fell silent, as etcd's do when a reader is slow\n", n)
	}
	fmt.Println("every acknowledged write is there, no event is missing")
}
