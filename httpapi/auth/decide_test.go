package auth

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// naive decides as the rules are written down, in the slowest way.
func naive(patterns []string, key string, recursive bool) bool {
	for _, p := range patterns {
		runes := []byte(p)
		if len(runes) == 0 {
			continue
		}
		open := runes[len(runes)-1] == '*'
		switch {
		case open && len(key) >= len(p)-1 && key[:len(p)-1] == p[:len(p)-1]:
			return true
		case !open && !recursive && key == p:
			return true
		}
	}
	return false
}

func TestDecisionsAreThoseOfTheNaiveModel(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		keys := []string{"", "/", "/a", "/a/", "/a/b", "/a/b/", "/ap", "/app", "/app/", "/app/x", "/_h", "*", "/a*", "/*"}
		patterns := []string{"", "*", "/*", "/", "/a", "/a/", "/a/*", "/ap*", "/a/b", "/app/x*", "/app/*", "**", "/*/b", "/_h"}
		pick := func() (list []string) {
			for range random.IntN(4) {
				list = append(list, patterns[random.IntN(len(patterns))])
			}
			return list
		}
		b.enable()
		for round := range 40 {
			grants := map[string]Patterns{}
			for _, name := range []string{"r1", "r2", "r3", GuestRole} {
				grants[name] = Patterns{pick(), pick()}
				b.record(rolesPath.Child(name), encode(t, Role{Name: name, Permissions: Permissions{grants[name]}}))
			}
			held := [][]string{{}, {"r1"}, {"r1", "r2"}, {"none", "r3", ""}, {"r2", "a/b", ".."}}[random.IntN(5)]
			b.record(usersPath.Child("u"), encode(t, User{Name: "u", Password: "stub:p", Roles: held}))
			for _, key := range keys {
				for i := range 4 {
					w := Wish{Key: key, Write: i&1 != 0, Recursive: i&2 != 0}
					want := false
					for _, r := range held {
						g := grants[r]
						want = want || naive(map[bool][]string{false: g.Read, true: g.Write}[w.Write], key, w.Recursive)
					}
					b.compare(seed, fmt.Sprint(round, held, grants), claim("u", "p"), w, want)
					g := grants[GuestRole]
					b.compare(seed, fmt.Sprint(round, "guest", g), guest, w, naive(map[bool][]string{false: g.Read, true: g.Write}[w.Write], key, false))
					b.compare(seed, "root", claim(RootUser, "rootpw"), w, true)
				}
			}
		}
	})
}

func (b *bench) compare(seed uint64, who string, c *Claim, w Wish, want bool) {
	b.t.Helper()
	_, err := b.Allow(b.t.Context(), c, w)
	if err != nil && !errors.Is(err, ErrDenied) || (err == nil) != want {
		b.t.Fatalf("seed %d: %s: %+v: got %v, want %t", seed, who, w, err, want)
	}
}

// The empty pattern would cover the empty key, which is the root directory.
func TestTheEmptyPatternCoversNothing(t *testing.T) {
	for _, key := range []string{"", "/", "/a"} {
		if covers("", key) || coversAll("", key) {
			t.Errorf("it covers %q", key)
		}
	}
}

func TestWhoIsNotProvenIsNobody(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.user("u", "p")
		b.enable()
		b.wantAllowed(guest, "/a")
		for what, c := range map[string]*Claim{
			"a wrong password": claim("u", "q"),
			"no password":      claim("u", ""),
			"an unknown user":  claim("nobody", "p"),
			"an empty name":    claim("", ""),
			"a path":           claim("../users/u", "p"),
			"no roles":         claim("u", "p"), // guests may, but this is no guest
		} {
			if err := b.ask(c, "/a"); !errors.Is(err, ErrDenied) {
				t.Errorf("%s: got %v", what, err)
			}
		}
		before := b.hasher.runs.Load()
		b.wantDenied(&Claim{Given: true, Password: "not readable"}, "/a")
		if b.hasher.runs.Load() != before {
			t.Error("bcrypt ran for something malformed")
		}
	})
}

