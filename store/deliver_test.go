package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// reader is who holds a watcher: it takes what its sink does not.
type reader struct {
	t      testing.TB
	w      *Watcher
	seen   []Index
	offer  func(*Run) Pushed // what the sink says; nil: it takes everything
	inside atomic.Int32      // how many use seen
}

func (r *reader) enter() {
	if r.inside.Add(1) != 1 {
		r.t.Error("a sink is used while its reader is awake")
	}
}

func (r *reader) leave() { r.inside.Add(-1) }

func (r *reader) Push(run *Run) Pushed {
	r.enter()
	defer r.leave()
	p := PushedAll
	if r.offer != nil {
		p = r.offer(run)
	}
	if p != PushedNone {
		r.note(run.Events)
	}
	return p
}

func (r *reader) note(events []*Event) {
	for _, e := range events {
		r.seen = append(r.seen, e.Index)
	}
}

// follow reads to the end of the watch.
func (r *reader) follow(sink bool) {
	for live := true; live; {
		var events []*Event
		events, live = r.w.Take()
		if len(events) > 0 { // else the sink may be in use already
			r.enter()
			r.note(events)
			r.leave()
		}
		switch {
		case !live:
		case !sink:
			<-r.w.Ready()
		case len(events) == 0:
			r.w.Await()
		}
	}
}

func mustWatch(t testing.TB, s *Store, name string, o WatchOptions) *Watcher {
	t.Helper()
	w, err := s.Watch(ParsePath(Keys, name), o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestManyReadersGetEachEventOnceAndInOrder(t *testing.T) {
	const events, readers = 400, 300
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t)
		var wg sync.WaitGroup
		all := make([]*reader, readers)
		for i := range all {
			r := &reader{t: t}
			all[i] = r
			o := WatchOptions{Recursive: true, Stream: true}
			name := "/"
			if i%3 == 1 {
				name = fmt.Sprintf("/d/%d", i%7)
			}
			if i%2 == 0 {
				rnd := rand.New(rand.NewPCG(uint64(i), 0))
				r.offer = func(*Run) Pushed { return Pushed(rnd.IntN(3)) }
				if i%4 == 0 {
					r.offer = nil
				}
				o.Sink = r
			}
			r.w = mustWatch(t, s, name, o)
			wg.Go(func() { r.follow(o.Sink != nil) })
		}
		for i := range events {
			mustApply(t, s, set(fmt.Sprintf("/d/%d/k", i%7), "v"))
			if i%20 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		s.EndWatches()
		wg.Wait()
		for i, r := range all {
			var want []Index
			for e := range Index(events) {
				if i%3 != 1 || int(e)%7 == i%7 {
					want = append(want, e+1)
				}
			}
			if !slices.Equal(r.seen, want) {
				t.Fatalf("reader %d got %d events, want %d: %v", i, len(r.seen), len(want), r.seen)
			}
		}
	})
}

func TestApplyDoesNotWaitForWhoBringsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t)
		hold := make(chan struct{})
		var all []*reader
		for range 3 * slice {
			r := &reader{t: t, offer: func(*Run) Pushed { <-hold; return PushedAll }}
			r.w = mustWatch(t, s, "/a", WatchOptions{Stream: true, Sink: r})
			if events, live := r.w.Take(); len(events) > 0 || !live {
				t.Fatalf("a new watch has %d events, live=%v", len(events), live)
			}
			all = append(all, r)
		}
		for i := range 3 {
			mustApply(t, s, set("/a", fmt.Sprint(i)))
			synctest.Wait() // all who bring events wait in a sink
		}
		close(hold)
		synctest.Wait()
		for _, r := range all {
			if !slices.Equal(r.seen, []Index{1, 2, 3}) {
				t.Fatalf("got %v", r.seen)
			}
		}
	})
}

// A stream gets as many events as the history holds, then its end; so does one
// whose sink takes nothing.
func TestAReaderTooSlowForTheHistoryIsEndedAndCounted(t *testing.T) {
	const length = 10
	for _, tt := range []struct {
		events int
		live   bool
	}{{length, true}, {length + 1, false}, {5 * length, false}} {
		for _, sink := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := mustOpenWith(t, Options{HistoryLength: length})
				r := &reader{t: t, offer: func(*Run) Pushed { return PushedNone }}
				o := WatchOptions{Stream: true, Recursive: true}
				if sink {
					o.Sink = r
				}
				r.w = mustWatch(t, s, "/", o)
				r.w.Take()
				for i := range tt.events {
					mustApply(t, s, set("/a", fmt.Sprint(i)))
					synctest.Wait()
				}
				// Without waiting for the reader: what it holds on to has a bound.
				n, evicted := s.Watchers()
				if want := map[bool]int{true: 1}[tt.live]; n != want || int(evicted) != 1-want {
					t.Errorf("after %d events: %d watchers, %d evicted", tt.events, n, evicted)
				}
				r.w.Await()
				events, live := r.w.Take()
				if len(events) != length || events[0].Index != 1 || live != tt.live {
					t.Errorf("after %d events: %d to take, live=%v", tt.events, len(events), live)
				}
			})
		}
	}
}

