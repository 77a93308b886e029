package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAThousandClientsShareOneWatchOfAMember(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		const crowd = 1000
		got := make(chan string, crowd)
		ask := func(n int) {
			for i := range n {
				target := "/v2/keys/a?wait=true"
				if i%2 == 0 {
					target += "&recursive=false"
				}
				go func() { got <- s.get(false, target) }()
			}
		}
		ask(1)
		synctest.Wait()
		ask(crowd - 1)
		want := make(chan string, 1)
		go func() { want <- s.get(true, "/v2/keys/a?wait=true") }()
		synctest.Wait()
		if n := s.reached(); n != 2 { // one of them is our own
			t.Errorf("%d watches reached the member, want 1", n-1)
		}
		if watches, clients := s.proxy.fanout.numbers(); watches != 1 || clients != crowd {
			t.Errorf("%d watches are shared by %d clients", watches, clients)
		}
		s.put("/a", "1")
		one := <-want
		for range crowd {
			if a := <-got; a != one {
				t.Fatalf("got  %s\nwant %s", a, one)
			}
		}

		// Who polls is not gone for good, and who was late misses nothing.
		index := s.put("/a", "2")
		s.put("/a", "3")
		synctest.Wait()
		if a := s.get(false, fmt.Sprintf("/v2/keys/a?wait=true&waitIndex=%d", index)); !strings.Contains(a, `\"2\"`) {
			t.Errorf("the event after the last is %s", a)
		}
		if n := s.reached(); n != 0 {
			t.Errorf("%d more watches reached the member", n)
		}
		time.Sleep(lingering + time.Second)
		synctest.Wait()
		if watches, _ := s.proxy.fanout.numbers(); watches != 0 {
			t.Errorf("%d watches are there and nobody follows them", watches)
		}
		if n := s.watchers(); n != 0 {
			t.Errorf("the member still has %d watchers", n)
		}
	})
}

// Whatever is asked, the answer is that of a member.
func TestSharedAnswersAreThoseOfAMember(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		first := s.put("/d/a", "0")
		for i := range 5 {
			s.put("/d/a", fmt.Sprint(i))
			s.put("/d/b%20%C3%A9", "x")
		}
		s.do("DELETE", "/v2/keys/d/a", "")
		last := s.put("/other", "1")
		ask := func(target string, headers ...string) {
			t.Helper()
			want := s.get(true, target, headers...)
			for range 2 { // with a watch that is there, and with one that is not
				if got := s.get(false, target, headers...); got != want {
					t.Errorf("%s %v:\n got %s\nwant %s", target, headers, got, want)
				}
			}
		}
		for _, key := range []string{"/v2/keys/d", "/v2/keys/d/a", "/v2/keys/d/", "/v2/keys/d/b%20%C3%A9", "/v2/keys", "/v2/keys/none"} {
			for _, query := range []string{"", "&stream=true", "&recursive=true", "&recursive=true&stream=true&sorted=true&quorum=false"} {
				for _, since := range []uint64{0, 1, first + 1, last - 1, last + 1, last + 20} {
					ask(fmt.Sprintf("%s?wait=true&waitIndex=%d%s", key, since, query))
				}
				ask(key + "?wait=1" + query)
			}
		}
		for _, odd := range []string{"wait=true&wait=false", "wait=true&waitIndex=x", "wait=true&stream=2", "wait=true&recursive=", "wait=true;a=b",
			"wait=true&quorum=true&waitIndex=1", "wait=true&ttl=x", "wait=true&waitIndex=99999999999999999999", "wait=true&%zz"} {
			ask("/v2/keys/d?" + odd)
		}
		ask("/v2/keys/d?wait=true&waitIndex=1&recursive=true", "Authorization", "Basic dTpw")
		ask("/v2/keys/d?wait=true&waitIndex=1&recursive=true", "Origin", "http://elsewhere")
		ask("/v2/machines?wait=true")
	})
}

// What one may see is no longer what all may, once there are users.
func TestNothingIsSharedWhileAuthIsOn(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		cut := make(chan string, 1)
		go func() { cut <- s.get(false, "/v2/keys/a?wait=true") }()
		synctest.Wait()
		for _, step := range [][2]string{
			{"/v2/auth/users/root", `{"user":"root","password":"p"}`},
			{"/v2/auth/enable", ""},
		} {
			if a := s.do("PUT", step[0], step[1]); a.status > 201 {
				t.Fatalf("%v: %d %s", step, a.status, a.body)
			}
		}
		root := []string{"Authorization", "Basic cm9vdDpw"}
		if a := s.do("PUT", "/v2/auth/roles/guest", `{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}`, root...); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		time.Sleep(2 * time.Second)
		select {
		case a := <-cut:
			if !strings.Contains(a, `"" true`) {
				t.Errorf("a watch of before was answered with %s", a)
			}
		default:
			t.Error("a watch of before is still shared")
		}
		s.reached()
		for range 3 {
			if a := s.do("GET", "/v2/keys/a?wait=true", ""); a.status != 401 {
				t.Errorf("a guest's watch: %d %s", a.status, a.body)
			}
		}
		if watches, _ := s.proxy.fanout.numbers(); watches != 0 {
			t.Errorf("%d watches are shared", watches)
		}
		if a := s.do("DELETE", "/v2/auth/enable", "", root...); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		go s.get(false, "/v2/keys/a?wait=true")
		synctest.Wait()
		if watches, _ := s.proxy.fanout.numbers(); watches != 1 {
			t.Errorf("afterwards %d watches are shared", watches)
		}
		s.put("/a", "1")
	})
}

