package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keytree/store"
)

// checking runs test with checks that take hashTime each, one at a time.
func checking(t *testing.T, test func(t *testing.T, c *checks, h *stub)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &stub{slow: true}
		c := newChecks(h, 1, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { c.line.run(ctx); close(ended) }()
		t.Cleanup(func() { stop(); <-ended })
		c.decoy()
		time.Sleep(time.Second)
		h.runs.Store(0)
		test(t, c, h)
	})
}

// known is the question about a user whose password is "right".
func known(user, password, from string) check {
	return check{user: user, hash: "stub:right", password: password, from: from + ":1"}
}

// mustVerify fails the test unless the answer is want, after took.
func mustVerify(t *testing.T, c *checks, q check, want bool, took time.Duration) {
	t.Helper()
	start := time.Now()
	right, err := c.verify(t.Context(), q)
	if err != nil || right != want || time.Since(start) != took {
		t.Errorf("%s with %q: got %t, %v after %v, want %t after %v", q.user, q.password, right, err, time.Since(start), want, took)
	}
}

func TestAnAnswerIsRemembered(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		mustVerify(t, c, known("u", "right", "a"), true, hashTime)
		for range 3 {
			mustVerify(t, c, known("u", "right", "b"), true, 0)
		}
		mustVerify(t, c, known("u", "wrong", "a"), false, hashTime)
		for range 3 {
			mustVerify(t, c, known("u", "wrong", "b"), false, wrongPause)
		}
		mustVerify(t, c, known("u", "right", "a"), true, 0)
		if n := h.runs.Load(); n != 2 {
			t.Errorf("%d hashes", n)
		}
	})
}

func TestOnlyTheSameUserHashAndPasswordAreTheSame(t *testing.T) {
	c := newChecks(&stub{}, 1, slog.New(slog.DiscardHandler))
	seen := map[digest]check{}
	for _, q := range []check{
		{user: "u", hash: "h", password: "p"}, {user: "uh", hash: "", password: "p"}, {user: "", hash: "uh", password: "p"},
		{user: "u", hash: "", password: "hp"}, {user: "u", hash: "hp", password: ""}, {user: "", hash: "", password: "uhp"},
		{user: "u", hash: "h", password: "P"}, {user: "u", hash: "H", password: "p"}, {user: "U", hash: "h", password: "p"},
	} {
		d := c.digest(&q)
		if other, found := seen[d]; found {
			t.Errorf("%+v is %+v", q, other)
		}
		seen[d] = q
	}
	if q := (check{user: "u", hash: "h", password: "p"}); c.digest(&q) == newChecks(&stub{}, 1, slog.New(slog.DiscardHandler)).digest(&q) {
		t.Error("another process has the same digests")
	}
}

// Who does not exist cannot be told from who has another password, not by
// time either.
func TestAnUnknownUserTakesAsLong(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		unknown := check{user: "nobody", password: "p", from: "b:1"}
		mustVerify(t, c, known("u", "wrong", "a"), false, hashTime)
		mustVerify(t, c, unknown, false, hashTime)
		mustVerify(t, c, known("u", "wrong", "a"), false, wrongPause)
		mustVerify(t, c, unknown, false, wrongPause)
		if n := h.runs.Load(); n != 2 {
			t.Errorf("%d hashes", n)
		}
	})
}

// Not even the first one in the life of a process.
func TestTheFirstUnknownUserTakesAsLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := map[string]time.Duration{}
		for what, hash := range map[string]string{"wrong": "stub:right", "unknown": ""} {
			c := newChecks(&stub{slow: true}, 1, slog.New(slog.DiscardHandler))
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { c.line.run(ctx); close(ended) }()
			start := time.Now()
			if right, err := c.verify(t.Context(), check{user: "u", hash: hash, password: "p"}); right || err != nil {
				t.Errorf("%s: got %t, %v", what, right, err)
			}
			took[what] = time.Since(start)
			stop()
			<-ended
		}
		if took["wrong"] != took["unknown"] {
			t.Errorf("they take %v", took)
		}
	})
}

func TestOneQuestionAskedByManyIsOneHash(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		var all sync.WaitGroup
		for n, user := range []string{"u", "v"} {
			for i := range 50 {
				all.Go(func() { mustVerify(t, c, known(user, "right", fmt.Sprint(i)), true, time.Duration(n+1)*hashTime) })
			}
			synctest.Wait()
		}
		all.Wait()
		if n := h.runs.Load(); n != 2 {
			t.Errorf("%d hashes", n)
		}
	})
}

// A flood pushes nothing out but its own.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		h.slow = false
		mustVerify(t, c, known("u", "right", "good"), true, 0)
		for i := range 3 * mostSources {
			c.match(&check{user: "u", hash: "stub:right", password: fmt.Sprint(i)}, c.digest(&check{password: fmt.Sprint(i)}))
			c.noteFailure(asker{fmt.Sprint(i), fmt.Sprint(i)})
		}
		h.runs.Store(0)
		mustVerify(t, c, known("u", "right", "good"), true, 0)
		if n := h.runs.Load(); n != 0 {
			t.Error("the right password was forgotten")
		}
		for i := range 2 * mostRight {
			q := check{user: fmt.Sprint(i), hash: "stub:right", password: "right"}
			c.match(&q, c.digest(&q))
		}
		for what, sizes := range map[string][2]int{
			"right": {c.rights.len(), mostRight}, "wrong": {c.wrongs.len(), mostWrong},
			"failures": {c.askers.len(), mostFailures}, "sources": {c.sources.len(), mostSources},
		} {
			if sizes[0] > sizes[1] || sizes[0] < sizes[1]/2 {
				t.Errorf("%s: %d remembered, want at most %d", what, sizes[0], sizes[1])
			}
		}
	})
}

