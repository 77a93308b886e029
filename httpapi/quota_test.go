package httpapi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/store"
)

// rationed runs test against a member with a quota, on a clock of its own.
func rationed(t *testing.T, limit int64, test func(t *testing.T, b *bench, q *Quota)) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var q *Quota
		b := newBench(t, func(c *Config) {
			q = NewQuota(limit, c.Keyspace.(*lone).Bytes)
			if err := q.Register(c.Metrics.(*prometheus.Registry)); err != nil {
				t.Fatal(err)
			}
			c.Quota = q
		})
		test(t, b, q)
	})
}

// mustSet sets a key past all quotas.
func (b *bench) mustSet(name, value string) {
	b.t.Helper()
	c := store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, name), Value: value}
	if done, err := b.cluster.Do(b.t.Context(), c); err != nil || done.Err != nil {
		b.t.Fatal(err, done.Err)
	}
}

// wantOverQuota fails the test unless a is the refusal of a write by a quota.
func (a *answer) wantOverQuota(t *testing.T, used, limit, more, index int) {
	t.Helper()
	a.want(t, 403, fmt.Sprintf(`{"errorCode":302,"message":"Quota exceeded",`+
		`"cause":"the keys take %d of %d bytes, and this takes %d more: delete some, or raise --quota-bytes","index":%d}`, used, limit, more, index))
	if got := a.headers.Get("X-Etcd-Index"); got != fmt.Sprint(index) || a.headers.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.headers)
	}
}

func (b *bench) wantStatus(want int, a *answer) {
	b.t.Helper()
	if a.status != want {
		b.t.Errorf("got %v, want %d", a, want)
	}
}

func TestAWriteBeyondTheQuotaIsRefused(t *testing.T) {
	const node = store.NodeBytes + len("/a")
	rationed(t, int64(node+10), func(t *testing.T, b *bench, q *Quota) {
		b.wantStatus(201, b.put("/v2/keys/a", "value=1234567890"))
		b.put("/v2/keys/a", "value=1234567890+").wantOverQuota(t, node+10, node+10, 1, 4)
		b.put("/v2/keys/b", "value=").wantOverQuota(t, node+10, node+10, node, 4)
		b.post("/v2/keys/b", "value=x").wantOverQuota(t, node+10, node+10, node+store.NodeBytes+len("/b/")+20+1, 4)
		b.get("/v2/keys/a").want(t, 200, `{"action":"get","node":{"key":"/a","value":"1234567890","modifiedIndex":4,"createdIndex":4}}`)
		if a := b.get("/v2/keys/b"); a.status != 404 || a.headers.Get("X-Etcd-Index") != "4" {
			t.Errorf("got %v", a)
		}
		page := b.get("/metrics").body
		for _, line := range []string{
			fmt.Sprintf("keytree_quota_limit_bytes %d", node+10), fmt.Sprintf("keytree_quota_used_bytes %d", node+10),
			"keytree_quota_refused_total 3", `etcd_http_failed_total{code="Forbidden",method="PUT"} 2`,
		} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("missing: %s", line)
			}
		}
	})
}

