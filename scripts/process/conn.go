package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Request is what is written on the wire. Target stands in the request line
// as it is. Host is added unless Header has one; Content-Length is added when
// there is a body, or the method usually has one.
type Request struct {
	Method string
	Target string
	Header []Field
	Body   []byte
}

// A Field is one header line.
type Field struct{ Name, Value string }

// Form is the header of a body that holds parameters.
func Form() []Field {
	return []Field{{"Content-Type", "application/x-www-form-urlencoded"}}
}

// has reports whether the request has a header line of that name.
func (r Request) has(name string) bool {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

func (r Request) bytes(host string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Method, r.Target)
	if !r.has("Host") {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	usual := r.Method == "PUT" || r.Method == "POST"
	if (len(r.Body) > 0 || usual) && !r.has("Content-Length") && !r.has("Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %s\r\n", strconv.Itoa(len(r.Body)))
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}

// An Answer is a response as it came. Header has Content-Length as sent; a
// chunked body has none.
type Answer struct {
	Status  int
	Header  http.Header
	Chunked bool
	Body    []byte
}

// Index returns a numeric header such as X-Etcd-Index, 0 when there is none.
func (a *Answer) Index(name string) uint64 {
	n, _ := strconv.ParseUint(a.Header.Get(name), 10, 64) // absent is 0
	return n
}

// A Conn sends one request after the other over a kept connection. It dials
// when it has none, and never sends anything twice. It belongs to one
// goroutine.
type Conn struct {
	addr string
	c    net.Conn
	r    *bufio.Reader
}

// NewConn returns a Conn to addr. It dials at the first request.
func NewConn(addr string) *Conn { return &Conn{addr: addr} }

// Close closes the connection; the next request dials again.
func (c *Conn) Close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is buffered
	}
	c.c, c.r = nil, nil
}

// Do sends a request and reads the whole answer. After an error it is unknown
// whether the server has seen the request.
func (c *Conn) Do(ctx context.Context, q Request) (*Answer, error) {
	resp, release, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	defer release()
	a := head(resp)
	a.Body, err = io.ReadAll(resp.Body)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("read answer of %s %.200s: %w", q.Method, q.Target, err)
	}
	if resp.Close {
		c.Close()
	}
	return a, nil
}

// A Stream is an answer whose body is still coming.
type Stream struct {
	*Answer // without body

	conn    *Conn
	body    *bufio.Reader
	release func()
}

// Open sends a request on a connection of its own and returns when the header
// of the answer is there. The stream ends when ctx is done.
func Open(ctx context.Context, addr string, q Request) (*Stream, error) {
	c := NewConn(addr)
	resp, release, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	return &Stream{Answer: head(resp), conn: c, body: bufio.NewReader(resp.Body), release: release}, nil
}

// Line returns the next line without its end, io.EOF after the last one.
func (s *Stream) Line() ([]byte, error) {
	line, err := s.body.ReadBytes('\n')
	if err == io.EOF && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// Close ends the stream. It may be called while Line is waiting.
func (s *Stream) Close() {
	s.release()
	_ = s.conn.c.Close() // nothing is buffered
}

// send writes q and reads the head of the answer. Until release is called the
// connection breaks when ctx is done.
func (c *Conn) send(ctx context.Context, q Request) (_ *http.Response, release func(), err error) {
	if c.c == nil {
		var d net.Dialer
		if c.c, err = d.DialContext(ctx, "tcp", c.addr); err != nil {
			c.c = nil
			return nil, nil, err
		}
		c.r = bufio.NewReader(c.c)
	}
	nc := c.c
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	// A server may answer and close before it has read all of a body; what
	// counts is the answer.
	_, writeErr := nc.Write(q.bytes(c.addr))
	resp, err := http.ReadResponse(c.r, &http.Request{Method: q.Method})
	if err != nil {
		stop()
		c.Close()
		if writeErr != nil {
			err = writeErr
		}
		return nil, nil, fmt.Errorf("%s %.200s: %w", q.Method, q.Target, err)
	}
	return resp, func() { stop() }, nil
}

func head(r *http.Response) *Answer {
	return &Answer{
		Status:  r.StatusCode,
		Header:  r.Header,
		Chunked: len(r.TransferEncoding) > 0,
	}
}