// A reader that was ended in the middle of a push must not go before its sink
// is left alone.
func TestAwaitReturnsAfterThePushUnderWay(t *testing.T) {
	for name, end := range map[string]func(*Store, *Watcher){
		"close": func(_ *Store, w *Watcher) { w.Close() },
		"stop":  func(s *Store, _ *Watcher) { s.EndWatches() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustOpen(t)
				r := &reader{t: t, offer: func(*Run) Pushed { time.Sleep(time.Second); return PushedAll }}
				r.w = mustWatch(t, s, "/a", WatchOptions{Stream: true, Sink: r})
				r.w.Take()
				mustApply(t, s, set("/a", "1"))
				synctest.Wait()
				if events, live := r.w.Take(); len(events) > 0 || !live {
					t.Errorf("in the middle of a push there are %d events to take, live=%v", len(events), live)
				}
				end(s, r.w)
				r.w.signal() // as one that was not heard before
				start := time.Now()
				r.w.Await()
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("Await returned after %v", waited)
				}
				if events, live := r.w.Take(); len(events) != 0 || live || len(r.seen) != 1 {
					t.Errorf("%d events are left, live=%v, %v seen", len(events), live, r.seen)
				}
			})
		})
	}
}

func TestAWatchForOneEventIsNoWatchFromThenOn(t *testing.T) {
	s := mustOpen(t)
	var all []*Watcher
	for range 2 * slice {
		all = append(all, mustWatch(t, s, "/a", WatchOptions{}))
	}
	stream := mustWatch(t, s, "/a", WatchOptions{Stream: true})
	mustApply(t, s, set("/a", "1"), set("/a", "2"))
	if n, _ := s.Watchers(); n != 1 {
		t.Errorf("%d watches are left, want the stream", n)
	}
	late := mustWatch(t, s, "/a", WatchOptions{})
	mustApply(t, s, set("/a", "3"))
	for _, w := range all {
		if events, live := w.Take(); len(events) != 1 || events[0].Index != 1 || live {
			t.Fatalf("took %d events, live=%v", len(events), live)
		}
		w.Close()
	}
	if events, live := late.Take(); len(events) != 1 || events[0].Index != 3 || live {
		t.Errorf("the late one took %d events, live=%v", len(events), live)
	}
	if events, live := stream.Take(); len(events) != 3 || !live {
		t.Errorf("the stream took %d events, live=%v", len(events), live)
	}
}

// Watches come and go, end and are slow, while commands apply.
func TestWatchesComeAndGoWhileEventsAreBrought(t *testing.T) {
	const events = 3000
	s := mustOpenWith(t, Options{HistoryLength: events})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			var next Index = 1
			for next <= events {
				r := &reader{t: t, offer: func(run *Run) Pushed { return Pushed(rnd.IntN(3)) }}
				o := WatchOptions{Recursive: true, Stream: true, Since: next, Sink: r}
				var err error
				if r.w, err = s.Watch(Root(Keys), o); err != nil {
					t.Error(err)
					return
				}
				stop := time.AfterFunc(time.Duration(rnd.IntN(3000))*time.Microsecond, r.w.Close)
				r.follow(true)
				stop.Stop()
				r.w.Close()
				for _, index := range r.seen {
					if index != next {
						t.Errorf("event %d came, want %d", index, next)
						return
					}
					next++
				}
			}
		})
	}
	for i := range events {
		mustApply(t, s, set(fmt.Sprintf("/k/%d", i%7), "v"))
	}
	wg.Wait()
	if n, _ := s.Watchers(); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if root := s.hub.mu.roots[Keys]; len(root.groups)+len(root.children) > 0 {
		t.Errorf("%d groups and %d paths are left", len(root.groups), len(root.children))
	}
}

func TestARunIsRenderedForAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t)
		var calls atomic.Int32
		render := func(e *Event) []byte { calls.Add(1); return fmt.Append(nil, e.Index, ";") }
		var got []string
		for range slice {
			r := &reader{t: t, offer: func(run *Run) Pushed {
				got = append(got, string(run.Rendered(render)))
				return PushedAll
			}}
			r.w = mustWatch(t, s, "/", WatchOptions{Recursive: true, Stream: true, Sink: r})
			r.w.Take()
		}
		mustApply(t, s, set("/a", "1"), set("/b", "2"))
		synctest.Wait()
		mustApply(t, s, set("/c", "3"))
		synctest.Wait()
		if want := append(slices.Repeat([]string{"1;2;"}, slice), slices.Repeat([]string{"3;"}, slice)...); !slices.Equal(got, want) {
			t.Errorf("rendered %q", got)
		}
		if n := calls.Load(); n != 3 {
			t.Errorf("rendered %d times, want once for each event", n)
		}
	})
}

// mustOpenWith opens a tree in memory with o, for the time of the test.
func mustOpenWith(t testing.TB, o Options) *Store {
	t.Helper()
	o.FS = vfs.NewMem()
	s, err := Open("tree", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
