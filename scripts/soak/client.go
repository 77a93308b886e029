package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"keytree/scripts/process"
)

// answerTime is how long a server may take to answer.
const answerTime = 10 * time.Second

// A reply is what the keys API says.
type reply struct {
	Status    int `json:"-"`
	Action    string
	ErrorCode int
	Node      *node
	PrevNode  *node
}

type node struct {
	Key           string
	Value         string
	Dir           bool
	Nodes         []node
	ModifiedIndex uint64
	CreatedIndex  uint64
}

const (
	codeNotFound       = 100
	codeHistoryCleared = 401
)

// errUnclear means that nobody knows whether the server did what it was asked.
var errUnclear = errors.New("outcome unknown")

// A session is a connection to one member at a time; it goes to the next when
// one fails. It belongs to one goroutine.
type session struct {
	addrs []string
	at    int
	conn  *process.Conn
	fresh bool // what this member has may be older than what another acknowledged
}

func newSession(addrs []string, at int) *session {
	return &session{addrs: addrs, at: at % len(addrs), conn: process.NewConn(addrs[at%len(addrs)])}
}

func (s *session) close() { s.conn.Close() }

// move goes on with the next member.
func (s *session) move() {
	s.conn.Close()
	s.at = (s.at + 1) % len(s.addrs)
	s.conn = process.NewConn(s.addrs[s.at])
	s.fresh = len(s.addrs) > 1
}

// do sends a request for a key. The error is errUnclear, and the session has
// moved on.
func (s *session) do(ctx context.Context, method, key string, params url.Values) (*reply, error) {
	q := process.Request{Method: method, Target: "/v2/keys" + key}
	if method == "GET" && s.fresh {
		params = url.Values{"quorum": {"true"}, "recursive": params["recursive"]}
	}
	if method == "GET" || method == "DELETE" {
		q.Target += "?" + params.Encode()
	} else {
		q.Header, q.Body = process.Form(), []byte(params.Encode())
	}
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	a, err := s.conn.Do(ctx, q)
	if err != nil {
		s.move()
		return nil, fmt.Errorf("%w: %w", errUnclear, err)
	}
	r := &reply{Status: a.Status}
	if err := json.Unmarshal(a.Body, r); err != nil || r.Node == nil && (a.Status >= 500 || r.ErrorCode == 0) {
		s.move()
		return nil, fmt.Errorf("%w: status %d", errUnclear, a.Status)
	}
	if method == "GET" {
		s.fresh = false
	}
	return r, nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
