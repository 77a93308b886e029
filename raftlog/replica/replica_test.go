package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/store"
)

// running is a member in a bubble.
type running struct {
	*Replica
	stop context.CancelFunc
	done chan error
}

func config(fs vfs.FS) Config {
	return Config{
		Name:       "node1",
		Dir:        "data/member",
		Founders:   map[string][]string{"node1": {"http://127.0.0.1:21380"}},
		Token:      "etcd-cluster",
		ClientURLs: []string{"http://127.0.0.1:21379"},
		Version:    "3.4.0",
		FS:         fs,
	}
}

// mustBegin opens a member and runs it, mustRun also waits until it is ready.
func mustBegin(t *testing.T, c Config) *running {
	t.Helper()
	return begin(t, mustOpen(t, c))
}

func mustOpen(t *testing.T, c Config) *Replica {
	t.Helper()
	r, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func begin(t *testing.T, r *Replica) *running {
	ctx, stop := context.WithCancel(t.Context())
	m := &running{r, stop, make(chan error, 1)}
	go func() { m.done <- r.Run(ctx) }()
	return m
}

func mustRun(t *testing.T, c Config) *running {
	t.Helper()
	m := mustBegin(t, c)
	<-m.Ready()
	return m
}

// mustBeginAlone runs one of two founders; the other is never there.
func mustBeginAlone(t *testing.T) *running {
	t.Helper()
	c := config(vfs.NewMem())
	c.Founders["node2"] = []string{"http://127.0.0.1:1"}
	return mustBegin(t, c)
}

func (m *running) mustStop(t *testing.T) {
	t.Helper()
	m.stop()
	if err := <-m.done; err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func (m *running) mustDo(t *testing.T, c store.Command) *store.Event {
	t.Helper()
	result, err := m.Do(t.Context(), c)
	if err != nil || result.Err != nil {
		t.Fatal(err, result.Err)
	}
	return result.Event
}

func set(name, value string) store.Command {
	return store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, name), Value: value}
}

func (m *running) index(t *testing.T) store.Index {
	t.Helper()
	_, index, err := m.Get(store.Root(store.Keys))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// The index of a fresh member, of its first key and of each restart are what
// clients of etcd see (spec: http.md 2).
func TestIndexArithmeticIsThatOfEtcd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		m := mustRun(t, config(fs))
		if got := m.index(t); got != 3 {
			t.Errorf("a fresh member stands at %d, want 3", got)
		}
		position, term := m.Progress()
		if position != 4 || term != 2 {
			t.Errorf("a fresh member's log stands at %d in term %d, want 4 in term 2", position, term)
		}
		if e := m.mustDo(t, set("/first", "1")); e.Index != 4 {
			t.Errorf("the first key gets %d, want 4", e.Index)
		}
		for restart := range store.Index(3) {
			m.mustStop(t)
			m = mustRun(t, config(fs))
			if got, want := m.index(t), 5+restart; got != want {
				t.Errorf("after restart %d the index is %d, want %d", restart+1, got, want)
			}
		}
		if _, term := m.Progress(); term != 5 {
			t.Errorf("after three restarts the term is %d, want 5", term)
		}
		m.mustStop(t)
	})
}

func TestIdentityAndRosterSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		m := mustRun(t, config(fs))
		m.mustStop(t)
		c := config(fs)
		c.Name, c.ClientURLs = "renamed", []string{"http://b:1", "http://a:1"}
		c.Founders, c.Token = map[string][]string{"other": {"http://x:1"}}, "other" // ignored: the member exists
		m = mustRun(t, c)
		defer m.mustStop(t)
		if m.Self().String() != "69b38ac7138de88d" || m.ClusterID().String() != "31c6e9f19e0fb0d9" {
			t.Errorf("member %v of cluster %v", m.Self(), m.ClusterID())
		}
		want := "[{69b38ac7138de88d renamed [http://127.0.0.1:21380] [http://a:1 http://b:1] false}]"
		if got := fmt.Sprint(m.Members()); got != want {
			t.Errorf("members %v, want %v", got, want)
		}
		if leader, ok := m.Leader(); !ok || leader.Name != "renamed" || m.Version() != "3.4.0" {
			t.Errorf("leader %v %v, version %q", leader, ok, m.Version())
		}
	})
}

