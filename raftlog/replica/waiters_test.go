package replica

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog"
	"keytree/store"
)

func newWaiters(t *testing.T) *waiters {
	w := &waiters{}
	w.init()
	t.Cleanup(w.end)
	return w
}

func TestEachWaiterIsToldWhenItsOwnTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, start := newWaiters(t), time.Now()
		for range 2 { // and again after nobody waited for a while
			early := w.add(t.Context(), 5*time.Second)
			time.Sleep(time.Second)
			late := w.add(t.Context(), 5*time.Second)
			for i, one := range []*waiter{early, late} {
				if o := <-one.outcome; !errors.Is(o.failure, errTimeout) {
					t.Fatalf("waiter %d heard %v, want %v", i, o.failure, errTimeout)
				}
				if took, want := time.Since(start), time.Duration(5+i)*time.Second; took != want {
					t.Errorf("waiter %d heard after %v, want %v", i, took, want)
				}
			}
			time.Sleep(time.Minute)
			start = time.Now()
		}
		if n := w.pending(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestAResultThatComesTooLateGoesToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(t)
		one := w.add(t.Context(), time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		w.serve([]uint64{one.id}, []store.Result{{Index: 7}})
		if o := <-one.outcome; !errors.Is(o.failure, errTimeout) {
			t.Errorf("heard %+v, want %v", o, errTimeout)
		}
		w.drop(one)
		if one.Err() == nil || len(one.outcome) != 0 {
			t.Errorf("who has given up still waits, with %d outcomes", len(one.outcome))
		}
	})
}

func TestManyWaitersGetTheirOwnResults(t *testing.T) {
	w := newWaiters(t)
	var all []*waiter
	for i := range 1000 {
		one := w.add(t.Context(), time.Hour)
		if i%7 == 0 { // leaves a gap
			w.drop(one)
			continue
		}
		all = append(all, one)
	}
	if n := w.pending(); n != len(all) {
		t.Fatalf("%d wait, want %d", n, len(all))
	}
	ids, results := []uint64{12345}, []store.Result{{}} // and one that nobody waits for
	for i, one := range all {
		ids, results = append(ids, one.id), append(results, store.Result{Index: store.Index(i)})
	}
	w.serve(ids, results)
	for i, one := range all {
		if o := <-one.outcome; o.failure != nil || o.Index != store.Index(i) {
			t.Fatalf("waiter %d got %+v", i, o)
		}
	}
	if n := w.pending(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestWhoWaitsHearsOfTheEnd(t *testing.T) {
	w := newWaiters(t)
	before := w.add(t.Context(), time.Hour)
	w.end()
	after := w.add(t.Context(), time.Hour)
	for _, one := range []*waiter{before, after} {
		if o := <-one.outcome; !errors.Is(o.failure, raftlog.ErrStopped) {
			t.Errorf("heard %+v, want %v", o, raftlog.ErrStopped)
		}
	}
}
