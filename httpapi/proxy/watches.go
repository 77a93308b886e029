package proxy

import (
	"context"
	"net/http"
	"strconv"
	"sync"
)

// isWatch reports whether r waits for events: it may take for ever.
func isWatch(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	wait, err := strconv.ParseBool(r.URL.Query().Get("wait"))
	return wait && err == nil
}

// watches are those that pass through. They end with their client, with
// their member, or all together. Methods may be called from any goroutine.
type watches struct {
	mu struct {
		sync.Mutex
		ended bool
		cut   map[context.Context]context.CancelFunc
	}
}

// begin returns a context for a watch. done must be called when it is over.
func (w *watches) begin(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.ended {
		cancel()
		return ctx, func() {}
	}
	if w.mu.cut == nil {
		w.mu.cut = map[context.Context]context.CancelFunc{}
	}
	w.mu.cut[ctx] = cancel
	return ctx, func() {
		cancel()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.mu.cut, ctx)
	}
}

// end cuts all watches. Those to come are cut at once.
func (w *watches) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.ended = true
	for _, cut := range w.mu.cut {
		cut()
	}
}
