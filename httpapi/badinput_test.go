package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/store"
)

// wantRefused fails the test unless a is the refusal of a form or a field.
func (a *answer) wantRefused(t *testing.T, code store.Code, cause string) {
	t.Helper()
	a.want(t, 400, fmt.Sprintf(`{"errorCode":%d,"message":"%s","cause":"%s","index":0}`, code, refusals[code].message, cause))
}

func TestGarbageIsAnsweredOrCutButNeverHarms(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for request, want := range map[string]string{
			"GET /v2/keys/a%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                "HTTP/1.1 400 Bad Request\r\n",
			"GET /v2/keys/a b HTTP/1.1\r\nHost: x\r\n\r\n":                                 "HTTP/1.1 400 Bad Request\r\n",
			"GET /v2/keys HTTP/1.1\r\n\r\n":                                                "HTTP/1.1 400 Bad Request: missing required Host header\r\n",
			"GET * HTTP/1.1\r\nHost: x\r\n\r\n":                                            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n",
			"\x16\x03\x01\x02\x00\r\n\r\n":                                                 "HTTP/1.1 400 Bad Request\r\n",
			"PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n":             "HTTP/1.1 400 Bad Request\r\n",
			"GET /v2/keys HTTP/1.0\r\n\r\n":                                                "HTTP/1.0 200 OK\r\n",
			"CONNECT /v2/keys//foo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":       "HTTP/1.1 405 Method Not Allowed\r\n",
			"OPTIONS /nowhere//at/../all HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": "HTTP/1.1 200 OK\r\n",
		} {
			c := b.dial()
			c.sendRaw(request)
			if got := c.rest(); !strings.HasPrefix(got, want) {
				t.Errorf("%q\n got %q\nwant %q...", request, got, want)
			}
			c.Close()
		}
		if a := b.get("/v2/keys"); a.status != 200 {
			t.Errorf("afterwards: %v", a)
		}
	})
}

func TestAHeaderBombIsRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.sendRaw("GET /v2/keys HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Bomb: "+strings.Repeat("x", 1000)+"\r\n", 1200) + "\r\n")
		if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("got %q", got)
		}
	})
}

func TestASlowHeaderIsCut(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		start := time.Now()
		c.sendRaw("GET /v2/keys HTTP/1.1\r\nHost: x\r\n")
		if got := c.rest(); got != "" || time.Since(start) > 31*time.Second {
			t.Errorf("got %q after %v", got, time.Since(start))
		}
	})
}

