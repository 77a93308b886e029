package raftlog

import (
	"context"
	"fmt"
	"io"
	"slices"
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
		b.Run(fmt.Sprintf("proposers=%d", proposers), func(b *testing.B) {
			benchmarkPropose(b, vfs.Default, b.TempDir(), proposers, 200)
		})
	}
}

// benchmarkPropose has proposers write one after the other, each waiting for
// its own entry. cpu-us/op is the whole process's, p50-us and p99-us are what a
// proposer waits.
func benchmarkPropose(b *testing.B, fs vfs.FS, dir string, proposers, size int) {
	m := &idleMachine{position: 1, note: Note([]uint64{1}, nil, 1, 0)}
	for range proposers {
		m.wake = append(m.wake, make(chan struct{}, 1))
	}
	var syncs int
	c := Config{ID: 1, Dir: fs.PathJoin(dir, "log"), FS: fs, Machine: m, Observer: Observer{
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
	took := make([][]time.Duration, proposers)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range proposers {
		n := b.N / proposers
		if i < b.N%proposers {
			n++
		}
		wg.Go(func() {
			for range n {
				start := time.Now()
				if err := l.Propose(ctx, uint64(i), make([]byte, Headroom+size)); err != nil {
					b.Error(err)
					return
				}
				<-m.wake[i]
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/float64(max(syncs, 1)), "entries/sync")
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1e3, "p99-us")
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
