package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

func mixedScenarios() []scenario {
	return []scenario{{"mixed-three", false, mixed(3)}, {"mixed-five", false, mixed(5)}}
}

// mixed does one thing after the other to any members without waiting for the
// last to be over: members are down, stopped and cut off at the same time.
func mixed(members int) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		if err := t.begin(ctx, members, everyday); err != nil {
			return err
		}
		m := &mixture{trial: t, stalled: make(map[*instance]bool)}
		end := t.record.now() + time.Duration(t.rounds(10, 60))*time.Second
		for t.record.now() < end && ctx.Err() == nil {
			if err := m.step(ctx); err != nil {
				return err
			}
			pause(ctx, t.between(10*time.Millisecond, 1200*time.Millisecond))
		}
		if err := m.mend(ctx); err != nil {
			return err
		}
		return t.settle(ctx)
	}
}

// A mixture knows what is hurt now.
type mixture struct {
	*trial
	stalled map[*instance]bool
}

// step hurts something or mends it.
func (m *mixture) step(ctx context.Context) error {
	all := m.cluster.all()
	i := all[m.r.IntN(len(all))]
	switch n := m.r.IntN(10); {
	case !i.running():
		m.hurt("restart: "+i.name, 0, all...)
		return i.start(ctx)
	case m.stalled[i]:
		m.hurt("resume: "+i.name, 0, all...)
		delete(m.stalled, i)
		return i.resume()
	case n < 2:
		m.hurt("kill: "+i.name, 0, all...)
		return i.kill()
	case n < 3:
		m.hurt("stop: "+i.name, 0, all...)
		return i.stop()
	case n < 5:
		m.hurt("stall: "+i.name, 0, all...)
		m.stalled[i] = true
		return i.stall()
	case n < 8:
		return m.cutSome(all)
	}
	m.hurt("heal: all links", 0, all...)
	m.cluster.network.heal()
	return nil
}

// cutSome cuts between two groups of members, or one way between them.
func (m *mixture) cutSome(all []*instance) error {
	list := names(all)
	m.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	at := 1 + m.r.IntN(len(list)-1)
	routes, c := between(list[:at], list[at:]), m.drawCut()
	if m.r.IntN(3) == 0 {
		routes = oneWay(list[:at], list[at:])
	}
	m.hurt(fmt.Sprintf("cut: %v from %v, %v", list[:at], list[at:], c), 0, all...)
	m.cluster.network.cut(routes, c)
	return nil
}

// mend undoes all that is left.
func (m *mixture) mend(ctx context.Context) error {
	m.hurt("mend: all", 0, m.cluster.all()...)
	m.cluster.network.heal()
	for i := range m.stalled {
		if err := i.resume(); err != nil {
			return err
		}
	}
	for _, i := range slices.DeleteFunc(m.cluster.all(), (*instance).running) {
		if err := i.start(ctx); err != nil {
			return err
		}
	}
	return m.cluster.ready(ctx)
}