// Streams of etcd do not bring everything.
func TestNothingIsSharedInFrontOfEtcd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			rw.Header().Set("X-Etcd-Index", "7")
			switch q.URL.Path {
			case "/version":
				_, _ = io.WriteString(rw, `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`)
			case "/v2/auth/enable":
				_, _ = io.WriteString(rw, `{"enabled":false}`)
			default:
				_, _ = io.WriteString(rw, "event\n")
			}
		})
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.Fanout = true })
		r.expect("GET", "/v2/keys/a?wait=true", 200, "event\n")
		m.mu.Lock()
		defer m.mu.Unlock()
		if got := strings.Join(m.seen, " "); !strings.HasSuffix(got, "GET /v2/keys/a?wait=true") || strings.Contains(got, "stream") {
			t.Errorf("it was asked %s", got)
		}
	})
}

// A first client that waits for the future must not keep others from now.
func TestAWatchOfTheFutureIsNotForAll(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		next := s.put("/a", "1") + 1
		late, early := make(chan string, 1), make(chan string, 1)
		go func() { late <- s.get(false, fmt.Sprintf("/v2/keys/a?wait=true&waitIndex=%d", next+1)) }()
		synctest.Wait()
		go func() { early <- s.get(false, "/v2/keys/a?wait=true") }()
		synctest.Wait()
		s.put("/a", "2")
		s.put("/a", "3")
		if a := <-early; !strings.Contains(a, `\"value\":\"2\"`) {
			t.Errorf("who waits from now on got %s", a)
		}
		if a := <-late; !strings.Contains(a, `\"value\":\"3\"`) {
			t.Errorf("who waits for the one after got %s", a)
		}
	})
}

// A watch more than can be shared passes through, and is answered.
func TestThereAreNotTooManySharedWatches(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		got := make(chan string, maxShared+5)
		for i := range maxShared + 5 {
			go func() { got <- s.get(false, fmt.Sprintf("/v2/keys/d/%d?wait=true&recursive=true", i)) }()
		}
		synctest.Wait()
		if watches, clients := s.proxy.fanout.numbers(); watches != maxShared || clients != maxShared {
			t.Errorf("%d watches are shared by %d clients", watches, clients)
		}
		s.put(fmt.Sprintf("/d/%d/x", maxShared+4), "1")
		s.put("/d/0/x", "1")
		synctest.Wait()
		answered := 0
		for range maxShared + 5 {
			if a := <-got; strings.Contains(a, `\"action\":\"set\"`) {
				answered++
			}
		}
		if answered != 2 {
			t.Errorf("%d are answered, want 2", answered)
		}
	})
}

func TestWatchesThatAreSharedEndWithTheProxy(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		cut := make(chan string, 2)
		for _, stream := range []string{"false", "true"} {
			go func() { cut <- s.get(false, "/v2/keys/a?wait=true&stream="+stream) }()
		}
		synctest.Wait()
		s.proxy.EndWatches()
		for range 2 {
			if a := <-cut; !strings.Contains(a, `"" true`) {
				t.Errorf("it ended as %s", a)
			}
		}
		s.stop()
		if n := s.watchers(); n != 0 {
			t.Errorf("the member still has %d watchers", n)
		}
	})
}

func TestWhatIsOutOfTheOrdinaryIsNotShared(t *testing.T) {
	for target, want := range map[string]bool{
		"/v2/keys/a?wait=true":                             true,
		"/v2/keys?wait=t&recursive=1&waitIndex=7&stream=T": true,
		"/v2/keys/a?wait=true&quorum=false&sorted=true":    true,
		"/v2/keys/a?wait=false":                            false,
		"/v2/keys/a":                                       false,
		"/v2/keys/a?wait=true&quorum=true":                 false,
		"/v2/keys/a?wait=true&prevExist=true":              false,
		"/v2/keysx?wait=true":                              false,
		"/v2/stats/self?wait=true":                         false,
		"/v2/keys/a?wait=true&waitIndex=-1":                false,
	} {
		if _, got := sharable(httptest.NewRequest("GET", target, nil)); got != want {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = "HEAD" },
		func(r *http.Request) { r.Method = "POST" },
		func(r *http.Request) { r.ContentLength = 1 },
		func(r *http.Request) { r.ContentLength = -1 },
		func(r *http.Request) { r.ProtoMinor = 0 },
		func(r *http.Request) { r.Header.Set("Authorization", "") },
		func(r *http.Request) { r.Header.Set("Origin", "http://x") },
	} {
		r := httptest.NewRequest("GET", "/v2/keys/a?wait=true", nil)
		if change(r); r.Method == "GET" {
			if _, got := sharable(r); got {
				t.Errorf("%v is shared", r)
			}
		}
	}
}
