package conn

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// response is the answer to one request. It decides as net/http does what
// a handler leaves open: the status, the length or chunks, the type.
type response struct {
	conn   *conn
	header http.Header
	keys   []string // of header, in order

	status  int   // 0: WriteHeader was not called
	decided bool  // the head is complete, in out
	length  int64 // as the handler or we said it; -1: not said
	written int64
	chunked bool
	last    bool // no other request on this connection
	flushed bool // a part of the answer is out
	err     error

	named      named
	connection span // the handler's Connection line in out

	readBy, writeBy time.Time // the deadlines that the handler wants
	writeLimited    bool
	at              time.Time // of the latest answer's head, or its end if it was streamed
}

// named are the header lines that the handler has set itself.
type named struct {
	length, date, contentType, encoded bool

	// The value of Connection.
	connection string
}

// span is a part of out.
type span struct{ from, to int }

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
)

// reset readies r for the next request.
func (r *response) reset() {
	clear(r.header)
	*r = response{conn: r.conn, header: r.header, keys: r.keys, length: -1, at: r.at}
}

// Header is the handler's part of the head, until WriteHeader.
func (r *response) Header() http.Header { return r.header }

// WriteHeader fixes the status and the header.
func (r *response) WriteHeader(status int) {
	switch {
	case r.status != 0:
		r.conn.server.logf("http: superfluous response.WriteHeader call")
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		r.inform(status)
		return
	}
	r.status = status
	if v := r.header["Content-Length"]; len(v) > 0 && v[0] != "" {
		n, err := strconv.ParseInt(v[0], 10, 64)
		if err == nil && n >= 0 {
			r.length = n
		} else {
			r.conn.server.logf("http: invalid Content-Length of %q", v[0])
		}
	}
	r.encode()
}

// inform sends an answer before the answer.
func (r *response) inform(status int) {
	r.status = status
	r.encode()
	w := r.conn.work
	w.out = append(w.out, crlf...)
	r.status, r.named, r.connection = 0, named{}, span{}
	_ = r.conn.flush() // the answer itself fails as well
}

// encode puts the status line and what the handler has set into out.
func (r *response) encode() {
	w := r.conn.space()
	w.out = appendStatus(w.out, r.status)
	r.keys = r.keys[:0]
	for key := range r.header {
		r.keys = append(r.keys, key)
	}
	slices.Sort(r.keys)
	bodiless := !allowsBody(r.status)
	for _, key := range r.keys {
		values := r.header[key]
		from := len(w.out)
		switch key {
		case "Transfer-Encoding":
			continue
		case "Content-Length":
			r.named.length = true
			if bodiless || r.length == -1 && r.conn.head.method != http.MethodHead {
				continue // what is no length gives way to chunks
			}
		case "Content-Type":
			r.named.contentType = true
			if r.status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			r.named.encoded = len(values) > 0 && values[0] != ""
		case "Date":
			r.named.date = true
		case "Connection":
			if len(values) > 0 {
				r.named.connection = values[0]
			}
		}
		w.out = appendLines(w.out, key, values)
		if key == "Connection" {
			r.connection = span{from, len(w.out)}
		}
	}
}

func appendStatus(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return append(b, crlf...)
}

// appendLines appends one line for each value, if the key can be one. A value
// cannot end its line.
func appendLines(b []byte, key string, values []string) []byte {
	for i := range len(key) {
		if kinds[key[i]]&inName == 0 {
			return b
		}
	}
	if key == "" {
		return b
	}
	for _, v := range values {
		b = append(b, key...)
		b = append(b, ": "...)
		b = append(b, oneLine(v)...)
		b = append(b, crlf...)
	}
	return b
}

func oneLine(v string) string {
	for i := range len(v) {
		if c := v[i]; c == '\n' || c == '\r' || c <= ' ' && (i == 0 || i == len(v)-1) {
			return strings.Trim(strings.NewReplacer("\n", " ", "\r", " ").Replace(v), " \t")
		}
	}
	return v
}

func allowsBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// decide completes the head, now that p, the first part of the body, is known,
// and whether it is all of it.
func (r *response) decide(p []byte, all bool) {
	c := r.conn
	r.decided = true
	head := c.head.method == http.MethodHead
	allowed := allowsBody(r.status)
	lengthHere := all && allowed && !r.named.length && (!head || len(p) > 0)
	if lengthHere {
		r.length = int64(len(p))
	}
	closing := c.server.closing.Load()
	r.last = r.last || c.head.close || r.named.connection == "close" || closing
	tooBig := c.head.length != 0 && !r.last && !r.finishBody()
	r.last = r.last || tooBig
	if tooBig || r.last && (closing || !hasToken(r.named.connection, "close")) {
		c.work.out = slices.Delete(c.work.out, r.connection.from, r.connection.to)
		r.connection = span{}
	}
	r.chunked = r.length == -1 && !head && allowed

	out := c.work.out
	r.at = time.Now()
	if !r.named.date {
		out = append(append(append(out, "Date: "...), c.server.dateAt(r.at)...), crlf...)
	}
	if lengthHere {
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), r.length, 10), crlf...)
	}
	if allowed && !r.named.contentType && !r.named.encoded && len(p) > 0 {
		out = append(append(append(out, "Content-Type: "...), http.DetectContentType(p)...), crlf...)
	}
	if r.last && r.connection == (span{}) {
		out = append(out, "Connection: close\r\n"...)
	}
	if r.chunked {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	c.work.out = append(out, crlf...)
}

