package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A trial is one run of a scenario: a cluster, those who use it, and what they
// saw. Its methods are called by the scenario's goroutine.
type trial struct {
	options
	r   *rand.Rand // draws what is hurt and when
	dir string

	cluster   *cluster
	record    *record
	round     atomic.Int64
	followers []*follower
	asking    context.Context    // of the clients
	stop      context.CancelFunc // ends them
	watching  context.Context    // of the followers
	stopWatch context.CancelFunc // ends them
	clients   sync.WaitGroup
	watches   sync.WaitGroup
	users     int // clients so far
	hurts     []hurt
	faults    []string
	notes     []string // figures of its own
}

// A hurt is something done to the cluster.
type hurt struct {
	at    time.Duration
	what  string
	alive []string // members that ought to serve through it
	goal  time.Duration
}

// newTrial readies a trial whose scenario's name is name.
func newTrial(o options, name, dir string) *trial {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return &trial{options: o, r: rand.New(rand.NewPCG(o.seed, h.Sum64())), dir: dir, record: newRecord()}
}

// A load says how much is asked of a cluster.
type load struct {
	clients int           // per member
	pace    time.Duration // between two requests of a client, on average
	probes  bool          // writes every 10 ms at each member, come what may
}

var everyday = load{clients: 3, pace: 8 * time.Millisecond}

// begin forms a cluster of n members and sets clients and followers on each.
func (t *trial) begin(ctx context.Context, n int, l load) error {
	if err := t.form(n); err != nil {
		return err
	}
	return t.launch(ctx, l)
}

// form makes n members that have not started.
func (t *trial) form(n int) (err error) {
	t.cluster, err = newCluster(t.keytree, t.args, t.dir, t.ports, n)
	return err
}

// launch starts the members, and clients and followers at each of them.
func (t *trial) launch(ctx context.Context, l load) error {
	if err := t.cluster.start(ctx); err != nil {
		return err
	}
	t.watching, t.stopWatch = context.WithCancel(ctx)
	t.asking, t.stop = context.WithCancel(ctx)
	t.clients.Go(t.turnRounds)
	for _, i := range t.cluster.all() {
		t.follow(i, 0)
		t.use(i, l)
	}
	return t.busy(ctx, 200*time.Millisecond)
}

// roundTime is how long the same keys are used.
const roundTime = 2 * time.Second

func (t *trial) turnRounds() {
	for t.asking.Err() == nil {
		pause(t.asking, roundTime)
		t.round.Add(1)
	}
}

// follow watches a member from the event after index on. etcd has streams
// that fall silent, so there only long polls follow.
func (t *trial) follow(i *instance, after uint64) {
	for _, stream := range []bool{false, true} {
		if stream && t.isEtcd {
			continue
		}
		f := newFollower(i, stream, after)
		t.followers = append(t.followers, f)
		t.watches.Go(func() { f.run(t.watching) })
	}
}

// use sets clients on a member.
func (t *trial) use(i *instance, l load) {
	for range l.clients {
		t.users++
		c := newClient(t.users, i, t.record, t.seed, &t.round)
		t.clients.Go(func() { c.run(t.asking, l.pace) })
	}
	if l.probes {
		p := &probe{id: t.users + 1, instance: i, record: t.record}
		t.users += probers
		t.clients.Go(func() { p.run(t.asking) })
	}
}

// busy lets the clients work for d and checks that they can.
func (t *trial) busy(ctx context.Context, d time.Duration) error {
	began := t.record.now()
	pause(ctx, d)
	limit, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	for t.record.lastAck() <= began {
		if limit.Err() != nil {
			return errors.Join(context.Cause(ctx), fmt.Errorf("no write succeeds for %v", readyTime))
		}
		pause(limit, 10*time.Millisecond)
	}
	return nil
}

// between draws a time.
func (t *trial) between(least, most time.Duration) time.Duration {
	return least + time.Duration(t.r.Int64N(int64(most-least)))
}

// hurt notes that something is done now to the members given. Keys change, so
// that what stays unknown is spread over many.
func (t *trial) hurt(what string, goal time.Duration, victims ...*instance) {
	t.round.Add(1)
	t.hurts = append(t.hurts, hurt{t.record.now(), what, t.cluster.others(victims...), goal})
	t.progress(what)
}

