package httpapi

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestARequestMayBeAsLongAsIsConfigured(t *testing.T) {
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) {
		const limit = 2000
		b := newBenchOn(t, over, asItIs, func(c *Config) { c.MaxRequestBytes = limit })
		const cause = "http: POST too large: the limit is 2000 bytes"
		fits := "value=" + strings.Repeat("x", limit-len("value="))
		if a := b.put("/v2/keys/a", fits); a.status != 201 {
			t.Errorf("at the limit: %v", a)
		}
		b.put("/v2/keys/a", fits+"x").wantRefused(t, 210, cause)
		b.post("/v2/keys/a", fits+"x").wantRefused(t, 210, cause)
		b.do("GET", "/v2/keys/b?wait=true", fits+"x").wantRefused(t, 210, cause)
		chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", limit+1, fits+"x")
		for _, line := range []string{"PUT /v2/keys/a", "GET /v2/keys/b?wait=true"} {
			c := b.dial()
			c.sendRaw(line + " HTTP/1.1\r\nHost: x\r\n" + formType + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked)
			c.receive("PUT").wantRefused(t, 210, cause)
			c.Close()
		}
		if a := b.do("PUT", "/v2/keys/b", fits+"x", "Content-Type: text/plain"); a.status != 201 { // no form: not read
			t.Errorf("what is no form: %v", a)
		}
	})
}

// Who says beforehand that a body is too long is not asked to send it.
func TestABodyAnnouncedAsTooLongIsNotReadAtAll(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, line := range []string{"PUT /v2/keys/a", "POST /v2/keys/a", "GET /v2/keys/a?wait=true"} {
			c := b.dial()
			start := time.Now()
			c.sendRaw(fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", line, formType, maxForm+1))
			c.receive("PUT").wantRefused(t, 210, "http: POST too large")
			if _, err := io.ReadAll(c.in); err != nil && err != net.ErrClosed || time.Since(start) != 0 {
				t.Errorf("%s: %v after %v", line, err, time.Since(start))
			}
			c.Close()
		}
	})
}

// A buffer is never much larger than what has come.
func TestABodyGetsTheMemoryItNeeds(t *testing.T) {
	for _, n := range []int64{0, 1, 4096, 10_000, 1 << 20, maxForm} {
		var b []byte
		err := readAll(&b, io.LimitReader(endless{}, n), maxForm)
		if int64(len(b)) != n || int64(cap(b)) > 3*n+8192 || err != nil {
			t.Errorf("%d bytes: %d of room, %v", n, cap(b), err)
		}
	}
}

// The longest request there may be, with a query as long as can be, fits into
// the log, which would refuse it otherwise. (The tree refuses it, and so does
// not have to write it, which takes the race detector half a minute.)
func TestTheLongestRequestFitsIntoTheLog(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.MaxRequestBytes = MaxRequestBytesBound })
		key := "/v2/keys" + strings.Repeat("/"+strings.Repeat("k", 255), maxKeyBytes/256)
		b.put(key, "value=1")
		form := "value=" + strings.Repeat("x", MaxRequestBytesBound-len("value="))
		query := "?prevValue=" + strings.Repeat("z", 1<<20-len(key)-300)
		b.put(key+query, form).wantIn(t, 412, "Compare failed")
	})
}
