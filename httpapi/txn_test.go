package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/store"
)

// txn asks for a transaction.
func (b *bench) txn(body string, headers ...string) *answer {
	b.t.Helper()
	return b.do("POST", txnPath, body, append(headers, jsonType)...)
}

func TestATransactionIsAnsweredWithItsEvents(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		a := b.txn(`{"compare":[{"key":"/a","prevValue":"1","prevIndex":4,"prevExist":true},{"key":"/lock/","prevExist":false}],
			"operations":[
				{"action":"compareAndSwap","key":"/a","value":"2","prevIndex":4},
				{"action":"create","key":"/lock","value":"me é <&> \u0000","ttl":10},
				{"action":"createInOrder","key":"/q/","value":"x"},
				{"action":"update","key":"/lock","refresh":true,"ttl":20},
				{"action":"set","key":"/d","dir":true},
				{"action":"delete","key":"/d","dir":true,"recursive":false},
				{"action":"compareAndDelete","key":"/a","prevValue":"2"}]}`)
		a.want(t, 200, `{"events":[`+strings.Join([]string{
			`{"action":"compareAndSwap","node":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":4},"prevNode":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}`,
			`{"action":"create","node":{"key":"/lock","value":"me é \u003c\u0026\u003e \u0000","expiration":"2026-11-21T07:45:10.123456789Z","ttl":10,"modifiedIndex":6,"createdIndex":6}}`,
			`{"action":"create","node":{"key":"/q/00000000000000000007","value":"x","modifiedIndex":7,"createdIndex":7}}`,
			`{"action":"update","node":{"key":"/lock","value":"me é \u003c\u0026\u003e \u0000","expiration":"2026-11-21T07:45:20.123456789Z","ttl":20,"modifiedIndex":8,"createdIndex":6},` +
				`"prevNode":{"key":"/lock","value":"me é \u003c\u0026\u003e \u0000","expiration":"2026-11-21T07:45:10.123456789Z","ttl":10,"modifiedIndex":6,"createdIndex":6}}`,
			`{"action":"set","node":{"key":"/d","dir":true,"modifiedIndex":9,"createdIndex":9}}`,
			`{"action":"delete","node":{"key":"/d","dir":true,"modifiedIndex":10,"createdIndex":9},"prevNode":{"key":"/d","dir":true,"modifiedIndex":9,"createdIndex":9}}`,
			`{"action":"compareAndDelete","node":{"key":"/a","modifiedIndex":11,"createdIndex":4},"prevNode":{"key":"/a","value":"2","modifiedIndex":5,"createdIndex":4}}`,
		}, ",")+`]}`)
		h := a.headers
		if h.Get("X-Etcd-Index") != "11" || h.Get("X-Etcd-Cluster-Id") != "31c6e9f19e0fb0d9" || h.Get("Content-Type") != "application/json" ||
			h.Get("X-Raft-Index") == "" || h.Get("X-Raft-Term") == "" {
			t.Errorf("headers %v", h)
		}
		time.Sleep(21 * time.Second)
		if a := b.get("/v2/keys/lock"); a.status != 404 || a.headers.Get("X-Etcd-Index") != "12" {
			t.Errorf("after its end: %v", a)
		}
	})
}

// All members come to the same, and each of the events is in the history.
func TestEveryMemberHasTheWholeTransaction(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		b.at("follower").txn(`{"operations":[{"action":"set","key":"/a","value":"1"},{"action":"set","key":"/a","value":"2"},{"action":"delete","key":"/a"},
			{"action":"set","key":"/b","value":"3","ttl":100}]}`).wantIn(t, 200, `{"events":[{"action":"set",`)
		refused := b.at("follower").txn(`{"operations":[{"action":"set","key":"/a","value":"1"},{"action":"create","key":"/b","value":"1"}]}`)
		refused.wantIn(t, 412, `{"errorCode":105,"message":"Key already exists","cause":"operation 1: /b","index":11}`)
		b.settle()
		for _, m := range b.each() {
			m.get("/v2/keys/b").wantIn(t, 200, `"value":"3","expiration":`)
			if a := m.get("/v2/keys/a"); a.status != 404 || a.headers.Get("X-Etcd-Index") != "11" {
				t.Errorf("%s: %v", m.name(), a)
			}
			for index, want := range map[int]string{8: `"value":"1","modifiedIndex":8`, 9: `"value":"2","modifiedIndex":9`, 10: `{"action":"delete"`} {
				m.get(fmt.Sprintf("/v2/keys/a?wait=true&waitIndex=%d", index)).wantIn(t, 200, want)
			}
		}
	})
}

