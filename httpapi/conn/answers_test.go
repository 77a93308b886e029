package conn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// write answers with these pieces; an empty one stands for a flush.
func write(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, p := range pieces {
			if p == "" {
				err := http.NewResponseController(w).Flush()
				note(r, "flush %v", err)
				continue
			}
			n, err := w.Write([]byte(p))
			note(r, "wrote %d %v", n, err)
		}
	}
}

// with sets these lines before it answers.
func with(h http.HandlerFunc, lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, l := range lines {
			name, value, _ := strings.Cut(l, ": ")
			w.Header()[name] = append(w.Header()[name], value)
		}
		h(w, r)
	}
}

// status is how code is answered, before what else is.
func status(code int, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		h(w, r)
	}
}

// once answers the first request with h and the others with greet.
func once(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/next" {
			greet(w, r)
			return
		}
		h(w, r)
	}
}

// three asks for the same in three ways, and for something else.
var three = request("GET /a") + request("HEAD /a") + request("PUT /a", "\nabc") + next

func xs(n int) string { return strings.Repeat("x", n) }

// some of all bytes.
func some(n int) string { return string(bytes.Repeat([]byte("<p>\x00 &"), n/6+1)[:n]) }

func TestAnswersOfAllSizesAreSentAlike(t *testing.T) {
	t.Parallel()
	var all []exchange
	add := func(name string, pieces ...string) {
		all = append(all, exchange{name: name, handler: once(write(pieces...)), sent: three})
	}
	for _, n := range []int{0, 1, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 8192, 8193, 64 << 10, 1 << 20} {
		name := fmt.Sprint(n)
		if n == 0 {
			add(name)
			add(name+" flushed", "")
			continue
		}
		add(name, some(n))
		add(name+" flushed", some(n), "")
		add(name+" behind a flush", "", some(n))
		add(name+" twice", some(n), xs(n))
		add(name+" twice with a flush", some(n), "", xs(n))
		add(name+" and more", some(n), "more")
		add("some and "+name, "some", xs(n), "more")
		add("some, a flush and "+name, "some", "", xs(n), "more", "", "yet more")
	}
	for _, n := range []int{1, 100, 1000, 2047, 2049} {
		add(fmt.Sprint("many of ", n), strings.SplitAfter(strings.Repeat(xs(n-1)+"\n", 20), "\n")[:20]...)
	}
	wantAllSame(t, all)
}

