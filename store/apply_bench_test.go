package store

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// BenchmarkApply replaces keys chosen at random among many, 1,000 of them in a
// directory, by values that do not compress. The time is one command's. Beside
// it stands what the whole process spends on one, flushes and compactions
// included, the bytes these write, and the blocks that had to be read.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int{10_000, 100_000, 1_000_000} {
		dir := b.TempDir()
		var s *Store
		for _, batch := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("keys=%d/batch=%d", keys, batch), func(b *testing.B) {
				if s == nil {
					s = benchTree(b, dir, keys)
				}
				benchApply(b, s, keys, batch)
			})
		}
		if s == nil {
			continue
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchApply(b *testing.B, s *Store, keys, batch int) {
	rnd := rand.New(rand.NewPCG(1, uint64(batch)))
	cmds := make([]Command, batch)
	b.ReportAllocs()
	b.ResetTimer()
	began, before := ownCPU(b), s.db.Metrics()
	for i := 0; i < b.N; i += batch {
		for j := range cmds {
			cmds[j] = Command{Op: Set, Path: benchPath(rnd.IntN(keys)), Value: randomValue(rnd), Now: 1}
		}
		applyNext(b, s, cmds)
	}
	after := s.db.Metrics()
	perOp := func(n float64) float64 { return n / float64(b.N) }
	b.ReportMetric(perOp(float64(ownCPU(b)-began)), "cpu-ns/op")
	b.ReportMetric(perOp(float64(bytesWritten(after)-bytesWritten(before))), "written-B/op")
	b.ReportMetric(perOp(float64(after.BlockCache.Misses-before.BlockCache.Misses)), "misses/op")
}

// benchNote is as long as the note of a cluster of three.
var benchNote [40]byte

// applyNext applies commands, each of which has a position of its own.
func applyNext(b testing.TB, s *Store, cmds []Command) {
	position, _ := s.Cursor()
	if _, err := s.Apply(Batch{Position: position + uint64(len(cmds)), Note: benchNote[:], Commands: cmds}); err != nil {
		b.Fatal(err)
	}
}

func benchTree(b *testing.B, dir string, keys int) *Store {
	b.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(2, 3))
	for i := 0; i < keys; i += 1000 {
		cmds := make([]Command, min(1000, keys-i))
		for j := range cmds {
			cmds[j] = Command{Op: Set, Path: benchPath(i + j), Value: randomValue(rnd), Now: 1}
		}
		applyNext(b, s, cmds)
	}
	return s
}

func benchPath(n int) Path {
	return ParsePath(Keys, fmt.Sprintf("/bench/%04d/%03d", n/1000, n%1000))
}

func randomValue(rnd *rand.Rand) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var v [128]byte
	for i := 0; i < len(v); i += 8 {
		bits := rnd.Uint64()
		for j := range 8 {
			v[i+j] = letters[bits&63]
			bits >>= 6
		}
	}
	return string(v[:])
}

func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesWritten is what flushes and compactions have written.
func bytesWritten(m *pebble.Metrics) (bytes uint64) {
	for i := range m.Levels {
		bytes += m.Levels[i].TableBytesFlushed + m.Levels[i].TableBytesCompacted
	}
	return bytes
}

// BenchmarkApplyInOrder makes keys in order in one directory.
func BenchmarkApplyInOrder(b *testing.B) {
	const batch = 32
	s := benchTree(b, b.TempDir(), 1000)
	rnd := rand.New(rand.NewPCG(1, 1))
	cmds := make([]Command, batch)
	b.ReportAllocs()
	b.ResetTimer()
	began := ownCPU(b)
	for i := 0; i < b.N; i += batch {
		for j := range cmds {
			cmds[j] = Command{Op: CreateInOrder, Path: ParsePath(Keys, "/bench/queue"), Value: randomValue(rnd), Now: 1}
		}
		applyNext(b, s, cmds)
	}
	b.ReportMetric(float64(ownCPU(b)-began)/float64(b.N), "cpu-ns/op")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
