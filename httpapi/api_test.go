package httpapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
	"keytree/store"
)

func TestHeaderNamesAreSpeltAsEtcdSpellsThem(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.sendRaw("GET /v2/keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		want := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Etcd-Cluster-Id: 31c6e9f19e0fb0d9\r\nX-Etcd-Index: 3\r\n" +
			"X-Raft-Index: 4\r\nX-Raft-Term: 2\r\nDate: Sat, 21 Nov 2026 07:45:00 GMT\r\nContent-Length: 37\r\nConnection: close\r\n\r\n" +
			`{"action":"get","node":{"dir":true}}` + "\n"
		if got := c.rest(); got != want {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

func TestMembersAreListed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		const node = `{"id":"69b38ac7138de88d","name":"node1","peerURLs":["http://127.0.0.1:21380"],"clientURLs":["http://127.0.0.1:21379"]}`
		for _, target := range []string{"/v2/members", "/v2/members/", "/v2%2Fmembers"} {
			a := b.get(target)
			a.want(t, 200, `{"members":[`+node+`]}`)
			if id := a.headers.Get("X-Etcd-Cluster-Id"); id != "31c6e9f19e0fb0d9" {
				t.Errorf("%s: cluster id %q", target, id)
			}
		}
		b.get("/v2/members/leader").want(t, 200, node)
		b.get("/v2/members%2Fleader").want(t, 200, node)
		for _, target := range []string{"/v2/members/leader/", "/v2/members/69b38ac7138de88d", "/v2/members/x%2Fy"} {
			if a := b.get(target); a.status != 404 || a.body != `{"message":"Not found"}` {
				t.Errorf("%s: %v", target, a)
			}
		}
	})
}

func TestAMemberThatNeverStartedHasEmptyLists(t *testing.T) {
	got := string(appendMember(nil, member.Member{ID: 0xab, PeerURLs: []string{"http://b:1", "http://a:1"}}))
	if want := `{"id":"ab","name":"","peerURLs":["http://b:1","http://a:1"],"clientURLs":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWithoutALeader(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.lost.Store(true)
		for target, want := range map[string]string{
			"/v2/members/leader": `503 {"message":"During election"}`,
			"/v2/stats/leader":   `403 {"message":"not current leader"}`,
			"/health":            `503 {"health":"false"}` + "\n",
		} {
			a := b.get(target)
			if got := fmt.Sprint(a.status, " ", a.body); got != want {
				t.Errorf("%s: got %s, want %s", target, got, want)
			}
		}
	})
}

func TestHealthNeedsAQuorumWithinASecond(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		if a := b.get("/health"); a.status != 200 || a.body != `{"health":"true"}` {
			t.Errorf("got %v", a)
		}
		b.cluster.hang.Store(true)
		start := time.Now()
		if a := b.get("/health"); a.status != 503 || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", a, time.Since(start))
		}
		page := b.get("/metrics").body
		for _, line := range []string{"etcd_server_health_success 1\n", "etcd_server_health_failures 1\n"} {
			if !strings.Contains(page, line) {
				t.Errorf("/metrics lacks %q", line)
			}
		}
	})
}

func TestRefusalsOfTheLogAreInternalErrors(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.refuse.Store(&store.Error{Code: store.CodeRaft, Cause: "etcdserver: server stopped"})
		for _, a := range []*answer{b.put("/v2/keys/a", "value=1"), b.get("/v2/keys/a?quorum=true"), b.delete("/v2/keys/a")} {
			a.want(t, 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: server stopped","index":0}`)
			if a.headers.Get("X-Etcd-Index") != "0" || a.headers.Get("X-Raft-Index") != "" {
				t.Errorf("headers %v", a.headers)
			}
		}
	})
}

// A client that leaves while the log hangs is not waited for.
func TestAClientThatLeavesEndsItsWrite(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.hang.Store(true)
		c := b.dial()
		c.send("PUT", "/v2/keys/a", "value=1", formType)
		synctest.Wait()
		start := time.Now()
		c.Close()
		synctest.Wait()
		if time.Since(start) != 0 || strings.Contains(b.log.String(), "failed") {
			t.Errorf("took %v, log: %s", time.Since(start), b.log)
		}
	})
}

func TestStoppingCutsWatchesWithoutTheirEnd(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/a?wait=true&stream=true", "")
		synctest.Wait()
		close(b.stopping)
		b.cluster.EndWatches()
		if got := c.rest(); !strings.HasSuffix(got, "Transfer-Encoding: chunked\r\n\r\n") {
			t.Errorf("got %q", got)
		}
		b.wantWatchers(0)
	})
}

