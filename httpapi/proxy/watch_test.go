package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a member that answers watches with what the test sends.
type watched struct {
	*fake
	events chan string // "" ends the answer
	left   chan error  // why the member's request ended
}

func (w *world) watched(address string) *watched {
	m := &watched{events: make(chan string), left: make(chan error, 100)}
	m.fake = w.member(address, func(rw http.ResponseWriter, q *http.Request) {
		rw.Header().Set("X-Etcd-Index", "7")
		_ = http.NewResponseController(rw).Flush() // a dead connection shows later
		for {
			select {
			case e := <-m.events:
				if e == "" {
					return
				}
				_, _ = io.WriteString(rw, e)
				_ = http.NewResponseController(rw).Flush() // as above
			case <-q.Context().Done():
				m.left <- q.Context().Err()
				return
			}
		}
	})
	return m
}

// watch begins a watch and returns its answer once the header is there.
func (r *rig) watch(ctx context.Context) *http.Response {
	r.t.Helper()
	q, err := http.NewRequestWithContext(ctx, "GET", "http://proxy:80/v2/keys/x?wait=true&stream=true", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func TestAWatchLastsAsLongAsItsClientAndItsMember(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		r := newRig(w, []string{"a:79"})
		a := r.watch(t.Context())
		defer a.Body.Close()
		if a.StatusCode != 200 || a.Header.Get("X-Etcd-Index") != "7" {
			t.Fatalf("got %d %v", a.StatusCode, a.Header)
		}
		lines := bufio.NewReader(a.Body)
		for i := range 3 {
			time.Sleep(2 * time.Hour)
			sent := time.Now()
			want := fmt.Sprintf("event %d\n", i)
			m.events <- want
			got, err := lines.ReadString('\n')
			if err != nil || got != want {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
			if took := time.Since(sent); took != 0 {
				t.Errorf("event %d took %v", i, took)
			}
		}
		m.events <- ""
		if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
			t.Errorf("at the end: got %q, %v", rest, err)
		}
	})
}

func TestAClientThatLeavesEndsTheMembersWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		r := newRig(w, []string{"a:79"})
		ctx, leave := context.WithCancel(t.Context())
		a := r.watch(ctx)
		defer a.Body.Close()
		time.Sleep(time.Hour)
		leave()
		synctest.Wait()
		select {
		case <-m.left:
		default:
			t.Error("the member's watch goes on")
		}
		if r.log.count("a:79 unavailable")+r.log.count("is asked last") > 0 {
			t.Error("the endpoint is blamed for a client's leaving")
		}
	})
}

func TestAClientThatLeavesBeforeTheAnswerIsNotHeldAgainstTheMember(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		left := make(chan struct{})
		w.member("a:79", func(_ http.ResponseWriter, q *http.Request) {
			<-q.Context().Done()
			close(left)
		})
		second := w.member("b:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		ctx, cancel := context.WithTimeout(t.Context(), probeInterval/2)
		defer cancel()
		q, err := http.NewRequestWithContext(ctx, "GET", "http://proxy:80/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := r.client.Do(q); err == nil {
			a.Body.Close()
			t.Errorf("got %d, want nothing", a.StatusCode)
		}
		<-left
		synctest.Wait()
		if second.requests() > 0 || r.log.count("level=WARN") > 0 {
			t.Errorf("b:79 got %d requests; the log says %d warnings", second.requests(), r.log.count("level=WARN"))
		}
	})
}

func TestAWatchWhoseMemberDiesIsCutNotEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		w.watched("b:79")
		r := newRig(w, []string{"a:79", "b:79"})
		a := r.watch(t.Context())
		defer a.Body.Close()
		m.events <- "one\n"
		synctest.Wait()
		m.kill()
		got, err := io.ReadAll(a.Body)
		if string(got) != "one\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v, want one and an unexpected end", got, err)
		}
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://a:79","http://b:79"]}`+"\n")
		go func() { r.watch(t.Context()).Body.Close() }() // goes to b:79
		time.Sleep(time.Second)
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://b:79"]}`+"\n")
	})
}

func TestAnAnswerOfKnownLengthThatBreaksIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			rw.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(rw, "half")
			_ = http.NewResponseController(rw).Flush() // it is there or it is not
			hangUp(rw, q)
		})
		r := newRig(w, []string{"a:79"})
		q, err := http.NewRequestWithContext(t.Context(), "GET", "http://proxy:80/", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.client.Do(q)
		if err == nil {
			_, err = io.ReadAll(a.Body)
			a.Body.Close()
		}
		if err == nil {
			t.Error("half an answer came as a whole one")
		}
	})
}

func TestEndWatchesCutsThemAndLeavesOtherRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		r := newRig(w, []string{"a:79"})
		a := r.watch(t.Context())
		defer a.Body.Close()
		other := make(chan answer)
		go func() { other <- r.do("GET", "/v2/keys/x", "") }()
		synctest.Wait()
		r.proxy.EndWatches()
		if _, err := io.ReadAll(a.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the watch ended with %v, want an unexpected end", err)
		}
		<-m.left
		m.events <- "still here"
		m.events <- ""
		if got := <-other; got.body != "still here" {
			t.Errorf("the other request got %q", got.body)
		}
		q, err := http.NewRequestWithContext(t.Context(), "GET", "http://proxy:80/v2/keys/x?wait=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if late, err := r.client.Do(q); err == nil {
			late.Body.Close()
			t.Errorf("a late watch got %d, want a cut", late.StatusCode)
		}
	})
}

func TestAReadTimeoutCutsAQuietWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.ReadTimeout = time.Minute })
		a := r.watch(t.Context())
		defer a.Body.Close()
		began := time.Now()
		if _, err := io.ReadAll(a.Body); err == nil {
			t.Error("the watch ended as if whole")
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("cut after %v, want a minute", took)
		}
		<-m.left
	})
}

func TestAClientThatTakesNothingIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		gone := make(chan time.Time, 1)
		w.member("a:79", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000000000")
			for {
				if _, err := io.WriteString(rw, strings.Repeat("x", 4096)); err != nil {
					gone <- time.Now()
					return
				}
			}
		})
		r := newRig(w, []string{"a:79"})
		c, err := r.dial(t.Context(), "tcp", "proxy:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		select {
		case at := <-gone:
			if took := at.Sub(began); took < pieceTime/2 || took > pieceTime {
				t.Errorf("cut after %v, want at most %v", took, pieceTime)
			}
		case <-time.After(10 * pieceTime):
			t.Error("the member still sends")
		}
	})
}
