package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"keytree/store"
)

// param is a parameter of /v2/keys.
type param byte

const (
	pPrevIndex param = iota
	pWaitIndex
	pRecursive
	pSorted
	pWait
	pDir
	pQuorum
	pStream
	pPrevValue
	pNoValueOnSuccess
	pTTL
	pPrevExist
	pRefresh
	pValue
	params
)

var names = [params]string{
	"prevIndex", "waitIndex", "recursive", "sorted", "wait", "dir", "quorum", "stream",
	"prevValue", "noValueOnSuccess", "ttl", "prevExist", "refresh", "value",
}

// form holds the parameters of one request; of several values of a name, the
// first.
type form struct {
	given  uint32 // bit p: p was there
	values [params]string
	wrong  *store.Error // the first parameter that did not pass its check
}

func (f *form) has(p param) bool { return f.given&(1<<p) != 0 }

func (f *form) offer(name, value string) {
	for p, n := range names {
		if n == name {
			if !f.has(param(p)) {
				f.given |= 1 << p
				f.values[p] = value
			}
			return
		}
	}
}

// read takes the parameters of r: from the body of a PUT or POST first, which
// may have limit bytes, then from the query. Errors are those of net/http's
// own form reader.
func (f *form) read(w http.ResponseWriter, r *http.Request, limit int64) error {
	var bad error
	if hasForm(r.Method) {
		bad = f.readBody(w, r, limit)
	}
	if err := f.parse(r.URL.RawQuery); bad == nil {
		bad = err
	}
	return bad
}

// hasForm reports whether the body of a request is a form, and its
// Content-Type matters, even without a body.
func hasForm(method string) bool {
	return method == http.MethodPut || method == http.MethodPost
}

const urlencoded = "application/x-www-form-urlencoded"

func (f *form) readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	kind := r.Header.Get("Content-Type")
	if kind == "" {
		return nil
	}
	if kind != urlencoded {
		parsed, _, err := mime.ParseMediaType(kind)
		if err != nil {
			return err
		}
		if parsed != urlencoded {
			return nil
		}
	}
	if r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength > limit {
		abandonBody(w, r)
		return tooLarge(limit)
	}
	body := getBuffer()
	defer putBuffer(body)
	if err := readAll(body, r.Body, limit); err != nil {
		abandonBody(w, r)
		return err
	}
	liftBodyTime(w)
	return f.parse(string(*body))
}

var errTooLarge = errors.New("http: POST too large")

// tooLarge is the error of a body that is longer than limit, in the dialect's
// own words where the limit is the dialect's.
func tooLarge(limit int64) error {
	if limit == maxForm {
		return errTooLarge
	}
	return fmt.Errorf("%w: the limit is %d bytes", errTooLarge, limit)
}

// abandonBody tells the client that the rest of its body is not worth waiting
// for. In HTTP/2 the end of the answer says so, to this request alone.
func abandonBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		w.Header()["Connection"] = []string{"close"}
	}
}

// readAll replaces what is in b by all that r has, up to limit bytes. The
// buffer doubles as bytes come, whatever length the client announced.
func readAll(b *[]byte, r io.Reader, limit int64) error {
	text := (*b)[:0]
	for {
		if len(text) == cap(text) {
			text = slices.Grow(text, max(len(text), 4096))
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		*b = text
		switch {
		case int64(len(text)) > limit:
			return tooLarge(limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

var errSemicolon = errors.New("invalid semicolon separator in query")

// parse takes the parameters in text. It follows url.ParseQuery, also in
// which of several errors it reports, but makes no map.
func (f *form) parse(text string) error {
	var bad error
	for text != "" {
		var piece string
		piece, text, _ = strings.Cut(text, "&")
		if strings.IndexByte(piece, ';') >= 0 {
			bad = errSemicolon
			continue
		}
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		name, err := unescape(name)
		if err == nil {
			value, err = unescape(value)
		}
		if err != nil {
			if bad == nil {
				bad = err
			}
			continue
		}
		f.offer(name, value)
	}
	return bad
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}
