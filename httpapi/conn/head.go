package conn

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// head is the first part of a request, up to the empty line. Clients repeat
// most of it from request to request: what has not changed is not parsed,
// and not allocated, again.
type head struct {
	method string
	target string
	url    url.URL

	checked int // bytes of whole lines, of a head whose end has not come

	fields []field
	header http.Header // made of fields
	names  int         // in header, as it was made
	fieldFacts
}

// field is a line of a head.
type field struct {
	line   string
	name   string // canonical
	values []string
}

// fieldFacts are what the fields mean for the connection.
type fieldFacts struct {
	host   string
	length int64
	close  bool // the client wants no other request on this connection
}

// end is how long the head at the start of b is, with the empty line; 0 if its
// end has not come yet. Text that cannot become a head of the subset is
// foreign, however it may go on: what is wrong with it is not to be kept
// waiting for an answer. Until its end has come b only grows.
func (h *head) end(b []byte) (n int, foreign bool) {
	from := max(h.checked-len(crlf), 0)
	if n := bytes.Index(b[from:], []byte("\r\n\r\n")); n >= 0 {
		h.checked = 0
		return from + n + 4, false
	}
	for {
		line, _, whole := bytes.Cut(b[h.checked:], crlf[1:])
		if !whole {
			return 0, len(b) > maxHead || h.checked == 0 && len(b) > 0 && (b[0] < 'A' || b[0] > 'Z')
		}
		text, ok := bytes.CutSuffix(line, crlf[:1])
		if !ok || h.checked == 0 && !h.parseRequest(text) || h.checked > 0 && !isField(text) {
			return 0, true
		}
		h.checked += len(text) + len(crlf)
	}
}

// parse takes b, which ends with an empty line, apart. What it does not
// understand, or what is not in the subset, is foreign.
func (h *head) parse(b []byte) (ok bool) {
	line, rest, _ := bytes.Cut(b, crlf)
	return h.parseRequest(line) && h.parseFields(rest)
}

var crlf = []byte("\r\n")

// parseRequest reads a line like "GET /v2/keys HTTP/1.1".
func (h *head) parseRequest(line []byte) bool {
	line, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok {
		return false
	}
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return false
	}
	h.method = knownMethod(line[:i])
	return h.method != "" && h.parseTarget(line[i+1:])
}

func knownMethod(b []byte) string {
	switch string(b) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPut:
		return http.MethodPut
	case http.MethodPost:
		return http.MethodPost
	case http.MethodDelete:
		return http.MethodDelete
	case http.MethodHead:
		return http.MethodHead
	case http.MethodOptions:
		return http.MethodOptions
	}
	return ""
}

// parseTarget reads a path with or without a query, as net/http does. Most
// need no more than to be cut in two.
func (h *head) parseTarget(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	path := 0
	for path < len(b) && kinds[b[path]]&inPath != 0 {
		path++
	}
	for _, c := range b[path:] {
		if kinds[c]&visible == 0 {
			return false
		}
	}
	h.target = string(b)
	switch {
	case path == len(b):
		h.url = url.URL{Path: h.target}
		return true
	case b[path] == '?' && path+1 < len(b):
		h.url = url.URL{Path: h.target[:path], RawQuery: h.target[path+1:]}
		return true
	}
	u, err := url.ParseRequestURI(h.target)
	if err != nil {
		return false
	}
	h.url = *u
	return true
}

// parseFields reads the lines of the header.
func (h *head) parseFields(b []byte) bool {
	n, changed := 0, false
	for {
		line, rest, _ := bytes.Cut(b, crlf)
		b = rest
		if len(line) == 0 {
			break
		}
		if n < len(h.fields) && string(line) == h.fields[n].line {
			n++
			continue
		}
		f, ok := parseField(line)
		if !ok {
			h.fields = h.fields[:0]
			return false
		}
		changed = true
		if n < len(h.fields) {
			h.fields[n] = f
		} else {
			h.fields = append(h.fields, f)
		}
		n++
	}
	if !changed && n == len(h.fields) && n > 0 && len(h.header) == h.names {
		return true
	}
	clear(h.fields[n:])
	h.fields = h.fields[:n]
	if h.digest() {
		return true
	}
	h.fields = h.fields[:0] // what is refused once must not pass as known
	return false
}

// isField reports whether line can be one of a header.
func isField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false
	}
	for _, c := range line[:colon] {
		if kinds[c]&inName == 0 {
			return false
		}
	}
	for _, c := range line[colon+1:] {
		if kinds[c]&(visible|blank) == 0 {
			return false
		}
	}
	return true
}

// parseField reads one line, such as "Accept: */*".
func parseField(line []byte) (f field, ok bool) {
	if !isField(line) {
		return f, false
	}
	colon := bytes.IndexByte(line, ':')
	f.line = string(line)
	f.name = textproto.CanonicalMIMEHeaderKey(f.line[:colon])
	f.values = []string{strings.Trim(f.line[colon+1:], " \t")}
	return f, true
}

// digest finds out what the fields mean. It refuses those that net/http has a
// meaning for which this package has not.
func (h *head) digest() bool {
	clear(h.header)
	h.fieldFacts = fieldFacts{}
	hosts, lengths := 0, 0
	for i := range h.fields {
		f := &h.fields[i]
		value := f.values[0]
		switch f.name {
		case "Host":
			h.host = value
			hosts++
			continue
		case "Content-Length":
			var ok bool
			if h.length, ok = parseLength(value); !ok {
				return false
			}
			lengths++
		case "Connection":
			switch {
			case strings.EqualFold(value, "close"):
				h.close = true
			case !strings.EqualFold(value, "keep-alive"):
				return false
			}
		case "Transfer-Encoding", "Te", "Trailer", "Expect", "Upgrade", "Http2-Settings", "Pragma":
			return false
		}
		if before := h.header[f.name]; before != nil {
			h.header[f.name] = append(before[:len(before):len(before)], value)
		} else {
			h.header[f.name] = f.values
		}
	}
	h.names = len(h.header)
	return hosts == 1 && isHost(h.host) && lengths <= 1
}

// maxLengthDigits keeps lengths within 64 bits.
const maxLengthDigits = 18

func parseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > maxLengthDigits {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

func isHost(s string) bool {
	for i := range len(s) {
		if kinds[s[i]]&inHost == 0 {
			return false
		}
	}
	return s != ""
}

// What a byte may be part of.
const (
	visible = 1 << iota // printable ASCII but the blank
	blank               // between words of a header
	inPath              // means itself in a path, also when it is encoded again
	inName              // of a header
	inHost
)

// kinds says it for each byte.
var kinds = func() (k [256]uint8) {
	for c := byte('!'); c <= '~'; c++ {
		k[c] = visible
	}
	k[' '], k['\t'] = blank, blank
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for kind, all := range map[uint8]string{
		inPath: letters + "/-_.~$&+,:;=@",
		inName: letters + "!#$%&'*+-.^_`|~",
		inHost: letters + "-._:[]",
	} {
		for i := range len(all) {
			k[all[i]] |= kind
		}
	}
	return k
}()
