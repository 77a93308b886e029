package client_test

import (
	"errors"
	"testing"

	"keytree/httpapi/client"
)

func TestAWatchHasBegunOnceAnEndpointHasTakenIt(t *testing.T) {
	inModes(t, 1, func(t *testing.T, w *world, o client.WatchOptions) {
		o.FailFast, o.AfterIndex = true, w.mustSet(t, "/d/x", "1").Node.ModifiedIndex
		w.members.Members[0].Stop()
		watcher := w.Watch("/d", o)
		defer watcher.Close()
		var failed *client.ClusterError
		if e, err := watcher.Next(t.Context()); !errors.As(err, &failed) || watcher.Begun() {
			t.Fatalf("got %v, %v, begun: %t, want a failure before the watch has begun", e, err, watcher.Begun())
		}
		w.members.Members[0].Start()
		w.members.Members[0].AwaitReady()
		mustWait(t, watcher)
		if !watcher.Begun() {
			t.Error("the watch waits and has not begun")
		}
		w.members.Members[0].Stop()
		if e, err := watcher.Next(t.Context()); !errors.As(err, &failed) || !watcher.Begun() {
			t.Fatalf("got %v, %v, begun: %t, want a failure of a watch that has begun", e, err, watcher.Begun())
		}
	})
}
