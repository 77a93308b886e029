package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"keytree/scripts/process"
)

// How far two servers may be apart in what depends on the clock: they got
// the same request at slightly different moments.
const (
	expirationSlack = 2 * time.Second
	ttlSlack        = 1
)

// A reply is all that one side said to a request. For a watch the body holds
// the events, one per line.
type reply struct {
	*process.Answer
	err error // the connection ended without a whole answer
}

// An exchange is one request and what both sides said.
type exchange struct {
	request process.Request
	events  bool // the bodies are lines of events
	etcd    reply
	keytree reply
}

// A difference is one thing the two sides do not agree in.
type difference struct {
	what    string // "status", "header NAME", "body", "events", "order", "expiration", "ttl", "connection"
	etcd    string
	keytree string
}

func (d difference) String() string {
	return fmt.Sprintf("    %s\n      etcd    %.1500s\n      keytree %.1500s", d.what, d.etcd, d.keytree)
}

// compare lists the differences of an exchange.
func compare(x exchange) []difference {
	if x.etcd.err != nil || x.keytree.err != nil {
		if a, b := ending(x.etcd), ending(x.keytree); a != b {
			return []difference{{"connection", a, b}}
		}
		return nil
	}
	var ds []difference
	if x.etcd.Status != x.keytree.Status {
		ds = append(ds, difference{"status", strconv.Itoa(x.etcd.Status), strconv.Itoa(x.keytree.Status)})
	}
	ds = append(ds, compareHeaders(x)...)
	if x.events {
		return append(ds, compareEvents(x)...)
	}
	return append(ds, compareBodies(x)...)
}

// ending says how a request ended, alike for all ways to break a connection.
func ending(r reply) string {
	var timeout net.Error
	switch {
	case r.err == nil:
		return fmt.Sprintf("answered %d", r.Status)
	case errors.As(r.err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(r.err, io.EOF), errors.Is(r.err, io.ErrUnexpectedEOF),
		errors.Is(r.err, syscall.ECONNRESET), errors.Is(r.err, syscall.EPIPE):
		return "closed without an answer"
	}
	return r.err.Error()
}

// skipped headers are not compared: the date, and what raft counts for
// itself, of which only the presence is compared.
var (
	skipped = []string{"Date", "Content-Length"}
	counted = []string{"X-Raft-Index", "X-Raft-Term"}
)

func compareHeaders(x exchange) []difference {
	var names []string
	for _, h := range []http.Header{x.etcd.Header, x.keytree.Header} {
		for name := range h {
			if !slices.Contains(skipped, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	var ds []difference
	for _, name := range names {
		a, b := headerText(x.etcd.Header, name), headerText(x.keytree.Header, name)
		if a != b {
			ds = append(ds, difference{"header " + name, a, b})
		}
	}
	if a, b := framing(x, x.etcd), framing(x, x.keytree); a != b {
		ds = append(ds, difference{"framing", a, b})
	}
	return ds
}

func headerText(h http.Header, name string) string {
	values, ok := h[name]
	switch {
	case !ok:
		return "(none)"
	case slices.Contains(counted, name):
		if _, err := strconv.ParseUint(values[0], 10, 64); err == nil {
			return "(number)"
		}
	}
	return strings.Join(values, " | ")
}

// framing says how the end of a body is marked. Times of different length
// make bodies of different length, so a length is held against its own body;
// net/http chunks a body that is longer than its buffer.
func framing(x exchange, r reply) string {
	const buffer = 2048
	length := r.Header.Get("Content-Length")
	switch {
	case x.events:
		return fmt.Sprintf("chunked=%v length=%q", r.Chunked, length)
	case x.request.Method == "HEAD":
		return fmt.Sprintf("chunked=%v", r.Chunked) // lengths: see checkHead
	case r.Chunked && len(r.Body) > buffer, length == strconv.Itoa(len(r.Body)) && len(r.Body) <= buffer:
		return "usual for its length"
	case r.Chunked:
		return "chunked though short"
	}
	return fmt.Sprintf("chunked=%v length=%q with %d bytes", r.Chunked, length, len(r.Body))
}

func compareBodies(x exchange) []difference {
	a, b := string(x.etcd.Body), string(x.keytree.Body)
	if a == b {
		return nil
	}
	fa, fb := canon(a, false), canon(b, false)
	var ds []difference
	if fa.text != fb.text && listsUnsorted(x.request) {
		sa, sb := canon(a, true), canon(b, true)
		if sa.text == sb.text {
			ds = append(ds, difference{"order", a, b})
			fa, fb = sa, sb
		}
	}
	if fa.text != fb.text {
		return append(ds, difference{"body", a, b})
	}
	return append(ds, compareTimes(fa, fb)...)
}

// listsUnsorted reports whether a request may be answered by a listing in any
// order.
func listsUnsorted(q process.Request) bool {
	return q.Method == "GET" && strings.HasPrefix(q.Target, "/v2/keys") && !truth(q, "sorted")
}

func compareTimes(a, b form) []difference {
	var ds []difference
	for i := range a.expirations {
		if d := a.expirations[i].Sub(b.expirations[i]).Abs(); d > expirationSlack {
			ds = append(ds, difference{"expiration", a.expirations[i].String(), b.expirations[i].String()})
		}
		if d := a.ttls[i] - b.ttls[i]; d > ttlSlack || d < -ttlSlack {
			ds = append(ds, difference{"ttl", strconv.FormatInt(a.ttls[i], 10), strconv.FormatInt(b.ttls[i], 10)})
		}
	}
	return ds
}

func compareEvents(x exchange) []difference {
	a, b := lines(x.etcd), lines(x.keytree)
	var fa, fb []form
	for _, l := range a {
		fa = append(fa, canon(l, false))
	}
	for _, l := range b {
		fb = append(fb, canon(l, false))
	}
	same := slices.EqualFunc(fa, fb, func(a, b form) bool { return a.text == b.text })
	if !same {
		return []difference{{"events", strings.Join(a, "\n              "), strings.Join(b, "\n              ")}}
	}
	var ds []difference
	for i := range fa {
		ds = append(ds, compareTimes(fa[i], fb[i])...)
	}
	return ds
}

// lines splits the body of a watch into its events.
func lines(r reply) []string {
	if len(r.Body) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(r.Body), "\n"), "\n")
}

// query returns the first value of a parameter of the request line.
func query(q process.Request, name string) string {
	_, raw, _ := strings.Cut(q.Target, "?")
	values, _ := url.ParseQuery(raw) // what can be read of a broken query
	return values.Get(name)
}

// truth reports whether a boolean parameter of the request line is set.
func truth(q process.Request, name string) bool {
	b, err := strconv.ParseBool(query(q, name))
	return err == nil && b
}

// target returns the key a request is about: decoded, without trailing slash.
func target(q process.Request) string {
	path, _, _ := strings.Cut(q.Target, "?")
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	return strings.TrimSuffix(strings.TrimPrefix(path, "/v2/keys"), "/")
}

// curl writes a request so that a person can send it again.
func curl(q process.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", q.Method, q.Target)
	for _, f := range q.Header {
		fmt.Fprintf(&b, " [%s: %s]", f.Name, f.Value)
	}
	if q.Body != nil {
		fmt.Fprintf(&b, " body %.300q", q.Body)
	}
	return b.String()
}