func TestFailuresAreForgivenAfterAWhile(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		for i := range excusable {
			mustVerify(t, c, known("u", fmt.Sprint("wrong", i), "a"), false, hashTime)
			time.Sleep(rest * hashTime)
		}
		for user, want := range map[string]bool{"u": true, "v": true} {
			if got := c.failedLately(asker{user, source("a:1")}); got != want {
				t.Errorf("%s at once: %t", user, got)
			}
		}
		mustVerify(t, c, known("u", "right", "a"), true, hashTime)
		if _, found := c.askers.get(asker{"u", source("a:1")}); found {
			t.Error("who is right is still held to have been wrong")
		}
		mustVerify(t, c, known("u", "wrong again", "a"), false, (rest+1)*hashTime)
		time.Sleep(penance)
		if c.failedLately(asker{"u", source("a:1")}) || c.failedLately(asker{"v", source("a:1")}) {
			t.Error("they are held against them for ever")
		}
	})
}

// Who comes just before one of those comes back who are always wrong is never
// the newest.
func TestTheNewestButOneHasTurnsToo(t *testing.T) {
	l := newLine(1)
	join := func() *job {
		j, err := l.join(digest{}, slow, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	for range 10 {
		join()
	}
	ours := join()
	for range 4 {
		join() // somebody comes back
		if l.takeNew() == ours {
			return
		}
	}
	t.Error("it has no turn")
}

func TestALongLineTurnsItsOldestAway(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		for i := range excusable {
			c.noteFailure(asker{fmt.Sprint(i), "bad:1"})
		}
		var mu sync.Mutex
		var denied []int
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range mostSlow + 10 {
			all.Go(func() {
				right, err := c.verify(ctx, known("u", fmt.Sprint(i), "bad"))
				if ctx.Err() == nil && (right || err != nil) {
					t.Errorf("got %t, %v", right, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ctx.Err() == nil {
					denied = append(denied, i)
				}
			})
			synctest.Wait()
		}
		if n := c.line.length(); n != mostSlow {
			t.Errorf("%d wait, want %d", n, mostSlow)
		}
		time.Sleep(wrongPause)
		synctest.Wait()
		for _, i := range denied {
			if i > 12 && i < mostSlow-2 {
				t.Errorf("of all %d was turned away", i)
			}
		}
		if len(denied) < 9 {
			t.Errorf("turned away: %v", denied)
		}
		cancel()
		all.Wait()
	})
}

func TestALineThatIsFullSaysSo(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range mostFast + 1 {
			all.Go(func() { _, _ = c.verify(ctx, known("u", fmt.Sprint(i), fmt.Sprint(i))) })
		}
		for i := range mostHashes + 1 {
			all.Go(func() { _, _ = c.hash(ctx, fmt.Sprint(i)) })
		}
		synctest.Wait()
		if _, err := c.verify(t.Context(), known("u", "right", "other")); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		if _, err := c.hash(t.Context(), "new"); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		cancel()
		all.Wait()
		if n := c.line.length(); n != 0 {
			t.Errorf("%d wait and have gone", n)
		}
	})
}

func TestNobodyWaitsForEver(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 500 {
			all.Go(func() { _, _ = c.verify(ctx, known("u", fmt.Sprint(i), fmt.Sprint(i))) })
		}
		synctest.Wait()
		start := time.Now()
		_, err := c.verify(t.Context(), known("u", "right", "other"))
		if !errors.Is(err, ErrBusy) || time.Since(start) != patience {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		cancel()
		all.Wait()
	})
}

func TestWhoLeavesIsNotWorkedFor(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if _, err := c.verify(ctx, known("u", fmt.Sprint(i), fmt.Sprint(i))); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		time.Sleep(time.Minute)
		if n := h.runs.Load(); n != 1 {
			t.Errorf("%d hashes, want the one that was under way", n)
		}
	})
}

// Nor is who leaves when the turn is near; who asks the same after that is
// answered all the same.
func TestWhoLeavesInTheLastMomentIsNotWorkedFor(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		for i := range excusable {
			c.noteFailure(asker{fmt.Sprint(i), "bad:1"})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { mustVerify(t, c, known("u", "wrong", "bad"), false, hashTime) })
			synctest.Wait()
		}
		all.Go(func() { _, _ = c.verify(ctx, known("u", "left", "bad")) })
		time.Sleep(2 * hashTime) // the second one is chosen and rests
		cancel()
		all.Wait()
		time.Sleep(time.Second)
		if n := h.runs.Load(); n != 1 {
			t.Errorf("%d hashes", n)
		}
		if right, err := c.verify(t.Context(), known("u", "right", "bad")); !right || err != nil {
			t.Errorf("got %t, %v", right, err)
		}
	})
}

func TestTheEndTellsAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecks(&stub{slow: true}, 1, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.line.run(ctx); close(ended) }()
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				_, err := c.verify(t.Context(), known("u", fmt.Sprint(i), "a"))
				var refusal *store.Error
				if err != nil && !errors.As(err, &refusal) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		stop()
		<-ended
		all.Wait()
		if _, err := c.hash(t.Context(), "p"); !errors.Is(err, errStopped) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestSourcesAreHostsOrNetworks(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::", "[fe80::1%eth0]:80": "fe80::",
		"@": "@", "": "", "nonsense:1": "nonsense:1",
	} {
		if got := source(from); got != want {
			t.Errorf("%q: got %q, want %q", from, got, want)
		}
	}
}