func TestTheLogLevelCanBeChanged(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var level slog.LevelVar
		b := newBench(t, func(c *Config) { c.LogLevel = &level })
		for name, want := range map[string]slog.Level{
			"DEBUG": slog.LevelDebug, "d": slog.LevelDebug, "Info": slog.LevelInfo, "WARNING": slog.LevelWarn, "E": slog.LevelError,
			"critical": slog.LevelError + 4, "trace": slog.LevelDebug - 4, "N": slog.LevelInfo + 2,
		} {
			a := b.do("PUT", "/config/local/log", `{"Level":"`+name+`"}`)
			if a.status != 204 || level.Level() != want {
				t.Errorf("%s: got %v and %v, want %v", name, a, level.Level(), want)
			}
		}
		if a := b.do("PUT", "/config/local/log", `{"Level":"`+strings.Repeat("x", 1<<20)); a.status != 400 {
			t.Errorf("an endless body: %v", a)
		}
	})
}

func TestDebugVarsAreJSON(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.RaftStatus = func() []byte { return []byte(`{"id":"1"}`) } })
		a := b.get("/debug/vars")
		var vars struct {
			Cmdline  []string
			Memstats struct{ Alloc uint64 }
			Raft     struct{ ID string } `json:"raft.status"`
		}
		if err := json.Unmarshal([]byte(a.body), &vars); err != nil {
			t.Fatal(err)
		}
		if len(vars.Cmdline) == 0 || vars.Memstats.Alloc == 0 || vars.Raft.ID != "1" || !strings.HasPrefix(a.body, "{\n\"cmdline\": [") {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestPprofIsThereOnRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.EnablePprof = true })
		for target, want := range map[string]int{
			"/debug/pprof/": 200, "/debug/pprof": 301, "/debug/pprof/cmdline": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/nosuch": 404,
		} {
			if a := b.get(target); a.status != want {
				t.Errorf("%s: got %d, want %d", target, a.status, want)
			}
		}
	})
}

// The metrics dashboards and alerts ask for.
func TestMetricsCountRequests(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		b.get("/v2/keys/a")
		b.get("/v2/keys?recursive=true")
		b.get("/v2/keys/a?quorum=true")
		b.get("/v2/keys/none")
		b.get("/v2/keys/a?prevIndex=x") // not understood: not counted
		b.get("/v2/keys/a?wait=true&waitIndex=4")
		page := b.get("/metrics").body
		for _, line := range []string{
			`etcd_http_received_total{method="GET"} 3`, `etcd_http_received_total{method="QGET"} 1`, `etcd_http_received_total{method="PUT"} 1`,
			`etcd_http_failed_total{code="Not Found",method="GET"} 1`,
			`etcd_http_successful_duration_seconds_count{method="GET"} 2`,
			`etcd_http_successful_duration_seconds_bucket{method="GET",le="0.0005"} 2`,
			`etcd_debugging_store_reads_total{action="get"} 2`, `etcd_debugging_store_reads_total{action="getRecursive"} 1`,
			`etcd_debugging_store_writes_total{action="set"} 3`, `etcd_debugging_store_watch_requests_total 1`, `etcd_debugging_store_watchers 0`,
			`etcd_server_has_leader 1`, `etcd_server_version{server_version="3.4.23"} 1`,
		} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("missing: %s", line)
			}
		}
	})
}

// What stats/store says is what clients saw, without internal lookups.
func TestStoreStatsCountWhatClientsSaw(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.get("/v2/keys/none")
		b.put("/v2/keys/a", "value=1")
		b.get("/v2/keys/a")
		b.get("/v2/keys?recursive=true")
		want := `{"getsSuccess":2,"getsFail":1,"setsSuccess":3,"setsFail":0,"deleteSuccess":0,"deleteFail":0,"updateSuccess":0,"updateFail":0,` +
			`"createSuccess":1,"createFail":0,"compareAndSwapSuccess":0,"compareAndSwapFail":0,"compareAndDeleteSuccess":0,"compareAndDeleteFail":0,` +
			`"expireCount":0,"watchers":0}`
		if got := b.get("/v2/stats/store").body; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A restored tree may have skipped what a watch waited for.
func TestAReplacedTreeCutsLongPollsAndEndsStreams(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for target, want := range map[string]string{
			"/v2/keys/a?wait=true":             "Transfer-Encoding: chunked\r\n\r\n",
			"/v2/keys/a?wait=true&stream=true": "\r\n\r\n0\r\n\r\n",
		} {
			c := b.dial()
			c.send("GET", target, "", "Connection: close")
			synctest.Wait()
			b.cluster.EndWatches()
			if got := c.rest(); !strings.HasSuffix(got, want) {
				t.Errorf("%s: got %q, want %q at the end", target, got, want)
			}
			c.Close()
		}
	})
}
