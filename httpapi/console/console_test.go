package console

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// handler is one for all tests: nothing in it changes.
var handler = sync.OnceValue(New)

// ask sends a request with the headers given as pairs.
func ask(t *testing.T, method, target string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, from *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(from.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// names are those of all files.
func names(t *testing.T) (all []string) {
	t.Helper()
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := assets.ReadFile(path.Join("assets", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryFileIsServedAsItIs(t *testing.T) {
	for _, name := range names(t) {
		got := ask(t, "GET", Root+name)
		if b := body(t, got); got.StatusCode != 200 || string(b) != text(t, name) {
			t.Errorf("%s: %d, %d bytes", name, got.StatusCode, len(b))
		}
		if got, want := got.Header.Get("Content-Type"), contentTypes[path.Ext(name)]; got != want {
			t.Errorf("%s: content type %q, want %q", name, got, want)
		}
	}
	if got := body(t, ask(t, "GET", Root)); string(got) != text(t, "index.html") {
		t.Error("the root is not the page")
	}
}

func TestAFileIsSentShortenedToWhoTakesThat(t *testing.T) {
	plain, short := ask(t, "GET", Root+"app.js"), ask(t, "GET", Root+"app.js", "Accept-Encoding", "br, GZIP;q=0.5")
	if plain.Header.Get("Content-Encoding") != "" || short.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("encodings %q and %q", plain.Header.Get("Content-Encoding"), short.Header.Get("Content-Encoding"))
	}
	if plain.Header.Get("Etag") == short.Header.Get("Etag") {
		t.Error("one tag for different bytes")
	}
	for _, answer := range []*http.Response{plain, short} {
		if answer.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary is %q", answer.Header.Get("Vary"))
		}
	}
	zipped := body(t, short)
	if short.ContentLength != int64(len(zipped)) || len(zipped) >= len(text(t, "app.js")) {
		t.Errorf("%d bytes, announced as %d", len(zipped), short.ContentLength)
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != text(t, "app.js") {
		t.Errorf("unzipped: %d bytes, %v", len(b), err)
	}
}

func TestWhoTakesNoGzipGetsNone(t *testing.T) {
	for _, accepted := range []string{"", "identity", "gzip;q=0", "gzip; q=0.0", "gzipped", "gzip;q=x", "deflate, br"} {
		if got := ask(t, "GET", Root, "Accept-Encoding", accepted).Header.Get("Content-Encoding"); got != "" {
			t.Errorf("%q: got %q", accepted, got)
		}
	}
}

func TestACopyThatIsStillGoodIsNotSentAgain(t *testing.T) {
	for _, name := range append(names(t), "") {
		for _, accepted := range []string{"", "gzip"} {
			tag := ask(t, "GET", Root+name, "Accept-Encoding", accepted).Header.Get("Etag")
			for _, given := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
				got := ask(t, "GET", Root+name, "Accept-Encoding", accepted, "If-None-Match", given)
				if b := body(t, got); got.StatusCode != 304 || len(b) > 0 || got.Header.Get("Etag") != tag || got.Header.Get("Cache-Control") != "no-cache" {
					t.Errorf("%q, %s: %d, headers %v, body %q", name, given, got.StatusCode, got.Header, b)
				}
			}
			if got := ask(t, "GET", Root+name, "Accept-Encoding", accepted, "If-None-Match", `"other"`); got.StatusCode != 200 {
				t.Errorf("%q, another copy: %d", name, got.StatusCode)
			}
		}
	}
}

func TestAnotherTextHasAnotherTag(t *testing.T) {
	w := gzip.NewWriter(io.Discard)
	a, b := newFile("text/css", []byte("a{}"), w), newFile("text/css", []byte("b{}"), w)
	if a.plain.etag == b.plain.etag || !strings.HasPrefix(a.plain.etag, `"`) {
		t.Errorf("tags %s and %s", a.plain.etag, b.plain.etag)
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	get, head := ask(t, "GET", Root), ask(t, "HEAD", Root)
	if b := body(t, head); len(b) > 0 {
		t.Errorf("body %q", b)
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Etag", "Cache-Control", "Content-Security-Policy"} {
		if get.Header.Get(name) == "" || get.Header.Get(name) != head.Header.Get(name) {
			t.Errorf("%s: %q and %q", name, get.Header.Get(name), head.Header.Get(name))
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "get"} {
		for _, target := range []string{Root, Root + "app.js", Root + "none", "/ui"} {
			if got := ask(t, method, target); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, target, got.StatusCode, got.Header.Get("Allow"))
			}
		}
	}
}

func TestWithoutItsSlashTheRootIsElsewhere(t *testing.T) {
	got := ask(t, "GET", "/ui?x=//evil.example")
	if got.StatusCode != 301 || got.Header.Get("Location") != "ui/" {
		t.Errorf("%d to %q", got.StatusCode, got.Header.Get("Location"))
	}
	from := url.URL{Path: "/ui"}
	if to, err := from.Parse(got.Header.Get("Location")); err != nil || to.String() != Root {
		t.Errorf("leads to %v (%v)", to, err)
	}
}

func TestWhatThereIsNotIsNotFound(t *testing.T) {
	for _, target := range []string{Root + "none", Root + "assets/app.js", Root + "app.js/", Root + "APP.JS", "/uix", "/"} {
		if got := ask(t, "GET", target); got.StatusCode != 404 {
			t.Errorf("%s: %d", target, got.StatusCode)
		}
	}
}

func TestEveryAnswerForbidsWhatTheConsoleDoesNotNeed(t *testing.T) {
	for _, answer := range []*http.Response{
		ask(t, "GET", Root), ask(t, "GET", Root+"app.js"), ask(t, "GET", Root+"none"), ask(t, "GET", "/ui"), ask(t, "PUT", Root),
		ask(t, "GET", Root, "If-None-Match", "*"),
	} {
		rules := answer.Header.Get("Content-Security-Policy")
		for _, rule := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(rules, rule) {
				t.Errorf("%d: the policy lacks %s", answer.StatusCode, rule)
			}
		}
		if strings.Contains(rules, "unsafe") || strings.Contains(rules, "http") || strings.Contains(rules, "*") {
			t.Errorf("the policy %q allows too much", rules)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%d: headers %v", answer.StatusCode, answer.Header)
		}
	}
}

func TestAFileOfNoKnownKindIsRefused(t *testing.T) {
	if _, err := load(fstest.MapFS{"a/x.wasm": {}}, "a"); err == nil || !strings.Contains(err.Error(), "x.wasm") {
		t.Errorf("got %v", err)
	}
	if _, err := load(fstest.MapFS{"a/folder/x.js": {}}, "a"); err == nil {
		t.Error("a folder was taken for a file")
	}
	if _, err := load(fstest.MapFS{}, "none"); err == nil {
		t.Error("no files are no console")
	}
}

// What the policy would forbid must not be there to begin with.
func TestNothingIsInlineAndNothingIsForeign(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"an inline script":   regexp.MustCompile(`<script(?:[^>]*[^>\s])?>[^<]`),
		"an inline style":    regexp.MustCompile(`<style|\sstyle=|setAttribute\(\s*["']style`),
		"an inline listener": regexp.MustCompile(`<[^>]*\son[a-z]+=`),
		"markup from text":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function\(|srcdoc`),
		"an address outside": regexp.MustCompile("(?i)(?:src|href)=[\"']?(?:[a-z]+:)?//|url\\(\\s*[\"']?(?:[a-z]+:)?//|@import|" +
			"(?:fetch|import|EventSource|WebSocket|Request|Worker|sendBeacon)\\(\\s*[\"'`](?:[a-z]+:)?//|(?:from|import)\\s*[\"'](?:[a-z]+:)?//"),
	}
	for _, name := range names(t) {
		content := text(t, name)
		for what, pattern := range forbidden {
			if path.Ext(name) != ".html" && what != "markup from text" && what != "an address outside" && what != "an inline style" {
				continue
			}
			if found := pattern.FindString(content); found != "" {
				t.Errorf("%s has %s: %q", name, what, found)
			}
		}
	}
}

// A name that is spelt wrong would be found by the browser only.
func TestEverythingThatIsAskedForIsThere(t *testing.T) {
	asked := regexp.MustCompile(`(?:from|import|import\()\s*"\./([^"]+)"|(?:src|href)="([^#"][^"]*)"`)
	there := map[string]bool{}
	for _, name := range names(t) {
		there[name] = true
	}
	needed := map[string]bool{"index.html": true}
	for _, name := range names(t) {
		if path.Ext(name) == ".svg" {
			continue
		}
		for _, match := range asked.FindAllStringSubmatch(text(t, name), -1) {
			wanted := match[1] + match[2]
			needed[wanted] = true
			if !there[wanted] {
				t.Errorf("%s asks for %s, which is not there", name, wanted)
			}
		}
	}
	for name := range there {
		if !needed[name] {
			t.Errorf("nobody asks for %s", name)
		}
	}
}

// Each name that is imported must be exported where it is said to come from.
func TestModulesExportWhatOthersImport(t *testing.T) {
	imported := regexp.MustCompile(`import\s*\{([^}]+)\}\s*from\s*"\./([^"]+)"`)
	for _, name := range names(t) {
		for _, match := range imported.FindAllStringSubmatch(text(t, name), -1) {
			from, err := assets.ReadFile(path.Join("assets", match[2]))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, what := range strings.Split(match[1], ",") {
				what, _, _ = strings.Cut(strings.TrimSpace(what), " as ")
				exported := regexp.MustCompile(`(?m)^export (?:async )?(?:function\*?|class|const|let) ` + regexp.QuoteMeta(what) + `\b`)
				if what != "" && !exported.Match(from) {
					t.Errorf("%s imports %s, which %s does not export", name, what, match[2])
				}
			}
		}
	}
}