// A tree that is full, or more than that, can be made smaller, and what is
// there can be kept alive.
func TestAFullTreeTakesWhatDoesNotGrowIt(t *testing.T) {
	full := func(t *testing.T, b *bench) {
		b.wantStatus(200, b.put("/v2/keys/a", "value=5678"))
		b.wantStatus(200, b.put("/v2/keys/a", "value=56&ttl=100"))
		b.wantStatus(200, b.put("/v2/keys/a", "refresh=true&prevExist=true&ttl=200"))
		b.wantStatus(200, b.put("/v2/keys/a", "prevValue=56&value=78"))
		b.wantStatus(200, b.put("/v2/keys/a", "dir=true"))
		b.wantStatus(200, b.put("/v2/keys/a", "dir=true&prevExist=true&ttl=100"))
		b.wantStatus(200, b.put("/v2/keys/d/e", "ttl=1&refresh=true"))
		b.wantStatus(200, b.delete("/v2/keys/d/f?prevValue=1"))
		time.Sleep(2 * time.Second)
		b.wantStatus(404, b.get("/v2/keys/d/e"))
		b.wantStatus(200, b.delete("/v2/keys/d?recursive=true"))
		b.wantStatus(201, b.put("/v2/keys/d/e", "value=1"))
	}
	for name, over := range map[string]int64{"full": 0, "over": 20} {
		t.Run(name, func(t *testing.T) {
			rationed(t, 1, func(t *testing.T, b *bench, q *Quota) {
				used := b.cluster.Bytes
				b.mustSet("/a", "1234")
				b.mustSet("/d/e", "1")
				b.mustSet("/d/f", "1")
				q.limit = used() - over
				if over == 0 {
					b.put("/v2/keys/x", "value=1").wantOverQuota(t, int(used()), int(used()), store.NodeBytes+len("/x1"), 6)
				}
				full(t, b)
			})
		})
	}
}

// Whoever is refused anyway hears why, not of the quota.
func TestTheTreesRefusalsGoBeforeTheQuotas(t *testing.T) {
	rationed(t, 1, func(t *testing.T, b *bench, q *Quota) {
		b.mustSet("/a", "1")
		b.mustSet("/d/e", "1")
		for _, c := range []struct {
			a    *answer
			code string
		}{
			{b.put("/v2/keys/a", "prevExist=false&value=long"), "105"},
			{b.put("/v2/keys/b", "prevExist=true&value=long"), "100"},
			{b.put("/v2/keys/b", "refresh=true&ttl=1"), "100"},
			{b.put("/v2/keys/a", "prevValue=2&value=long"), "101"},
			{b.put("/v2/keys/a", "prevIndex=2&value=long"), "101"},
			{b.put("/v2/keys/b", "prevValue=2&value=long"), "100"},
			{b.put("/v2/keys/a/b", "value=long"), "104"},
			{b.put("/v2/keys/d", "value=long"), "102"},
			{b.put("/v2/keys", "value=long"), "107"},
			{b.post("/v2/keys/a", "value=long"), "104"},
			{b.delete("/v2/keys/b"), "100"},
			{b.put("/v2/keys/a", "value=long"), "302"},
			{b.put("/v2/keys/a", "prevValue=1&value=long"), "302"},
			{b.put("/v2/keys/a", "prevExist=true&value=long"), "302"},
			{b.put("/v2/keys/d/f", "prevExist=false&dir=true"), "302"},
			{b.post("/v2/keys", "value=long"), "302"},
		} {
			c.a.wantIn(t, c.a.status, `{"errorCode":`+c.code+`,`)
		}
	})
}

func TestMakingATokenObeysTheQuota(t *testing.T) {
	rationed(t, 1000, func(t *testing.T, b *bench, q *Quota) {
		b.newToken("GET", "")
		b.newToken("GET", "")
		a := b.get(newTokenPath)
		a.wantIn(t, 403, `{"errorCode":302,"message":"Quota exceeded","cause":"the keys take `)
	})
}

