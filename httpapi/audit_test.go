package httpapi

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/audit"
)

// scribe keeps records.
type scribe struct {
	mu  sync.Mutex
	all []audit.Record
}

func (s *scribe) write(r audit.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r)
}

// take is what was recorded since it was last asked.
func (s *scribe) take() []audit.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// brief is the line of r without what differs from run to run.
func brief(t *testing.T, r audit.Record) string {
	t.Helper()
	r.Time, r.Client, r.Duration = time.Time{}, "", 0
	b, err := r.AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), `"client":"",`)
	line, end := strings.CutSuffix(rest, `,"duration_us":0}`+"\n")
	if !found || !end {
		t.Fatalf("an odd line: %s", b)
	}
	return line
}

// want fails the test unless the lines are what was recorded since.
func (s *scribe) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	all := s.take()
	for i, r := range all {
		if got := brief(t, r); i < len(lines) && got != lines[i] {
			t.Errorf("record %d:\n got %s\nwant %s", i, got, lines[i])
		} else if i >= len(lines) {
			t.Errorf("recorded besides: %s", got)
		}
	}
	if len(all) < len(lines) {
		t.Errorf("not recorded: %q", lines[len(all):])
	}
}

// audited runs test against a member whose requests are recorded, behind a
// gate.
func audited(t *testing.T, reads bool, test func(t *testing.T, b *bench, s *scribe)) {
	t.Helper()
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) {
		s := &scribe{}
		before := func(next http.Handler) http.Handler {
			gate := Gate(next, GateConfig{Hosts: []string{"127.0.0.1"}})
			return Audited(gate, Auditing{Record: s.write, Reads: reads})
		}
		test(t, newBenchOn(t, over, before), s)
	})
}

func TestEveryChangeIsRecorded(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		const guest = `"user":"","by":"none",`
		b.put("/v2/keys/a", "value=1")
		s.want(t, guest+`"method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a","outcome":"done","status":201,"index":4`)
		b.put("/v2/keys/a?ttl=60&prevExist=true&prevIndex=4", "value=2&prevValue=1")
		s.want(t, guest+`"method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a",`+
			`"parameters":{"ttl":60,"prevExist":true,"prevIndex":4,"prevValueGiven":true},"outcome":"done","status":200,"index":5`)
		b.put("/v2/keys/a", "refresh=true&ttl=0&prevExist=false")
		s.want(t, guest+`"method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a",`+
			`"parameters":{"ttl":0,"prevExist":false,"refresh":true},"outcome":"refused","status":412,"code":105`)
		b.post("/v2/keys/d/", "value=1")
		s.want(t, guest+`"method":"POST","path":"/v2/keys/d/","kind":"key","name":"/d/00000000000000000006","outcome":"done","status":201,"index":6`)
		b.delete("/v2/keys/d?recursive=true&dir=true")
		s.want(t, guest+`"method":"DELETE","path":"/v2/keys/d","kind":"key","name":"/d","parameters":{"dir":true,"recursive":true},"outcome":"done","status":200,"index":7`)
		b.put("/v2/keys/b%0A%20%C3%A9", "ttl=x")
		s.want(t, guest+`"method":"PUT","path":"/v2/keys/b%0A%20%C3%A9","kind":"key","name":"/b\n é","outcome":"refused","status":400,"code":202`)
		a := b.do("POST", "/v2/members", `{"peerURLs":["http://127.0.0.1:7"]}`, "Content-Type: application/json")
		id := strings.Split(a.body, `"`)[3]
		s.want(t, guest+`"method":"POST","path":"/v2/members","kind":"member","name":"`+id+`","outcome":"done","status":201`)
		b.do("PUT", "/v2/members/zz", "", "Content-Type: application/json")
		s.want(t, guest+`"method":"PUT","path":"/v2/members/zz","kind":"member","name":"zz","outcome":"refused","status":404`)
		b.do("PUT", "/config/local/log", `{"Level":"ERROR"}`)
		s.want(t, guest+`"method":"PUT","path":"/config/local/log","kind":"log","name":"ERROR","outcome":"done","status":204`)
		token := strings.TrimPrefix(b.newToken("GET", "?size=3"), "/v2/keys")
		s.want(t, guest+`"method":"GET","path":"/keytree/v1/discovery/new","kind":"token","name":"`+token+`","outcome":"done","status":200`)
	})
}

