package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"keytree/store"
)

// watch answers a GET with wait=true. The headers go out at once; then the
// request waits for events, without a limit of time, until it has had its one
// event, or the client, the server or the watch itself ends. No goroutine is
// started: the request's own is the only one, and in a stream it rests while
// events are pushed to the client by who brings them.
func (a *API) watch(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	if r.ContentLength != 0 {
		if err := drain(w, r, a.MaxRequestBytes); err != nil {
			return err
		}
	}
	a.Stats.Store.Watched()
	out := newFollower(w, r)
	options := store.WatchOptions{Recursive: q.recursive, Stream: q.stream, Since: q.waitIndex}
	if q.stream && out.transport != nil {
		options.Sink = out
	}
	watcher, err := a.Keyspace.Watch(q.path, options)
	if err != nil {
		return err
	}
	defer watcher.Close()
	defer context.AfterFunc(r.Context(), watcher.Close)()

	a.setKeyHeaders(w.Header(), watcher.Index())
	w.WriteHeader(http.StatusOK)
	if options.Sink != nil {
		return a.stream(r, watcher, out)
	}
	for begun, told := false, false; ; begun = true {
		events, live := watcher.Take()
		told = told || len(events) > 0
		if !live {
			whole := a.endsWhole(r) && (q.stream || told)
			if begun && whole {
				_ = out.write(events) // goes out with the end of the answer, in one piece
			} else if err := out.send(events); err == nil && !whole {
				panic(http.ErrAbortHandler)
			}
			return nil
		}
		if len(events) > 0 || !begun {
			if err := out.send(events); err != nil {
				return nil // the client is gone
			}
		}
		// The client's going away and the server's stop end the watch, so there
		// is but one channel to wait for. That is a twentieth of what an event
		// costs: thousands of watches that wake together do not meet at a lock.
		<-watcher.Ready()
	}
}

// stream is watch for a client to whom events can be pushed: this goroutine
// sends what could not be pushed, because the client is slow or there is much
// of it.
func (a *API) stream(r *http.Request, watcher *store.Watcher, out *follower) error {
	for err := out.send(nil); err == nil; {
		events, live := watcher.Take()
		switch {
		case len(events) > 0:
			err = out.send(events)
		case live:
			watcher.Await()
			err = out.send(nil) // what is left of a push
		}
		if !live && err == nil {
			if !a.endsWhole(r) {
				panic(http.ErrAbortHandler)
			}
			return nil
		}
	}
	return nil // the client is gone
}

// endsWhole reports whether the body of a watch ends in good order; if not it
// is cut, so that no client takes it for an answer: when the server stops, as
// a dying one would, and (for who asks) when a watch for one event has ended
// without it.
func (a *API) endsWhole(r *http.Request) bool {
	select {
	case <-a.Stopping:
		return false
	default:
		return r.Context().Err() == nil
	}
}

// pushes is an answer that can be sent without waiting: see conn.
type pushes interface {
	Push(b []byte) (taken, done bool)
}

// follower writes events to one client.
type follower struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	transport pushes    // nil: whatever is sent has to be waited for
	until     time.Time // the write deadline
	lift      bool      // it must not pass while there is nothing to write
}

// newFollower makes a follower for who sent r. In HTTP/1 a deadline that
// passes while nothing is written does no harm. In HTTP/2 it ends the stream.
func newFollower(w http.ResponseWriter, r *http.Request) *follower {
	f := &follower{w: w, control: http.NewResponseController(w), lift: r.ProtoMajor > 1}
	for f.transport == nil {
		f.transport, _ = w.(pushes)
		outer, wrapped := w.(interface{ Unwrap() http.ResponseWriter })
		if !wrapped {
			break
		}
		w = outer.Unwrap()
	}
	return f
}

// Push sends a run of events if that needs no waiting.
func (f *follower) Push(run *store.Run) store.Pushed {
	size := 0
	for _, e := range run.Events {
		if size += len(e.Rendered(renderEvent)); size > pieceBytes {
			return store.PushedNone
		}
	}
	switch taken, done := f.transport.Push(run.Rendered(renderEvent)); {
	case done:
		return store.PushedAll
	case taken:
		return store.PushedPart
	}
	return store.PushedNone
}

// send writes events, one line each, and everything that still lies in the
// connection's buffer.
func (f *follower) send(events []*store.Event) error {
	if err := f.write(events); err != nil {
		return err
	}
	if err := f.control.Flush(); err != nil {
		return err
	}
	if f.lift {
		f.until = time.Time{}
		_ = f.control.SetWriteDeadline(f.until) // as above
	}
	return nil
}

// write writes events into the connection's buffer.
func (f *follower) write(events []*store.Event) error {
	// Moving a deadline costs as much as a small write: a recent one will do.
	if now := time.Now(); f.until.Sub(now) < pieceTime/2 {
		f.until = now.Add(pieceTime)
		// A transport without deadlines (a test's recorder) has no slow clients.
		_ = f.control.SetWriteDeadline(f.until)
	}
	if len(events) == 1 {
		return send(f.w, events[0].Rendered(renderEvent))
	}
	if len(events) == 0 {
		return nil
	}
	body := getBuffer()
	defer putBuffer(body)
	*body = (*body)[:0]
	for _, e := range events {
		*body = append(*body, e.Rendered(renderEvent)...)
		if len(*body) < pieceBytes {
			continue
		}
		if err := send(f.w, *body); err != nil {
			return err
		}
		*body = (*body)[:0]
	}
	return send(f.w, *body)
}

// renderEvent is the line all watchers of e are sent.
func renderEvent(e *store.Event) []byte {
	size := 256 + len(e.Node.Value) + 2*len(e.Node.Path.String())
	if e.Prev != nil {
		size += len(e.Prev.Value)
	}
	return appendEvent(make([]byte, 0, size), e)
}

// drain reads a body that a watch does not want, up to limit bytes: until it
// is read, the server cannot notice that the client went away.
func drain(w http.ResponseWriter, r *http.Request, limit int64) error {
	n, err := int64(0), error(nil)
	if r.ContentLength <= limit {
		n, err = io.Copy(io.Discard, io.LimitReader(r.Body, limit+1))
	}
	if max(n, r.ContentLength) > limit {
		err = tooLarge(limit)
	}
	if err != nil {
		abandonBody(w, r)
		return &store.Error{Code: store.CodeInvalidForm, Cause: err.Error()}
	}
	liftBodyTime(w)
	return nil
}
