package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	offRate  = ", auth off"
	userRate = " as a user"
	kept     = ", kept of it"
	offCPU   = " server CPU, auth off"
	userCPU  = " server CPU as a user"
	userP99  = " p99 as a user"
)

// authRows are the rows of the auth scenario for one kind of request.
func authRows(verb string) []row {
	return []row{
		{figure: verb + offRate, unit: "/s"},
		{figure: verb + userRate, unit: "/s"},
		{figure: verb + kept, unit: "%", digits: 1, floor: floor{oursAtLeast, 90}},
		{figure: verb + offCPU, unit: cpuUnit, digits: 2},
		{figure: verb + userCPU, unit: cpuUnit, digits: 2},
		{figure: verb + userP99, unit: "ms", digits: 2},
	}
}

// authSlices is into how many pieces each kind of load is cut. The pieces
// alternate, so that a machine which gets slower does not look like auth.
const authSlices = 5

// runAuth measures requests with auth off and as a user in turns.
func runAuth(ctx context.Context, b *bench, s *server) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, reader); err != nil {
		return nil, err
	}
	f := make(figures)
	err := b.compareAuth(ctx, s, "get", func(head string, i int) source {
		return &gets{get: s.getRequestWith(head), rnd: random(i), space: b.space}
	}, f)
	if err != nil {
		return nil, err
	}
	return f, b.compareAuth(ctx, s, "set", func(head string, i int) source {
		return &puts{put: s.putRequestWith(head), rnd: random(i), space: b.space}
	}, f)
}

// compareAuth puts one kind of load on s, with auth off and on, and adds the
// figures to f.
func (b *bench) compareAuth(ctx context.Context, s *server, verb string, newSource func(head string, i int) source, f figures) error {
	slice := *b
	slice.warmup, slice.measured = b.warmup/authSlices, b.measured/authSlices
	var off, user figures
	var shares []float64 // of the rate with auth off, slice by slice
	for range authSlices {
		one, err := slice.measure(ctx, s, b.conns, func(i int) source { return newSource("", i) })
		if err != nil {
			return err
		}
		off = off.plus(one)
		alone := one[rate]
		if err := s.enableAuth(ctx); err != nil {
			return err
		}
		if one, err = slice.measure(ctx, s, b.conns, func(i int) source { return newSource(reader.authorization(), i) }); err != nil {
			return err
		}
		user = user.plus(one)
		shares = append(shares, 100*one[rate]/alone)
		if err := s.disableAuth(ctx); err != nil {
			return err
		}
	}
	f[verb+offRate], f[verb+userRate] = off[rate]/authSlices, user[rate]/authSlices
	f[verb+offCPU], f[verb+userCPU] = off[cpu]/authSlices, user[cpu]/authSlices
	f[verb+kept] = median(shares)
	f[verb+userP99] = user[p99] / authSlices
	f[others] = max(f[others], off[others]/authSlices, user[others]/authSlices)
	return nil
}

// plus adds up figure by figure.
func (f figures) plus(g figures) figures {
	sum := make(figures)
	for name, v := range g {
		sum[name] = f[name] + v
	}
	return sum
}

func (s *server) putRequestWith(head string) *request {
	return newRequestWith(head, "PUT", s.host(), "/"+dir+"/"+keyPlace, valueSize)
}

func (s *server) getRequestWith(head string) *request {
	return newRequestWith(head, "GET", s.host(), "/"+dir+"/"+keyPlace, 0)
}

// A flood is one way to offer what is wrong.
type flood struct {
	name   string // of its figures
	offer  login
	varied string // the part of the offer that is another each time
}

// strangers is how many connections offer wrong passwords.
const strangers = 64

// attackedBy is the user whose password the strangers of flood number n guess.
func attackedBy(n int) login { return newLogin("attacked", n) }

func floods() []flood {
	return []flood{
		{name: "new passwords", offer: login{attackedBy(0).user, "guessguess"}, varied: "guessguess"},
		{name: "one password", offer: login{attackedBy(1).user, "guessguess"}},
		{name: "new users", offer: login{"somebody", "p"}, varied: "somebody"},
	}
}

const (
	aloneRate = "alone"
	aloneP99  = "alone, p99"

	floodKept     = ", kept"
	floodP99      = ", p99"
	floodMax      = ", max"
	floodRefused  = ", refused"
	floodCores    = ", server cores"
	floodFirst    = ", first answer, same address"
	floodApart    = ", first answer, other address"
	floodShut     = ", new clients refused"
	floodAttacked = ", first answer, attacked user"
)

func floodRows() []row {
	rows := []row{{figure: aloneRate, unit: "/s"}, {figure: aloneP99, unit: "ms", digits: 2}}
	for _, f := range floods() {
		rows = append(rows,
			row{figure: f.name, unit: "/s"},
			row{figure: f.name + floodKept, unit: "%", digits: 1, floor: floor{oursAtLeast, 50}},
			row{figure: f.name + floodP99, unit: "ms", digits: 2},
			row{figure: f.name + floodMax, unit: "ms", digits: 1},
			row{figure: f.name + floodRefused, unit: "/s"},
			row{figure: f.name + floodCores, unit: "", digits: 2},
			row{figure: f.name + floodFirst, unit: "ms", digits: 1},
			row{figure: f.name + floodApart, unit: "ms", digits: 1},
			row{figure: f.name + floodAttacked, unit: "ms", digits: 1},
			row{figure: f.name + floodShut, unit: "", floor: floor{oursAtMost, 0}},
		)
	}
	return rows
}

