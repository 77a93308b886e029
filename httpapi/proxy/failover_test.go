package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAReadWhoseConnectionBreaksIsTriedOnTheNextEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.member("a:79", hangUp)
		w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		r.expect("GET", "/v2/keys/x", 200, "from b:79")
		if first.requests() == 0 {
			t.Error("the first endpoint was not asked at all")
		}
		if a := r.do("HEAD", "/v2/keys/x", ""); a.status != 200 {
			t.Errorf("HEAD: got %d, want 200", a.status)
		}
	})
}

func TestAWriteThatWasSentIsNotSentAgain(t *testing.T) {
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH"} {
		inBubble(t, func(t *testing.T, w *world) {
			first := w.member("a:79", hangUp)
			second := w.member("b:79", nil)
			r := newRig(w, []string{"a:79", "b:79"})
			r.expect(method, "/v2/keys/x?prevExist=true", 502, fmt.Sprintf(silence, 1))
			if first.requests() != 1 || second.requests() != 0 {
				t.Errorf("%s: the members got %d and %d requests, want 1 and 0", method, first.requests(), second.requests())
			}
		})
	}
}

func TestAWriteOnAConnectionThatWasKeptIsNotSentAgainEither(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		answered := false
		only := w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			if answered {
				hangUp(rw, q)
			}
			answered = true
		})
		r := newRig(w, []string{"a:79"})
		r.expect("PUT", "/v2/keys/x", 200, "")
		a := r.do("PUT", "/v2/keys/x", "value=1", "Idempotency-Key", "1", "X-Idempotency-Key", "1")
		if a.status != 502 || only.requests() != 2 {
			t.Errorf("got %d after %d requests at the member, want 502 after 2", a.status, only.requests())
		}
	})
}

func TestAWriteThatCouldNotBeSentGoesToTheNextEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		second := w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		if a := r.do("PUT", "/v2/keys/x", "value=1"); a.status != 200 || a.body != "from b:79" {
			t.Errorf("got %d %q, want 200 from b:79", a.status, a.body)
		}
		if second.body != "value=1" {
			t.Errorf("the member got the body %q, want value=1", second.body)
		}
		if n := r.log.count("marked endpoint http://a:79 unavailable"); n != 1 {
			t.Errorf("logged %d times that a:79 is unavailable, want once", n)
		}
	})
}

func TestAMembersRefusalIsNotTriedElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Etcd-Index", "7")
			rw.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(rw, `{"errorCode":300}`)
		})
		second := w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		a := r.expect("GET", "/v2/keys/x", 500, `{"errorCode":300}`)
		if second.requests() != 0 || a.header.Get("X-Etcd-Index") != "7" {
			t.Errorf("got index %q and %d requests at b:79, want 7 and none", a.header.Get("X-Etcd-Index"), second.requests())
		}
	})
}

func TestWithoutAnAnswerTheProxySaysSoInEtcdsWords(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := newRig(w, []string{"a:79", "b:79"})
		a := r.expect("GET", "/v2/keys/x", 502, fmt.Sprintf(silence, 2))
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("got Content-Type %q, want application/json", got)
		}
		a = r.expect("PUT", "/v2/keys/x", 503, none)
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("got Content-Type %q, want application/json", got)
		}
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":[]}`+"\n")
		time.Sleep(5*time.Second - time.Millisecond)
		r.expect("GET", "/v2/keys/x", 503, none)
		time.Sleep(time.Millisecond)
		r.expect("GET", "/v2/keys/x", 502, fmt.Sprintf(silence, 2)) // the failure wait is over
		if n := r.log.count("unavailable"); n != 2 || r.log.count("is asked last") > 0 {
			t.Errorf("logged %d times that an endpoint is unavailable, want once for each, and nothing of doubts", n)
		}
	})
}

func TestAnEndpointThatFailedComesBackAsSoonAsItAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.FailureWait = time.Hour })
		r.expect("GET", "/", 502, fmt.Sprintf(silence, 1))
		time.Sleep(time.Minute)
		r.expect("GET", "/", 503, none)
		w.member("a:79", nil)
		time.Sleep(probeInterval)
		synctest.Wait()
		r.expect("GET", "/", 200, "from a:79")
		if r.log.count(`"marked endpoint http://a:79 available"`) != 1 {
			t.Error("nothing logged of the endpoint's return")
		}
	})
}

func TestAnEndpointWhoseConnectionBrokeIsAskedLastUntilItAnswersAProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		breaks := true
		first := w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			if breaks {
				first := w.hosts["a:79"]
				first.set(func(h *host) { h.frozen = true })
				hangUp(rw, q)
			}
			_, _ = io.WriteString(rw, "from a:79")
		})
		w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		r.expect("GET", "/", 200, "from b:79")
		time.Sleep(time.Minute)
		synctest.Wait()
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://b:79","http://a:79"]}`+"\n")
		if r.log.count("endpoint http://a:79 is asked last until it answers a probe") != 1 {
			t.Error("nothing logged of an endpoint that is in doubt")
		}
		breaks = false
		first.set(func(h *host) { h.frozen = false })
		time.Sleep(probePatience + probeInterval)
		synctest.Wait()
		r.expect("GET", "/", 200, "from a:79")
	})
}

