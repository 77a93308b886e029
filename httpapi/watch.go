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
// started: the request's own is the only one.
func (a *API) watch(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	if r.ContentLength != 0 {
		if err := drain(w, r, a.MaxRequestBytes); err != nil {
			return err
		}
	}
	a.Stats.Store.Watched()
	watcher, err := a.Keyspace.Watch(q.path, store.WatchOptions{
		Recursive: q.recursive, Stream: q.stream, Since: q.waitIndex,
	})
	if err != nil {
		return err
	}
	defer watcher.Close()
	defer context.AfterFunc(r.Context(), watcher.Close)()

	a.setKeyHeaders(w.Header(), watcher.Index())
	w.WriteHeader(http.StatusOK)
	out := newFollower(w, r)
	for begun, told := false, false; ; {
		events, live := watcher.Take()
		if len(events) > 0 || !begun {
			if err := out.send(events); err != nil {
				return nil // the client is gone
			}
		}
		begun, told = true, told || len(events) > 0
		if !live {
			a.endWatch(r.Context().Err() == nil && (q.stream || told))
			return nil
		}
		// The client's going away and the server's stop end the watch, so there
		// is but one channel to wait for. That is a twentieth of what an event
		// costs: thousands of watches that wake together do not meet at a lock.
		<-watcher.Ready()
	}
}

// endWatch lets the body of a watch end in good order, or cuts it, so that no
// client takes it for an answer: when the server stops, as a dying one would,
// and when a watch for one event has ended without it.
func (a *API) endWatch(whole bool) {
	select {
	case <-a.Stopping:
		whole = false
	default:
	}
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// follower writes events to one client.
type follower struct {
	w       http.ResponseWriter
	control *http.ResponseController
	until   time.Time // the write deadline
	lift    bool      // it must not pass while there is nothing to write
}

// newFollower makes a follower for who sent r. In HTTP/1 a deadline that
// passes while nothing is written does no harm. In HTTP/2 it ends the stream.
func newFollower(w http.ResponseWriter, r *http.Request) follower {
	return follower{w: w, control: http.NewResponseController(w), lift: r.ProtoMajor > 1}
}

// send writes events, one line each, and everything that still lies in the
// connection's buffer.
func (f *follower) send(events []*store.Event) error {
	// Moving a deadline costs as much as a small write: a recent one will do.
	if now := time.Now(); f.until.Sub(now) < pieceTime/2 {
		f.until = now.Add(pieceTime)
		// A transport without deadlines (a test's recorder) has no slow clients.
		_ = f.control.SetWriteDeadline(f.until)
	}
	if len(events) == 1 {
		if err := send(f.w, events[0].Rendered(renderEvent)); err != nil {
			return err
		}
	} else if len(events) > 1 {
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
		if err := send(f.w, *body); err != nil {
			return err
		}
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
