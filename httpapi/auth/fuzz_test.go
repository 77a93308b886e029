package auth

import (
	"log/slog"
	"testing"
)

func FuzzAPatternCoversWhatTheNaiveModelSays(f *testing.F) {
	for _, seed := range [][2]string{{"", ""}, {"*", ""}, {"/*", "/"}, {"/a", "/a/"}, {"/a*", "/ab"}, {"**", "*"}, {"\xff*", "\xff\x00"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		for _, recursive := range []bool{false, true} {
			p := Patterns{Read: []string{"/never", pattern}}
			if got, want := p.allow(key, false, recursive), naive(p.Read, key, recursive); got != want {
				t.Errorf("%q covers %q, recursive %t: got %t", pattern, key, recursive, got)
			}
		}
	})
}

func FuzzDigestsOfDifferentQuestionsDiffer(f *testing.F) {
	c := newChecks(&stub{}, 1, slog.New(slog.DiscardHandler))
	f.Add("u", "h", "p", "uh", "", "p")
	f.Fuzz(func(t *testing.T, u1, h1, p1, u2, h2, p2 string) {
		a, b := check{user: u1, hash: h1, password: p1}, check{user: u2, hash: h2, password: p2}
		same := u1 == u2 && h1 == h2 && cut(p1) == cut(p2)
		if (c.digest(&a) == c.digest(&b)) != same {
			t.Errorf("%q and %q", []string{u1, h1, p1}, []string{u2, h2, p2})
		}
	})
}
