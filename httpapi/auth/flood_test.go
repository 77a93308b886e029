package auth

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flood offers wrong passwords, n at a time, until it is stopped: each one
// another, as name says for whom.
func flood(t *testing.T, c *checks, n int, from string, name func(i, attempt int) check) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for attempt := 0; ctx.Err() == nil; attempt++ {
				q := name(i, attempt)
				q.from = from
				if right, err := c.verify(ctx, q); right || err != nil && ctx.Err() == nil {
					t.Errorf("%+v: got %t, %v", q, right, err)
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// floods are ways to offer wrong passwords.
var floods = map[string]func(i, attempt int) check{
	"of an existing user": func(i, n int) check { return known("u", fmt.Sprint(i, n), "") },
	"of unknown users":    func(i, n int) check { return check{user: fmt.Sprint(i, n), password: "p"} },
	"always the same":     func(i, n int) check { return known("u", fmt.Sprint(i), "") },
	"of many users":       func(i, n int) check { return known(fmt.Sprint("u", (i*7+n)%100), fmt.Sprint(i, n), "") },
}

func flooded(t *testing.T, test func(t *testing.T, c *checks, h *stub)) {
	t.Helper()
	t.Parallel()
	for name, question := range floods {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, c *checks, h *stub) {
				mustVerify(t, c, known("regular", "right", "good"), true, hashTime)
				stop := flood(t, c, 64, "bad:1", question)
				defer stop()
				time.Sleep(20 * time.Second)
				test(t, c, h)
			})
		})
	}
}

func TestWhoIsRememberedDoesNotNoticeAFlood(t *testing.T) {
	flooded(t, func(t *testing.T, c *checks, h *stub) {
		for range 100 {
			mustVerify(t, c, known("regular", "right", "good"), true, 0)
			mustVerify(t, c, known("regular", "right", "bad"), true, 0)
			time.Sleep(7 * time.Millisecond)
		}
	})
}

// Whoever comes in the middle of a flood waits for what is under way, at
// another address and even at the same.
func TestWhoIsRightGetsATurnInAFlood(t *testing.T) {
	flooded(t, func(t *testing.T, c *checks, h *stub) {
		for i := range 20 {
			for from, most := range map[string]time.Duration{fmt.Sprint("good", i): 2 * hashTime, "bad": 12 * hashTime} {
				start := time.Now()
				right, err := c.verify(t.Context(), known(fmt.Sprint("new", from, i), "right", from))
				if took := time.Since(start); !right || err != nil || took > most {
					t.Errorf("from %s: %t, %v after %v, want at most %v", from, right, err, took, most)
				}
				time.Sleep(13 * time.Millisecond)
			}
		}
	})
}

// So does the user whose password is being guessed.
func TestTheUserWhosePasswordIsGuessedGetsIn(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		stop := flood(t, c, 64, "bad:1", floods["of an existing user"])
		defer stop()
		time.Sleep(20 * time.Second)
		start := time.Now()
		right, err := c.verify(t.Context(), known("u", "right", "bad"))
		if took := time.Since(start); !right || err != nil || took > 12*hashTime {
			t.Errorf("got %t, %v after %v", right, err, took)
		}
	})
}

func TestAFloodGetsAThirdOfAWorkerAtMost(t *testing.T) {
	flooded(t, func(t *testing.T, c *checks, h *stub) {
		before := h.runs.Load()
		time.Sleep(12 * time.Second)
		if n, most := h.runs.Load()-before, int64(12*time.Second/hashTime/3)+1; n > most {
			t.Errorf("%d hashes in 12s, want at most %d", n, most)
		}
	})
}

// All of a flood's first passwords are in line before the first of them is
// found to be wrong.
func TestAFloodThatBeginsIsSlowedDownSoon(t *testing.T) {
	checking(t, func(t *testing.T, c *checks, h *stub) {
		stop := flood(t, c, 64, "bad:1", floods["of unknown users"])
		defer stop()
		synctest.Wait()
		start := time.Now()
		right, err := c.verify(t.Context(), known("new", "right", "good"))
		if took := time.Since(start); !right || err != nil || took > (excusable+2)*hashTime {
			t.Errorf("got %t, %v after %v", right, err, took)
		}
	})
}

func TestNewPasswordsAreHashedInAFlood(t *testing.T) {
	flooded(t, func(t *testing.T, c *checks, h *stub) {
		for range 20 {
			start := time.Now()
			if _, err := c.hash(t.Context(), "new"); err != nil || time.Since(start) > 2*hashTime {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		}
	})
}
