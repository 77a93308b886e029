package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// peers answers in the place of members, at any of their peer URLs.
type peers func(*http.Request) (*http.Response, error)

func (p peers) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }

// said is an answer that says text.
func said(r *http.Request, status int, text string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = w.WriteString(text) // it has room
	a := w.Result()
	a.Request = r
	return a
}

// crowd is a cluster of as many members, none of which is there but the one
// that is asked.
type crowd struct {
	*lone
	others []member.Member
}

func (c crowd) Members() []member.Member { return append(c.lone.Members(), c.others...) }

// inCrowd is the API of a member among others, whose place p takes.
func inCrowd(t *testing.T, others []member.Member, p peers) http.Handler {
	c := crowd{openLone(t), others}
	return New(Config{Keyspace: c, Cluster: c, Progress: c, Reporter: c, PeerClient: &http.Client{Transport: p}})
}

func gatheredBy(t *testing.T, h http.Handler) []memberStatus {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", statusPath+"?members=true", nil))
	var s status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != 200 {
		t.Errorf("%d %.200s: %v", w.Code, w.Body, err)
	}
	return s.Members
}

// A member that answers late, too much or nonsense keeps nobody from the rest.
func TestWhatAPeerSaysIsNotTrusted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var others []member.Member
		for i, name := range []string{"hangs", "endless", "garbage", "another", "refuses", "gone", "second", "nowhere", "good"} {
			m := member.Member{ID: member.ID(i + 1), Name: name, PeerURLs: []string{"http://" + name}}
			switch name {
			case "second":
				m.PeerURLs = []string{"http://gone", "http://second/"}
			case "nowhere":
				m.PeerURLs = nil
			}
			others = append(others, m)
		}
		h := inCrowd(t, others, func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != statusPath || r.URL.RawQuery != "" {
				t.Errorf("asked %s", r.URL)
			}
			switch r.URL.Host {
			case "hangs":
				<-r.Context().Done()
				return nil, r.Context().Err()
			case "endless":
				return said(r, 200, strings.Repeat(" ", 2*maxStatus)), nil
			case "garbage":
				return said(r, 200, "<html>"), nil
			case "refuses":
				return said(r, 404, "404 page not found"), nil
			case "gone":
				return nil, errors.New("connection refused")
			case "second":
				return said(r, 200, `{"member":{"id":"7"}, "more":1}`), nil
			}
			return said(r, 200, `{"member":{"id":"9"}}`), nil
		})
		start := time.Now()
		all := gatheredBy(t, h)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		for i, want := range []string{
			"it did not answer within 1s", "http://endless/keytree/v1/status answered more than 1048576 bytes",
			"http://garbage/keytree/v1/status answered with something else than expected: invalid character '<' looking for beginning of value",
			`http://another/keytree/v1/status is that of another member, "9"`, "http://refuses/keytree/v1/status answered 404 Not Found",
			`Get "http://gone/keytree/v1/status": connection refused`, "", "it has no peer URL", "",
		} {
			if got := all[i+1]; got.Error != want || (string(got.Status) == "null") != (want != "") {
				t.Errorf("%s: got %q with %s, want %q", got.Name, got.Error, got.Status, want)
			}
		}
		if got := string(all[7].Status); got != `{"member":{"id":"7"},"more":1}` {
			t.Errorf("got %s", got)
		}
	})
}

// However many ask, the members are asked once at a time, and not more often
// than their answers get old.
func TestManyConsolesAskTheMembersOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var asked, under atomic.Int32
		h := inCrowd(t, []member.Member{{ID: 1, PeerURLs: []string{"http://x"}}}, func(r *http.Request) (*http.Response, error) {
			if under.Add(1) > 1 {
				t.Error("it is asked twice at the same time")
			}
			defer under.Add(-1)
			asked.Add(1)
			time.Sleep(100 * time.Millisecond)
			return said(r, 200, `{"member":{"id":"1"}}`), nil
		})
		all := func() {
			var consoles sync.WaitGroup
			for range 50 {
				consoles.Go(func() {
					if all := gatheredBy(t, h); len(all) != 2 || all[1].Error != "" {
						t.Errorf("got %+v", all)
					}
				})
			}
			consoles.Wait()
		}
		all()
		all()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(gatheredFor)
		all()
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times in the end", n)
		}
	})
}

// A console that leaves does not spoil it for the others.
func TestTheFirstWhoAskedMayLeave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := &gathering{}
		begun := make(chan struct{})
		gather := func(ctx context.Context) []memberStatus {
			close(begun)
			select {
			case <-ctx.Done():
				return []memberStatus{{Error: ctx.Err().Error()}}
			case <-time.After(time.Second):
				return []memberStatus{{Name: "whole"}}
			}
		}
		first, leave := context.WithCancel(t.Context())
		go func() { _, _ = g.share(first, gather) }()
		<-begun
		second, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer stop()
		if _, err := g.share(second, gather); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one without patience got %v", err)
		}
		leave()
		if all, err := g.share(t.Context(), gather); err != nil || all[0].Name != "whole" {
			t.Errorf("got %+v, %v", all, err)
		}
	})
}

func TestThePeerPortTellsItsOwnStatus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := openLone(t)
		h := NewPeerHandler(Config{Keyspace: l, Cluster: l, Progress: l, Reporter: l, PeerClient: &http.Client{Transport: peers(func(r *http.Request) (*http.Response, error) {
			t.Errorf("asked %s", r.URL)
			return nil, errors.New("nobody is asked")
		})}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", statusPath+"?members=true", nil))
		var s status
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != 200 || s.Member.Name != "node1" || s.Members != nil {
			t.Errorf("%d %s: %v", w.Code, w.Body, err)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", statusPath, nil))
		if w.Code != 405 || w.Header().Get("Allow") != "GET" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}