// A body that does not come ends the request and the connection, whether the
// body is wanted or not.
func TestASlowBodyIsCut(t *testing.T) {
	for _, head := range []string{
		"PUT /v2/keys/a HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
		"PUT /v2/keys/a HTTP/1.1",
		"GET /v2/keys HTTP/1.1",
		"GET /v2/keys?wait=true HTTP/1.1",
		"PUT /config/local/log HTTP/1.1",
		"GET /version HTTP/1.1",
	} {
		t.Run(strings.ReplaceAll(head, "/", "."), func(t *testing.T) {
			told(t, func(t *testing.T, b *bench) {
				c := b.dial()
				defer c.Close()
				start := time.Now()
				c.sendRaw(head + "\r\nHost: x\r\nContent-Length: 100\r\n\r\nvalue=")
				c.rest()
				if took := time.Since(start); took > bodyTime+time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A body that came late does not shorten the time the request has left.
func TestALateBodyIsServed(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.sendRaw("PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\n" + formType + "\r\nContent-Length: 7\r\n\r\n")
		time.Sleep(bodyTime - time.Second)
		b.cluster.hang.Store(true)
		c.sendRaw("value=1")
		c.receive("PUT").wantIn(t, 500, "request timed out")
	})
}

func TestAFormHasALimit(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		fits := "value=" + strings.Repeat("x", maxForm-len("value="))
		if a := b.put("/v2/keys/a", fits); a.status != 201 {
			t.Errorf("at the limit: %d", a.status)
		}
		a := b.put("/v2/keys/a", fits+"x")
		a.wantRefused(t, store.CodeInvalidForm, "http: POST too large")
	})
}

// A client that announces much and sends little gets no memory for it.
func TestAnAnnouncedLengthIsNotBelieved(t *testing.T) {
	body := make([]byte, 0, 16)
	if err := readAll(&body, strings.NewReader("short"), maxForm); err != nil || string(body) != "short" || cap(body) > 16 {
		t.Errorf("got %q, %v, %d bytes of room", body, err, cap(body))
	}
	if err := readAll(&body, endless{}, maxForm); err != errTooLarge || cap(body) > 4*maxForm {
		t.Errorf("got %v, %d bytes of room", err, cap(body))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Keys are as long and deep as the tree can bear, and no longer.
func TestHugeKeysAreRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		long := "/" + strings.Repeat("k", maxKeyBytes-1)
		deep := strings.Repeat("/d", maxKeyDepth)
		for _, method := range []string{"PUT", "GET", "DELETE", "POST"} {
			b.do(method, "/v2/keys"+long+"x", "").wantRefused(t, store.CodeInvalidField, "key is too long")
			b.do(method, "/v2/keys"+deep+"/x", "").wantRefused(t, store.CodeInvalidField, "key is too deep")
		}
		b.get("/v2/keys"+long+"x?wait=true").wantRefused(t, store.CodeInvalidField, "key is too long")
		for _, key := range []string{long, deep, deep + "x/"} {
			if a := b.put("/v2/keys"+key, "value=1"); a.status != 201 {
				t.Errorf("a key of %d bytes: %d", len(key), a.status)
			}
			if a := b.get("/v2/keys" + key); a.status != 200 {
				t.Errorf("a key of %d bytes is gone: %d", len(key), a.status)
			}
		}
		if a := b.get("/v2/keys?recursive=true"); a.status != 200 || !strings.Contains(a.body, deep) {
			t.Errorf("the listing of them: %d", a.status)
		}
	})
}

func TestAKeyMayHoldAnyByte(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for i := range 256 {
			if i == '/' || i == '.' {
				continue
			}
			key := fmt.Sprintf("/v2/keys/any/%%%02x", i)
			if a := b.put(key, fmt.Sprint("value=", i)); a.status != 201 {
				t.Errorf("%s: %v", key, a)
			}
			b.get(key).wantIn(t, 200, fmt.Sprintf(`"value":"%d"`, i))
		}
		if n := strings.Count(b.get("/v2/keys/any").body, `"value"`); n != 253 { // one is hidden: the underscore
			t.Errorf("%d of 254 listed", n)
		}
	})
}

// What looks like the way into another space is cleaned or a key like others.
func TestNoPathLeavesTheKeys(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, target := range []string{
			"/v2/keys/%2e%2e/0", "/v2/keys/..%2f..%2f0", "/v2/keys/%2E./x", "/v2/keys/a/%2e%2e/%2e%2e/%2e%2e", "/v2/keys%2F..%2Fkeys",
		} {
			if a := b.get(target); a.status != 301 {
				t.Errorf("%s: %v", target, a)
			}
		}
		if a := b.get("/v2/keys/members"); a.status != 404 {
			t.Errorf("the roster shows: %v", a)
		}
	})
}

func TestRequestsMayBePipelined(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		var all strings.Builder
		for i := range 20 {
			form := fmt.Sprint("value=", i)
			fmt.Fprintf(&all, "PUT /v2/keys/p HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", formType, len(form), form)
			all.WriteString("GET /v2/keys/p HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		c.sendRaw(all.String())
		for i := range 20 {
			c.receive("PUT")
			c.receive("GET").wantIn(t, 200, fmt.Sprintf(`"value":"%d"`, i))
		}
	})
}

