package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/client"
)

// scripted is a transport that answers the requests in order, and those for
// /version beside it. The last answer is given again and again.
type scripted struct {
	asked   []string
	version string
	answers []string // "STATUS CLUSTER INDEX BODY", "!" for an error; a body that ends in ^ is cut
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	text := "200 - - " + s.version
	if r.URL.Path != "/version" {
		s.asked = append(s.asked, r.URL.Host+r.URL.Path+"?"+r.URL.RawQuery)
		text = s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
	}
	if text == "!" {
		return nil, errors.New("broken")
	}
	var status int
	var cluster, index string
	if _, err := fmt.Sscan(text, &status, &cluster, &index); err != nil {
		panic(err)
	}
	body := strings.SplitN(text, " ", 4)[3]
	whole, isCut := strings.CutSuffix(body, "^")
	end := io.EOF
	if isCut {
		end = io.ErrUnexpectedEOF
	}
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"X-Etcd-Cluster-Id": {cluster}, "X-Etcd-Index": {index}},
		Body:       io.NopCloser(io.MultiReader(strings.NewReader(whole), failing{end})),
	}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// event is one of key /a.
func event(index int) string {
	return fmt.Sprintf(`{"action":"set","node":{"key":"/a","value":"%d","modifiedIndex":%d,"createdIndex":%d}}`+"\n", index, index, index)
}

// follow watches /a through s until n events or errors have come, and
// returns them, and the indexes that were asked for.
func follow(t *testing.T, s *scripted, o client.WatchOptions, n int) (got, asked string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := mustNew(t, client.Config{Endpoints: []string{"http://a:1", "http://b:2"}, Transport: s})
		w := c.Watch("/a", o)
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range n {
			e, err := w.Next(ctx)
			if err != nil {
				got += "(" + strings.ReplaceAll(err.Error(), "\n", "|") + ") "
				continue
			}
			got += e.Node.Value + " "
		}
	})
	for _, one := range s.asked {
		host, query, _ := strings.Cut(one, ":")
		asked += host + query[strings.LastIndex(query, "=")+1:] + " "
		if strings.Contains(query, "stream=true") {
			asked += "stream(" + strings.SplitN(query, "waitIndex=", 2)[1] + ") "
		}
	}
	return strings.TrimSpace(got), strings.TrimSpace(asked)
}

