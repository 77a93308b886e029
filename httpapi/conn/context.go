package conn

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// lifetime is the context of a connection's requests. It costs nothing until
// somebody waits for its end, and starts no goroutine before that.
type lifetime struct {
	server *http.Server
	local  net.Addr

	mu    sync.Mutex
	done  chan struct{} // made when first asked for
	ended bool
	hooks []*func()
}

var _ context.Context = (*lifetime)(nil)

func (*lifetime) Deadline() (time.Time, bool) { return time.Time{}, false }

func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.ended {
			close(l.done)
		}
	}
	return l.done
}

func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return context.Canceled
	}
	return nil
}

func (l *lifetime) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return l.server
	case http.LocalAddrContextKey:
		return l.local
	}
	return nil
}

// AfterFunc has package context wait for the end without a goroutine.
func (l *lifetime) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		go f()
		return func() bool { return false }
	}
	hook := &f
	l.hooks = append(l.hooks, hook)
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.Index(l.hooks, hook)
		if i < 0 {
			return false
		}
		l.hooks = slices.Delete(l.hooks, i, i+1)
		return true
	}
}

// end ends the context. It may be called more than once, from any goroutine.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	if l.done != nil {
		close(l.done)
	}
	for _, f := range l.hooks {
		go (*f)()
	}
	l.hooks = nil
}
