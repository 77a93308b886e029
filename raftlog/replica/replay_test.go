package replica

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"keytree/store"
)

// A member that was alone when it last flushed, and was not when its power
// failed, cannot commit all of its log without the other; what was committed
// it has to show nevertheless.
func TestOneThatIsNotAloneAnyMoreDoesNotWaitForTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(vfs.NewCrashableMem())
		m := mustRun(t, c)
		const other = 0x77
		err := m.log.ProposeChange(t.Context(), &raftpb.ConfChangeV2{
			Changes: []*raftpb.ConfChangeSingle{{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(other))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for len(m.conf.Load().voters) < 2 {
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		p := store.ParsePath(store.Keys, "/never")
		if _, err := m.Do(ctx, store.Command{Op: store.Set, Path: p}); err == nil {
			t.Fatal("a write was acknowledged by one of two")
		}
		s := m.Status()
		c.FS = c.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		m.mustStop(t)
		if s.LastPosition <= s.Commit {
			t.Fatalf("there is nothing to wait for: %+v", s)
		}

		r := mustOpen(t, c)
		if n := len(r.conf.Load().voters); n != 1 {
			t.Fatalf("the tree was flushed with %d voters", n)
		}
		m = begin(t, r)
		defer m.mustStop(t)
		select {
		case <-m.Current():
		case <-time.After(time.Minute):
			t.Errorf("it shows nothing: %+v", m.Status())
		}
	})
}
