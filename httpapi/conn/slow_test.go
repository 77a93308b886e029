package conn_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bodyWithin lets the body take so long.
func bodyWithin(limit time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		note(r, "limited %v", http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit)))
		h(w, r)
	}
}

// trickle is text byte by byte.
func trickle(text string, wait time.Duration) (steps []step) {
	for i := range len(text) {
		steps = append(steps, step{text[i : i+1], wait})
	}
	return steps
}

func TestSlowClientsAreTreatedAlike(t *testing.T) {
	t.Parallel()
	get, put := request("GET /a"), request("PUT /a", "\n0123456789")
	head, body := put[:len(put)-10], put[len(put)-10:]
	for name, x := range map[string]struct {
		handler http.HandlerFunc
		steps   []step
	}{
		"nothing":                         {greet, nil},
		"a head that trickles":            {greet, trickle(get, time.Second)},
		"a head that is just in time":     {greet, trickle(get, 29*time.Second/time.Duration(len(get)))},
		"a head that begins late":         {greet, []step{{"", 29 * time.Second}, {get[:20], 2 * time.Second}, {get[20:], 0}}},
		"idle after an answer":            {greet, []step{{get, 0}}},
		"idle for nine minutes":           {greet, []step{{get, 0}, {"", 9 * time.Minute}, {get, 0}}},
		"a second head that trickles":     {greet, append([]step{{get, time.Minute}}, trickle(get, time.Second)...)},
		"three bytes of a second head":    {greet, []step{{get, time.Minute}, {"GET", 0}}},
		"a second head that stops":        {greet, []step{{get, time.Minute}, {get[:20], 0}}},
		"a head that stops in the middle": {greet, []step{{get[:30], 0}}},
		"a line that stops":               {greet, []step{{get[:9], 0}}},
		"a second line that stops":        {greet, []step{{get + get[:9], 0}}},
		"a body that trickles":            {greet, append([]step{{head, 0}}, trickle(body, 20*time.Second)...)},
		"a body that is too slow":         {bodyWithin(time.Minute, greet), append([]step{{head, 0}}, trickle(body, 11*time.Second)...)},
		"a body that is in time":          {bodyWithin(time.Minute, greet), append([]step{{head, 0}}, trickle(body+get, 50*time.Second/time.Duration(len(body+get)))...)},
		"a body that nobody waits for":    {bodyWithin(time.Minute, ignore), []step{{head, 0}, {body[:3], 0}}},
		"a body that stops, then more":    {bodyWithin(time.Minute, greet), []step{{head, 2 * time.Minute}, {body + get, 0}}},
		"a body limit and idle":           {bodyWithin(time.Minute, greet), []step{{put, 5 * time.Minute}, {get, 0}}},
		"a limit that has passed":         {bodyWithin(-time.Second, greet), []step{{head, 0}, {body, 0}}},
		"chunks that stop":                {bodyWithin(time.Minute, greet), []step{{request("PUT /a", "Transfer-Encoding: chunked") + "5\r\nab", 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var both [2]outcome
			for i, e := range engines {
				synctest.Test(t, func(t *testing.T) { both[i] = inMemory(t, e.over, x.handler, x.steps...) })
			}
			if diff := both[0].differs(both[1]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An old client's empty line does not begin one: the connection is idle.
func TestAnEmptyLineAfterAPostKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, e.over, greet, step{request("POST /a", "\nabc") + "\r\n", 5 * time.Minute}, step{next, 0})
			if n := strings.Count(o.sent, "HTTP/1.1 200 OK\r\n"); n != 2 {
				t.Errorf("%s: %d answers, want 2: %s", e.name, n, clip(o.sent))
			}
		})
	}
}

// deaf sends a request and reads nothing of the answer until the server has
// given up; it returns how long that took, and what was then to be read.
func deaf(t *testing.T, over func(*http.Server) server, h http.HandlerFunc) (took time.Duration) {
	t.Helper()
	w, l := &witness{}, newPipes()
	left := make(chan time.Duration, 1)
	w.handler = func(out http.ResponseWriter, r *http.Request) {
		start := time.Now()
		h(out, r)
		left <- time.Since(start)
	}
	s := over(newStd(w))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ends with the server
	defer serving.Wait()
	defer s.Close()
	c := l.dial()
	defer c.Close()
	if _, err := io.WriteString(c, request("GET /a")); err != nil {
		t.Fatal(err)
	}
	took = <-left
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
	return took
}

func TestAReaderThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	much := func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		note(r, "%v", errors.Is(err, os.ErrDeadlineExceeded))
		if _, again := w.Write([]byte("more")); again == nil && http.NewResponseController(w).Flush() == nil {
			t.Error("what was lost goes on")
		}
	}
	within := func(limit time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit)) // the time tells
			much(w, r)
		}
	}
	streamed := func(w http.ResponseWriter, r *http.Request) {
		for http.NewResponseController(w).Flush() == nil {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
		}
	}
	for name, x := range map[string]struct {
		handler http.HandlerFunc
		want    time.Duration
	}{
		"much": {much, 5 * time.Minute}, "within half a minute": {within(30 * time.Second), 30 * time.Second}, "streamed": {streamed, 5 * time.Minute},
		"within an hour": {within(time.Hour), time.Hour},
	} {
		for _, e := range engines {
			t.Run(e.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if took := deaf(t, e.over, x.handler); took != x.want {
						t.Errorf("it took %v, want %v", took, x.want)
					}
				})
			})
		}
	}
}

// An answer has its time from when it is made, however long that took. (In
// net/http the time of the answer runs while it is made.)
func TestAnAnswerMayTakeLongToMake(t *testing.T) {
	t.Parallel()
	for _, pieces := range [][]string{{"late"}, {xs(10_000)}, {"", "late"}, {"early", "", "late", "", "later"}} {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, engines[0].over, func(w http.ResponseWriter, r *http.Request) {
				for _, p := range pieces {
					if p == "" {
						_ = http.NewResponseController(w).Flush() // the end tells
						continue
					}
					time.Sleep(6 * time.Minute)
					_, _ = w.Write([]byte(p)) // as above
				}
			}, step{next, 0})
			want := strings.Join(slices.DeleteFunc(slices.Clone(pieces), func(p string) bool { return p == "" }), "")
			r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(o.sent)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

// The limits that a handler sets are gone with its request.
func TestLimitsEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, e.over, once(func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				if err := errors.Join(c.SetReadDeadline(time.Now().Add(time.Second)), c.SetWriteDeadline(time.Now().Add(time.Second))); err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, "limited")
			}), step{request("PUT /a", "\nabc"), 0}, step{"", time.Minute}, step{next, time.Minute}, step{next, 0})
			if n := strings.Count(o.sent, "HTTP/1.1 200 OK\r\n"); n != 3 {
				t.Errorf("%s: %d answers, want 3: %s", e.name, n, clip(o.sent))
			}
		})
	}
}