// A transaction is one record, which tells each of its operations, but no
// value, and nothing of what was compared.
func TestATransactionIsRecordedWithItsOperations(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		const who = `"user":"","by":"none","method":"POST","path":"/keytree/v1/txn","kind":"txn",`
		b.txn(`{"compare":[{"key":"/c","prevExist":false}],"operations":[{"action":"set","key":"/a/","value":"secret","ttl":60},{"action":"createInOrder","key":"/q"},
			{"action":"compareAndSwap","key":"/a","value":"2","prevValue":"secret","prevIndex":4},{"action":"delete","key":"/q","recursive":true}]}`)
		s.want(t, who+`"operations":[{"action":"set","key":"/a","parameters":{"ttl":60}},{"action":"createInOrder","key":"/q/00000000000000000005"},`+
			`{"action":"compareAndSwap","key":"/a","parameters":{"prevIndex":4,"prevValueGiven":true}},`+
			`{"action":"delete","key":"/q","parameters":{"recursive":true}}],"outcome":"done","status":200,"index":7`)
		b.txn(`{"operations":[{"action":"set","key":"/n","refresh":true,"ttl":0},{"action":"createInOrder","key":"/q"}]}`)
		s.want(t, who+`"operations":[{"action":"set","key":"/n","parameters":{"ttl":0,"refresh":true}},{"action":"createInOrder","key":"/q"}],"outcome":"refused","status":404,"code":100`)
		b.txn(`{"compare":[{"key":"/a","prevValue":"secret"}]}`)
		s.want(t, who+`"outcome":"refused","status":412,"code":101`)
		b.txn(`{"operations":[{"action":"set","key":"/n","ttl":-1}]}`)
		s.want(t, who+`"outcome":"refused","status":400`)
		b.enableAuth()
		b.closeToGuests()
		s.take()
		b.txn(`{"operations":[{"action":"set","key":"/n","value":"1"}]}`)
		s.want(t, who+`"operations":[{"action":"set","key":"/n"}],"outcome":"denied","status":401,"code":110`)
		b.cluster.hang.Store(true)
		b.txn(`{"operations":[{"action":"delete","key":"/n"}]}`, asRoot)
		s.want(t, strings.Replace(who, `"user":"","by":"none"`, `"user":"root","by":"basic"`, 1)+`"operations":[{"action":"delete","key":"/n"}],"outcome":"unknown","status":500,"code":300`)
	})
}

func TestNothingElseIsRecordedUnlessAsked(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		for _, target := range []string{"/v2/keys/a", "/v2/keys", "/v2/members", "/version", "/health", "/metrics", "/nowhere", "/v2/keysandmore"} {
			b.get(target)
		}
		b.get("/v2/stats/leader")
		b.cluster.lost.Store(true)
		if a := b.get("/v2/stats/leader"); a.status != 403 {
			t.Errorf("got %v", a)
		}
		b.do("PUT", "/nowhere", "")
		b.do("PUT", "/v2/keysandmore", "")
		b.put("/v2/keys//a", "value=1") // sent to where it is asked again
		b.do("OPTIONS", "/v2/keys/a", "")
		b.do("PATCH", "/v2/keys/a", "")
		s.want(t)
	})
}

func TestDeniedRequestsAreRecordedAlsoReads(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		b.do("GET", "/version", "", "Host: evil.example")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/version","outcome":"denied","status":421`)
		b.do("PUT", "/v2/keys/a", "value=1", formType, "Origin: http://evil.example")
		s.want(t, `"user":"","by":"none","method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a","outcome":"denied","status":403`)
		b.put("/v2/keys/d", "dir=true")
		s.take()
		b.delete("/v2/keys/d")
		s.want(t, `"user":"","by":"none","method":"DELETE","path":"/v2/keys/d","kind":"key","name":"/d","outcome":"refused","status":403,"code":102`)
	})
}

