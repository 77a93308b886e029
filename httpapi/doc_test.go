package httpapi

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// These tests follow the keys chapter of the v2 API document, a rule each, in
// its order. The rules are told in our own words.

// told runs test against a fresh server.
func told(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) { test(t, newBenchOn(t, over, asItIs)) })
}

// want fails the test unless a has the status and the body.
func (a *answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body+"\n" {
		t.Errorf("got  %d %swant %d %s", a.status, a.body, status, body)
	}
}

// wantIn fails the test unless a has the status and the text in its body.
func (a *answer) wantIn(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("got  %d %swant %d with %s in it", a.status, a.body, status, text)
	}
}

// Setting a key's value: a PUT makes the key, and says so with 201.
func TestAPutMakesAKey(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/message", "value=Hello world").want(t, 201,
			`{"action":"set","node":{"key":"/message","value":"Hello world","modifiedIndex":4,"createdIndex":4}}`)
	})
}

// The headers tell the index of the tree, and where the log stands.
func TestEveryAnswerTellsItsIndices(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		a := b.put("/v2/keys/message", "value=1")
		for name, want := range map[string]string{
			"X-Etcd-Index": "4", "X-Raft-Index": "5", "X-Raft-Term": "2",
			"X-Etcd-Cluster-Id": "31c6e9f19e0fb0d9", "Content-Type": "application/json",
		} {
			if got := a.headers.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	})
}

// A GET shows the key's present value.
func TestAGetShowsTheValue(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/message", "value=Hello world")
		b.get("/v2/keys/message").want(t, 200,
			`{"action":"get","node":{"key":"/message","value":"Hello world","modifiedIndex":4,"createdIndex":4}}`)
	})
}

// Another PUT changes the value and shows what was there before.
func TestAPutShowsThePreviousNode(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/message", "value=one")
		b.put("/v2/keys/message", "value=two").want(t, 200,
			`{"action":"set","node":{"key":"/message","value":"two","modifiedIndex":5,"createdIndex":5},`+
				`"prevNode":{"key":"/message","value":"one","modifiedIndex":4,"createdIndex":4}}`)
	})
}

// A DELETE removes the key and shows what was there.
func TestADeleteRemovesAKey(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/message", "value=one")
		b.delete("/v2/keys/message").want(t, 200,
			`{"action":"delete","node":{"key":"/message","modifiedIndex":5,"createdIndex":4},`+
				`"prevNode":{"key":"/message","value":"one","modifiedIndex":4,"createdIndex":4}}`)
		b.get("/v2/keys/message").want(t, 404, `{"errorCode":100,"message":"Key not found","cause":"/message","index":5}`)
	})
}

// A key with a ttl shows when it ends, and how many seconds are left.
func TestATTLIsShownAsDateAndSeconds(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=bar&ttl=5").want(t, 201,
			`{"action":"set","node":{"key":"/foo","value":"bar","expiration":"2026-11-21T07:45:05.123456789Z","ttl":5,"modifiedIndex":4,"createdIndex":4}}`)
		time.Sleep(2500 * time.Millisecond)
		b.get("/v2/keys/foo").wantIn(t, 200, `"ttl":3,`)
	})
}

// When its time is over the key is gone.
func TestAKeyIsGoneAfterItsTTL(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=bar&ttl=5")
		time.Sleep(5*time.Second + 500*time.Millisecond)
		b.get("/v2/keys/foo").want(t, 404, `{"errorCode":100,"message":"Key not found","cause":"/foo","index":5}`)
	})
}

// An update without a ttl lets the key live forever.
func TestAnUpdateWithoutTTLMakesAKeyPermanent(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=bar&ttl=5")
		b.put("/v2/keys/foo", "value=bar&ttl=&prevExist=true").wantIn(t, 200,
			`"node":{"key":"/foo","value":"bar","modifiedIndex":5,"createdIndex":4}`)
		time.Sleep(time.Minute)
		b.get("/v2/keys/foo").wantIn(t, 200, `"value":"bar"`)
	})
}

// A refresh gives a new ttl, keeps the value and wakes no watcher.
func TestARefreshKeepsTheValueAndWakesNobody(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=bar&ttl=5")
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/foo?wait=true", "")
		_, body := c.head("GET")
		b.put("/v2/keys/foo", "ttl=500&refresh=true&prevExist=true").wantIn(t, 200, `"value":"bar","expiration"`)
		b.put("/v2/keys/foo", "value=new")
		if line, _ := body.ReadString('\n'); !strings.Contains(line, `"value":"new"`) {
			t.Errorf("the watcher heard %q first", line)
		}
	})
}

