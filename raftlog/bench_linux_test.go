package raftlog

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// BenchmarkGroupCommit shows how proposals share the syncs of disks that take
// their time: entries/sync and how long a proposer waits.
func BenchmarkGroupCommit(b *testing.B) {
	for _, delay := range []time.Duration{50 * time.Microsecond, 2 * time.Millisecond} {
		for _, proposers := range []int{1, 8, 64, 512} {
			b.Run(fmt.Sprintf("sync=%v/proposers=%d", delay, proposers), func(b *testing.B) {
				benchmarkPropose(b, errorfs.Wrap(vfs.NewMem(), slowSync(delay)), "", proposers, 200)
			})
		}
	}
}

// slowSync makes every sync take a while, as a disk would: in the kernel, with
// the processor free meanwhile. time.Sleep knows milliseconds only here.
type slowSync time.Duration

func (s slowSync) String() string { return "slow sync" }

func (s slowSync) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
		ts := syscall.NsecToTimespec(int64(s))
		_ = syscall.Nanosleep(&ts, nil) // a signal may cut it short
	}
	return nil
}
