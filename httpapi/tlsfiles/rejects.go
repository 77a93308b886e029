package tlsfiles

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// What is told of rejected connections: the same thing from the same source
// once per period, and no more than mostRejects things in all.
const (
	rejectPeriod = time.Minute
	mostRejects  = 100
)

// rejects remembers what was told in this period. Any goroutine may use it.
type rejects struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		began  time.Time
		told   map[reject]bool
		untold int // since the last that was told
	}
}

// reject is who was rejected, and why.
type reject struct{ host, why string }

// tell reports whether r is to be told of, and how many before it were not.
func (t *rejects) tell(r reject, now time.Time) (told bool, untold int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.told == nil || now.Sub(t.mu.began) >= rejectPeriod {
		t.mu.began, t.mu.told = now, map[reject]bool{}
	}
	if t.mu.told[r] || len(t.mu.told) == mostRejects {
		t.mu.untold++
		return false, 0
	}
	t.mu.told[r] = true
	untold, t.mu.untold = t.mu.untold, 0
	return true, untold
}

// logReject logs, in the form that etcd gives it, that a connection was
// rejected. Who only looks whether the port is open is not worth a warning.
func (f *Files) logReject(from net.Addr, serverName string, err error) {
	text := fmt.Sprintf("rejected connection from %q (error %q, ServerName %q)", from, err, serverName)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		f.logger.Debug(text)
		return
	}
	host, _, split := net.SplitHostPort(from.String())
	if split != nil {
		host = from.String()
	}
	r := reject{host, err.Error()}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		r.why = refusal.kind()
	}
	told, untold := f.rejects.tell(r, time.Now())
	switch {
	case told && untold > 0:
		f.logger.Warn(text, "untold", untold)
	case told:
		f.logger.Warn(text)
	}
}
