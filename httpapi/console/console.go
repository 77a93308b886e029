// Package console is the web console: files that a browser is given, and that
// speak the public API from there.
//
// The files are part of the program. Nothing they need comes from elsewhere,
// and the headers they are sent with forbid a browser to load anything else,
// to run what stands in a page, or to show one inside another.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Root is the path below which the console lies.
const Root = "/ui/"

//go:embed assets
var assets embed.FS

// contentTypes are those of all files there may be.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy is what a browser may do with a file of the console: load others of
// them, and ask the server they came from.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one that can be asked for, in both its forms.
type file struct {
	contentType string
	plain       variant
	gzipped     variant // without bytes where it would not be shorter
}

// variant is the bytes of a file as they are sent, and the name of exactly
// these.
type variant struct {
	bytes []byte
	etag  string
}

// console serves files. Nothing in it changes.
type console struct {
	files map[string]file // by their path
}

// New makes a handler of Root, of what lies below it, and of Root without its
// slash. It may be called from any goroutine. The files take memory from the
// first request on: most members are never looked at.
func New() http.Handler {
	loaded := sync.OnceValue(func() *console {
		c, err := load(assets, "assets")
		if err != nil {
			panic(fmt.Sprintf("console: %v", err)) // the files were there when the program was made
		}
		return c
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { loaded().ServeHTTP(w, r) })
}

// load reads the files in dir, which has no folders.
func load(from fs.FS, dir string) (*console, error) {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return nil, fmt.Errorf("read the files: %w", err)
	}
	c := &console{files: map[string]file{}}
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestCompression) // the level is one
	for _, entry := range entries {
		name := entry.Name()
		contentType, known := contentTypes[path.Ext(name)]
		if !known {
			return nil, fmt.Errorf("what kind of file is %s?", name)
		}
		b, err := fs.ReadFile(from, path.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read a file: %w", err)
		}
		c.files[Root+name] = newFile(contentType, b, w)
	}
	c.files[Root] = c.files[Root+"index.html"]
	return c, nil
}

func newFile(contentType string, b []byte, w *gzip.Writer) file {
	f := file{contentType: contentType, plain: newVariant(b)}
	if short := zip(b, w); len(short) < len(b) {
		f.gzipped = newVariant(short)
	}
	return f
}

func newVariant(b []byte) variant {
	sum := sha256.Sum256(b)
	return variant{b, `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`}
}

// zip shortens b by w. Writing to memory does not fail.
func zip(b []byte, w *gzip.Writer) []byte {
	var short bytes.Buffer
	w.Reset(&short)
	_, _ = w.Write(b)
	_ = w.Close()
	return short.Bytes()
}

// ServeHTTP answers GET and HEAD.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	f, found := c.files[r.URL.Path]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	case r.URL.Path+"/" == Root:
		// Relative, so that it stays with whatever name and path led here.
		h.Set("Location", path.Base(Root)+"/")
		w.WriteHeader(http.StatusMovedPermanently)
	case !found:
		http.NotFound(w, r)
	default:
		f.serve(w, r)
	}
}

// serve sends f, or says that the client's copy is still good.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	sent, zipped := f.plain, false
	if f.gzipped.bytes != nil {
		h.Set("Vary", "Accept-Encoding")
		if zipped = acceptsGzip(r.Header.Values("Accept-Encoding")); zipped {
			sent = f.gzipped
		}
	}
	// Asked for again each time, and sent again only if it is another: a page
	// never runs with half of its files from an older program.
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", sent.etag)
	if matches(r.Header.Values("If-None-Match"), sent.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if zipped {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(sent.bytes)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(sent.bytes) // nobody left to tell
	}
}

// acceptsGzip reports whether gzip is among what is accepted, and not with
// weight nought.
func acceptsGzip(accepted []string) bool {
	for _, piece := range strings.Split(strings.Join(accepted, ","), ",") {
		coding, parameter, _ := strings.Cut(strings.ToLower(piece), ";")
		if strings.TrimSpace(coding) != "gzip" {
			continue
		}
		weight, given := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !given || err == nil && q > 0
	}
	return false
}

// matches reports whether one of the tags in If-None-Match is etag. A weak one
// will do.
func matches(given []string, etag string) bool {
	for _, piece := range strings.Split(strings.Join(given, ","), ",") {
		piece = strings.TrimSpace(piece)
		if piece == "*" || strings.TrimPrefix(piece, "W/") == etag {
			return true
		}
	}
	return false
}