// A watch answers with the next change.
func TestAWatchWaitsForTheNextChange(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/foo?wait=true", "")
		a, body := c.head("GET")
		if a.status != 200 || a.length != -1 || a.headers.Get("X-Etcd-Index") != "3" {
			t.Errorf("got %v before anything happened", a)
		}
		b.put("/v2/keys/foo", "value=bar")
		text, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		(&answer{status: 200, body: string(text)}).want(t, 200,
			`{"action":"set","node":{"key":"/foo","value":"bar","modifiedIndex":4,"createdIndex":4}}`)
		// The body has ended: the connection serves the next request.
		c.send("GET", "/v2/keys/foo", "")
		if a := c.receive("GET"); a.status != 200 {
			t.Errorf("after the watch: %v", a)
		}
	})
}

// A watch from an index in the past answers from the history.
func TestAWatchFromAnOldIndexAnswersFromHistory(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=1")
		b.put("/v2/keys/other", "value=1")
		b.put("/v2/keys/foo", "value=2")
		b.get("/v2/keys/foo?wait=true&waitIndex=5").wantIn(t, 200, `"value":"2","modifiedIndex":6`)
	})
}

// A watch from an index that the history has lost is refused with 401.
func TestAWatchFromALostIndexIsRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for i := range 1010 {
			b.put("/v2/keys/foo", fmt.Sprint("value=", i))
		}
		b.get("/v2/keys/foo?wait=true&waitIndex=8").want(t, 400,
			`{"errorCode":401,"message":"The event in requested index is outdated and cleared",`+
				`"cause":"the requested history has been cleared [14/8]","index":1013}`)
	})
}

// A POST makes a key whose name tells the order.
func TestAPostMakesKeysInOrder(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.post("/v2/keys/queue", "value=Job1").want(t, 201,
			`{"action":"create","node":{"key":"/queue/00000000000000000004","value":"Job1","modifiedIndex":4,"createdIndex":4}}`)
		b.post("/v2/keys/queue", "value=Job2")
		b.get("/v2/keys/queue?recursive=true&sorted=true").wantIn(t, 200,
			`"value":"Job1","modifiedIndex":4,"createdIndex":4},{"key":"/queue/00000000000000000005"`)
	})
}

// A directory can have a ttl; when it ends everything beneath it goes with
// one event, which also those who watch beneath it get.
func TestADirectoryExpiresWithAllBeneathIt(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/dir", "ttl=30&dir=true").wantIn(t, 201, `"key":"/dir","dir":true,"expiration":`)
		b.put("/v2/keys/dir/asdf", "value=1")
		b.get("/v2/keys/dir/asdf?wait=true").wantIn(t, 200,
			`{"action":"expire","node":{"key":"/dir","dir":true,"modifiedIndex":6,"createdIndex":4}`)
		b.get("/v2/keys/dir/asdf").wantIn(t, 404, `"cause":"/dir"`)
	})
}

// A compare-and-swap happens only if the conditions hold.
func TestASwapNeedsItsConditions(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=one")
		b.put("/v2/keys/foo?prevExist=false", "value=three").want(t, 412,
			`{"errorCode":105,"message":"Key already exists","cause":"/foo","index":4}`)
		b.put("/v2/keys/foo?prevValue=two", "value=three").want(t, 412,
			`{"errorCode":101,"message":"Compare failed","cause":"[two != one]","index":4}`)
		b.put("/v2/keys/foo?prevIndex=9", "value=three").want(t, 412,
			`{"errorCode":101,"message":"Compare failed","cause":"[9 != 4]","index":4}`)
		b.put("/v2/keys/foo?prevValue=one", "value=two").wantIn(t, 200, `{"action":"compareAndSwap"`)
	})
}

// A compare-and-delete too, and never of a directory.
func TestACompareAndDeleteNeedsItsConditions(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=one")
		b.delete("/v2/keys/foo?prevValue=two").wantIn(t, 412, `"cause":"[two != one]"`)
		b.delete("/v2/keys/foo?prevIndex=1").wantIn(t, 412, `"cause":"[1 != 4]"`)
		b.delete("/v2/keys/foo?prevValue=one").wantIn(t, 200, `{"action":"compareAndDelete"`)
		b.put("/v2/keys/dir", "dir=true")
		b.delete("/v2/keys/dir?prevIndex=6").wantIn(t, 403, `"errorCode":102`)
	})
}

