package main

import (
	"context"
	"fmt"
	"time"

	"keytree/scripts/process"
)

func partitionScenarios() []scenario {
	return []scenario{
		{"isolate-leader", true, isolateLeader},
		{"minority", false, minority},
		{"bridge", false, bridge},
		{"one-way", false, oneWayCut},
		{"port-refuses", false, portRefuses},
		{"no-leader", false, noLeader},
	}
}

// drawCut makes up how routes are cut.
func (t *trial) drawCut() cutting {
	return cutting{reset: t.r.IntN(2) == 0, refuse: t.r.IntN(2) == 0}
}

// cutFor cuts routes for d. Afterwards the connections there were come alive
// again with all that was held back, or are reset.
func (t *trial) cutFor(ctx context.Context, what string, routes []route, d time.Duration, victims ...*instance) error {
	c := t.drawCut()
	t.hurt(fmt.Sprintf("%s: %v for %v, %v", what, names(victims), brief(d), c), 0, victims...)
	t.cluster.network.cut(routes, c)
	pause(ctx, d)
	if t.r.IntN(2) == 0 {
		t.cluster.network.reset(routes)
	}
	t.cluster.network.heal()
	t.progress("healed")
	return t.busy(ctx, t.between(300*time.Millisecond, 1500*time.Millisecond))
}

// partTime is how long a partition lasts: longer than an election.
func (t *trial) partTime() time.Duration { return t.between(2*time.Second, 4*time.Second) }

func isolateLeader(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 8) {
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if err := t.cutFor(ctx, "isolate leader", around(l.name, t.cluster.others(l)), t.partTime(), l); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// minority cuts two members of five off, with or without the leader.
func minority(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 5, everyday); err != nil {
		return err
	}
	for n := range t.rounds(2, 6) {
		f, l, err := t.cluster.followers(ctx, t.r)
		if err != nil {
			return err
		}
		cut := []*instance{l, f[0]}
		if n%2 == 1 {
			cut = f[:2]
		}
		if err := t.cutFor(ctx, "minority", between(names(cut), t.cluster.others(cut...)), t.partTime(), cut...); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// bridge cuts a cluster into two halves that only one member can reach both
// of.
func bridge(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 5, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 6) {
		all := t.cluster.all()
		t.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		left, right := all[:2], all[3:]
		if err := t.cutFor(ctx, "bridge", between(names(left), names(right)), t.partTime(), all...); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// oneWayCut lets bytes pass in one direction only: from the leader to the
// others, or to the leader, or between two followers.
func oneWayCut(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(1, 3) {
		for way := range 3 {
			f, l, err := t.cluster.followers(ctx, t.r)
			if err != nil {
				return err
			}
			leader, others, victim := []string{l.name}, names(f), l
			what, routes := "leader not heard", oneWay(leader, others)
			switch way {
			case 1:
				what, routes = "leader hears nothing", oneWay(others, leader)
			case 2:
				what, routes, victim = "leader not heard by one", oneWay(leader, others[:1]), f[0]
			}
			if err := t.cutFor(ctx, what, routes, t.partTime(), victim); err != nil {
				return err
			}
		}
	}
	return t.settle(ctx)
}

// portRefuses makes the leader look as if its process were gone: what others
// dialed breaks and its port refuses, but it lives and reaches them.
func portRefuses(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(3, 10) {
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		d := t.between(20*time.Millisecond, 2*time.Second)
		t.hurt(fmt.Sprintf("port refuses: %s for %v", l.name, brief(d)), 0, l)
		l.relay.close()
		pause(ctx, d)
		if err := l.relay.open(ctx); err != nil {
			return err
		}
		if err := t.busy(ctx, t.between(300*time.Millisecond, 1500*time.Millisecond)); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// refusalTime is how long a member without a leader may take to say so: five
// seconds and two elections, and what a busy machine takes.
const refusalTime = 10 * time.Second

// noLeader isolates all members from each other and asks each of them: writes
// and quorum reads fail in time, plain reads are answered.
func noLeader(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	all := names(t.cluster.all())
	t.hurt("no leader: everybody alone", 0, t.cluster.all()...)
	t.cluster.network.cut(between(all, all), t.drawCut())
	pause(ctx, 2500*time.Millisecond) // a leader knows after two elections
	answers, asked := make(chan string), 0
	for _, i := range t.cluster.all() {
		for _, k := range []kind{set, read, glance} {
			t.users++
			c := newClient(t.users, i, t.record, t.seed, &t.round)
			go func() { answers <- c.askAlone(ctx, k) }()
			asked++
		}
	}
	for range asked {
		if f := <-answers; f != "" {
			t.fault("%s", f)
		}
	}
	for _, i := range t.cluster.all() {
		if a, err := ask(ctx, i, process.Request{Method: "GET", Target: "/health"}); err != nil || a.Status != 503 {
			t.fault("/health of %s without a leader: %v, %v", i.name, a, err)
		}
	}
	t.cluster.network.heal()
	return t.settle(ctx)
}

// askAlone asks a member without a leader and returns what is wrong with the
// answer.
func (c *client) askAlone(ctx context.Context, k kind) string {
	defer c.conn.Close()
	o := op{kind: k, key: "/alone", value: c.value()}
	want, code, patience := 500, 300, refusalTime
	if !k.writes() {
		o.value = ""
	}
	if k == glance {
		want, code, patience = 404, codeNotFound, time.Second
	}
	o = c.do(ctx, o, 2*refusalTime)
	if took := o.ret - o.call; o.status != want || o.code != code || took > patience {
		return fmt.Sprintf("without a leader: {%v} is answered after %v with %d, code %d; want %d, code %d, within %v", o, brief(took), o.status, o.code, want, code, patience)
	}
	return ""
}