// A newcomer is a user that has not asked before, and does so once.
type newcomer struct {
	login
	from string // the address it comes from
	kind string // the figure its wait belongs to
}

// Where the strangers and the readers come from, and where nobody else does.
const (
	here      = "127.0.0.1"
	elsewhere = "127.0.0.2"
)

// newcomers are those who come during flood number n, in this order.
func newcomers(n int) (all []newcomer) {
	for i := range 3 {
		all = append(all,
			newcomer{newLogin(fmt.Sprintf("new%d-", n), i), here, floodFirst},
			newcomer{newLogin(fmt.Sprintf("apart%d-", n), i), elsewhere, floodApart})
	}
	return append(all, newcomer{attackedBy(n), here, floodAttacked})
}

// runAuthFlood measures a user's requests alone and during each flood.
func runAuthFlood(ctx context.Context, b *bench, s *server) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	users := []login{reader}
	for n := range floods() {
		for _, c := range newcomers(n) {
			users = append(users, c.login)
		}
	}
	if err := s.admit(ctx, users...); err != nil {
		return nil, err
	}
	if err := s.enableAuth(ctx); err != nil {
		return nil, err
	}
	before, err := b.measureReader(ctx, s)
	if err != nil {
		return nil, err
	}
	all := figures{aloneRate: before[rate], aloneP99: before[p99], others: before[others]}
	for n, f := range floods() {
		during, err := b.measureFlood(ctx, s, f, newcomers(n), all)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		// Held against what there was before and after it, a flood is not
		// blamed for a machine that gets slower.
		after, err := b.measureReader(ctx, s)
		if err != nil {
			return nil, err
		}
		all[f.name+floodKept] = 100 * during[rate] / ((before[rate] + after[rate]) / 2)
		all[others] = max(all[others], after[others])
		before = after
	}
	return all, nil
}

// measureReader measures the gets of a user the server knows by now.
func (b *bench) measureReader(ctx context.Context, s *server) (figures, error) {
	return b.measure(ctx, s, b.conns, func(i int) source {
		return &gets{get: s.getRequestWith(reader.authorization()), rnd: random(i), space: b.space}
	})
}

// errLeft ends the strangers' load without waiting for their answers.
var errLeft = errors.New("the strangers have left")

// measureFlood measures a user's gets while strangers offer what f says, and
// how long those who come for the first time wait for their answers. It adds
// what it finds to all.
func (b *bench) measureFlood(ctx context.Context, s *server, f flood, first []newcomer, all figures) (during figures, err error) {
	crowd, err := dialLoad(s.addrs(), 1, strangers, func(i int) source { return newStranger(s.host(), f.offer, f.varied, i) })
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	l := crowd.loops[0]
	var waits map[string][]float64
	var readers, guessers, comers error
	began := time.Now()
	used, err := costOf(s, func() error {
		crowded, leave := context.WithCancelCause(ctx)
		var guessing, coming sync.WaitGroup
		guessing.Go(func() { guessers = l.run(crowded, patience) })
		coming.Go(func() { waits, comers = s.firstAnswers(ctx, first, b.warmup/2, b.measured) })
		during, readers = b.measureReader(ctx, s)
		coming.Wait()
		leave(errLeft)
		guessing.Wait()
		if errors.Is(guessers, errLeft) {
			guessers = nil
		}
		return errors.Join(readers, guessers, comers)
	})
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(began).Seconds()
	if l.counts.refused < l.counts.answers {
		return nil, fmt.Errorf("%d of %d wrong passwords were let in", l.counts.answers-l.counts.refused, l.counts.answers)
	}
	all[f.name] = during[rate]
	all[f.name+floodP99], all[f.name+floodMax] = during[p99], during[slowest]
	all[f.name+floodRefused] = float64(l.counts.answers) / elapsed
	all[f.name+floodCores] = used.server.Seconds() / elapsed
	all[f.name+floodShut] = float64(len(waits[floodShut]))
	for _, kind := range []string{floodFirst, floodApart, floodAttacked} {
		if len(waits[kind]) > 0 {
			all[f.name+kind] = median(waits[kind])
		}
	}
	return during, nil
}

// firstAnswers has each of the newcomers ask, spread over d from a start. It
// returns how many milliseconds those of each kind waited; those who were
// refused are under floodShut.
func (s *server) firstAnswers(ctx context.Context, all []newcomer, start, d time.Duration) (map[string][]float64, error) {
	if err := sleep(ctx, start); err != nil {
		return nil, err
	}
	waits := make(map[string][]float64)
	began := time.Now()
	for i, c := range all {
		if err := sleep(ctx, time.Until(began.Add(d*time.Duration(i)/time.Duration(len(all))))); err != nil {
			return nil, err
		}
		kind := c.kind
		asked := time.Now()
		a, err := s.askFrom(ctx, c.from, c.login, http.MethodGet, keyPath(0), nil)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the first request of %s: %w", c.user, err)
		case a.status == http.StatusUnauthorized:
			kind = floodShut
		case a.status != http.StatusOK:
			return nil, fmt.Errorf("the first answer of %s has status %d: %s", c.user, a.status, a.body)
		}
		waits[kind] = append(waits[kind], milliseconds(time.Since(asked)))
	}
	return waits, nil
}