// What a write is said to add is what it adds: random commands, each asked
// for first and then done.
func TestTheQuotaKnowsWhatAWriteTakes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		keys := openLone(t)
		rnd := rand.New(rand.NewPCG(1, 2))
		names := []string{"/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/é", "/é/x", "/f", "/f/g"}
		done := 0
		for i := range 4000 {
			c := store.Command{
				Op:      store.Op(1 + rnd.IntN(int(store.CompareAndDelete))),
				Path:    store.ParsePath(store.Keys, names[rnd.IntN(len(names))]),
				Value:   strings.Repeat("v", rnd.IntN(20)),
				Dir:     rnd.IntN(4) == 0,
				Refresh: rnd.IntN(6) == 0,
			}
			c.Recursive = c.Op == store.Delete && rnd.IntN(2) == 0
			if c.Refresh {
				c.Value, c.Refresh = "", c.Op == store.Set || c.Op == store.Update || c.Op == store.CompareAndSwap
			}
			if c.Op >= store.CompareAndSwap {
				c.PrevValue = strings.Repeat("v", rnd.IntN(20))
			}
			n, _, err := keys.Get(c.Path)
			var missing *store.Error
			if err != nil && !errors.As(err, &missing) {
				t.Fatal(err)
			}
			before := keys.Bytes()
			more, most := growth(&c, &n, missing), mostGrowth(&c)
			result, err := keys.Do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			grown := keys.Bytes() - before
			removes := c.Op == store.Delete || c.Op == store.CompareAndDelete
			switch {
			case grown > most, removes && most != 0:
				t.Fatalf("step %d: %+v took %d, at most %d were expected", i, c, grown, most)
			case removes:
			case result.Err == nil && grown != more, result.Err != nil && more > 0:
				t.Fatalf("step %d: %+v took %d (%v), %d were expected", i, c, grown, result.Err, more)
			}
			if result.Err == nil {
				done++
			}
		}
		if done < 500 {
			t.Errorf("only %d commands did something", done)
		}
	})
}

// What a transaction is said to add is at least what it adds, and no more than
// its operations could.
func TestTheQuotaKnowsWhatATransactionTakesAtLeast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		keys := openLone(t)
		rnd := rand.New(rand.NewPCG(3, 4))
		names := []string{"/a", "/a/b", "/a/b/c", "/é", "/é/x", "/f", "/f/g", "/h", "/i/j/k", "/i/j/l"}
		done, exact := 0, 0
		for i := range 4000 {
			c := store.Command{Op: store.Transact, Path: store.Root(store.Keys), Transaction: &store.Transaction{}}
			for range 1 + rnd.IntN(4) {
				one := store.Command{
					Op:        store.Op(1 + rnd.IntN(int(store.Delete))),
					Path:      store.ParsePath(store.Keys, names[rnd.IntN(len(names))]),
					Value:     strings.Repeat("v", rnd.IntN(20)),
					Recursive: rnd.IntN(2) == 0,
				}
				if rnd.IntN(2) == 0 {
					one.Op = store.Set
				}
				c.Transaction.Operations = append(c.Transaction.Operations, one)
			}
			before := keys.Bytes()
			most := mostGrowth(&c)
			more, _, err := growthOn(keys, &c)
			if err != nil {
				t.Fatal(err)
			}
			result, err := keys.Do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			grown := keys.Bytes() - before
			switch {
			case result.Err != nil && grown != 0, result.Err == nil && grown > more, more > most:
				t.Fatalf("step %d: %+v took %d (%v), at most %d and %d were expected", i, c.Transaction, grown, result.Err, more, most)
			case result.Err == nil:
				done++
			}
			if result.Err == nil && grown == more {
				exact++
			}
		}
		if done < 500 || exact < done/2 {
			t.Errorf("%d transactions did something, %d of them took what was expected", done, exact)
		}
	})
}

func TestAllMembersCountTheSameBytes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newCluster(t, 3, lean)
		leader := b.of(b.roles["leader"])
		leader.put("/v2/keys/a/b", "value=1234")
		leader.put("/v2/keys/c", "value=1")
		leader.delete("/v2/keys/c")
		want := int64(2*store.NodeBytes + len("/a") + len("/a/b") + len("1234"))
		time.Sleep(time.Second)
		for _, m := range b.members.Members {
			if got := m.Bytes(); got != want {
				t.Errorf("%s: %d bytes, want %d", m.Name, got, want)
			}
		}
		follower := b.roles["follower"]
		follower.Stop()
		leader.put("/v2/keys/c", "value=2")
		follower.Start()
		time.Sleep(time.Second)
		if got, want := follower.Bytes(), leader.roles[""].Bytes(); got != want || want == 0 {
			t.Errorf("after a new start: %d bytes, want %d", got, want)
		}
	})
}
