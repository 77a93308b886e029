package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"keytree/httpapi/apitest"
	"keytree/httpapi/client"
	"keytree/store"
)

// modes are the ways to watch.
var modes = map[string]client.WatchOptions{
	"polling":   {Recursive: true},
	"streaming": {Recursive: true, Stream: true},
}

// mustNext waits for an event, which is expected to be text.
func mustNext(t *testing.T, w *client.Watcher, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := w.Next(ctx)
	if err != nil {
		t.Fatalf("got %v, want %s", err, text)
	}
	if got := fmt.Sprintf("%s %s=%s", e.Action, e.Node.Key, e.Node.Value); got != text {
		t.Fatalf("got %s, want %s", got, text)
	}
}

// mustGap waits for a gap.
func mustGap(t *testing.T, w *client.Watcher) *client.GapError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := w.Next(ctx)
	var gap *client.GapError
	if !errors.As(err, &gap) {
		t.Fatalf("got %v, %v, want a gap", e, err)
	}
	return gap
}

// mustWait fails the test if there is an event within a second.
func mustWait(t *testing.T, w *client.Watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if e, err := w.Next(ctx); err != context.DeadlineExceeded {
		t.Fatalf("got %+v, %v, want to wait", e, err)
	}
}

// inModes runs test with each way to watch.
func inModes(t *testing.T, n int, test func(t *testing.T, w *world, o client.WatchOptions)) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			inWorld(t, n, func(t *testing.T, w *world) { test(t, w, o) })
		})
	}
}

func TestEventsComeInOrderFromAnIndexOn(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		o.AfterIndex = w.mustSet(t, "/d/x", "1").Node.ModifiedIndex
		for i := range 5 {
			w.mustSet(t, "/d/x", fmt.Sprint(i))
			w.mustSet(t, "/other", "1")
		}
		watcher := w.Watch("/d", o)
		defer watcher.Close()
		for i := range 5 {
			mustNext(t, watcher, fmt.Sprintf("set /d/x=%d", i))
		}
		mustWait(t, watcher)
		w.mustSet(t, "/d/y", "2")
		mustNext(t, watcher, "set /d/y=2")
		if _, err := w.Delete(t.Context(), "/d", client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		mustNext(t, watcher, "delete /d=")
		mustWait(t, watcher)
	})
}

// A watch from now on begins when a server first says so, not with the first
// event.
func TestAWaitThatIsGivenUpLosesNothing(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		w.mustSet(t, "/d/x", "before")
		watcher := w.Watch("/d", o)
		defer watcher.Close()
		mustWait(t, watcher)
		w.mustSet(t, "/d/x", "1")
		w.mustSet(t, "/d/x", "2")
		mustNext(t, watcher, "set /d/x=1")
		mustNext(t, watcher, "set /d/x=2")
		mustWait(t, watcher)
	})
}

func TestAWatchGoesOnAfterARestart(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		watcher := w.Watch("/d", o)
		defer watcher.Close()
		for i, end := range []func(*apitest.Member){(*apitest.Member).Stop, (*apitest.Member).Kill, (*apitest.Member).Crash} {
			mustWait(t, watcher)
			var restarting sync.WaitGroup
			restarting.Go(func() {
				time.Sleep(time.Second)
				m := w.members.Members[0]
				end(m)
				time.Sleep(10 * time.Second)
				m.Start()
				m.AwaitReady()
				for n := range 3 {
					w.mustSet(t, "/d/x", fmt.Sprint(i, n))
				}
			})
			for n := range 3 {
				mustNext(t, watcher, fmt.Sprintf("set /d/x=%d %d", i, n))
			}
			restarting.Wait()
		}
	})
}

// Three members, of which one is down at any time, and each leads now and
// then; a writer, and a watcher on whom answers are cut at any byte.
func TestNoEventIsLostOrRepeatedWhileMembersComeAndGo(t *testing.T) {
	for name, o := range modes {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				inWorld(t, 3, func(t *testing.T, w *world) {
					const writes = 200
					o := o
					o.AfterIndex = w.mustSet(t, "/d/first", "").Node.ModifiedIndex
					c := w.client(t, client.Config{Transport: newScissorsBefore(w.members.Client().Transport, seed)})
					var going sync.WaitGroup
					done := make(chan struct{})
					going.Go(func() {
						for i := 0; ; i++ {
							select {
							case <-done:
								return
							case <-time.After(time.Second):
							}
							m := w.members.Leader()
							m.Kill()
							time.Sleep(2 * time.Second)
							m.Start()
							m.AwaitReady()
						}
					})
					going.Go(func() {
						for i := range writes {
							insist(t, w.Client, fmt.Sprintf("/d/%d", i))
							time.Sleep(50 * time.Millisecond)
						}
					})
					watcher := c.Watch("/d", o)
					defer watcher.Close()
					for i := range writes {
						mustNext(t, watcher, fmt.Sprintf("create /d/%d=", i))
					}
					close(done)
					going.Wait()
					mustWait(t, watcher)
				})
			})
		}
	}
}