// finishBody reads what the handler has left of the request's body, unless it
// is so much that the connection is better given up. It has to come before the
// answer: a client may send all of its request before it reads.
func (r *response) finishBody() bool {
	b := &r.conn.body
	switch {
	case b.closed:
		r.last = r.last || b.left > 0
	case b.left >= discardable:
		return false
	default:
		b.closed = b.discard() == nil
		r.last = r.last || !b.closed
	}
	return true
}

// hasToken reports whether a list separated by commas has the token, in
// letters of any case.
func hasToken(list, token string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if strings.EqualFold(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

// Write takes a part of the body. Small parts are held together; its error
// may be that of an earlier part.
func (r *response) Write(p []byte) (n int, err error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !allowsBody(r.status):
		return 0, http.ErrBodyNotAllowed
	}
	r.written += int64(len(p))
	if r.length != -1 && r.written > r.length {
		return 0, http.ErrContentLength
	}
	w := r.conn.space()
	for rest := p; ; {
		room := holdBody - len(w.body)
		switch {
		case r.err != nil:
			return n, r.err
		case len(rest) <= room:
			w.body = append(w.body, rest...)
			return len(p), nil
		case len(w.body) == 0:
			r.emit(rest)
			return len(p), r.err
		}
		w.body = append(w.body, rest[:room]...)
		rest, n = rest[room:], n+room
		r.emit(w.body)
		w.body = w.body[:0]
	}
}

// emit puts p behind what is in out.
func (r *response) emit(p []byte) {
	if !r.decided {
		r.decide(p, false)
	}
	if r.conn.head.method == http.MethodHead {
		return
	}
	w := r.conn.work
	if r.chunked {
		w.out = append(strconv.AppendUint(w.out, uint64(len(p)), 16), crlf...)
	}
	if len(w.out)+len(p)+len(crlf) > cap(w.out) {
		r.conn.flushWith(p, r.chunked)
		return
	}
	w.out = append(w.out, p...)
	if r.chunked {
		w.out = append(w.out, crlf...)
	}
	if len(w.out) >= outSize {
		_ = r.conn.flush() // kept in r.err
	}
}

// Flush sends what was written so far.
func (r *response) Flush() { _ = r.FlushError() }

// FlushError is Flush for http.ResponseController. From now on the client's
// going away ends the request's context.
func (r *response) FlushError() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	w := r.conn.space()
	if len(w.body) > 0 {
		r.emit(w.body)
		w.body = w.body[:0]
	}
	if !r.decided {
		r.decide(nil, false)
	}
	if err := r.conn.flush(); err != nil {
		return err
	}
	if !r.flushed {
		r.flushed = true
		r.conn.beginStream()
	}
	r.conn.rest()
	return nil
}

// SetReadDeadline limits reading the request's body; for http.ResponseController.
func (r *response) SetReadDeadline(t time.Time) error {
	r.readBy = t
	return nil
}

// SetWriteDeadline limits sending the answer; for http.ResponseController.
func (r *response) SetWriteDeadline(t time.Time) error {
	r.writeBy, r.writeLimited = t, true
	return nil
}

// finish sends the rest of the answer, after the handler has returned. It
// reports whether the connection can be used again.
func (r *response) finish() (again bool) {
	c := r.conn
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	w := c.space()
	if !r.decided {
		r.decide(w.body, true)
	}
	if len(w.body) > 0 {
		r.emit(w.body)
	}
	w.body = w.body[:0]
	if r.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	if r.flushed {
		c.endStream()
		r.at = time.Now()
	}
	_ = c.flush() // kept in r.err
	if r.err != nil {
		return false
	}
	if r.last || c.body.left > 0 {
		c.linger()
		return false
	}
	short := c.head.method != http.MethodHead && r.length != -1 && allowsBody(r.status) && r.length != r.written
	return !short
}

// abandon sends what is complete of the answer of a handler that panicked.
func (r *response) abandon() {
	if r.flushed {
		r.conn.endStream()
	}
	if w := r.conn.work; w != nil {
		if w.body = w.body[:0]; !r.decided {
			w.out = w.out[:0]
		}
		_ = r.conn.flush() // there is nobody to tell
	}
}
