package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keytree/httpapi/client"
)

// troubles are the ways in which an endpoint fails to answer.
func troubles(t *testing.T) map[string]string {
	return map[string]string{
		"refuses":        nobody(t),
		"has no leader":  serve(t, say(500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`)).URL,
		"is unavailable": serve(t, say(503, `{"message":"During election"}`)).URL,
		"is a gateway":   serve(t, say(502, "")).URL,
		"breaks":         serve(t, cut).URL,
		"is late":        serve(t, hang).URL,
		"leads nowhere":  serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }).URL,
		"breaks halfway": serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			say(200, aKey)(w, r)
		}).URL,
	}
}

func TestTheNextEndpointIsAskedWhenOneFailsAndThenFirst(t *testing.T) {
	t.Parallel()
	for name, bad := range troubles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := serve(t, say(200, aKey))
			var tried []string
			c := mustNew(t, client.Config{
				Endpoints: []string{bad, good.URL}, HeaderTimeout: time.Second,
				Trace: func(a client.Attempt) { tried = append(tried, a.URL) },
			})
			for range 2 {
				if r, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != nil || r.Node.Value != "1" {
					t.Fatalf("got %v, %v", r, err)
				}
			}
			if asked := good.requests(); len(asked) != 2 || !strings.HasPrefix(tried[len(tried)-2], good.URL) {
				t.Errorf("the good one was asked %q; tried %q", asked, tried)
			}
			for range 2 {
				if _, err := c.CreateInOrder(t.Context(), "/q", "1", 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestARefusalIsFinal(t *testing.T) {
	t.Parallel()
	refuses := serve(t, say(404, `{"errorCode":100,"message":"Key not found","cause":"/a","index":12}`))
	second := serve(t, say(200, aKey))
	c := mustNew(t, client.Config{Endpoints: []string{refuses.URL, second.URL}})
	_, err := c.Get(t.Context(), "/a", client.GetOptions{})
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 404 || !client.HasCode(err, client.CodeKeyNotFound) || err.Error() != "100: Key not found (/a) [12]" {
		t.Errorf("got %v", err)
	}
	if asked := second.requests(); len(asked) != 0 {
		t.Errorf("another was asked %q", asked)
	}
}

func TestErrorsReadLikeEtcds(t *testing.T) {
	t.Parallel()
	bad := troubles(t)
	host := func(name string) string { return strings.TrimPrefix(bad[name], "http://") }
	for name, want := range map[string]string{
		"refuses":        "dial tcp " + host("refuses") + ": connect: connection refused",
		"has no leader":  "client: etcd member " + bad["has no leader"] + " has no leader",
		"is unavailable": "client: etcd member " + bad["is unavailable"] + " has no leader",
		"is a gateway":   "client: etcd member " + bad["is a gateway"] + " returns server error [Bad Gateway]",
		"breaks":         "EOF",
		"is late":        "client: endpoint " + bad["is late"] + " exceeded header timeout",
		"leads nowhere":  "client: too many redirects",
		"breaks halfway": "unexpected EOF",
	} {
		c := mustNew(t, client.Config{Endpoints: []string{bad[name], bad[name]}, HeaderTimeout: 500 * time.Millisecond})
		_, err := c.Get(t.Context(), "/a", client.GetOptions{})
		whole := "client: etcd cluster is unavailable or misconfigured; error #0: " + want + "\n; error #1: " + want + "\n"
		var all *client.ClusterError
		if !errors.As(err, &all) || err.Error() != whole || all.Detail() != "error #0: "+want+"\nerror #1: "+want+"\n" {
			t.Errorf("%s: got %q, want %q", name, err, whole)
		}
		if _, err := c.Delete(t.Context(), "/a", client.DeleteOptions{}); err == nil || err.Error() != want {
			t.Errorf("%s, one endpoint: got %q, want %q", name, err, want)
		}
		if got := client.Unreachable(err); got != (name == "refuses") {
			t.Errorf("%s: unreachable: %v", name, got)
		}
	}
}

func TestWhatAMemberInTroubleSaysIsKept(t *testing.T) {
	t.Parallel()
	c := mustNew(t, client.Config{Endpoints: []string{troubles(t)["has no leader"]}})
	_, err := c.Get(t.Context(), "/a", client.GetOptions{Quorum: true})
	var m *client.MemberError
	if !errors.As(err, &m) || m.Status != 500 || m.Refusal.Cause != "etcdserver: request timed out" || !client.HasCode(err, client.CodeRaftInternal) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoEtcdIsNamed(t *testing.T) {
	t.Parallel()
	const text = "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint"
	for name, h := range map[string]http.HandlerFunc{
		"a page":          say(200, "<html>"),
		"a missing page":  say(404, "404 page not found\n"),
		"something else":  say(200, `{"ok":true}`),
		"a list":          say(200, `[]`),
		"a hole":          say(200, `{"action":"get","node":{"dir":true,"nodes":[null]}}`),
		"a hole beneath":  say(200, `{"action":"get","node":{"dir":true,"nodes":[{"key":"/d","dir":true,"nodes":[{"key":"/d/a"},null]}]}}`),
		"another refusal": say(403, `{"message":"no"}`),
		"an odd index": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Raft-Term", "one")
			w.Write([]byte(aKey))
		},
		"an unknown state": say(304, ""),
	} {
		c := mustNew(t, client.Config{Endpoints: []string{serve(t, h).URL}})
		_, err := c.Get(t.Context(), "/a", client.GetOptions{})
		if name == "an unknown state" {
			if err == nil {
				t.Error("304 is an answer")
			}
			continue
		}
		if !errors.Is(err, client.ErrInvalidJSON) || err.Error() != text {
			t.Errorf("%s: got %v", name, err)
		}
	}
	c := mustNew(t, client.Config{Endpoints: []string{serve(t, say(200, "")).URL}})
	if _, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != client.ErrEmptyBody {
		t.Errorf("nothing: got %v", err)
	}
}

func TestCreationsAndRemovalsGoToOneEndpoint(t *testing.T) {
	t.Parallel()
	first, second := serve(t, cut), serve(t, cut)
	for name, ask := range map[string]func(*client.Client) error{
		"create": func(c *client.Client) error { _, err := c.Create(t.Context(), "/a", "1", 0); return err },
		"directory": func(c *client.Client) error {
			_, err := c.Set(t.Context(), "/a", "", client.SetOptions{Dir: true, PrevExist: client.PrevMissing})
			return err
		},
		"delete": func(c *client.Client) error {
			_, err := c.Delete(t.Context(), "/a", client.DeleteOptions{})
			return err
		},
		"cas delete": func(c *client.Client) error {
			_, err := c.Delete(t.Context(), "/a", client.DeleteOptions{PrevIndex: 3})
			return err
		},
	} {
		c := mustNew(t, client.Config{Endpoints: []string{first.URL, second.URL}})
		var all *client.ClusterError
		if err := ask(c); err == nil || errors.As(err, &all) {
			t.Errorf("%s: got %v", name, err)
		}
		if a, b := first.requests(), second.requests(); len(a) != 1 || len(b) != 0 {
			t.Errorf("%s: asked %q and %q", name, a, b)
		}
		_ = ask(c) // fails again, elsewhere
		if a, b := first.requests(), second.requests(); len(a) != 0 || len(b) != 1 {
			t.Errorf("%s, again: asked %q and %q", name, a, b)
		}
	}
	c := mustNew(t, client.Config{Endpoints: []string{first.URL, second.URL}})
	_, err := c.CreateInOrder(t.Context(), "/q", "1", 0)
	if a, b := first.requests(), second.requests(); err == nil || len(a) != 1 || len(b) != 1 {
		t.Errorf("in order: asked %q and %q, %v", a, b, err)
	}
}

// A connection that idled may be gone. What is sent on it must not be sent
// again behind the caller's back.
func TestTheTransportSendsNothingTwice(t *testing.T) {
	t.Parallel()
	kept := false
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if kept {
			cut(w, r)
		}
		kept = true
		say(200, aKey)(w, r)
	})
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}})
	mustSet(t, c, "/a", "1")
	f.requests()
	if _, err := c.Set(t.Context(), "/a", "2", client.SetOptions{}); err == nil {
		t.Error("it was answered")
	}
	if asked := f.requests(); len(asked) != 1 {
		t.Errorf("asked %q", asked)
	}
}

func TestTheContextsErrorComesAsItIs(t *testing.T) {
	t.Parallel()
	first, second := serve(t, hang), serve(t, say(200, aKey))
	c := mustNew(t, client.Config{Endpoints: []string{first.URL, second.URL}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "/a", client.GetOptions{}); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Get(ctx, "/a", client.GetOptions{}); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if asked := second.requests(); len(asked) != 0 {
		t.Errorf("another was asked %q", asked)
	}
	if asked := first.requests(); len(asked) != 2 {
		t.Errorf("asked %q", asked)
	}
	lone := mustNew(t, client.Config{Endpoints: []string{first.URL}})
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lone.Get(ctx, "/a", client.GetOptions{}); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	first.requests()
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := c.Delete(ctx, "/a", client.DeleteOptions{}); err != context.DeadlineExceeded || !client.Unreachable(err) {
		t.Errorf("got %v", err)
	}
	if asked := first.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestAnAnswerHasALimit(t *testing.T) {
	t.Parallel()
	first, second := serve(t, say(200, aKey)), serve(t, say(200, aKey))
	for limit, good := range map[int64]bool{int64(len(aKey)): true, int64(len(aKey)) - 1: false} {
		c := mustNew(t, client.Config{Endpoints: []string{first.URL, second.URL}, MaxBody: limit})
		_, err := c.Get(t.Context(), "/a", client.GetOptions{})
		var long *client.TooLongError
		if (err == nil) != good || errors.As(err, &long) == good {
			t.Errorf("limit %d: got %v", limit, err)
		}
	}
	if asked := second.requests(); len(asked) != 0 {
		t.Errorf("another was asked %q", asked)
	}
}

// The time until the answer begins has a limit, its body has not.
func TestASlowBodyIsNotLate(t *testing.T) {
	t.Parallel()
	f := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		time.Sleep(1300 * time.Millisecond)
		_, _ = w.Write([]byte(aKey))
	})
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}, HeaderTimeout: time.Second})
	if _, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreFollowedWithMethodAndBody(t *testing.T) {
	t.Parallel()
	target := serve(t, say(200, aKey))
	hops := 0
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hops--
		w.Header().Set("Location", "/elsewhere?x=1")
		if hops == 0 {
			w.Header().Set("Location", target.URL+"/there")
		}
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}})
	hops = 10
	if _, err := c.Set(t.Context(), "/a", "1", client.SetOptions{}); err != nil {
		t.Error(err)
	}
	if asked := target.requests(); !slices.Equal(asked, []string{"PUT /there value=1"}) {
		t.Errorf("asked %q", asked)
	}
	if asked := f.requests(); len(asked) != 10 || asked[9] != "PUT /elsewhere?x=1 value=1" {
		t.Errorf("asked %q", asked)
	}
	hops = 11
	if _, err := c.Set(t.Context(), "/a", "1", client.SetOptions{}); !errors.Is(err, client.ErrTooManyRedirects) {
		t.Errorf("eleven: got %v", err)
	}
}

func TestCredentialsGoToEndpointsOnly(t *testing.T) {
	t.Parallel()
	var user, password string
	note := func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		say(200, aKey)(w, r)
	}
	member, stranger := serve(t, note), serve(t, note)
	to := stranger
	f := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to.URL+r.URL.Path, http.StatusFound) })
	get := func(c client.Config, want string) {
		t.Helper()
		user, password = "", ""
		if _, err := mustNew(t, c).Get(t.Context(), "/a", client.GetOptions{}); err != nil || user+":"+password != want {
			t.Errorf("got %s:%s, %v, want %s", user, password, err, want)
		}
	}
	c := client.Config{Endpoints: []string{f.URL, member.URL}, Username: "root", Password: "a:b"}
	get(c, ":")
	to = member
	get(c, "root:a:b")
	c.Endpoints = []string{member.URL}
	get(c, "root:a:b")
	own := strings.Replace(member.URL, "http://", "http://alice:secret@", 1)
	get(client.Config{Endpoints: []string{own}}, "alice:secret")
	c.Endpoints = []string{own}
	get(c, "root:a:b")
	alices := strings.Replace(f.URL, "http://", "http://alice:secret@", 1)
	get(client.Config{Endpoints: []string{alices}}, ":")
	get(client.Config{Endpoints: []string{alices, member.URL}}, ":")
	if list := mustNew(t, client.Config{Endpoints: []string{own}}).Endpoints(); list[0] != member.URL {
		t.Errorf("the endpoints show a password: %q", list)
	}
}

func TestAClientIsSharedByManyGoroutines(t *testing.T) {
	t.Parallel()
	first, second := serve(t, say(200, aKey)), serve(t, say(200, aKey))
	both := []string{first.URL, second.URL}
	c, err := client.New(client.Config{Endpoints: both})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var asking sync.WaitGroup
	for i := range 20 {
		asking.Go(func() {
			for range 20 {
				if _, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != nil {
					t.Error(err)
				}
				if err := c.SetEndpoints(both[i%2:]); err != nil || len(c.Endpoints()) == 0 {
					t.Error(err)
				}
			}
		})
	}
	asking.Wait()
}