// insist creates a key, however often it takes.
func insist(t *testing.T, c *client.Client, key string) {
	for tries := 0; ; tries++ {
		_, err := c.Create(t.Context(), key, "", 0)
		if err == nil || tries > 0 && client.HasCode(err, client.CodeKeyExists) {
			return
		}
		var e *client.Error
		if errors.As(err, &e) && e.Code != client.CodeRaftInternal {
			t.Error(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// outrun is how many events of other keys push all else out of the history.
const outrun = 1100

// outrun writes them.
func (w *world) outrun(t *testing.T) {
	t.Helper()
	m := w.members.Leader()
	var writing sync.WaitGroup
	for range 10 {
		writing.Go(func() {
			for range outrun / 10 {
				_, err := m.Do(t.Context(), store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, "/other")})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
}

func TestALostHistoryIsTold(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		first := w.mustSet(t, "/d/x", "1").Index
		o.AfterIndex = first
		watcher := w.Watch("/d", o)
		w.mustSet(t, "/d/x", "2")
		w.outrun(t)
		gap := mustGap(t, watcher)
		if now := w.mustSet(t, "/d/x", "3").Index; gap.First != first+1 || gap.Last != now-1 || gap.Now != nil || gap.NewCluster || !client.HasCode(gap, client.CodeEventIndexCleared) {
			t.Errorf("got %+v", gap)
		}
		if want := fmt.Sprintf("client: events from %d to %d may be lost: 401: The event in requested index is outdated and cleared (the requested history has been cleared [", gap.First, gap.Last); !strings.HasPrefix(gap.Error(), want) {
			t.Errorf("got %s", gap)
		}
		mustNext(t, watcher, "set /d/x=3")
		watcher.Close()
		mustWait(t, watcher)

		o.Resync = true
		watcher = w.Watch("/d", o)
		defer watcher.Close()
		gap = mustGap(t, watcher)
		if gap.Now == nil || gap.Now.Node.Nodes[0].Value != "3" || gap.Last != gap.Now.Index {
			t.Errorf("got %+v", gap)
		}
		w.mustSet(t, "/d/x", "4")
		mustNext(t, watcher, "set /d/x=4")
		if _, err := w.Delete(t.Context(), "/d", client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		watcher.Close()
		w.outrun(t)
		if gap = mustGap(t, watcher); gap.Now != nil || gap.Last < first+2*outrun {
			t.Errorf("got %+v", gap)
		}
		w.mustSet(t, "/d/x", "5")
		mustNext(t, watcher, "set /d/x=5")
	})
}

// What is read again is read as late as it takes.
func TestAResyncWaitsForAQuorum(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		watcher := w.Watch("/d", client.WatchOptions{AfterIndex: 1, Resync: true})
		w.outrun(t)
		w.members.Follower(1).Kill()
		m := w.members.Leader()
		m.Kill()
		mustWait(t, watcher)
		mustWait(t, watcher)
		m.Start()
		if gap := mustGap(t, watcher); gap.First != 2 || gap.Last < outrun || gap.Now != nil {
			t.Errorf("got %+v", gap)
		}
	})
}

func TestAUserWithoutRightsIsTold(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		ctx := t.Context()
		if _, err := w.PutUser(ctx, "root", "pw"); err != nil {
			t.Fatal(err)
		}
		if err := w.EnableAuth(ctx); err != nil {
			t.Fatal(err)
		}
		root := w.client(t, client.Config{Username: "root", Password: "pw"})
		if err := root.RemoveRole(ctx, "guest"); err != nil {
			t.Fatal(err)
		}
		o.AfterIndex = mustSet(t, root, "/d/x", "1").Index
		watcher := w.Watch("/d", o)
		defer watcher.Close()
		for range 2 {
			if _, err := watcher.Next(ctx); !client.HasCode(err, client.CodeUnauthorized) {
				t.Errorf("got %v", err)
			}
		}
		if err := root.DisableAuth(ctx); err != nil {
			t.Fatal(err)
		}
		w.mustSet(t, "/d/x", "2")
		mustNext(t, watcher, "set /d/x=2")
	})
}