func TestAWatchSeesTheEventsOfATransactionInOrder(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/?wait=true&stream=true&recursive=true", "")
		_, body := c.head("GET")
		lines := make(chan string, 10)
		go func() {
			for d := json.NewDecoder(body); ; {
				var e struct {
					Action string
					Node   struct{ Key string }
				}
				if d.Decode(&e) != nil {
					close(lines)
					return
				}
				lines <- e.Action + " " + e.Node.Key
			}
		}()
		synctest.Wait()
		b.txn(`{"operations":[{"action":"set","key":"/z","value":"1"},{"action":"delete","key":"/none"}]}`).wantIn(t, 404, `"cause":"operation 1: /none"`)
		b.txn(`{"operations":[{"action":"set","key":"/z","value":"1"},{"action":"set","key":"/a/b","value":"1"},{"action":"delete","key":"/a","recursive":true}]}`)
		synctest.Wait()
		for _, want := range []string{"set /z", "set /a/b", "delete /a"} {
			select {
			case got := <-lines:
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			default:
				t.Errorf("%s was not seen", want)
			}
		}
		if len(lines) > 0 {
			t.Errorf("besides: %s", <-lines)
		}
	})
}

func TestATransactionThatIsRefusedDoesNothing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		b.put("/v2/keys/d/e", "value=1")
		before := b.get("/v2/keys?recursive=true").body
		for body, want := range map[string]string{
			`{"compare":[{"key":"/a","prevIndex":4},{"key":"/a","prevValue":"x"}],"operations":[{"action":"set","key":"/a"}]}`: `412 {"errorCode":101,"message":"Compare failed","cause":"compare 1: [x != 1]","index":5}`,
			`{"compare":[{"key":"/n/m","prevExist":true}]}`:                                                                    `404 {"errorCode":100,"message":"Key not found","cause":"compare 0: /n","index":5}`,
			`{"compare":[{"key":"/a/m","prevExist":true}]}`:                                                                    `400 {"errorCode":104,"message":"Not a directory","cause":"compare 0: /a","index":5}`,
			`{"compare":[{"key":"/d","prevValue":"x"}]}`:                                                                       `403 {"errorCode":102,"message":"Not a file","cause":"compare 0: /d","index":5}`,
			`{"compare":[{"key":"/d","prevExist":false}]}`:                                                                     `412 {"errorCode":105,"message":"Key already exists","cause":"compare 0: /d","index":5}`,
			`{"operations":[{"action":"set","key":"/b","value":"1"},{"action":"set","key":"/d","value":"1"}]}`:                 `403 {"errorCode":102,"message":"Not a file","cause":"operation 1: /d","index":5}`,
			`{"operations":[{"action":"delete","key":"/d","recursive":true},{"action":"delete","key":"/d"}]}`:                  `404 {"errorCode":100,"message":"Key not found","cause":"operation 1: /d","index":5}`,
			`{"operations":[{"action":"delete","key":"/a"},{"action":"delete","key":"/d","dir":true}]}`:                        `403 {"errorCode":108,"message":"Directory not empty","cause":"operation 1: /d","index":5}`,
			`{"operations":[{"action":"delete","key":"/a"},{"action":"set","key":"/"}]}`:                                       `400 {"errorCode":107,"message":"Root is read only","cause":"operation 1: /","index":5}`,
			`{"operations":[{"action":"compareAndDelete","key":"/a","prevValue":"2"}]}`:                                        `412 {"errorCode":101,"message":"Compare failed","cause":"operation 0: [2 != 1]","index":5}`,
			`{"operations":[{"action":"compareAndSwap","key":"/a","value":"2","prevIndex":7},{"action":"set","key":"/a"}]}`:    `412 {"errorCode":101,"message":"Compare failed","cause":"operation 0: [7 != 4]","index":5}`,
		} {
			a := b.txn(body)
			if got := fmt.Sprintf("%d %s", a.status, a.body); got != want+"\n" || a.headers.Get("X-Etcd-Index") != "5" {
				t.Errorf("%s\n got %swant %s", body, got, want)
			}
		}
		if after := b.get("/v2/keys?recursive=true").body; after != before {
			t.Errorf("was %s, is %s", before, after)
		}
	})
}

func TestComparesAloneChangeNothing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		a := b.txn(`{"compare":[{"key":"/a","prevExist":false},{"key":"/","prevExist":true}]}`)
		a.want(t, 200, `{"events":[]}`)
		if a.headers.Get("X-Etcd-Index") != "3" {
			t.Errorf("headers %v", a.headers)
		}
	})
}