func TestTroubleUnderAWatch(t *testing.T) {
	t.Parallel()
	const keytree = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0","keytree":"0.1.0"}`
	const etcd = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`
	cleared := `400 c 50 {"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"x","index":50}`
	for name, c := range map[string]struct {
		version    string
		o          client.WatchOptions
		answers    []string
		got, asked string
		howMany    int
	}{
		"a wait that is cut goes on from where it began": {
			answers: []string{"200 c 7 ^", "200 c 9 " + event(9)},
			got:     "9", asked: "a0 b8", howMany: 1,
		},
		"an event that is cut is asked for again": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{"200 c 7 " + event(5)[:20] + "^", "200 c 9 " + event(5)},
			got:     "5", asked: "a4 b4", howMany: 1,
		},
		"half an event from a proxy is asked for again": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{"200 c 7 " + event(5)[:20], "200 c 9 " + event(5)},
			got:     "5", asked: "a4 a4", howMany: 1,
		},
		"a proxy that ends a wait in good order is asked again": {
			answers: []string{"200 c 7 ", "200 c 8 ", "200 c 9 " + event(9), "200 c 9 " + event(12)},
			got:     "9 12", asked: "a0 a8 a8 a10", howMany: 2,
		},
		"a wait that fails before it began has no index": {
			answers: []string{"!", "503 - - x", "504 - - x", "200 c 9 " + event(12)},
			got:     "12", asked: "a0 b0 a0 b0", howMany: 1,
		},
		"an event that comes twice is delivered once": {
			answers: []string{"200 c 7 " + event(9), "200 c 9 " + event(9), "200 c 9 " + event(10)},
			got:     "9 10", asked: "a0 a10 a10", howMany: 2,
		},
		"an old client's impatience": {
			o:       client.WatchOptions{FailFast: true},
			answers: []string{"200 c 7 ^", "!", "200 c 9 " + event(9)},
			got:     "(client: etcd cluster is unavailable or misconfigured; error #0: unexpected EOF|; error #1: broken|) 9", asked: "a0 b8 a8", howMany: 2,
		},
		"impatience does not mind a proxy": {
			o:       client.WatchOptions{FailFast: true},
			answers: []string{"200 c 7 ", "200 c 9 " + event(9)},
			got:     "9", asked: "a0 a8", howMany: 1,
		},
		"a lost history": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{cleared, "200 c 51 " + event(51)},
			got:     "(client: events from 4 to 50 may be lost: 401: The event in requested index is outdated and cleared (x) [50]) 51", asked: "a4 a51", howMany: 2,
		},
		"what is read anew says where to go on": {
			o:       client.WatchOptions{AfterIndex: 3, Resync: true},
			answers: []string{cleared, "!", "!", `200 c 55 {"action":"get","node":{"key":"/a","value":"1","modifiedIndex":2,"createdIndex":2}}`, "200 c 56 " + event(56)},
			got:     "(client: events from 4 to 55 may be lost: 401: The event in requested index is outdated and cleared (x) [50]) 56", asked: "a4 atrue btrue atrue a56", howMany: 2,
		},
		"another cluster behind one endpoint is passed over": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{"200 c 7 " + event(5), "200 d 3 " + event(4), "200 c 7 " + event(6)},
			got:     "5 6", asked: "a4 a6 b6", howMany: 2,
		},
		"another cluster behind all endpoints is told": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{"200 c 7 " + event(5), "200 d 3 ^", "200 d 3 ^", "200 d 5 " + event(4)},
			got:     "5 (client: the endpoints belong to another cluster now, which is at index 3; events from 6 on may be lost) 4", asked: "a4 a6 b6 a4", howMany: 3,
		},
		"a watcher that was cleared asks again": {
			o:       client.WatchOptions{AfterIndex: 3},
			answers: []string{`400 c 50 {"errorCode":400,"message":"watcher is cleared due to etcd recovery","index":50}`, "200 c 7 " + event(5)},
			got:     "5", asked: "a4 a4", howMany: 1,
		},
		"a page is told, and no end": {
			answers: []string{"200 c - <html>", "200 c 7 " + event(9)},
			got:     "(" + client.ErrInvalidJSON.Error() + ") 9", asked: "a0 a0", howMany: 2,
		},
		"an answer without a node": {
			answers: []string{`200 c 7 {"action":"get"}`, "200 c 7 " + event(9)},
			got:     "(" + client.ErrInvalidJSON.Error() + ") 9", asked: "a0 a8", howMany: 2,
		},
		"etcd's stream is not used": {
			version: etcd, o: client.WatchOptions{Stream: true, AfterIndex: 3},
			answers: []string{"200 c 7 " + event(4), "200 c 7 " + event(5)},
			got:     "4 5", asked: "a4 a5", howMany: 2,
		},
		"nor that of what knows no version": {
			version: "<html>", o: client.WatchOptions{Stream: true, AfterIndex: 3},
			answers: []string{"200 c 7 " + event(4)},
			got:     "4", asked: "a4", howMany: 1,
		},
		"a stream that repeats itself": {
			version: keytree, o: client.WatchOptions{Stream: true, AfterIndex: 3},
			answers: []string{"200 c 7 " + event(4) + event(4) + "\n" + event(6) + event(7)[:30] + "^", "200 c 7 " + event(7) + event(8)},
			got:     "4 6 7 8", asked: "a4 stream(4) a7 stream(7)", howMany: 4,
		},
		"a stream from now on": {
			version: keytree, o: client.WatchOptions{Stream: true},
			answers: []string{"200 c 7 ", "200 c 9 ^", "200 c 9 " + event(9)},
			got:     "9", asked: "a0 stream(0) a8 stream(8) a8 stream(8)", howMany: 1,
		},
		"a stream that is refused": {
			version: keytree, o: client.WatchOptions{Stream: true, AfterIndex: 3},
			answers: []string{cleared, "200 c 60 " + event(60)},
			got:     "(client: events from 4 to 50 may be lost: 401: The event in requested index is outdated and cleared (x) [50]) 60", asked: "a4 stream(4) a51 stream(51)", howMany: 2,
		},
		"a stream of something else": {
			version: keytree, o: client.WatchOptions{Stream: true, AfterIndex: 3},
			answers: []string{"200 c 7 {}\n", "200 c 60 " + event(60)},
			got:     "(" + client.ErrInvalidJSON.Error() + ") 60", asked: "a4 stream(4) a4 stream(4)", howMany: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, asked := follow(t, &scripted{version: c.version, answers: c.answers}, c.o, c.howMany)
			if got != c.got || asked != c.asked {
				t.Errorf("got   %s\nwant  %s\nasked %s\nwant  %s", got, c.got, asked, c.asked)
			}
		})
	}
}

// Between attempts that fail at once there are pauses, which grow up to five
// seconds.
func TestADeadClusterIsNotFlooded(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []string{"!"}}
	synctest.Test(t, func(t *testing.T) {
		w := mustNew(t, client.Config{Endpoints: []string{"http://a:1"}, Transport: s}).Watch("/a", client.WatchOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := w.Next(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
	if n := len(s.asked); n < 12 || n > 35 {
		t.Errorf("asked %d times in a minute", n)
	}
}

// A proxy may hold the head of an answer back until there is a body.
func TestAWaitIsNeverLate(t *testing.T) {
	t.Parallel()
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1300 * time.Millisecond)
		say(http.StatusOK, event(9))(w, r)
	})
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}, HeaderTimeout: time.Second})
	w := c.Watch("/a", client.WatchOptions{FailFast: true})
	mustNext(t, w, "set /a=9")
	if r, err := c.Wait(t.Context(), "/a", 9, false); err != nil || r.Node.Value != "9" {
		t.Errorf("a single one: %v, %v", r, err)
	}
}

// A single wait leaves it to who asked what to make of trouble.
func TestASingleWaitIsNotRepeated(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"200 c 7 " + event(9):      "9",
		"200 c 7 " + event(5):      "5", // whatever the endpoint takes for an answer
		"200 c 7 ":                 client.ErrEmptyBody.Error(),
		"200 c 7 {\"action\"":      "client: etcd cluster is unavailable or misconfigured; error #0: unexpected EOF\n",
		`200 c 7 {"action":"set"}`: client.ErrInvalidJSON.Error(),
		`400 c 50 {"errorCode":401,"message":"cleared","cause":"x","index":50}`: "401: cleared (x) [50]",
		"!": "client: etcd cluster is unavailable or misconfigured; error #0: broken\n; error #1: broken\n",
	} {
		s := &scripted{answers: []string{answer}}
		c := mustNew(t, client.Config{Endpoints: []string{"http://a:1", "http://b:2"}, Transport: s})
		r, err := c.Wait(t.Context(), "/a", 8, false)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = r.Node.Value
		}
		if got != want || len(s.asked) != max(1, strings.Count(want, "broken")) {
			t.Errorf("%s: got %q, want %q; asked %q", answer, got, want, s.asked)
		}
	}
}
