package raftlog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// idleMachine does nothing but wake the proposer of each entry.
type idleMachine struct {
	position uint64
	note     []byte
	wake     []chan struct{}
}

func (m *idleMachine) Cursor() (uint64, []byte) { return m.position, m.note }

func (m *idleMachine) Apply(b Batch) error {
	m.position = b.Position
	for _, e := range b.Entries {
		m.wake[e.ID] <- struct{}{}
	}
	return nil
}

func (m *idleMachine) DurablePosition() (uint64, error) { return m.position, nil }
func (m *idleMachine) Capture() (Capture, error)        { return nil, ErrStopped }
func (m *idleMachine) Restore(io.Reader) error          { return ErrStopped }

func BenchmarkPropose(b *testing.B) {
	for _, proposers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("proposers=%d", proposers), func(b *testing.B) { benchmarkPropose(b, proposers, 200) })
	}
}

// benchmarkPropose has proposers write one after the other on a real disk, each
// waiting for its own entry. cpu-us/op is the whole process's.
func benchmarkPropose(b *testing.B, proposers, size int) {
	m := &idleMachine{position: 1, note: Note([]uint64{1}, nil, 1, 0)}
	for range proposers {
		m.wake = append(m.wake, make(chan struct{}, 1))
	}
	var syncs int
	c := Config{ID: 1, Dir: b.TempDir() + "/log", FS: vfs.Default, Machine: m, Observer: Observer{
		Appended: func(time.Duration, int) { syncs++ },
	}}
	if err := Bootstrap(c, 1, 1, []uint64{1}); err != nil {
		b.Fatal(err)
	}
	l, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := l.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	if err := l.Barrier(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(size))
	before := cpu(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range proposers {
		n := b.N / proposers
		if i < b.N%proposers {
			n++
		}
		wg.Go(func() {
			for range n {
				if err := l.Propose(ctx, uint64(i), make([]byte, Headroom+size)); err != nil {
					b.Error(err)
					return
				}
				<-m.wake[i]
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/float64(max(syncs, 1)), "entries/sync")
	cancel()
	run.Wait()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