// aFollower draws one of the running members that do not lead.
func (t *trial) aFollower(ctx context.Context) (*instance, error) {
	all, _, err := t.cluster.followers(ctx, t.r)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// progress prints a line with -v.
func (t *trial) progress(what string) {
	if t.verbose {
		fmt.Printf("      %7.3fs %s\n", t.record.now().Seconds(), what)
	}
}

func (t *trial) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

func (t *trial) fault(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// recoverTime is how long after the last hurt writes still count.
const recoverTime = 500 * time.Millisecond

// settle heals all, lets the clients end, waits until the members agree, and
// checks everything.
func (t *trial) settle(ctx context.Context) error {
	t.cluster.network.heal()
	if err := t.busy(ctx, recoverTime); err != nil {
		return err
	}
	t.hurts = append(t.hurts, hurt{at: t.record.now()})
	t.stop()
	t.clients.Wait()
	t.progress("clients have ended")
	agreed, err := t.cluster.agree(ctx, t.record.highest())
	if err != nil {
		t.fault("%v", err)
		return nil
	}
	t.progress("members agree")
	final, err := agreed.nodes()
	if err != nil {
		return err
	}
	reaching, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	newest := uint64(0)
	for _, n := range final {
		newest = max(newest, n.modified)
	}
	for _, f := range t.followers {
		if f.instance.running() {
			if err := f.reach(reaching, newest); err != nil {
				t.fault("%v", err)
			}
		}
	}
	t.stopWatch()
	t.watches.Wait()
	t.check(final, agreed.index)
	return nil
}

func (t *trial) check(final map[string]node, index uint64) {
	ops, faults, back := t.record.all()
	s := story{ops: ops, final: final, index: index, at: t.record.now()}
	gaps := 0
	for _, f := range t.followers {
		s.sequences = append(s.sequences, f.sequence())
		gaps += len(f.sequence().gaps)
	}
	t.faults = append(append(t.faults, faults...), s.check()...)
	if gaps > 0 && !t.isEtcd {
		t.fault("%d watches were told that events are gone, of %d kept", gaps, history)
	}
	if back > 0 {
		t.note("X-Etcd-Index stepped back at %d restarts", back)
	}
	if !s.whole() {
		t.note("no follower saw all events")
	}
}

// close ends all that is left.
func (t *trial) close() error {
	if t.cluster == nil {
		return nil
	}
	if t.stop != nil {
		t.stop()
		t.stopWatch()
	}
	err := t.cluster.kill()
	t.clients.Wait()
	t.watches.Wait()
	return err
}

// outages are, for each hurt, the longest times without a write.
func (t *trial) outages() string {
	byKind := make(map[string][]time.Duration)
	var order []string
	worst := time.Duration(0)
	missed := 0
	for n := range len(t.hurts) - 1 {
		h := t.hurts[n]
		anywhere, single := t.record.longestGap(h.at, t.hurts[n+1].at, h.alive)
		kind, _, _ := strings.Cut(h.what, ":")
		if byKind[kind] == nil {
			order = append(order, kind)
		}
		byKind[kind] = append(byKind[kind], anywhere)
		worst = max(worst, single)
		if h.goal > 0 && anywhere > h.goal {
			missed++
		}
	}
	var parts []string
	for _, kind := range order {
		all := slices.Sorted(slices.Values(byKind[kind]))
		parts = append(parts, fmt.Sprintf("%s median %v longest %v (%d)", kind, brief(all[(len(all)-1)/2]), brief(all[len(all)-1]), len(all)))
	}
	s := strings.Join(parts, ", ") + fmt.Sprintf("; at one member that ought to serve %v", brief(worst))
	if missed > 0 {
		s += fmt.Sprintf("; goal missed %d times", missed)
	}
	return s
}

func brief(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// figures are the result line.
func (t *trial) figures() string {
	ops, _, _ := t.record.all()
	var unclear, writes int
	for _, o := range ops {
		if o.outcome == unknown {
			unclear++
		}
		if o.outcome == done && o.kind.writes() {
			writes++
		}
	}
	s := t.record.now().Round(100 * time.Millisecond).String()
	if len(ops) > 0 {
		s = fmt.Sprintf("%d operations (%d writes done, %d unknown) in %s; elections %d", len(ops), writes, unclear, s, t.record.elections())
	}
	if len(t.hurts) > 1 {
		s += "; without a write: " + t.outages()
	}
	for _, n := range t.notes {
		s += "; " + n
	}
	return s + fmt.Sprintf("; violations %d", len(t.faults))
}
