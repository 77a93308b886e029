package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"keytree/httpapi/apitest"
)

// clustered runs test with the Authorities of a cluster of three.
func clustered(t *testing.T, test func(t *testing.T, b []*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all []*bench
		for _, m := range apitest.Open(t, 3, nil).Members {
			all = append(all, open(t, m.Replica))
		}
		test(t, all)
	})
}

// settle waits until all members have applied what was answered.
func settle(t *testing.T, all []*bench) {
	t.Helper()
	for _, b := range all {
		if err := b.tree.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// etcd reads a record, changes it and writes it back, so that of two changes
// at a time one is lost.
func TestGrantsOnSeveralMembersAtATimeLoseNothing(t *testing.T) {
	clustered(t, func(t *testing.T, all []*bench) {
		const each = 12
		all[0].user("u", "p")
		all[0].role("r", nil, nil)
		var want []string
		var work sync.WaitGroup
		for m, b := range all {
			for i := range each {
				name := fmt.Sprintf("/%d-%02d", m, i)
				want = append(want, name)
				work.Go(func() {
					if _, _, err := b.PutUser(t.Context(), "", User{Name: "u", Grant: []string{name}}); err != nil {
						t.Errorf("user: %v", err)
					}
				})
				work.Go(func() {
					grant := &Permissions{Patterns{Read: []string{name}, Write: []string{name}}}
					if _, err := b.ChangeRole(t.Context(), "", Role{Name: "r", Grant: grant}); err != nil {
						t.Errorf("role: %v", err)
					}
				})
			}
		}
		work.Wait()
		settle(t, all)
		for _, b := range all {
			u, err := b.User("u")
			if err != nil || !slices.Equal(u.Roles, want) || u.Password != "stub:p" {
				t.Errorf("the user is %+v, %v", u, err)
			}
			r, err := b.Role("r")
			if keys := r.Permissions.Keys; err != nil || !slices.Equal(keys.Read, want) || !slices.Equal(keys.Write, want) {
				t.Errorf("the role is %+v, %v", r, err)
			}
		}
	})
}

func TestOfTwoThatMakeTheSameOneDoes(t *testing.T) {
	clustered(t, func(t *testing.T, all []*bench) {
		var work sync.WaitGroup
		made := make(chan bool, 2*len(all))
		for i, b := range all {
			work.Go(func() {
				_, _, err := b.PutUser(t.Context(), "", User{Name: "u", Password: fmt.Sprint(i), Roles: []string{"r"}})
				made <- err == nil
			})
			work.Go(func() { made <- b.MakeRole(t.Context(), "", Role{Name: "r"}) == nil })
		}
		work.Wait()
		close(made)
		n := 0
		for ok := range made {
			if ok {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d were made, want a user and a role", n)
		}
	})
}

// A change counts on every member once that has applied it.
func TestAChangeOnOneMemberCountsOnAll(t *testing.T) {
	clustered(t, func(t *testing.T, all []*bench) {
		all[0].role("r", []string{"/a"}, nil)
		all[0].user("u", "p", "r")
		all[0].enable()
		settle(t, all)
		for _, b := range all {
			b.wantAllowed(claim("u", "p"), "/a")
			b.wantDenied(claim("u", "p"), "/b")
		}
		if _, _, err := all[1].PutUser(t.Context(), "", User{Name: "u", Password: "new"}); err != nil {
			t.Fatal(err)
		}
		settle(t, all)
		for _, b := range all {
			b.wantDenied(claim("u", "p"), "/a")
			b.wantAllowed(claim("u", "new"), "/a")
		}
		if err := all[2].Disable(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		settle(t, all)
		for _, b := range all {
			b.wantAllowed(guest, "/b")
		}
	})
}

// A member that has not heard of a change yet asks before it changes.
func TestAMemberThatIsBehindCatchesUpFirst(t *testing.T) {
	clustered(t, func(t *testing.T, all []*bench) {
		for i := range 12 {
			name := fmt.Sprint("u", i)
			first, then := all[i%3], all[(i+1+i%2)%3]
			first.user(name, "p")
			if u, made, err := then.PutUser(t.Context(), "", User{Name: name, Grant: []string{"r"}}); err != nil || made {
				t.Errorf("granting: %+v, %v", u, err)
			}
			if u, made, err := first.PutUser(t.Context(), "", User{Name: name, Password: "q"}); err != nil || made || !slices.Equal(u.Roles, []string{"r"}) {
				t.Errorf("a new password: %+v, %t, %v", u, made, err)
			}
		}
	})
}

// With auth on and no root user nobody could ever turn it off.
func TestRootIsNotRemovedWhileAuthIsTurnedOn(t *testing.T) {
	clustered(t, func(t *testing.T, all []*bench) {
		outcomes := map[string]int{}
		for round := range 60 {
			a, b := all[round%3], all[(round+1)%3]
			if on, err := a.Enabled(); err != nil {
				t.Fatal(err)
			} else if on {
				if err := a.Disable(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := a.PutUser(t.Context(), "", User{Name: RootUser, Password: fmt.Sprint(round)}); err != nil {
				t.Fatal(err)
			}
			settle(t, all)
			var work sync.WaitGroup
			var enabled, removed error
			work.Go(func() { enabled = a.Enable(t.Context(), "") })
			work.Go(func() {
				for range round / 6 {
					synctest.Wait()
				}
				removed = b.DeleteUser(t.Context(), "", RootUser)
			})
			work.Wait()
			settle(t, all)
			on, err := b.Enabled()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.User(RootUser); on && err != nil {
				t.Fatalf("round %d: auth is on and root is gone: enabling %v, removing %v", round, enabled, removed)
			}
			outcomes[fmt.Sprint(enabled, removed)]++
		}
		t.Log(outcomes)
	})
}

// The first change makes three directories of etcd's and the switch, an index
// each.
func TestTheFirstChangeLaysTheSpaceOut(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		index := func() int {
			_, index, err := b.tree.Get(top)
			if err != nil {
				t.Fatal(err)
			}
			return int(index)
		}
		before := index()
		var refusal *Error
		if err := b.DeleteUser(t.Context(), "", "nobody"); !errors.As(err, &refusal) || refusal.Kind != Missing {
			t.Errorf("got %v", err)
		}
		if got := index() - before; got != 4 {
			t.Errorf("it took %d indices", got)
		}
		b.role("r", nil, nil)
		if got := index() - before; got != 5 {
			t.Errorf("with a role it took %d indices", got)
		}
	})
}

func TestLongNamesAreRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		long := strings.Repeat("x", maxName+1)
		var refusal *Error
		for what, err := range map[string]error{
			"a user":         second(b.PutUser(t.Context(), "", User{Name: long, Password: "p"})),
			"a role to hold": second(b.PutUser(t.Context(), "", User{Name: "u", Password: "p", Roles: []string{long}})),
			"a role":         b.MakeRole(t.Context(), "", Role{Name: long}),
		} {
			if !errors.As(err, &refusal) || refusal.Kind != Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		b.user(long[1:], "p")
		b.role(long[1:], nil, nil)
	})
}

func second(_ User, _ bool, err error) error { return err }
