package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/block"
	"keytree/store"
)

// treeIn is the tree in the body of a snapshot.
func treeIn(t *testing.T, body string) *store.Store {
	t.Helper()
	blocks := block.NewReader(strings.NewReader(body))
	stream, err := io.ReadAll(blocks)
	if err != nil || !blocks.Whole() {
		t.Fatalf("%d bytes, %v", len(stream), err)
	}
	s, err := store.Open("tree", store.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Restore(bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASnapshotHoldsAllThatWasAnsweredBefore(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for i := range 300 {
			b.put(fmt.Sprintf("/v2/keys/d/%d", i), "value="+strings.Repeat("x", 1000))
		}
		last := b.put("/v2/keys/_hidden", "value=1")
		a := b.get("/keytree/v1/snapshot")
		if a.status != 200 || a.headers.Get("Content-Type") != "application/octet-stream" {
			t.Fatalf("%d %v", a.status, a.headers)
		}
		for _, name := range []string{headerIndex, headerClusterID} {
			if a.headers.Get(name) != last.headers.Get(name) {
				t.Errorf("%s is %s, was %s", name, a.headers.Get(name), last.headers.Get(name))
			}
		}
		tree := treeIn(t, a.body)
		for _, name := range []string{"/d/0", "/d/299", "/_hidden"} {
			if _, _, err := tree.Get(store.ParsePath(store.Keys, name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if fmt.Sprint(tree.Index()) != last.headers.Get(headerIndex) {
			t.Errorf("the tree stands at %d, after %s", tree.Index(), last.headers.Get(headerIndex))
		}
	})
}

func TestASnapshotIsForGetOnly(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, method := range []string{"HEAD", "PUT", "POST", "DELETE"} {
			a := b.do(method, "/keytree/v1/snapshot", "")
			if a.status != 405 || a.headers.Get("Allow") != "GET" {
				t.Errorf("%s: %d %v", method, a.status, a.headers)
			}
		}
	})
}

func TestASnapshotTakesTheRootRole(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p"}`, asRoot)
		for _, headers := range [][]string{nil, {"Authorization: Basic dTpw"}} { // u:p
			if a := b.do("GET", "/keytree/v1/snapshot", "", headers...); a.status != 401 || a.body != `{"message":"Insufficient credentials"}` {
				t.Errorf("as %q: %d %.80s", headers, a.status, a.body)
			}
		}
		tree := treeIn(t, b.do("GET", "/keytree/v1/snapshot", "", asRoot).body)
		if _, _, err := tree.Get(store.ParsePath(store.Auth, "/users/u")); err != nil {
			t.Errorf("a user is missing: %v", err)
		}
	})
}

// What could miss answered writes is not given out.
func TestThereIsNoSnapshotWithoutAQuorum(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.refuse.Store(&store.Error{Code: store.CodeRaft, Cause: timedOut})
		if a := b.get("/keytree/v1/snapshot"); a.status != 503 || a.body != `{"message":"`+timedOut+`"}` {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Clients that do not read keep two snapshots open, and no third; they are
// let go when they do not read for too long, or the member stops.
func TestFewSnapshotsAreUnderWayAtOnce(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/big", "value="+strings.Repeat("x", 4<<20))
		for range maxSnapshots {
			c := b.dial()
			defer c.Close()
			c.send("GET", "/keytree/v1/snapshot", "")
			synctest.Wait()
		}
		if a := b.get("/keytree/v1/snapshot"); a.status != 503 || !strings.Contains(a.body, "under way already") {
			t.Fatalf("a third: %d %.80s", a.status, a.body)
		}
		if a := b.get("/v2/keys/big"); a.status != 200 {
			t.Errorf("a key meanwhile: %d", a.status)
		}
	})
}

func TestASnapshotEndsWhenTheMemberStops(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/big", "value="+strings.Repeat("x", 4<<20))
		c := b.dial()
		defer c.Close()
		c.send("GET", "/keytree/v1/snapshot", "")
		synctest.Wait() // it hangs on a client that does not read
		close(b.stopping)
		if rest := c.rest(); !strings.HasPrefix(rest, "HTTP/1.1 200 OK") || strings.HasSuffix(rest, "0\r\n\r\n") {
			t.Errorf("it came to its end, or never began: %.40q", rest)
		}
	})
}
