package main

import (
	"bytes"
	"fmt"
)

// parser reads HTTP/1.1 answers off a connection, in whatever pieces they
// come. It understands what a v2 server sends and nothing more: a status line,
// a length or chunks, and two indexes among the headers. It allocates only
// when a header block arrives in several pieces, or to remember the body of a
// refusal.
type parser struct {
	status    int
	etcdIndex uint64
	raftIndex uint64
	body      int64  // bytes of body so far
	lines     int64  // newlines in the body so far, when countLines
	refusal   []byte // the start of the body, when the status is not 2xx

	// countLines is set by the owner: each event of a watch is one line.
	countLines bool

	state   parserState
	chunked bool
	left    int64  // bytes left of the body or the chunk
	width   int    // bytes seen of the trailer line we are in
	digits  bool   // still among the hex digits of a chunk size
	head    []byte // a header block whose end has not come yet
}

type parserState uint8

const (
	inHead parserState = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
)

const (
	maxHead    = 64 << 10
	maxRefusal = 200
)

var headEnd = []byte("\r\n\r\n")

// feed reads from b and returns how many bytes it took. It stops after the
// last byte of an answer, with done true; the next call starts a new answer.
func (p *parser) feed(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		var took int
		switch p.state {
		case inHead:
			took, done, err = p.feedHead(b[n:])
		case inBody:
			took = p.feedData(b[n:])
			done = p.left == 0
		case inChunk:
			took = p.feedData(b[n:])
			if p.left == 0 {
				p.state, p.left = inChunkEnd, 2
			}
		case inChunkEnd:
			took = int(min(p.left, int64(len(b)-n)))
			p.left -= int64(took)
			if p.left == 0 {
				p.state, p.digits = inChunkSize, true
			}
		case inChunkSize:
			took, err = p.feedChunkSize(b[n:])
		case inTrailer:
			took, done = p.feedTrailer(b[n:])
		}
		n += took
		if err != nil {
			return n, false, err
		}
		if done {
			p.state = inHead
			return n, true, nil
		}
	}
	return n, false, nil
}

func (p *parser) feedHead(b []byte) (n int, done bool, err error) {
	if len(p.head) == 0 {
		if end := bytes.Index(b, headEnd); end >= 0 {
			done, err = p.readHead(b[:end+2])
			return end + len(headEnd), done, err
		}
		p.head = append(p.head, b...)
		return len(b), false, nil
	}
	before := len(p.head)
	p.head = append(p.head, b...)
	end := bytes.Index(p.head, headEnd)
	if end < 0 {
		if len(p.head) > maxHead {
			return len(b), false, fmt.Errorf("header block of more than %d bytes", maxHead)
		}
		return len(b), false, nil
	}
	done, err = p.readHead(p.head[:end+2])
	p.head = p.head[:0]
	return end + len(headEnd) - before, done, err
}

// readHead takes a whole header block: lines, each with its CRLF.
func (p *parser) readHead(b []byte) (done bool, err error) {
	p.etcdIndex, p.raftIndex, p.body, p.lines = 0, 0, 0, 0
	p.refusal = p.refusal[:0]
	p.chunked, p.left = false, -1
	if len(b) < 13 || string(b[:7]) != "HTTP/1." {
		return false, fmt.Errorf("not an HTTP answer: %.40q", b)
	}
	p.status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	for b = b[bytes.IndexByte(b, '\n')+1:]; len(b) > 0; {
		end := bytes.IndexByte(b, '\n')
		p.readHeader(b[:end-1])
		b = b[end+1:]
	}
	switch {
	case p.chunked:
		p.state, p.left, p.digits = inChunkSize, 0, true
		return false, nil
	case p.left < 0:
		return false, fmt.Errorf("answer with status %d has no length", p.status)
	}
	p.state = inBody
	return p.left == 0, nil
}

func (p *parser) readHeader(line []byte) {
	if v, ok := header(line, "content-length"); ok {
		p.left = int64(number(v))
	} else if v, ok := header(line, "transfer-encoding"); ok {
		p.chunked = string(v) == "chunked"
	} else if v, ok := header(line, "x-etcd-index"); ok {
		p.etcdIndex = number(v)
	} else if v, ok := header(line, "x-raft-index"); ok {
		p.raftIndex = number(v)
	}
}

// header returns the value of line if it is the header of the given
// lower-case name.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if line[i]|0x20 != name[i]|0x20 {
			return nil, false
		}
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n*10 + uint64(c-'0')
	}
	return n
}

func (p *parser) feedData(b []byte) int {
	n := min(p.left, int64(len(b)))
	b = b[:n]
	p.left -= n
	p.body += n
	if p.countLines {
		p.lines += int64(bytes.Count(b, []byte{'\n'}))
	}
	if p.status/100 != 2 && len(p.refusal) < maxRefusal {
		p.refusal = append(p.refusal, b[:min(len(b), maxRefusal-len(p.refusal))]...)
	}
	return int(n)
}

func (p *parser) feedChunkSize(b []byte) (int, error) {
	for i, c := range b {
		if c == '\n' {
			p.state = inChunk
			if p.left == 0 {
				p.state, p.width = inTrailer, 0
			}
			return i + 1, nil
		}
		switch {
		case !p.digits:
		case c == '\r' || c == ';':
			p.digits = false
		case '0' <= c && c <= '9':
			p.left = p.left<<4 | int64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			p.left = p.left<<4 | int64(c|0x20-'a'+10)
		default:
			return i, fmt.Errorf("chunk size has the byte %q", c)
		}
	}
	return len(b), nil
}

// feedTrailer skips lines up to an empty one.
func (p *parser) feedTrailer(b []byte) (n int, done bool) {
	for i, c := range b {
		switch {
		case c == '\n' && p.width == 0:
			return i + 1, true
		case c == '\n':
			p.width = 0
		case c != '\r':
			p.width++
		}
	}
	return len(b), false
}

// refused says what is wrong with an answer that is not a success.
func (p *parser) refused() error {
	return fmt.Errorf("status %d: %s", p.status, bytes.TrimSpace(p.refusal))
}