func TestKeysEndNeverEarlyAndHardlyLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		for _, ttl := range []time.Duration{0, time.Second, 90 * time.Second, 3 * time.Hour} {
			c := set("/k", "v")
			c.Expires, c.TTL = true, ttl
			begin := time.Now()
			e := m.mustDo(t, c)
			w, err := m.Watch(c.Path, store.WatchOptions{Since: e.Index + 1})
			if err != nil {
				t.Fatal(err)
			}
			<-w.Ready()
			if late := time.Since(begin) - ttl; late < 0 || late > 100*time.Millisecond {
				t.Errorf("a life of %v ended %v late", ttl, late)
			}
			w.Close()
		}
	})
}

func TestVeryManyKeysEndInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		before, _ := m.Progress()
		for i := range 3 * sweepSlice {
			c := set(fmt.Sprintf("/k/%d", i), "v")
			c.Expires, c.TTL = true, time.Minute
			m.mustDo(t, c)
		}
		time.Sleep(time.Minute + time.Second)
		after, _ := m.Progress()
		if sweeps := after - before - 3*sweepSlice; sweeps < 3 || sweeps > 8 {
			t.Errorf("%d sweeps removed %d keys, want at least 3", sweeps, 3*sweepSlice)
		}
		l, err := m.List(store.ParsePath(store.Keys, "/k"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for l.Next() {
			if l.Item().Kind == store.Leaf {
				t.Fatalf("%s is still there", l.Item().Path)
			}
		}
	})
}

func TestAnIdleMemberWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		c := set("/k", "v")
		c.Expires, c.TTL = true, 10*time.Hour
		m.mustDo(t, c)
		before, _ := m.Progress()
		time.Sleep(time.Hour)
		if after, _ := m.Progress(); after != before {
			t.Errorf("an idle hour moved the log from %d to %d", before, after)
		}
	})
}

// A wall clock that went back while the member was down must not lengthen
// lives: time goes on where the log left it.
func TestLivesGoOnWhereTheLogLeftThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		m := mustRun(t, config(fs))
		put := set("/k", "v")
		put.Expires, put.TTL = true, 30*time.Second
		m.mustDo(t, put)
		m.mustStop(t)

		c := config(fs)
		c.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		m = mustRun(t, c)
		defer m.mustStop(t)
		time.Sleep(29 * time.Second)
		if _, _, err := m.Get(put.Path); err != nil {
			t.Errorf("the key ended early: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, _, err := m.Get(put.Path); err == nil {
			t.Error("the key did not end in time")
		}
	})
}

func TestARequestWithoutALeaderIsRefusedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustBeginAlone(t)
		for _, ask := range []func() error{
			func() error { _, err := m.Do(t.Context(), set("/k", "v")); return err },
			func() error { return m.Barrier(t.Context()) },
		} {
			begin := time.Now()
			err := ask()
			var refusal *store.Error
			if !errors.As(err, &refusal) || refusal.Code != store.CodeRaft || refusal.Cause != causeTimeout {
				t.Errorf("answer %v, want 300 %s", err, causeTimeout)
			}
			if took := time.Since(begin); took != 7*time.Second {
				t.Errorf("refused after %v, want 7s", took)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Do(gone, set("/k", "v")); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who went away gets %v", err)
		}
		m.stop()
		if err := <-m.done; err != nil {
			t.Fatal(err)
		}
		if _, err := m.Do(t.Context(), set("/k", "v")); err == nil || !strings.Contains(err.Error(), causeStopped) {
			t.Errorf("after the stop: %v", err)
		}
		if n := m.waiters.pending(); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// etcd's members without a quorum call themselves leader.
func TestAMemberWithoutALeaderSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustBeginAlone(t)
		defer m.mustStop(t)
		time.Sleep(10 * time.Second)
		text := string(m.Stats().Self.AppendJSON(nil, time.Now()))
		if !strings.Contains(text, `"state":"StateFollower"`) || !strings.Contains(text, `"leader":""`) {
			t.Errorf("it says %s", text)
		}
		if _, ok := m.Leader(); ok || m.Leads() {
			t.Error("it knows a leader")
		}
	})
}
