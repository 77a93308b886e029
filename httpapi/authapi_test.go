package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/audit"
	"keytree/httpapi/auth"
	"keytree/store"
)

// as is the header with which user shows password.
func as(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// asRoot is what root shows after enableAuth.
var asRoot = as("root", "rootpw")

// mustPut sends JSON and fails the test unless it is done.
func (b *bench) mustPut(target, body string, headers ...string) {
	b.t.Helper()
	if a := b.do("PUT", target, body, append(headers, jsonType)...); a.status/100 != 2 {
		b.t.Fatalf("PUT %s %s: %v", target, body, a)
	}
}

// enableAuth makes a root user and turns auth on. Guests may do everything.
func (b *bench) enableAuth() {
	b.t.Helper()
	b.mustPut("/v2/auth/users/root", `{"user":"root","password":"rootpw"}`)
	b.mustPut("/v2/auth/enable", "")
}

// closeToGuests leaves nothing to those who name nobody.
func (b *bench) closeToGuests() {
	b.t.Helper()
	if a := b.do("DELETE", "/v2/auth/roles/guest", "", asRoot); a.status != 200 {
		b.t.Fatal(a)
	}
}

// withHandler runs test against a fresh server, whose handler it gets too.
func withHandler(t *testing.T, change func(*Config), test func(t *testing.T, b *bench, h http.Handler)) {
	t.Helper()
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) {
		var handler http.Handler
		b := newBenchOn(t, over, func(h http.Handler) http.Handler { handler = h; return h }, change)
		test(t, b, handler)
	})
}

const (
	keyDenied  = `{"errorCode":110,"message":"The request requires user authentication","cause":"Insufficient credentials","index":0}` + "\n"
	rootDenied = `{"message":"Insufficient credentials"}`
)

// wantDenied fails the test unless a is a 401 as it is for its path.
func (a *answer) wantDenied(t *testing.T, target string) {
	t.Helper()
	want, cluster := rootDenied, ""
	if strings.HasPrefix(target, "/v2/keys") || strings.HasPrefix(target, "/keytree") {
		want, cluster = keyDenied, "31c6e9f19e0fb0d9"
	}
	if a.status != 401 || a.body != want || a.headers.Get("X-Etcd-Cluster-Id") != cluster || a.headers.Get("WWW-Authenticate") != "" {
		t.Errorf("%s: got %v, want 401 %q", target, a, want)
	}
}

// What is closed to whom. A method that is not there is told before who may
// use it, and a path that goes on too long before both.
func TestTheRightEndpointsAreClosed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p"}`, asRoot)
		b.closeToGuests()
		closed := []string{
			"GET /v2/keys", "GET /v2/keys/a", "HEAD /v2/keys/", "PUT /v2/keys/a", "POST /v2/keys/a", "DELETE /v2/keys/a", "GET /v2/keys/a?wait=true",
			"GET /v2/keys/a?quorum=true", "POST /v2/members", "PUT /v2/members", "PUT /v2/members/1", "DELETE /v2/members", "DELETE /v2/members/1",
			"GET /v2/auth/users", "GET /v2/auth/users/", "GET /v2/auth/users/u", "PUT /v2/auth/users/u", "DELETE /v2/auth/users/u/",
			"GET /v2/auth/roles", "GET /v2/auth/roles/r", "PUT /v2/auth/roles/r", "DELETE /v2/auth/roles/r",
			"PUT /v2/auth/enable", "DELETE /v2/auth/enable", "GET " + newTokenPath, "POST " + newTokenPath,
		}
		for _, who := range []string{"X-Nobody: x", as("u", "p"), as("root", "wrong"), as("nobody", "p"), "Authorization: Bearer x", "Authorization: Basic !"} {
			for _, request := range closed {
				method, target, _ := strings.Cut(request, " ")
				if a := b.do(method, target, "", who); method == "HEAD" {
					if a.status != 401 {
						t.Errorf("%s: %v", request, a)
					}
				} else {
					a.wantDenied(t, target)
				}
			}
		}
		for request, want := range map[string]int{
			"GET /v2/members": 200, "GET /v2/members/leader": 200, "GET /v2/machines": 200, "GET /v2/stats/self": 200, "GET /v2/stats/store": 200,
			"GET /version": 200, "GET /health": 200, "GET /metrics": 200, "GET /debug/vars": 200, "GET /v2/auth/enable": 200, "OPTIONS /v2/keys/a": 200,
			"PATCH /v2/keys/a": 405, "PATCH /v2/members": 405, "POST /v2/auth/users/u": 405, "PUT /v2/auth/users": 405, "PUT /v2/auth/users/": 405,
			"GET /v2/auth/users/a/b": 400, "POST /v2/auth/roles/a%2Fb": 400, "GET /v2/auth": 404, "GET /v2/auth/enable/": 404, "GET /v2/keys/a?ttl=x": 400,
		} {
			method, target, _ := strings.Cut(request, " ")
			if a := b.do(method, target, ""); a.status != want {
				t.Errorf("%s: got %v, want %d", request, a, want)
			}
		}
	})
}

