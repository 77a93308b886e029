package store

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func benchStore(b *testing.B, keys int) *Store {
	b.Helper()
	s, err := Open("tree", Options{FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	value := strings.Repeat("v", 128)
	var cmds []Command
	for i := range keys {
		cmds = append(cmds, set(fmt.Sprintf("/bench/%03d/%06d", i%100, i), value))
	}
	mustApply(b, s, cmds...)
	b.ReportAllocs()
	b.ResetTimer()
	return s
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b, 10_000)
	var paths []Path
	for i := range 10_000 {
		paths = append(paths, ParsePath(Keys, fmt.Sprintf("/bench/%03d/%06d", i%100, i)))
	}
	for i := 0; b.Loop(); i++ {
		if _, _, err := s.Get(paths[i%len(paths)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGetParallel reads many keys from several goroutines,
// BenchmarkGetOneParallel all the same one.
func BenchmarkGetParallel(b *testing.B)    { benchmarkGetParallel(b, 10_000) }
func BenchmarkGetOneParallel(b *testing.B) { benchmarkGetParallel(b, 1) }

func benchmarkGetParallel(b *testing.B, keys int) {
	s := benchStore(b, keys)
	paths := make([]Path, keys)
	for i := range paths {
		paths[i] = ParsePath(Keys, fmt.Sprintf("/bench/%03d/%06d", i%100, i))
	}
	var readers atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for i := int(readers.Add(1)) * keys / 4; pb.Next(); i++ {
			if _, _, err := s.Get(paths[i%len(paths)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkList1000(b *testing.B) {
	s := benchStore(b, 100_000)
	dir := ParsePath(Keys, "/bench/042")
	for b.Loop() {
		l, err := s.List(dir, false)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for l.Next() {
			n += len(l.Item().Value)
		}
		if err := l.Close(); err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkApply32 overwrites keys in batches of 32; the time is one
// command's.
func BenchmarkApply32(b *testing.B) {
	const batch = 32
	s := benchStore(b, 100_000)
	value := strings.Repeat("w", 128)
	cmds := make([]Command, batch)
	for i := 0; i < b.N; i += batch {
		for j := range cmds {
			k := (i*7919 + j*104_729) % 100_000
			cmds[j] = set(fmt.Sprintf("/bench/%03d/%06d", k%100, k), value)
		}
		mustApply(b, s, cmds...)
	}
}
