package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/store"
)

// benchKeys is how many keys the proposers of a benchmark write to.
const benchKeys = 100_000

// BenchmarkDo sets keys through a member, from the command to its result, on a
// disk in memory, whose syncs cost nothing, and on a real one. cpu-us/op is
// the whole process's.
func BenchmarkDo(b *testing.B) {
	disks := []struct {
		name string
		fs   func() vfs.FS
	}{
		{"memory", func() vfs.FS { return vfs.NewMem() }},
		{"disk", func() vfs.FS { return vfs.Default }},
	}
	for _, disk := range disks {
		for _, proposers := range []int{1, 8, 64, 512} {
			b.Run(fmt.Sprintf("on=%s/proposers=%d", disk.name, proposers), func(b *testing.B) {
				benchmarkDo(b, disk.fs(), proposers)
			})
		}
	}
}

func benchmarkDo(b *testing.B, fs vfs.FS, proposers int) {
	c := config(fs)
	c.Dir = b.TempDir()
	r, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := r.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	<-r.Ready()
	commands := make([]store.Command, benchKeys)
	for i := range commands {
		commands[i] = set(fmt.Sprintf("/bench/key-%06d", i), strings.Repeat("v", 100))
	}
	took := make([]time.Duration, b.N)
	b.ReportAllocs()
	before := cpu(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range proposers {
		wg.Go(func() {
			for n := i; n < b.N; n += proposers {
				start := time.Now()
				if result, err := r.Do(ctx, commands[n*7919%benchKeys]); err != nil || result.Err != nil {
					b.Error(err, result.Err)
					return
				}
				took[n] = time.Since(start)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-us")
	stop()
	run.Wait()
	if err := r.Close(); err != nil {
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