// Nothing needs to be closed and opened again for a change to count.
func TestSecurityCountsFromTheNextRequest(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		c := b.dial() // one connection, with what it was told before
		defer c.Close()
		see := func(want int, who ...string) {
			t.Helper()
			c.send("GET", "/v2/keys/a", "", who...)
			if a := c.receive("GET"); a.status != want {
				t.Errorf("got %v, want %d", a, want)
			}
		}
		u := as("u", "p")
		see(200, u)
		b.enableAuth()
		see(401, u)
		see(200)
		b.closeToGuests()
		see(401)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p"}`, asRoot)
		see(401, u)
		b.mustPut("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/a"]}}}`, asRoot)
		b.mustPut("/v2/auth/users/u", `{"user":"u","grant":["r"]}`, asRoot)
		see(200, u)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"q"}`, asRoot)
		see(401, u)
		see(200, as("u", "q"))
		b.do("DELETE", "/v2/auth/users/u", "", asRoot)
		see(401, as("u", "q"))
		b.do("DELETE", "/v2/auth/enable", "", asRoot)
		see(200, as("u", "q"))
	})
}

// A member that cannot tell what is allowed allows nothing.
func TestWhatCannotBeReadIsNotAllowed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		damaged := store.Command{Op: store.Set, Path: store.ParsePath(store.Auth, "/enabled"), Value: "perhaps"}
		if done, err := b.cluster.Do(t.Context(), damaged); err != nil || done.Err != nil {
			t.Fatal(err, done.Err)
		}
		for _, who := range []string{"X-Nobody: x", asRoot} {
			b.do("GET", "/v2/keys/a", "", who).wantIn(t, 500, `"errorCode":300`)
			for _, target := range []string{"/v2/auth/users", "/v2/auth/enable"} {
				if a := b.do("GET", target, "", who); a.status != 500 || a.body != `{"message":"Internal Server Error"}` {
					t.Errorf("%s: %v", target, a)
				}
			}
		}
	})
}

// A request on /v2/auth that the log does not take fails; what can be read
// here is read.
func TestWithoutAQuorumSecurityStaysAsItIs(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p"}`, asRoot)
		b.cluster.hang.Store(true)
		for _, request := range []string{
			`PUT /v2/auth/users/v {"user":"v","password":"p","roles":["r"]}`, `PUT /v2/auth/users/u {"user":"u","password":"q"}`,
			`PUT /v2/auth/users/u {"user":"u","grant":["q"]}`, `DELETE /v2/auth/users/u {}`, `PUT /v2/auth/roles/r {"role":"r"}`,
			`PUT /v2/auth/roles/guest {"role":"guest","grant":{"kv":{"read":["/q"]}}}`, `DELETE /v2/auth/roles/r {}`, `DELETE /v2/auth/enable {}`,
		} {
			part := strings.SplitN(request, " ", 3)
			start := time.Now()
			a := b.do(part[0], part[1], part[2], asRoot)
			if took := time.Since(start); a.status != 500 || a.body != `{"message":"Internal Server Error"}` || took != 7*time.Second {
				t.Errorf("%s: %v after %v", request, a, took)
			}
		}
		b.do("GET", "/v2/auth/users/u", "", asRoot).want(t, 200, `{"user":"u"}`)
		b.do("GET", "/v2/keys/", "", asRoot).wantIn(t, 200, `"action":"get"`)
	})
}

func TestLongBodiesOnSecurityAreRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		long := `{"role":"r","permissions":{"kv":{"read":["` + strings.Repeat("x", maxSecurity) + `"]}}}`
		if a := b.do("PUT", "/v2/auth/roles/r", long); a.status != 413 || a.body != `{"message":"the body is longer than 65536 bytes"}` {
			t.Errorf("got %d %.100s", a.status, a.body)
		}
		if a := b.do("PUT", "/v2/auth/roles/r", long[:len(`{"role":"r","permissions":{"kv":{"read":["`)+1000]+`"]}}}`+strings.Repeat(" ", 2*maxSecurity)); a.status != 201 {
			t.Errorf("got %v for a role with much behind it", a)
		}
		name := strings.Repeat("n", 1025)
		if a := b.do("PUT", "/v2/auth/users/"+name, `{"user":"`+name+`","password":"p"}`); a.status != 400 || a.body != `{"message":"auth: a name may have 1024 bytes"}` {
			t.Errorf("got %v", a)
		}
	})
}

// Who changed what is in the log, and no password is.
func TestTheLogTellsWhoChangedWhat(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/roles/dev", `{"role":"dev","permissions":{"kv":{"read":["/dev/*"]}}}`, asRoot)
		b.mustPut("/v2/auth/users/eve", `{"user":"eve","password":"secret1","roles":["dev"]}`, asRoot)
		b.mustPut("/v2/auth/users/eve", `{"user":"eve","password":"secret2","grant":["ops"]}`, asRoot)
		b.mustPut("/v2/auth/roles/dev", `{"role":"dev","grant":{"kv":{"write":["/dev/w"]}}}`, asRoot)
		b.do("GET", "/v2/keys/a", "", as("eve", "secret3"))
		b.do("DELETE", "/v2/auth/users/eve", "", asRoot)
		b.do("DELETE", "/v2/auth/roles/dev", "", asRoot)
		b.do("DELETE", "/v2/auth/enable", "", asRoot)
		log := b.log.String()
		for _, line := range []string{
			`"created a user" user=root roles=[root] by=""`, `"auth is enabled" by=""`,
			`"created a role" role=dev read=[/dev/*] write=[] by=root`, `"created a user" user=eve roles=[dev] by=root`,
			`"changed a user" user=eve granted=[ops] revoked=[] password=changed by=root`,
			`"changed a role" role=dev granted_read=[] granted_write=[/dev/w] revoked_read=[] revoked_write=[] by=root`,
			`"a user name or password was wrong" user=eve from=`, `"removed a user" user=eve by=root`, `"removed a role" role=dev by=root`, `"auth is disabled" by=root`,
		} {
			if !strings.Contains(log, "msg="+line) {
				t.Errorf("the log lacks %s", line)
			}
		}
		for _, secret := range []string{"secret", "rootpw", "$2a$", "Basic"} {
			if strings.Contains(log, secret) {
				t.Errorf("%s is in the log: %s", secret, log)
			}
		}
	})
}

// The audit knows who was verified, and who was only claimed.
func TestTheAuditIsToldWhoAsks(t *testing.T) {
	withHandler(t, func(*Config) {}, func(t *testing.T, b *bench, handler http.Handler) {
		b.enableAuth()
		b.closeToGuests()
		var seen []string
		h := Audited(handler, Auditing{Reads: true, Record: func(r audit.Record) {
			seen = append(seen, fmt.Sprint(r.User, " ", r.Status))
		}})
		for _, who := range []string{"root:rootpw", "root:wrong", "nobody:x", ""} {
			for _, target := range []string{"/v2/keys/", "/v2/auth/users"} {
				r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
				if user, password, named := strings.Cut(who, ":"); named {
					r.SetBasicAuth(user, password)
				}
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		}
		want := "[root 200 root 200 root 401 root 401 nobody 401 nobody 401  401  401]"
		if got := fmt.Sprint(seen); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// What the dialect crashes on is refused.
func TestRecordsThatAreOddHarmNobody(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.mustPut("/v2/auth/roles/empty", `{"role":"empty","permissions":{"kv":{"read":["",null,"*"],"write":[""]}}}`)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p","roles":["empty","",".","..","../users/root","a/b"]}`)
		b.do("GET", "/v2/auth/users/u", "").wantIn(t, 404, "auth: Role  does not exist.")
		for target, want := range map[string]int{"users": 500, "users/u": 500, "roles": 200, "roles/empty": 200} { // as etcd has it
			if a := b.do("GET", "/v2/auth/"+target+"?%zz", ""); a.status != want {
				t.Errorf("%s with a query that cannot be read: %v", target, a)
			}
		}
		b.enableAuth()
		b.do("GET", "/v2/keys", "", as("u", "p")).wantIn(t, 200, `"action":"get"`)
		b.do("PUT", "/v2/keys", "value=1", as("u", "p"), formType).wantIn(t, 401, `"errorCode":110`)
		b.do("GET", "/v2/keys/a", "", as("", "")).wantIn(t, 401, `"errorCode":110`)
	})
}

// Too many passwords at a time are nobody's fault but the server's.
func TestWhoCannotBeLookedAtIsNotDenied(t *testing.T) {
	withHandler(t, func(*Config) {}, func(t *testing.T, b *bench, _ http.Handler) {
		b.enableAuth()
		idle := auth.Open(auth.Config{Tree: b.cluster}) // it does not run
		h := New(Config{Keyspace: b.cluster, Cluster: b.cluster, Progress: b.cluster, Auth: idle})
		for target, want := range map[string]string{
			"/v2/keys/a":     `500 {"errorCode":300,"message":"Raft Internal Error","cause":"auth: too many passwords are waiting to be checked","index":0}` + "\n",
			"/v2/auth/users": `503 {"message":"auth: too many passwords are waiting to be checked"}`,
		} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
			r.SetBasicAuth("root", "rootpw")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := fmt.Sprint(w.Code, " ", w.Body); got != want {
				t.Errorf("%s: got %s, want %s", target, got, want)
			}
		}
	})
}

// A read that has to see all that was answered before is allowed by what it
// sees, not by what the member knew when the read came.
func TestAQuorumReadIsAllowedByWhatItCatchesUpWith(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		leader, lagging := b.at("leader"), b.at("follower")
		leader.enableAuth()
		leader.put("/v2/keys/a", "value=open")
		b.settle()
		b.roles["follower"].Isolate()
		leader.closeToGuests()
		leader.do("PUT", "/v2/keys/a", "value=secret", formType, asRoot)
		if a := lagging.get("/v2/keys/a"); a.status != 200 || strings.Contains(a.body, "secret") {
			t.Fatalf("it is not behind: %v", a)
		}
		answer := make(chan *answer)
		go func() { answer <- lagging.get("/v2/keys/a?quorum=true") }()
		time.Sleep(time.Second)
		b.members.Heal()
		if a := <-answer; a.status != 401 || a.body != keyDenied {
			t.Errorf("got %v", a)
		}
	})
}

// Bodies are read before anything is asked. Who may do nothing must not fill
// the memory with them.
func TestALongBodyIsNotReadForWhoMayNotSendIt(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.closeToGuests()
		for _, length := range []string{fmt.Sprintf("Content-Length: %d", freeBody+1), "Transfer-Encoding: chunked"} {
			for _, line := range []string{"PUT /v2/keys/a", "POST /v2/keys/a", "GET /v2/keys/a?wait=true"} {
				c := b.dial()
				start := time.Now()
				c.sendRaw(fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n\r\n", line, formType, length))
				c.receive("PUT").wantDenied(t, "/v2/keys/a")
				if took := time.Since(start); took != 0 {
					t.Errorf("%s, %s: answered after %v", line, length, took)
				}
				c.Close()
			}
		}
		body := "value=" + strings.Repeat("x", freeBody)
		if a := b.do("PUT", "/v2/keys/a", body, formType, asRoot); a.status != 201 {
			t.Errorf("root: %v", a)
		}
		if a := b.do("PUT", "/v2/keys/a?ttl=x", "value=1", formType); a.status != 400 {
			t.Errorf("a short body that is wrong: %v", a)
		}
	})
}
