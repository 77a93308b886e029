package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// On one connection, as a browser has it: an answer without a body must not
// end where the next one begins.
func TestTheConsoleIsServedByBothEngines(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{engineLean, engineStd} {
		s := mustStart(t, "", "--http-engine", engine)
		host := strings.TrimPrefix(s.client, "http://")
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		from := bufio.NewReader(c)
		ask := func(method, target, header string) (*http.Response, string) {
			t.Helper()
			r, err := http.NewRequest(method, s.client+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if name, value, given := strings.Cut(header, ": "); given {
				r.Header.Set(name, value)
			}
			if err := r.Write(c); err != nil {
				t.Fatal(err)
			}
			a, err := http.ReadResponse(from, r)
			if err != nil {
				t.Fatalf("%s: %s %s: %v", engine, method, target, err)
			}
			text, err := io.ReadAll(a.Body)
			if err != nil {
				t.Fatal(err)
			}
			return a, string(text)
		}
		page, text := ask("GET", "/ui/", "")
		if page.StatusCode != 200 || !strings.Contains(text, "<title>Keytree</title>") || page.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %s, headers %v", engine, page.Status, page.Header)
		}
		if a, text := ask("GET", "/ui/", "If-None-Match: "+page.Header.Get("Etag")); a.StatusCode != 304 || text != "" {
			t.Errorf("%s: a copy that is still good: %s %q", engine, a.Status, text)
		}
		if a, text := ask("HEAD", "/ui/app.js", "Accept-Encoding: gzip"); a.StatusCode != 200 || text != "" || a.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: HEAD: %s, headers %v", engine, a.Status, a.Header)
		}
		if a, _ := ask("GET", "/ui", ""); a.StatusCode != 301 || a.Header.Get("Location") != "ui/" {
			t.Errorf("%s: without the slash: %s to %q", engine, a.Status, a.Header.Get("Location"))
		}
		if a, _ := ask("GET", "/ui/none", ""); a.StatusCode != 404 {
			t.Errorf("%s: what there is not: %s", engine, a.Status)
		}
		if a, text := ask("PUT", "/v2/keys/a?value=1", "Origin: "+s.client); a.StatusCode != 201 {
			t.Errorf("%s: a write of the console's own page: %s %s", engine, a.Status, text)
		}
		if a, _ := ask("PUT", "/v2/keys/a?value=1", "Origin: http://elsewhere.example"); a.StatusCode != 403 {
			t.Errorf("%s: a write of another page: %s", engine, a.Status)
		}
	}
}

func TestTheConsoleCanBeLeftOut(t *testing.T) {
	t.Parallel()
	s := mustStart(t, "", "--enable-ui=false")
	for _, target := range []string{"/ui", "/ui/", "/ui/app.js"} {
		if got := mustFetch(t, s.client+target); got != "404 page not found\n" {
			t.Errorf("%s: %q", target, got)
		}
	}
}