// HEAD answers are those of GET without the body, everywhere.
func TestHeadIsGetWithoutABody(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/small/a", "value=1")
		b.put("/v2/keys/big", "value="+strings.Repeat("x", 4000))
		for _, target := range []string{
			"/v2/keys/small/a", "/v2/keys/small", "/v2/keys/big", "/v2/keys", "/v2/keys/none", "/v2/keys/a%20b?prevIndex=x",
			"/v2/machines", "/nowhere",
		} {
			get, head := b.get(target), b.do("HEAD", target, "")
			if head.status != get.status || head.body != "" || fmt.Sprint(head.headers) != fmt.Sprint(get.headers) {
				t.Errorf("%s\n got %v\nwant %v", target, head, get)
			}
		}
	})
}

// A client that goes away ends its watch.
func TestAClientThatLeavesEndsItsWatch(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, target := range []string{"/v2/keys/a?wait=true", "/v2/keys/a?wait=true&stream=true", "/v2/keys/a?wait=true&waitIndex=99"} {
			for _, body := range []string{"", "a body that nobody wants"} {
				c := b.dial()
				c.send("GET", target, body)
				c.head("GET")
				b.wantWatchers(1)
				c.Close()
				b.wantWatchers(0)
			}
		}
	})
}

func (b *bench) wantWatchers(want int) {
	b.t.Helper()
	synctest.Wait()
	if got := b.cluster.stats().Watchers(); got != want {
		b.t.Errorf("%d watchers, want %d", got, want)
	}
}

// A reader that takes nothing ends its stream within pieceTime.
func TestADeadReaderLosesItsStream(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/a?wait=true&stream=true", "")
		c.head("GET")
		time.Sleep(time.Hour)
		b.put("/v2/keys/a", "value="+strings.Repeat("x", 100_000)) // a pipe buffers nothing
		b.wantWatchers(1)
		time.Sleep(pieceTime + time.Second)
		b.wantWatchers(0)
	})
}

// A reader that takes nothing of a long answer is cut too, and a slow one
// that does take it is not.
func TestOnlyADeadReaderLosesALongAnswer(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for i := range 100 {
			b.put(fmt.Sprint("/v2/keys/l/", i), "value="+strings.Repeat("x", 5000))
		}
		want := b.get("/v2/keys/l")
		dead, slow := b.dial(), b.dial()
		defer dead.Close()
		defer slow.Close()
		dead.send("GET", "/v2/keys/l", "")
		slow.send("GET", "/v2/keys/l", "")
		_, body := slow.head("GET")
		var got bytes.Buffer
		for {
			n, err := io.CopyN(&got, body, 10_000)
			if err != nil || n == 0 {
				break
			}
			time.Sleep(pieceTime / 10)
		}
		if got.String() != want.body {
			t.Errorf("the slow reader got %d of %d bytes", got.Len(), len(want.body))
		}
		if _, err := io.Copy(io.Discard, dead.Conn); err != nil && err != net.ErrClosed {
			t.Error(err)
		}
	})
}

// The Content-Type of a PUT or POST is checked even when nothing follows it
// (asked of etcd 3.4.23).
func TestABrokenContentTypeIsRefusedWithoutABody(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for kind, cause := range map[string]string{
			"a/b/c":                                "mime: unexpected content after media subtype",
			"/":                                    "mime: no media type",
			"application/x-www-form-urlencoded; =": "mime: invalid media parameter",
		} {
			for _, method := range []string{"PUT", "POST"} {
				a := b.do(method, "/v2/keys/a", "", "Content-Type: "+kind)
				if a.status != 400 || !strings.Contains(a.body, cause) {
					t.Errorf("%s with Content-Type %q: %v, want 400 with %q", method, kind, a, cause)
				}
			}
			if a := b.do("DELETE", "/v2/keys/a", "", "Content-Type: "+kind); a.status != 404 {
				t.Errorf("DELETE with Content-Type %q: %v, want 404", kind, a)
			}
		}
	})
}