func TestHeadersAreSentAlike(t *testing.T) {
	t.Parallel()
	var all []exchange
	for name, h := range map[string]http.HandlerFunc{
		"a type":                      with(write("<p>"), "Content-Type: application/json"),
		"no type":                     func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; fmt.Fprint(w, "<p>") },
		"an empty type":               with(write("<p>"), "Content-Type: "),
		"two types":                   with(write("<p>"), "Content-Type: a/b", "Content-Type: c/d"),
		"an encoding":                 with(write("<p>"), "Content-Encoding: gzip"),
		"an empty encoding":           with(write("<p>"), "Content-Encoding: "),
		"the length":                  with(write("abc"), "Content-Length: 3"),
		"the length of much":          with(write(xs(10_000)), "Content-Length: 10000"),
		"the length of much in parts": with(write(xs(5000), "", xs(5000)), "Content-Length: 10000"),
		"a length of nothing":         with(write(), "Content-Length: 0"),
		"a length that is short":      with(write("abcdef"), "Content-Length: 3"),
		"a length that is short soon": with(write("ab", "c", "d", "e"), "Content-Length: 3"),
		"a length that is long":       with(write("abc"), "Content-Length: 30"),
		"a length of nothing much":    with(write(), "Content-Length: 30"),
		"a length that is no number":  with(write("abc"), "Content-Length: x"),
		"a length below zero":         with(write("abc"), "Content-Length: -1"),
		"an empty length":             with(write("abc"), "Content-Length: "),
		"no length":                   func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Length"] = nil; fmt.Fprint(w, "<p>") },
		"a bad length and much":       with(write(xs(3000)), "Content-Length: x"),
		"two lengths":                 with(write("abc"), "Content-Length: 3", "Content-Length: 4"),
		"a date":                      with(write("abc"), "Date: today"),
		"no date":                     func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil; fmt.Fprint(w, "<p>") },
		"close":                       with(write("abc"), "Connection: close"),
		"Close":                       with(write("abc"), "Connection: Close"),
		"close and much":              with(write(xs(5000)), "Connection: close"),
		"close and flushed":           with(write("", "a"), "Connection: close"),
		"keep-alive":                  with(write("abc"), "Connection: keep-alive"),
		"keep-alive and close":        with(write("abc"), "Connection: keep-alive", "Connection: close"),
		"close, x":                    with(write("abc"), "Connection: close, x"),
		"names in order":              with(write("abc"), "B: 1", "A: 2", "C: 3", "A: 1", "Z: 0"),
		"names in small letters":      with(write("abc"), "x-a: 1", "X-A: 2", "content-length: 77"),
		"a line feed in a value":      with(write("abc"), "A: b\nC: d"),
		"CRLF in a value":             with(write("abc"), "A: b\r\nC: d\r\n\r\nx"),
		"blanks around a value":       with(write("abc"), "A:  b ", "B: \t", "C: \r\n"),
		"bytes in a value":            with(write("abc"), "A: \xff\x00\x7f\xc3\xa9"),
		"a name that is none":         with(write("abc"), "A B: c", ": b", "A\n: b", "A:: b", "\xc3: d", "Ok: yes"),
		"changed after the head": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("A", "1")
			w.WriteHeader(200)
			w.Header().Set("A", "2")
			w.Header().Set("B", "3")
			fmt.Fprint(w, "x")
		},
		"changed after a write": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			w.Header().Set("A", "2")
			w.Header().Set("Connection", "close")
		},
		"changed in place": func(w http.ResponseWriter, r *http.Request) {
			v := []string{"1"}
			w.Header()["A"] = v
			fmt.Fprint(w, "x")
			w.Header().Del("A")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/b?c=d", http.StatusMovedPermanently)
		},
		"error":                     func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no <such> thing", http.StatusNotFound) },
		"error after a length":      with(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) }, "Content-Length: 77", "Content-Encoding: x"),
		"WriteHeader twice":         status(201, status(404, write("abc"))),
		"WriteHeader after a write": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x"); w.WriteHeader(404) },
		"read from": func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(w, strings.NewReader("abc"))
			note(r, "%d %v", n, err)
		},
		"103 first": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Set("B", "1")
			fmt.Fprint(w, "x")
		},
		"102 and 103 first":             status(102, status(103, status(201, write("x")))),
		"100 first":                     status(100, write("x")),
		"103 with a length":             with(status(103, write("abc")), "Content-Length: 3", "Connection: close", "Content-Type: a/b"),
		"304 with a type":               with(status(304, write("abc")), "Content-Type: a/b", "Content-Length: 3", "ETag: x"),
		"204 with a type":               with(status(204, write("abc")), "Content-Type: a/b", "Content-Length: 3"),
		"an empty write":                func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil); w.WriteHeader(404) },
		"an unknown status":             status(299, write("abc")),
		"flush only when it is refused": status(204, write("", "abc", "")),
	} {
		all = append(all, exchange{name: name, handler: once(h), sent: three})
		all = append(all, exchange{name: name + " for who wants to close", handler: once(h), sent: request("GET /a", "Connection: close") + next})
	}
	for _, code := range []int{200, 201, 204, 205, 206, 301, 304, 400, 404, 412, 500, 503, 599, 600, 999} {
		all = append(all, exchange{name: fmt.Sprint(code), handler: once(status(code, write("abc"))), sent: three})
		all = append(all, exchange{name: fmt.Sprint(code, " without a body"), handler: once(status(code, write())), sent: three})
		all = append(all, exchange{name: fmt.Sprint(code, " flushed"), handler: once(status(code, write("", "abc"))), sent: three})
	}
	wantAllSame(t, all)
}

// What a handler takes out of a header, or adds to it, the next request does
// not know of.
func TestAHeaderThatWasChangedIsMadeAgain(t *testing.T) {
	t.Parallel()
	var all []exchange
	for name, change := range map[string]func(http.Header){
		"removed": func(h http.Header) { h.Del("B") }, "added": func(h http.Header) { h.Set("C", "3") }, "emptied": func(h http.Header) { clear(h) },
	} {
		all = append(all, exchange{name: name, sent: strings.Repeat(request("GET /a", "A: 1", "B: 2"), 3) + next, handler: func(w http.ResponseWriter, r *http.Request) {
			change(r.Header)
			greet(w, r)
		}})
	}
	wantAllSame(t, all)
}

func TestPanicsAreSeenAlike(t *testing.T) {
	t.Parallel()
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	other := func(http.ResponseWriter, *http.Request) { panic("something else") }
	var all []exchange
	for name, end := range map[string]http.HandlerFunc{
		"abort": abort, "other": other,
		"a status that is none":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(99) },
		"a status of four digits": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(1000) },
		"an error":                func(http.ResponseWriter, *http.Request) { panic(errors.New("some")) },
	} {
		for what, before := range map[string]http.HandlerFunc{
			"at once": write(), "after a status": status(201, write()), "after a write": write("abc"), "after a flush": write(""),
			"after a flush and a write": write("abc", "", "def"), "after much": write(xs(3000)), "after very much": write(xs(100_000)),
			"after much in parts": write(xs(2000), xs(2000), xs(2000), xs(2000)), "after all that was promised": with(write("abc"), "Content-Length: 3"),
			"after 103": status(103, write()),
		} {
			h := func(w http.ResponseWriter, r *http.Request) { before(w, r); end(w, r) }
			all = append(all, exchange{name: name + " " + what, handler: once(h), sent: request("GET /a") + next})
			all = append(all, exchange{name: name + " " + what + ", later", handler: once(h), sent: next + request("PUT /a", "\nabc") + next})
		}
	}
	wantAllSame(t, all)
}