func TestSomethingIsAllowedToWhoHasAnyRight(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.role("reads", []string{"/a"}, nil)
		b.role("writes", nil, []string{"/a"})
		b.role("nothing", nil, nil)
		b.user("idle", "p")
		b.user("void", "p", "nothing", "none")
		b.user("reader", "p", "nothing", "reads")
		b.user("writer", "p", "writes")
		want := func(c *Claim, name string, want error) {
			t.Helper()
			if got, err := b.AllowSomething(t.Context(), c); !errors.Is(err, want) || got != name {
				t.Errorf("%+v: got %q, %v, want %v", c, got, err, want)
			}
		}
		want(claim("reader", "wrong"), "", nil) // auth is off
		b.enable()
		want(guest, "", nil)
		for name, allowed := range map[string]error{RootUser: nil, "reader": nil, "writer": nil, "idle": ErrDenied, "void": ErrDenied, "unknown": ErrDenied} {
			password := "p"
			if name == RootUser {
				password = "rootpw"
			}
			want(claim(name, password), name, allowed)
			want(claim(name, "wrong"), name, ErrDenied)
		}
		if err := b.DeleteRole(t.Context(), "", GuestRole); err != nil {
			t.Fatal(err)
		}
		want(guest, "", ErrDenied)
		want(&Claim{Certificate: "reader"}, "reader", nil)
		b.role(GuestRole, nil, nil)
		want(guest, "", ErrDenied)
	})
}

func TestACertificateCountsWhenNobodyIsNamed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.user("u", "p", "r")
		b.role("r", []string{"/a"}, nil)
		b.enable()
		if err := b.DeleteRole(t.Context(), "", GuestRole); err != nil {
			t.Fatal(err)
		}
		b.wantAllowed(&Claim{Certificate: "u"}, "/a")
		b.wantDenied(&Claim{Certificate: "u"}, "/b")
		b.wantDenied(&Claim{Certificate: "unknown"}, "/a")
		both := claim("u", "q")
		both.Certificate = RootUser
		b.wantDenied(both, "/a")
		for name, want := range map[string]error{RootUser: nil, "u": ErrDenied, "unknown": ErrDenied, "": ErrDenied} {
			if _, err := b.AllowRoot(t.Context(), &Claim{Certificate: name}); !errors.Is(err, want) {
				t.Errorf("%q as root: got %v", name, err)
			}
		}
		b.role(GuestRole, []string{"/g"}, nil)
		b.wantAllowed(&Claim{Certificate: "unknown"}, "/g")
	})
}

func TestChangesCountAtOnce(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		ctx, u := t.Context(), claim("u", "p")
		b.role("r", []string{"/a"}, nil)
		b.user("u", "p", "r")
		b.wantAllowed(claim("u", "wrong"), "/b") // auth is off
		b.enable()
		b.wantAllowed(u, "/a")
		b.wantDenied(u, "/b")

		if _, _, err := b.PutUser(ctx, "", User{Name: "u", Password: "new"}); err != nil {
			t.Fatal(err)
		}
		b.wantDenied(u, "/a")
		u = claim("u", "new")
		b.wantAllowed(u, "/a")

		if _, err := b.ChangeRole(ctx, "", Role{Name: "r", Revoke: &Permissions{Patterns{Read: []string{"/a"}}}}); err != nil {
			t.Fatal(err)
		}
		b.wantDenied(u, "/a")
		if _, _, err := b.PutUser(ctx, "", User{Name: "u", Grant: []string{RootRole}}); err != nil {
			t.Fatal(err)
		}
		b.wantAllowed(u, "/a")
		if err := b.DeleteUser(ctx, "", "u"); err != nil {
			t.Fatal(err)
		}
		b.wantDenied(u, "/a")
		if err := b.Disable(ctx, ""); err != nil {
			t.Fatal(err)
		}
		b.wantAllowed(u, "/a")
		if strings.Contains(b.log.String(), "stub:") {
			t.Errorf("a hash is in the log: %s", b.log)
		}
	})
}

// A password that was right is remembered, and nevertheless of no use after
// the user was made anew.
func TestARememberedPasswordEndsWithItsRecord(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.user("u", "p", RootRole)
		b.enable()
		b.wantAllowed(claim("u", "p"), "/a")
		if err := b.DeleteUser(t.Context(), "", "u"); err != nil {
			t.Fatal(err)
		}
		b.user("u", "other", RootRole)
		b.wantDenied(claim("u", "p"), "/a")
		if known, found := b.checks.rights.get("u"); found {
			t.Errorf("it is still remembered: %+v", known)
		}
	})
}

// A password that is being looked at while its user goes is of no use.
func TestAChangeCountsForWhoIsWaitingToo(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.user("u", "p", RootRole)
		b.enable()
		b.hasher.slow = true
		answer := make(chan error)
		go func() { answer <- b.ask(claim("u", "p"), "/a") }()
		time.Sleep(hashTime / 2)
		if err := b.DeleteUser(t.Context(), "", "u"); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; !errors.Is(err, ErrDenied) {
			t.Errorf("got %v", err)
		}
	})
}