// What the log does not take is told as for any write.
func TestATransactionWithoutALeader(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		const body = `{"compare":[{"key":"/a","prevExist":false}]}`
		b.cluster.hang.Store(true)
		b.txn(body).want(t, 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`)
		b.cluster.refuse.Store(&store.Error{Code: store.CodeRaft, Cause: "etcdserver: server stopped"})
		b.txn(body).want(t, 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: server stopped","index":0}`)
	})
}

// Answers may be much longer than requests: they come in pieces.
func TestALongAnswerToATransactionComesWhole(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		value := strings.Repeat("v", 100_000)
		var operations []string
		for i := range 20 {
			key := fmt.Sprintf("/%d", i)
			b.put("/v2/keys"+key, "value="+value)
			operations = append(operations, `{"action":"delete","key":"`+key+`"}`)
		}
		a := b.txn(`{"operations":[` + strings.Join(operations, ",") + `]}`)
		var got struct {
			Events []struct {
				Node, PrevNode struct{ Key, Value string }
			}
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got.Events) != 20 {
			t.Fatalf("%d events, %v", len(got.Events), err)
		}
		for i, e := range got.Events {
			if e.Node.Key != fmt.Sprintf("/%d", i) || e.PrevNode.Value != value {
				t.Errorf("event %d is about %s, whose value had %d bytes", i, e.Node.Key, len(e.PrevNode.Value))
			}
		}
	})
}

func TestOnlyAPostIsATransaction(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			if a := b.do(method, txnPath, ""); a.status != 405 || a.headers.Get("Allow") != "POST" {
				t.Errorf("%s: %v", method, a)
			}
		}
		for _, headers := range [][]string{nil, {formType}, {"Content-Type: text/plain"}} { // whatever a client calls it
			if a := b.do("POST", txnPath, `{"operations":[{"action":"set","key":"/a","value":"1"}]}`, headers...); a.status != 200 {
				t.Errorf("%v: %v", headers, a)
			}
		}
	})
}

func TestTransactionsAreCountedByTheirOperations(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.txn(`{"operations":[{"action":"set","key":"/a","value":"1"},{"action":"create","key":"/b","value":"1"},{"action":"createInOrder","key":"/q"},
			{"action":"update","key":"/a","value":"2"},{"action":"compareAndSwap","key":"/a","prevValue":"2","value":"3"},
			{"action":"compareAndDelete","key":"/a","prevValue":"3"},{"action":"delete","key":"/b"}]}`)
		b.txn(`{"operations":[{"action":"set","key":"/a","value":"1"},{"action":"delete","key":"/b"}]}`)
		b.txn(`{"compare":[{"key":"/b","prevExist":true}],"operations":[{"action":"set","key":"/a","value":"1"}]}`)
		want := `{"getsSuccess":0,"getsFail":0,"setsSuccess":3,"setsFail":0,"deleteSuccess":1,"deleteFail":0,"updateSuccess":1,"updateFail":0,` +
			`"createSuccess":3,"createFail":0,"compareAndSwapSuccess":1,"compareAndSwapFail":0,"compareAndDeleteSuccess":1,"compareAndDeleteFail":0,` +
			`"expireCount":0,"watchers":0}`
		if got := b.get("/v2/stats/store").body; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		page := b.get("/metrics").body
		for _, line := range []string{`etcd_http_received_total{method="POST"} 3`, `etcd_http_failed_total{code="Not Found",method="POST"} 2`,
			`etcd_http_successful_duration_seconds_count{method="POST"} 1`} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("missing: %s", line)
			}
		}
	})
}

