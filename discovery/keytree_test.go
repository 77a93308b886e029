package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/store"
)

// hostToken runs a member of Keytree, on a disk in memory, that holds a token
// for a cluster of n, and returns its server and the token's URL.
func hostToken(t *testing.T, n int) (*pipeListener, string) {
	t.Helper()
	r, err := replica.Open(replica.Config{
		Name:     "host",
		Dir:      "host.etcd/member",
		Founders: map[string][]string{"host": {"http://host:2380"}},
		Version:  "3.4.0",
		FS:       vfs.NewMem(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	l := serve(t, httpapi.New(httpapi.Config{Keyspace: r, Cluster: r, Progress: r}))
	set(t, r, "/_etcd/registry/tok/_config/size", fmt.Sprint(n))
	t.Cleanup(r.EndWatches)
	return l, "http://host:2379/v2/keys/_etcd/registry/tok"
}

func set(t *testing.T, r *replica.Replica, path, value string) {
	t.Helper()
	done, err := r.Do(t.Context(), store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, path), Value: value})
	if err != nil || done.Err != nil {
		t.Fatal(err, done.Err)
	}
}

// newMember is what the member called mN joins with.
func newMember(l *pipeListener, url string, n int) Config {
	peer := fmt.Sprintf("http://m%d:2380", n)
	c := newConfig(l, new(bytes.Buffer))
	c.URL, c.Self, c.Registration = url, member.NewID([]string{peer}, url), fmt.Sprintf("m%d=%s", n, peer)
	return c
}

func TestThreeMembersThatJoinAtOnceFindTheSameCluster(t *testing.T) {
	told(t, func(t *testing.T) {
		l, url := hostToken(t, 3)
		var found [4]string
		var errs [3]error
		var joining sync.WaitGroup
		joining.Go(func() {
			outsider := newMember(l, url, 9)
			var err error
			if found[3], err = Cluster(t.Context(), outsider); err != nil {
				t.Error(err)
			}
		})
		for i := range errs {
			joining.Go(func() { found[i], errs[i] = join(t, newMember(l, url, i)) })
		}
		joining.Wait()
		for i, err := range errs {
			if err != nil || found[i] != found[0] || !strings.Contains(found[i], fmt.Sprintf("m%d=http://m%d:2380", i, i)) {
				t.Errorf("member %d found %q, %v; member 0 found %q", i, found[i], err, found[0])
			}
		}
		if found[3] != found[0] {
			t.Errorf("the outsider found %q, want %q", found[3], found[0])
		}
		if got, err := join(t, newMember(l, url, 3)); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth one: %q, %v", got, err)
		}
		if got, err := join(t, newMember(l, url, 1)); !errors.Is(err, ErrAlreadyRegistered) {
			t.Errorf("the second one in another life: %q, %v", got, err)
		}
		if got, err := join(t, newMember(l, url+"x", 1)); !errors.Is(err, ErrSizeNotFound) {
			t.Errorf("at a token nobody made: %q, %v", got, err)
		}
	})
}

// More members want in than there is room for: some are in, with the same
// cluster, and all others are told.
func TestOfTooManyMembersTheFirstAreIn(t *testing.T) {
	told(t, func(t *testing.T) {
		l, url := hostToken(t, 3)
		var mu sync.Mutex
		found, full := map[string]int{}, 0
		var joining sync.WaitGroup
		for i := range 8 {
			joining.Go(func() {
				got, err := join(t, newMember(l, url, i))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					found[got]++
				case errors.Is(err, ErrFull):
					full++
				default:
					t.Error(err)
				}
			})
		}
		joining.Wait()
		if len(found) != 1 || full != 5 {
			t.Errorf("found %v, %d found it full", found, full)
		}
	})
}

func TestWaitingMembersTakeNoTimeToNoticeTheLast(t *testing.T) {
	told(t, func(t *testing.T) {
		l, url := hostToken(t, 2)
		var joining sync.WaitGroup
		begun := time.Now()
		joining.Go(func() {
			if got, err := join(t, newMember(l, url, 0)); err != nil || time.Since(begun) != time.Hour {
				t.Errorf("got %q, %v after %v, want it after an hour", got, err, time.Since(begun))
			}
		})
		time.Sleep(time.Hour)
		if got, err := join(t, newMember(l, url, 1)); err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		joining.Wait()
	})
}