// What nobody may do is refused for what it asks, not for who asks.
func TestWhatNobodyMayDoIsRefusedNotDenied(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		b.enableAuth()
		s.take()
		b.do("PUT", "/v2/auth/roles/root", `{"role":"root"}`, jsonType, asRoot)
		s.want(t, `"user":"root","by":"basic","method":"PUT","path":"/v2/auth/roles/root","kind":"role","name":"root","outcome":"refused","status":403`)
		b.do("DELETE", "/v2/auth/users/root", "", asRoot)
		s.want(t, `"user":"root","by":"basic","method":"DELETE","path":"/v2/auth/users/root","kind":"user","name":"root","outcome":"refused","status":403`)
		b.do("DELETE", "/v2/auth/users/root", "", asRoot, "Sec-Fetch-Site: cross-site")
		s.want(t, `"user":"","by":"none","method":"DELETE","path":"/v2/auth/users/root","kind":"user","name":"root","outcome":"denied","status":403`)
	})
}

func TestReadsAreRecordedWhenAsked(t *testing.T) {
	audited(t, true, func(t *testing.T, b *bench, s *scribe) {
		b.get("/v2/keys/a?quorum=true")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a","parameters":{"quorum":true},"outcome":"refused","status":404,"code":100`)
		b.do("HEAD", "/v2/keys", "")
		s.want(t, `"user":"","by":"none","method":"HEAD","path":"/v2/keys","kind":"key","name":"/","outcome":"done","status":200`)
		b.get("/v2/members")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/members","kind":"member","outcome":"done","status":200`)
		b.get("/v2/keys/a?wait=true&waitIndex=x")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a","outcome":"refused","status":400,"code":203`)
		b.cluster.hang.Store(true)
		b.get("/v2/keys/a?quorum=true")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a","parameters":{"quorum":true},"outcome":"failed","status":500,"code":300`)
		b.cluster.hang.Store(false)
		for _, target := range []string{"/version", "/metrics", "/nowhere"} {
			b.get(target)
		}
		s.want(t)
	})
}

// A watch is recorded when it begins, not when it ends long after, and its
// events reach the client as they come.
func TestAWatchIsRecordedWhenItBegins(t *testing.T) {
	audited(t, true, func(t *testing.T, b *bench, s *scribe) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/a?wait=true&stream=true&recursive=true&waitIndex=2", "")
		_, body := c.head("GET")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a",`+
			`"parameters":{"recursive":true,"wait":true,"stream":true,"waitIndex":2},"outcome":"done","status":200`)
		for range 3 {
			time.Sleep(20 * time.Minute)
			b.put("/v2/keys/a/b", "value=1")
			line := make([]byte, len(`{"action":"set"`))
			if _, err := body.Read(line); err != nil || string(line) != `{"action":"set"` {
				t.Fatalf("got %q, %v", line, err)
			}
			for line[0] != '\n' {
				if _, err := body.Read(line[:1]); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.take()
		c.Close()
		b.wantWatchers(0)
		s.want(t)
	})
}

// The deadlines that keep slow clients off work through the recorder too.
func TestADeadReaderOfARecordedStreamLosesIt(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/a?wait=true&stream=true", "")
		c.head("GET")
		b.put("/v2/keys/a", "value="+strings.Repeat("x", 100_000))
		b.wantWatchers(1)
		time.Sleep(pieceTime + time.Second)
		b.wantWatchers(0)
	})
}

func TestAChangeWithoutAnAnswerIsRecordedAsUnknown(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		b.cluster.hang.Store(true)
		start := time.Now()
		b.put("/v2/keys/a", "value=1")
		all := s.take()
		if len(all) != 1 || !all[0].Time.Equal(start) || all[0].Duration != 7*time.Second {
			t.Fatalf("got %+v", all)
		}
		const put = `"user":"","by":"none","method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a",`
		if got, want := brief(t, all[0]), put+`"outcome":"unknown","status":500,"code":300`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		b.do("POST", "/v2/members", `{"peerURLs":["http://127.0.0.1:7"]}`, "Content-Type: application/json")
		s.want(t, `"user":"","by":"none","method":"POST","path":"/v2/members","kind":"member","outcome":"unknown","status":500`)
	})
}

// Who does not wait for the answer is not waited for by net/http; in front of
// it, the request goes on until its time is over.
func TestAChangeWhoseClientHasLeftIsRecordedAsUnknown(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		b.cluster.hang.Store(true)
		const put = `"user":"","by":"none","method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a",`
		c := b.dial()
		c.send("PUT", "/v2/keys/a", "value=1", formType)
		synctest.Wait()
		s.want(t)
		c.Close()
		if strings.HasSuffix(t.Name(), "/std") {
			s.want(t, put+`"outcome":"unknown"`)
			return
		}
		time.Sleep(7 * time.Second)
		s.want(t, put+`"outcome":"unknown","status":500,"code":300`)
	})
}

