package auth

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"
)

// keeps reports whether anything of the credentials in given is still in
// memory once it was decided about them. They are one piece of it, as those in
// a header are.
func (b *bench) keeps(given string, want error) bool {
	b.t.Helper()
	piece := []byte(given + strings.Repeat("\x00", 64))
	piece = piece[:len(given)]
	user, password, _ := strings.Cut(unsafe.String(&piece[0], len(piece)), ":")
	if err := b.ask(claim(user, password), "/a"); !errors.Is(err, want) {
		b.t.Errorf("%s: got %v, want %v", given, err, want)
	}
	kept := weak.Make(&piece[0])
	for range 100 { // a worker may still be about to forget its job
		runtime.GC()
		if kept.Value() == nil {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}

func TestNoPasswordIsKeptWithTheNameItCameWith(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enable()
		b.user("u", "secret", RootRole)
		for given, want := range map[string]error{"u:secret": nil, "u:wrong": ErrDenied, "nobody:secret": ErrDenied} {
			if b.keeps(given, want) {
				t.Errorf("%s is kept", given)
			}
		}
	})
}

// Whose name is too long is nobody, and costs no more than that.
func TestNamesThatAreTooLongAreNotLookedAt(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enable()
		runs := b.hasher.runs.Load()
		for i := range 20 {
			b.wantDenied(claim(strings.Repeat("x", maxName)+fmt.Sprint(i), "p"), "/a")
		}
		if n := b.hasher.runs.Load() - runs; n != 0 || b.checks.askers.len() != 0 || b.checks.wrongs.len() != 0 {
			t.Errorf("%d hashes, %d failures and %d passwords are remembered", n, b.checks.askers.len(), b.checks.wrongs.len())
		}
	})
}
