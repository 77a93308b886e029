package conn_test

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"
)

// Nothing is left of clients that came and went, whatever they were doing.
func TestNothingIsLeftOfClientsThatWent(t *testing.T) { // not parallel: it counts
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			a := newWaiting()
			w := newWorld(t, engines[0].over, transport, once(a.handle))
			visit := func() {
				var all sync.WaitGroup
				for i := range 200 {
					all.Go(func() {
						c := w.dial()
						defer c.Close()
						go func() { _, _ = io.Copy(io.Discard, c) }() // until it is closed
						texts := []string{"", "GET /", next, next + next, request("GET /a"), next + request("GET /a"), "get / HTTP/1.1\r\nHost: x\r\n\r\n",
							"PUT /next HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "GET /next HTTP/1.0\r\n\r\n", next + "PATCH /next HTTP/1.1\r\nHost: x\r\n\r\n"}
						_, _ = io.WriteString(c, texts[i%len(texts)]) // a server may close before
						time.Sleep(time.Duration(i%7) * time.Millisecond)
					})
				}
				all.Wait()
			}
			c := w.dial()
			go func() { _, _ = io.Copy(io.Discard, c) }() // until it is closed
			mustSend(t, c, request("GET /a"))
			soon(t, a.began, "a stream begins") // it starts what all streams share
			_ = c.Close()                       // the end tells
			visit()
			goroutines, files := settled(t, 0, 0)
			for range 3 {
				visit()
			}
			settled(t, goroutines, files)
		})
	}
}

// settled counts goroutines and open files, once they are not more than
// these, if those are known.
func settled(t *testing.T, goroutines, files int) (int, int) {
	t.Helper()
	if goroutines == 0 {
		time.Sleep(time.Second)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		n, f := runtime.NumGoroutine(), openFiles(t)
		if goroutines == 0 || n <= goroutines && f <= files {
			return n, f
		}
		if time.Now().After(end) {
			var all bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1) // it may help
			t.Fatalf("%d goroutines and %d files, before %d and %d\n%s", n, f, goroutines, files, all.String())
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("nobody knows how many files are open")
	}
	return len(all)
}