// With auth on, the record names who asked, whether or not they may.
func TestARecordNamesTheUserThatWasVerifiedOrClaimed(t *testing.T) {
	audited(t, false, func(t *testing.T, b *bench, s *scribe) {
		const root, eve = "Authorization: Basic cm9vdDpyb290", "Authorization: Basic ZXZlOmV2ZQ==" // root:root, eve:eve
		const json = "Content-Type: application/json"
		b.do("PUT", "/v2/auth/users/root", `{"user":"root","password":"root"}`, json)
		s.want(t, `"user":"","by":"none","method":"PUT","path":"/v2/auth/users/root","kind":"user","name":"root","outcome":"done","status":201`)
		b.do("PUT", "/v2/auth/enable", "")
		s.want(t, `"user":"","by":"none","method":"PUT","path":"/v2/auth/enable","kind":"auth","outcome":"done","status":200`)
		b.do("PUT", "/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/a"],"write":[]}}}`, json, root)
		s.want(t, `"user":"root","by":"basic","method":"PUT","path":"/v2/auth/roles/r","kind":"role","name":"r","outcome":"done","status":201`)
		b.do("DELETE", "/v2/auth/roles/guest", "", root)
		s.want(t, `"user":"root","by":"basic","method":"DELETE","path":"/v2/auth/roles/guest","kind":"role","name":"guest","outcome":"done","status":200`)
		b.do("GET", "/v2/keys/a?recursive=true", "", eve)
		s.want(t, `"user":"eve","by":"basic","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a","parameters":{"recursive":true},"outcome":"denied","status":401,"code":110`)
		b.get("/v2/keys/a")
		s.want(t, `"user":"","by":"none","method":"GET","path":"/v2/keys/a","kind":"key","name":"/a","outcome":"denied","status":401,"code":110`)
		b.do("DELETE", "/v2/members/1", "", eve)
		s.want(t, `"user":"eve","by":"basic","method":"DELETE","path":"/v2/members/1","kind":"member","name":"1","outcome":"denied","status":401`)
		b.do("GET", "/v2/auth/users", "", eve)
		s.want(t, `"user":"eve","by":"basic","method":"GET","path":"/v2/auth/users","kind":"user","outcome":"denied","status":401`)
		b.do("PUT", "/v2/keys/a", "value=1", formType, root)
		s.want(t, `"user":"root","by":"basic","method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a","outcome":"done","status":201,"index":13`)
	})
}

// Whatever is sent, what is secret in it is not in the records.
func TestNoRecordTellsAValueOrAPassword(t *testing.T) {
	audited(t, true, func(t *testing.T, b *bench, s *scribe) {
		const secret = "s3cret"
		basic := "Authorization: Basic cm9vdDpzM2NyZXQ=" // root:s3cret
		b.do("PUT", "/v2/keys/a?unknown="+secret, "value="+secret+"&prevValue="+secret, formType, basic)
		b.do("PUT", "/v2/keys/a", "value="+secret, formType, basic)
		b.do("PUT", "/v2/keys/a?prevValue="+secret, "ttl="+secret, formType)
		b.do("PUT", "/v2/keys/a?prevIndex="+secret+"&value="+secret, "", formType)
		b.do("GET", "/v2/keys/a", "", basic, "Cookie: "+secret, "X-Token: "+secret)
		b.do("PUT", "/v2/auth/users/u", `{"user":"u","password":"`+secret+`"}`, "Content-Type: application/json", basic)
		b.do("PUT", "/config/local/log", `{"Level":"`+secret+`"}`)
		b.do("PUT", "http://root:"+secret+"@127.0.0.1:21379/v2/keys/a?value="+secret, "", formType)
		b.do("POST", "/v2/members", `{"peerURLs":["http://root:`+secret+`@127.0.0.1:7/"]}`, "Content-Type: application/json")
		synctest.Wait()
		all := s.take()
		if len(all) != 9 {
			t.Errorf("%d records", len(all))
		}
		for _, r := range all {
			if line := brief(t, r); strings.Contains(line, secret) || strings.Contains(line, "cm9vd") {
				t.Errorf("recorded: %s", line)
			}
		}
	})
}
