package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func mustWrite(t *testing.T, s *Store) []byte {
	t.Helper()
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	_, err = c.WriteTo(&stream)
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// Captures are taken by other goroutines than the one that applies. Each must
// have its own position and index, and the keys up to there.
func TestACaptureBesideApplyIsOfOneMoment(t *testing.T) {
	s := mustOpen(t)
	done := make(chan struct{})
	var captures sync.WaitGroup
	captures.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c, err := s.Capture()
			if err != nil {
				t.Error(err)
				return
			}
			last := newCounter(t, c)
			if uint64(c.Index()) != c.Position() || last != c.Position() {
				t.Errorf("position %d, index %d, key %d", c.Position(), c.Index(), last)
			}
		}
	})
	for i := range 2000 {
		mustApply(t, s, set("/n", fmt.Sprint(i+1)))
	}
	close(done)
	captures.Wait()
}

// newCounter is the value of /n in c, which it closes.
func newCounter(t *testing.T, c *Capture) (n uint64) {
	to, err := Open("tree", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Error(err)
		return 0
	}
	var stream bytes.Buffer
	_, err = c.WriteTo(&stream)
	if err == nil {
		err = to.Restore(&stream)
	}
	if node, _, missing := to.Get(ParsePath(Keys, "/n")); missing == nil {
		_, err = fmt.Sscan(node.Value, &n)
	}
	if err := errors.Join(err, c.Close(), to.Close()); err != nil {
		t.Error(err)
	}
	return n
}

// A tree that is replaced takes its captures with it: what is left of them
// must not be taken for a tree.
func TestACaptureOfATreeThatWasReplacedFails(t *testing.T) {
	s := mustOpen(t)
	for i := range 100 {
		mustApply(t, s, set(fmt.Sprint("/old/", i), "v"))
	}
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	other := mustOpen(t)
	mustApply(t, other, set("/new", "v"))
	if err := s.Restore(bytes.NewReader(mustWrite(t, other))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo(&bytes.Buffer{}); !errors.Is(err, ErrSwapped) {
		t.Errorf("it was written: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	mustWrite(t, s)
}

func TestTheSizeOfACaptureIsAboutWhatIsWritten(t *testing.T) {
	s := mustOpen(t)
	for i := range 1000 {
		mustApply(t, s, set(fmt.Sprint("/d/", i), string(bytes.Repeat([]byte{'v'}, 1000))))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	size, err := c.Size()
	if written := int64(len(mustWrite(t, s))); err != nil || size < written/2 || size > 2*written {
		t.Errorf("about %d bytes, %v; written were %d", size, err, written)
	}
}

// Who does not know how long the history is keeps all of it.
func TestTheHistoryOfAnotherLengthIsKept(t *testing.T) {
	const events = 3000
	from, err := Open("tree", Options{FS: vfs.NewMem(), HistoryLength: events})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for range events {
		mustApply(t, from, set("/k", "v"))
	}
	for _, keep := range []bool{true, false} {
		fs := vfs.NewMem()
		for i := range 2 { // restored first, then opened
			to, err := Open("tree", Options{FS: fs, KeepHistory: keep})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if err := to.Restore(bytes.NewReader(mustWrite(t, from))); err != nil {
					t.Fatal(err)
				}
			}
			w, err := to.Watch(ParsePath(Keys, "/k"), WatchOptions{Since: 1})
			if err == nil {
				w.Close()
			}
			if err == nil != keep {
				t.Errorf("kept %v: the first event: %v", keep, err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
