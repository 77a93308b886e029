package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"keytree/scripts/process"
)

// A laboratory damages copies of data directories, one copy after the other.
// All members go back to the same moment each time: a single one must not
// forget what it has told the others since.
type laboratory struct {
	specimen
	dir     string
	cluster *cluster
	record  *record
	r       *rand.Rand
	victim  *instance

	agreed listing           // what was acknowledged
	final  map[string]node   // the same
	ever   map[string]string // value -> key, of all values there ever were
}

// kept is where the good copy of a member's directory is.
func (l *laboratory) kept(i *instance) string { return filepath.Join(l.dir, "kept", i.name) }

// collect has the members write, end, write more, and end, and keeps copies of
// what they leave behind.
func (l *laboratory) collect(ctx context.Context) error {
	for n := range 2 {
		if err := l.cluster.start(ctx); err != nil {
			return err
		}
		if err := l.write(ctx, n); err != nil {
			return err
		}
		var err error
		if l.agreed, err = l.cluster.agree(ctx, l.record.highest()); err != nil {
			return err
		}
		end := (*instance).stop
		if l.killed && n > 0 {
			end = (*instance).kill
		}
		for _, i := range l.cluster.all() {
			if err := end(i); err != nil {
				return err
			}
		}
	}
	for _, i := range l.cluster.all() {
		if err := os.CopyFS(l.kept(i), os.DirFS(i.config.Dir)); err != nil {
			return err
		}
	}
	var err error
	l.final, err = l.agreed.nodes()
	return err
}

// write writes keys, some of them twice, and removes some.
func (l *laboratory) write(ctx context.Context, n int) error {
	var round atomic.Int64
	w := newClient(n+1, l.cluster.all()[0], l.record, 0, &round)
	defer w.conn.Close()
	for k := range 300 {
		key := func(k int) string { return fmt.Sprintf("/d%d/k%d", k%7, k*(n+1)%200) }
		o := op{kind: set, key: key(k), value: w.value() + strings.Repeat("v", k)}
		if k%10 == 9 {
			o = op{kind: remove, key: key(k - 1)}
		}
		if got := w.do(ctx, o, 10*time.Second); got.outcome != done {
			return fmt.Errorf("not done: {%v}", got)
		}
		if o.value != "" {
			l.ever[o.value] = o.key
		}
	}
	return nil
}

// try damages a copy, starts it and says what became of it.
func (l *laboratory) try(ctx context.Context, d damage) verdict {
	v := verdict{damage: d}
	err := l.restore()
	if err == nil {
		err = d.apply(l.victim.config.Dir)
	}
	if err == nil {
		err = l.judge(ctx, &v)
	}
	for _, i := range l.cluster.all() {
		err = errors.Join(err, i.kill())
	}
	if err != nil {
		v.fault = err.Error()
	}
	return v
}

// restore gives all members the directories they had.
func (l *laboratory) restore() error {
	for _, i := range l.cluster.all() {
		if err := i.wipe(); err != nil {
			return err
		}
		if err := os.CopyFS(i.config.Dir, os.DirFS(l.kept(i))); err != nil {
			return err
		}
	}
	return nil
}

// judge starts all members and looks at the damaged one: it refuses, clearly,
// or it has everything and takes part.
func (l *laboratory) judge(ctx context.Context, v *verdict) error {
	for _, i := range l.cluster.all() {
		if err := i.start(ctx); err != nil {
			return err
		}
	}
	limit, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	for {
		if limit.Err() != nil {
			return fmt.Errorf("neither refuses nor serves after %v, says:\n%s", readyTime, indent(lastOf(l.victim.output(), 12)))
		}
		if !l.victim.running() {
			return l.judgeRefusal(ctx, v)
		}
		if err := l.glance(limit); err != nil {
			return err
		}
		serving, enough := context.WithTimeout(limit, 100*time.Millisecond)
		err := l.victim.ready(serving)
		enough()
		if err == nil {
			return l.judgeService(ctx, v)
		}
	}
}

// judgeRefusal looks at how a member ended, and whether the others go on.
func (l *laboratory) judgeRefusal(ctx context.Context, v *verdict) error {
	why, err := l.victim.refusal()
	if err != nil {
		return err
	}
	v.refused, v.said = true, why
	if l.members == 1 {
		return nil
	}
	if err := l.cluster.ready(ctx); err != nil {
		return fmt.Errorf("the others: %w", err)
	}
	return l.compare(ctx, l.cluster.agree)
}

// judgeService looks whether a member that serves has everything and takes
// writes. It may still refuse when it comes to read what is damaged.
func (l *laboratory) judgeService(ctx context.Context, v *verdict) error {
	agree := l.cluster.agree
	if l.members == 1 {
		agree = l.alone
	}
	err := l.compare(ctx, agree)
	if err == nil {
		err = l.takesWrites(ctx)
	}
	if err != nil && !errors.Is(err, errLost) {
		if _, late := l.victim.ended(ctx, time.Second); late == nil {
			return l.judgeRefusal(ctx, v)
		}
	}
	return err
}

func (l *laboratory) takesWrites(ctx context.Context) error {
	a, err := ask(ctx, l.victim, process.Request{Method: "PUT", Target: "/v2/keys/after", Header: process.Form(), Body: []byte("value=x")})
	if err != nil {
		return fmt.Errorf("it does not take writes: %w", err)
	}
	if a.Status != 201 {
		return fmt.Errorf("it does not take writes: status %d: %s", a.Status, a.Body)
	}
	return nil
}

// errLost says that something acknowledged is not there.
var errLost = errors.New("lost")

// alone is the tree of a single member, which must be whole at once.
func (l *laboratory) alone(ctx context.Context, least uint64) (listing, error) {
	seen, err := list(ctx, l.victim)
	if err == nil && seen.index < least {
		err = fmt.Errorf("%w: it stands at index %d, index %d was acknowledged", errLost, seen.index, least)
	}
	return seen, err
}

// compare holds the tree that the running members agree on against what was
// acknowledged.
func (l *laboratory) compare(ctx context.Context, agree func(context.Context, uint64) (listing, error)) error {
	agreed, err := agree(ctx, l.agreed.index)
	if err != nil {
		return err
	}
	nodes, err := agreed.nodes()
	if err != nil {
		return err
	}
	for key, want := range l.final {
		if nodes[key] != want {
			return fmt.Errorf("%w: %s was %.60v, is %.60v", errLost, key, want, nodes[key])
		}
		delete(nodes, key)
	}
	for key, n := range nodes {
		return fmt.Errorf("%w: the removal of %s, which is %.60v", errLost, key, n)
	}
	return nil
}

// glance looks at what the damaged member shows while it starts: it may be
// old, but never something that nobody wrote.
func (l *laboratory) glance(ctx context.Context) error {
	seen, err := list(ctx, l.victim)
	if err != nil {
		return nil // it does not serve yet
	}
	nodes, err := seen.nodes()
	if err != nil {
		return err
	}
	for key, n := range nodes {
		if l.ever[n.value] != key {
			return fmt.Errorf("WRONG: shows %s as %.60v", key, n)
		}
	}
	return nil
}