// Each compare needs the right to read, each operation that to write, and all
// of them are looked at before anything is done.
func TestATransactionNeedsAllItsRights(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/r","/rw/*"],"write":["/w","/rw/*","/d","/q"]}}}`, asRoot)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"pw","roles":["r"]}`, asRoot)
		b.closeToGuests()
		b.do("PUT", "/v2/keys/d/e", "value=1", formType, asRoot)
		me := as("u", "pw")
		for _, c := range []struct {
			body    string
			allowed bool
		}{
			{`{"compare":[{"key":"/r","prevExist":false}]}`, true},
			{`{"compare":[{"key":"/rw/x","prevExist":false}],"operations":[{"action":"set","key":"/rw/y","value":"1"},{"action":"set","key":"/w","value":"1"}]}`, true},
			{`{"operations":[{"action":"delete","key":"/rw/y","recursive":true}]}`, true},
			{`{"operations":[{"action":"createInOrder","key":"/q"}]}`, true},
			{`{"compare":[{"key":"/w","prevExist":false}]}`, false},
			{`{"compare":[{"key":"/r","prevExist":false},{"key":"/x","prevExist":false}],"operations":[{"action":"set","key":"/rw/n","value":"1"}]}`, false},
			{`{"operations":[{"action":"set","key":"/rw/n","value":"1"},{"action":"set","key":"/r","value":"1"}]}`, false},
			{`{"operations":[{"action":"delete","key":"/d","recursive":true}]}`, false},
			{`{"operations":[{"action":"set","key":"/rw","value":"1"}]}`, false},
			{`{"operations":[{"action":"createInOrder","key":"/w/"}]}`, false},
		} {
			a := b.txn(c.body, me)
			if c.allowed && a.status != 200 {
				t.Errorf("%s: %v", c.body, a)
			} else if !c.allowed {
				a.wantDenied(t, txnPath)
			}
			b.txn(c.body).wantDenied(t, txnPath)
			b.txn(c.body, as("u", "wrong")).wantDenied(t, txnPath)
		}
		if a := b.do("GET", "/v2/keys/rw/n", "", asRoot); a.status != 404 {
			t.Errorf("a part was done: %v", a)
		}
		if a := b.txn(`{"operations":[{"action":"delete","key":"/d","recursive":true}]}`, asRoot); a.status != 200 {
			t.Errorf("root: %v", a)
		}
	})
}

// As with bodies on keys: who may do nothing must not fill the memory with
// them. Who may do something has it read, and hears then what may not be done.
func TestALongTransactionIsNotReadForWhoMayDoNothing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/r"],"write":[]}}}`, asRoot)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"pw","roles":["r"]}`, asRoot)
		b.mustPut("/v2/auth/users/idle", `{"user":"idle","password":"pw"}`, asRoot)
		long := `{"operations":[{"action":"set","key":"/a","value":"` + strings.Repeat("v", freeBody) + `"}]}`
		if a := b.txn(long); a.status != 200 {
			t.Errorf("while guests may do all: %v", a)
		}
		b.closeToGuests()
		for _, who := range []string{"X-Nobody: 1", as("idle", "pw"), as("u", "wrong")} {
			for _, length := range []string{fmt.Sprintf("Content-Length: %d", freeBody+1), "Transfer-Encoding: chunked"} {
				c := b.dial()
				start := time.Now()
				c.sendRaw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n\r\n", txnPath, who, length))
				c.receive("POST").wantDenied(t, txnPath)
				if took := time.Since(start); who != as("u", "wrong") && took != 0 { // passwords that are tried wait
					t.Errorf("%s, %s: answered after %v", who, length, took)
				}
				c.Close()
			}
		}
		b.txn(long, as("u", "pw")).wantDenied(t, txnPath)
		if a := b.txn(long, asRoot); a.status != 200 {
			t.Errorf("root: %v", a)
		}
	})
}

// A transaction obeys the quota like the writes it is made of, and is let
// through when it takes away as much as it brings.
func TestATransactionObeysTheQuota(t *testing.T) {
	const node = store.NodeBytes + len("/a")
	rationed(t, int64(2*node+20), func(t *testing.T, b *bench, q *Quota) {
		set := func(key string, length int) string {
			return fmt.Sprintf(`{"action":"set","key":"%s","value":"%s"}`, key, strings.Repeat("v", length))
		}
		ops := func(list ...string) string { return `{"operations":[` + strings.Join(list, ",") + `]}` }
		b.txn(ops(set("/a", 11), set("/b", 10))).wantOverQuota(t, 0, 2*node+20, 2*node+21, 3)
		b.wantStatus(200, b.txn(ops(set("/a", 10), set("/b", 10))))
		b.txn(ops(set("/a", 10), set("/b", 11))).wantOverQuota(t, 2*node+20, 2*node+20, 1, 5)
		b.wantStatus(200, b.txn(ops(set("/a", 12), set("/b", 8))))
		b.wantStatus(200, b.txn(ops(`{"action":"delete","key":"/a"}`, set("/c", 12))))
		b.txn(ops(`{"action":"compareAndDelete","key":"/c","prevValue":"`+strings.Repeat("v", 12)+`"}`, set("/a", 13))).wantOverQuota(t, 2*node+20, 2*node+20, 1, 9)
		b.txn(ops(set("/b", 8), set("/b", 9))).wantOverQuota(t, 2*node+20, 2*node+20, node+9, 9)
		b.txn(ops(set("/b", 9), `{"action":"create","key":"/c","value":"1"}`)).wantOverQuota(t, 2*node+20, 2*node+20, 1, 9)
		b.txn(ops(`{"action":"create","key":"/c","value":"long"}`)).wantIn(t, 412, `"cause":"operation 0: /c"`)
		b.wantStatus(200, b.txn(`{"compare":[{"key":"/c","prevExist":true}]}`))
	})
}