func TestASilentEndpointIsFoundOutWithoutARequestHavingToWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.member("a:79", nil)
		w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		r.expect("GET", "/", 200, "from a:79")
		first.set(func(h *host) { h.frozen = true })
		first.cut()
		time.Sleep(5*time.Second + probePatience + probeInterval)
		began := time.Now()
		r.expect("PUT", "/", 200, "from b:79")
		if took := time.Since(began); took != 0 {
			t.Errorf("the request waited %v for a silent member", took)
		}
		first.set(func(h *host) { h.frozen = false })
		first.cut()
		time.Sleep(probePatience + probeInterval)
		r.expect("PUT", "/", 200, "from a:79")
	})
}

func TestADeadEndpointIsFoundOutBeforeARequestMeetsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.member("a:79", nil)
		w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		first.kill()
		time.Sleep(2 * probeInterval)
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://b:79"]}`+"\n")
		time.Sleep(time.Hour)
		if n := r.log.count("a:79"); n != 2 { // found, and unavailable
			t.Errorf("the log names a:79 %d times in an hour, want twice", n)
		}
	})
}

func TestAGoodEndpointIsProbedNowAndThenOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		newRig(w, []string{"a:79"})
		time.Sleep(time.Minute)
		if n := only.probes.Load(); n < 10 || n > 13 {
			t.Errorf("%d probes in a minute, want one in 5 s", n)
		}
	})
}

func TestAProbeCutShortByTheEndIsNotHeldAgainstAnEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		only.set(func(h *host) { h.frozen = true })
		time.Sleep(probeInterval + probePatience/2)
		r.stop()
		if n := r.log.count("level=WARN"); n != 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

func TestALinkIsDownAgainWhileAnotherConnectionIsSought(t *testing.T) {
	ctx, link := watchLink(t.Context())
	seen := httptrace.ContextClientTrace(ctx)
	for _, step := range []struct {
		tell func()
		want bool
	}{
		{func() {}, false},
		{func() { seen.GetConn("a:79") }, false},
		{func() { seen.GotConn(httptrace.GotConnInfo{}) }, true},
		{func() { seen.GetConn("a:79") }, false}, // nothing was written on the first
	} {
		step.tell()
		if got := link.made(); got != step.want {
			t.Errorf("got %v, want %v", got, step.want)
		}
	}
}

func TestNoRequestMakesAnEndpointUnavailable(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		for _, text := range []string{
			"GET http://xn--\xc3\xa9/v2/keys HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET http://%ff/v2/keys HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET http://u:p@[::1%25x]:1/v2/keys HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /v2/keys?\xff#x HTTP/1.1\r\nHost: \r\nCookie: \xff\r\n\r\n",
			"PUT /v2/keys/x HTTP/1.1\r\nHost: x\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n",
		} {
			before := only.requests()
			if a := r.raw(text); a.status != 200 || only.requests() != before+1 {
				t.Errorf("%q: got %d %q", text, a.status, a.body)
			}
		}
		if n := r.log.count("level=WARN"); n != 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

func TestAnEndpointWhoseFailureIsOldNewsIsNotDoubted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			<-release
			hangUp(rw, q)
		})
		r := newRig(w, []string{"a:79"})
		done := make(chan answer)
		go func() { done <- r.do("PUT", "/v2/keys/x", "") }()
		time.Sleep(6 * time.Second) // a probe is answered meanwhile
		close(release)
		if a := <-done; a.status != 502 {
			t.Errorf("got %d, want 502", a.status)
		}
		if n := r.log.count("is asked last"); n != 0 {
			t.Error("the endpoint is doubted though it has answered a probe since")
		}
	})
}

func TestAMemberThatDoesNotTakeARequestIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		first.set(func(h *host) { h.deaf = true })
		began := time.Now()
		if a := r.do("PUT", "/v2/keys/x", "value=1"); a.status != 502 {
			t.Errorf("got %d, want 502", a.status)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("given up after %v, want 5s", took)
		}
	})
}

func TestAnAnswerThatIsNoneIsA502(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 099 Nothing\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 -99 Nothing\r\nContent-Length: 0\r\n\r\n",
		"nonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
		"",
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.member("a:79", func(rw http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(rw).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(c, text) // the proxy may have had enough
				_ = c.Close()
			})
			r := newRig(w, []string{"a:79"})
			for _, headers := range [][]string{{}, {"Connection", "Upgrade", "Upgrade", "x"}} {
				if a := r.do("GET", "/", "", headers...); a.status != 502 || a.body != fmt.Sprintf(silence, 1) {
					t.Errorf("%.30q: got %d %q, want 502", text, a.status, a.body)
				}
			}
			if n := r.log.count("panic"); n != 0 {
				t.Errorf("%.30q: a panic", text)
			}
		})
	}
}
