package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestBatchingChangesNothing spreads the same commands over batches in two
// ways and compares the trees byte for byte.
func TestBatchingChangesNothing(t *testing.T) {
	for seed := range uint64(20) {
		w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), now: epoch.UnixNano()}
		w.m.nodes = map[string]Node{}
		for i := range 150 {
			w.names = append(w.names, fmt.Sprintf("/d/%d", i), "/a", "/d", "/d/e/f")
		}
		var cmds []Command
		for range 3000 {
			c := w.command()
			if c.Op == Sweep {
				c.Limit, c.Bytes = w.rnd.IntN(5), w.rnd.IntN(5)
			}
			cmds = append(cmds, c)
		}
		var trees [][]string
		for _, most := range []int{1, 200} {
			s, err := Open("tree", Options{FS: vfs.NewMem()})
			if err != nil {
				t.Fatal(err)
			}
			for rest := cmds; len(rest) > 0; {
				n := min(len(rest), 1+w.rnd.IntN(most))
				position := uint64(len(cmds) - len(rest) + n)
				if _, err := s.Apply(Batch{Position: position, Commands: rest[:n]}); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			trees = append(trees, contents(t, s))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(trees[0], trees[1]) {
			t.Fatalf("seed %d: the trees differ", seed)
		}
	}
}