// Directories come with the keys in them, or when asked for.
func TestADirectoryIsMadeByAPutWithDir(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/dir", "dir=true").want(t, 201,
			`{"action":"set","node":{"key":"/dir","dir":true,"modifiedIndex":4,"createdIndex":4}}`)
		b.put("/v2/keys/dir", "value=x").want(t, 403, `{"errorCode":102,"message":"Not a file","cause":"/dir","index":4}`)
	})
}

// A GET of a directory lists what is in it; with recursive, all beneath it.
func TestAListingIsRecursiveOnRequest(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo_dir/foo", "value=bar")
		b.get("/v2/keys").want(t, 200,
			`{"action":"get","node":{"dir":true,"nodes":[{"key":"/foo_dir","dir":true,"modifiedIndex":4,"createdIndex":4}]}}`)
		b.get("/v2/keys/?recursive=true").want(t, 200,
			`{"action":"get","node":{"dir":true,"nodes":[{"key":"/foo_dir","dir":true,"nodes":[`+
				`{"key":"/foo_dir/foo","value":"bar","modifiedIndex":4,"createdIndex":4}],"modifiedIndex":4,"createdIndex":4}]}}`)
	})
}

// An empty directory goes with dir=true, any directory with recursive=true.
func TestADirectoryIsRemovedOnExpressWish(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/dir/a", "value=1")
		b.delete("/v2/keys/dir").wantIn(t, 403, `"errorCode":102`)
		b.delete("/v2/keys/dir?dir=true").wantIn(t, 403, `"errorCode":108`)
		b.delete("/v2/keys/dir?recursive=true").wantIn(t, 200,
			`{"action":"delete","node":{"key":"/dir","dir":true,"modifiedIndex":5,"createdIndex":4}`)
		b.put("/v2/keys/dir", "dir=true")
		b.delete("/v2/keys/dir?dir=true").wantIn(t, 200, `"dir":true`)
	})
}

// A name that begins with an underscore is hidden from listings.
func TestAHiddenNodeIsNotListed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/_message", "value=hidden")
		b.put("/v2/keys/message", "value=shown")
		if body := b.get("/v2/keys?recursive=true").body; strings.Contains(body, "hidden") || !strings.Contains(body, "shown") {
			t.Errorf("got %s", body)
		}
		b.get("/v2/keys/_message").wantIn(t, 200, `"value":"hidden"`)
	})
}

// A value may be the content of a file: what curl sends for it is a form.
func TestAValueMayHoldAnything(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/afile", "value=line+1%0Aline+2%09%22quoted%22%0A").wantIn(t, 201,
			`"value":"line 1\nline 2\t\"quoted\"\n"`)
	})
}

// A quorum read asks the log first, and fails without a quorum.
func TestAQuorumReadNeedsAQuorum(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=1")
		b.get("/v2/keys/foo?quorum=true").wantIn(t, 200, `"value":"1"`)
		b.cluster.hang.Store(true)
		start := time.Now()
		b.get("/v2/keys/foo?quorum=true").want(t, 500,
			`{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`)
		if waited := time.Since(start); waited != 7*time.Second {
			t.Errorf("it took %v", waited)
		}
		b.get("/v2/keys/foo").wantIn(t, 200, `"value":"1"`)
	})
}

// A quorum read leaves no trace in the log: X-Raft-Index stays.
func TestAQuorumReadWritesNothing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/foo", "value=1")
		before := b.get("/v2/keys/foo").headers.Get("X-Raft-Index")
		if after := b.get("/v2/keys/foo?quorum=true").headers.Get("X-Raft-Index"); after != before {
			t.Errorf("got %s after %s", after, before)
		}
	})
}

// A stream follows a key until one side ends it, every event once.
func TestAStreamGoesOn(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/foo?wait=true&stream=true", "")
		_, body := c.head("GET")
		for i := range 3 {
			b.put("/v2/keys/foo", fmt.Sprint("value=", i))
			if line, err := body.ReadString('\n'); err != nil || !strings.Contains(line, fmt.Sprintf(`"value":"%d"`, i)) {
				t.Errorf("event %d: got %q, %v", i, line, err)
			}
			time.Sleep(time.Hour)
		}
		synctest.Wait()
		if n := b.cluster.stats().Watchers(); n != 1 {
			t.Errorf("%d watchers", n)
		}
	})
}
