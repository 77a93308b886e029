package conn_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// read reads a body in parts of so many bytes, up to most bytes.
func read(part, most int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var got []byte
		p := make([]byte, part)
		for len(got) < most {
			n, err := r.Body.Read(p[:min(part, most-len(got))])
			got = append(got, p[:n]...)
			if err != nil {
				note(r, "read %d %q %v", len(got), head(got), err)
				break
			}
		}
		note(r, "read %d %q", len(got), head(got))
		fmt.Fprintf(w, "%d bytes", len(got))
	}
}

// then is one handler after another.
func then(all ...http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, h := range all {
			h(w, r)
		}
	}
}

// shut closes the body.
func shut(_ http.ResponseWriter, r *http.Request) { note(r, "closed %v", r.Body.Close()) }

func TestBodiesAreReadAlike(t *testing.T) {
	t.Parallel()
	put := func(n int) string { return request("PUT /a", "\n"+xs(n)) + next }
	last := func(n int) string { return request("PUT /a", "Connection: close", "\n"+xs(n)) + next }
	var all []exchange
	add := func(name string, h http.HandlerFunc, sent string) {
		all = append(all, exchange{name: name, handler: once(h), sent: sent})
	}
	for name, h := range map[string]http.HandlerFunc{
		"all": greet, "none": ignore, "one by one": read(1, 5000), "in parts": read(1000, 1<<30), "a part": read(10, 100),
		"the first half": read(1000, 2500), "all but one": read(1000, 4999), "exactly all": read(5000, 5000), "in large parts": read(10_000, 1<<30),
		"more after the end": then(read(1000, 1<<30), read(10, 10)), "nothing wanted": read(0, 0), "close": then(shut, ignore),
		"close after a part": then(read(10, 100), shut, ignore), "close after all": then(greet, shut), "read after close": then(shut, read(10, 100)),
		"close twice": then(shut, shut), "answer and then read": then(write("a", ""), read(10, 100)), "much and then read": then(write(xs(5000)), read(10, 100)),
		"answer, then close": then(write("a", ""), shut), "answer, a part, answer": then(write(""), read(10, 10), write(""), read(10, 10)),
		"a part, answer, a part": then(read(10, 100), write(xs(3000)), read(10, 100), shut), "close for the client": with(ignore, "Connection: close"),
		"a part and close for the client": with(read(10, 100), "Connection: close"), "all and close for the client": with(greet, "Connection: close"),
		"204": status(204, write()), "panic": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"panic after a part": then(read(10, 100), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	} {
		for _, n := range []int{0, 5, 5000} {
			add(fmt.Sprint(name, " of ", n), h, put(n))
			add(fmt.Sprint(name, " of ", n, " for who wants to close"), h, last(n))
		}
		add(name+" in chunks", h, request("PUT /a", "Transfer-Encoding: chunked")+"5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\nA: b\r\n\r\n"+next)
		if strings.HasPrefix(name, "panic") || strings.HasSuffix(name, "for the client") {
			continue // net/http waits for the rest of a body that nobody will read; this package does not
		}
		add(name+" of less than was promised", h, strings.TrimSuffix(put(5000), next)[:2000])
		add(name+" of nothing that was promised", h, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
	}
	wantAllSame(t, slowly(all))
}

// slowly has handlers that would wait for ever for a body give up.
func slowly(all []exchange) []exchange {
	for i, x := range all {
		all[i].handler = func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)) // where it cannot be set, the end comes
			x.handler(w, r)
		}
	}
	return all
}

// What nobody reads of a body is read by the server if it is little, and ends
// the connection if it is much.
func TestBodiesNobodyReadsAreLeftAlike(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	for _, n := range []int{limit - 1, limit, limit + 1, limit + 100, 2 * limit} {
		sent := request("PUT /a", "\n"+xs(n)) + next
		for name, h := range map[string]http.HandlerFunc{
			"ignore": ignore, "a byte": read(1, 1), "a hundred": read(10, 100), "close": then(shut, ignore), "a hundred and close": then(read(10, 100), shut, ignore),
			"all": greet, "in parts": read(5000, 1<<30), "much": write(xs(100_000)), "flush and read": then(write(""), read(5000, 1<<30)), "flush and close": then(write(""), shut),
			"to close": with(ignore, "Connection: close"),
		} {
			if name == "close" && n == limit || name == "a hundred and close" && n == limit+100 {
				continue // net/http reads all of it and closes the connection all the same
			}
			t.Run(fmt.Sprint(name, " of ", n), func(t *testing.T) {
				wantSame(t, once(h), []string{sent})
				wantSame(t, once(h), []string{sent[:10_000], sent[10_000:]})
				for _, network := range []string{"tcp", "unix"} {
					wantSameOn(t, network, once(h), []string{sent})
				}
			})
		}
	}
}

// A client that sends all of its request before it reads any of the answer,
// and one that waits for the answer in the middle of its body, both get it.
func TestAnAnswerToABodyNobodyReadsArrives(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		for _, n := range []int{1000, 200_000, 300_000, 5 << 20} {
			t.Run(fmt.Sprint(e.name, n), func(t *testing.T) {
				l := mustListen(t, "tcp")
				s := e.over(newStd(&witness{handler: write(xs(100_000))}))
				done := make(chan error, 1)
				go func() { done <- s.Serve(l) }()
				c := mustDial(t, l)
				defer c.Close()
				_, _ = io.WriteString(c, request("PUT /a", "\n"+xs(n))) // the server may have enough
				got, err := io.ReadAll(io.LimitReader(c, 100_000))
				if !strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n") || len(got) < 100_000 {
					t.Errorf("got %s, %v", clip(string(got)), err)
				}
				_ = s.Close() // what it would say, Serve says
				if err := <-done; err != http.ErrServerClosed {
					t.Error(err)
				}
			})
		}
	}
}
