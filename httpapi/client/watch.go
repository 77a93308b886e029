package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WatchOptions say what a Watcher delivers and what it does in trouble.
type WatchOptions struct {
	// AfterIndex is the index after which events are delivered, such as the
	// Index of a listing. 0: from the moment on when an endpoint first answers
	// Next.
	AfterIndex uint64

	Recursive bool // events beneath the key, too

	// Stream keeps one connection open for all events instead of asking for
	// each. It needs Keytree: etcd's own streams lose events, so it is asked for
	// each all the same.
	Stream bool

	// Resync reads the key again when events were lost, see GapError.
	Resync bool

	// FailFast lets Next fail with a *ClusterError once all endpoints have
	// failed, as etcd's client does. By default it goes on asking until one
	// answers.
	FailFast bool
}

// Watcher delivers the events of a key, each once and in order, wherever the
// connection breaks and whichever endpoint answers next. When events cannot
// be had any more it says so with a *GapError and goes on behind the gap.
//
// Its methods are called from one goroutine at a time.
type Watcher struct {
	client *Client
	key    string
	path   string
	broken error // of the key; Next says it
	o      WatchOptions

	next    uint64    // index of the first event that was not delivered; 0: not known yet
	begun   bool      // an endpoint has taken the watch
	cluster string    // whose events they are; empty: not known yet
	lost    *GapError // to be told of
	foreign *GapError // what an endpoint of another cluster leads to, if no other one answers
	live    *stream   // nil: there is none
	owed    time.Duration
}

// Watch makes a watcher of key. Nothing is sent until Next.
func (c *Client) Watch(key string, o WatchOptions) *Watcher {
	w := &Watcher{client: c, key: key, o: o}
	w.path, w.broken = c.keyPath(key)
	if o.AfterIndex > 0 {
		w.next = o.AfterIndex + 1
	}
	return w
}

// Wait asks for the first event of key with the index or a greater one, and
// if recursive for those beneath it, too. It asks only once, each endpoint at
// most, and goes by what the answer says: ErrEmptyBody if somebody ended the
// wait, an Error with CodeEventIndexCleared if the history does not reach back
// so far. It is for those who have their own way of going on; a Watcher does
// that for everybody else.
func (c *Client) Wait(ctx context.Context, key string, index uint64, recursive bool) (*Response, error) {
	p, err := c.keyPath(key)
	if err != nil {
		return nil, err
	}
	return c.poll(ctx, request{method: http.MethodGet, path: p, query: waitFor(index, recursive), wait: true})
}

// GapError says that events may have been lost: the server's history does not
// reach back to them. The next call of Next goes on with those after Last.
type GapError struct {
	First, Last uint64 // indexes of the events that may be missing

	// NewCluster says that the endpoints now lead to another cluster, one that
	// was restored from a backup, for example. Last is then an index of that.
	NewCluster bool

	// Now is the key as it is at the index Last, read with
	// WatchOptions.Resync, and with everything beneath it if the watch is
	// recursive. Nil: there is no such key, or nobody asked to read it.
	Now *Response

	cause error
}

func (e *GapError) Error() string {
	if e.NewCluster {
		return fmt.Sprintf("client: the endpoints belong to another cluster now, which is at index %d; events from %d on may be lost", e.Last, e.First)
	}
	return fmt.Sprintf("client: events from %d to %d may be lost: %v", e.First, e.Last, e.cause)
}

// Unwrap is the server's refusal, if there is one.
func (e *GapError) Unwrap() error { return e.cause }

// Pauses between attempts, each twice the one before. After an attempt that
// took longer than calm none is needed: the wait of a long poll that some
// gateway ends every minute counts as that.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	calm         = time.Second
)

// Next waits for the next event. Its errors are that of ctx, a *GapError, a
// refusal such as that of a user who may not read the key, and, with
// FailFast, a *ClusterError. After any of them Next can be called again and
// goes on where it was: nothing is lost by giving up a wait.
func (w *Watcher) Next(ctx context.Context) (*Response, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	for {
		if err := w.rest(ctx); err != nil {
			return nil, err
		}
		begun := time.Now()
		event, err := w.attempt(ctx)
		if err == nil {
			w.owed = 0
			return event, nil
		}
		if ended := over(ctx); ended != nil {
			return nil, ended
		}
		w.owe(time.Since(begun), err)
		if !w.goesOn(err) {
			return nil, err
		}
	}
}

// Begun reports whether an endpoint has taken the watch. No event since then
// is passed over in silence.
func (w *Watcher) Begun() bool { return w.begun }

// Close gives back the connection of a stream. To end a call of Next, end its
// context.
func (w *Watcher) Close() {
	if w.live != nil {
		w.live.close()
		w.live = nil
	}
}

// owe notes how long to wait before the next attempt.
func (w *Watcher) owe(took time.Duration, err error) {
	var gap *GapError
	if took >= calm || errors.As(err, &gap) {
		w.owed = 0
		return
	}
	w.owed = min(max(2*w.owed, firstPause), longestPause)
}

// rest waits as long as is owed, or half of that: clients that lost the same
// server shall not come back all at once.
func (w *Watcher) rest(ctx context.Context) error {
	if err := over(ctx); err != nil {
		return err
	}
	if w.owed == 0 {
		return nil
	}
	return pause(ctx, w.owed/2+rand.N(w.owed/2))
}

var (
	errEnded        = errors.New("client: the server ended the watch")
	errRepeated     = errors.New("client: an event that was delivered before")
	errOtherCluster = errors.New("client: the endpoint belongs to another cluster")
)

// goesOn reports whether another attempt is made after err without a word.
func (w *Watcher) goesOn(err error) bool {
	var cluster *ClusterError
	switch {
	case errors.Is(err, ErrEmptyBody), errors.Is(err, errEnded), errors.Is(err, errRepeated), HasCode(err, CodeWatcherCleared):
		return true
	case errors.As(err, &cluster):
		return !w.o.FailFast
	}
	return false
}

// attempt asks each endpoint at most once for an event.
func (w *Watcher) attempt(ctx context.Context) (*Response, error) {
	if w.lost != nil {
		return nil, w.tell(ctx)
	}
	w.foreign = nil
	event, err := w.receive(ctx)
	var refusal *Error
	switch {
	case err == nil:
		return event, nil
	case errors.As(err, &refusal) && refusal.Code == CodeEventIndexCleared:
		w.lost = &GapError{First: w.next, Last: refusal.Index, cause: refusal}
		return nil, w.tell(ctx)
	case w.foreign != nil && over(ctx) == nil:
		w.lost, w.cluster = w.foreign, ""
		return nil, w.tell(ctx)
	}
	return nil, err
}

// tell is the gap there is, once all is known about it.
func (w *Watcher) tell(ctx context.Context) error {
	gap := w.lost
	if w.o.Resync {
		now, err := w.client.Get(ctx, w.key, GetOptions{Recursive: w.o.Recursive, Sort: true, Quorum: true})
		var refusal *Error
		switch {
		case err == nil:
			gap.Now, gap.Last = now, now.Index
		case errors.As(err, &refusal) && (refusal.Code == CodeKeyNotFound || refusal.Code == CodeNotADirectory):
			gap.Last = refusal.Index
		default:
			return err
		}
	}
	w.lost, w.next = nil, gap.Last+1
	return gap
}

// receive gets one event that was not delivered yet.
func (w *Watcher) receive(ctx context.Context) (*Response, error) {
	if w.o.Stream && w.live == nil {
		var err error
		if w.live, err = w.open(ctx); err != nil {
			return nil, err
		}
	}
	for w.live != nil {
		event, err := w.live.receive(ctx)
		if err != nil {
			w.Close()
			return nil, err
		}
		if w.take(event) {
			return event, nil
		}
	}
	event, err := w.poll(ctx)
	if err != nil {
		return nil, err
	}
	if !w.take(event) {
		return nil, errRepeated
	}
	return event, nil
}

// take reports whether event is one that was not delivered yet, and notes
// that it now is. An index belongs to one event, and the later event has the
// greater one. Servers repeat themselves: etcd streams some removals twice.
func (w *Watcher) take(event *Response) bool {
	if event.Node.ModifiedIndex < w.next {
		return false
	}
	w.next = event.Node.ModifiedIndex + 1
	return true
}

// poll waits for one event with a request of its own.
func (w *Watcher) poll(ctx context.Context) (*Response, error) {
	return w.client.poll(ctx, w.request())
}

// poll puts r, which waits for an event, to the cluster.
func (c *Client) poll(ctx context.Context, r request) (*Response, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusOK && isHalf(a.body) {
		return nil, &ClusterError{Errors: []error{io.ErrUnexpectedEOF}}
	}
	event, err := a.response()
	if err != nil {
		return nil, err
	}
	if event.Node == nil {
		return nil, &InvalidAnswerError{Status: a.status}
	}
	return event, nil
}

// isHalf reports whether body is the beginning of JSON. A proxy whose server
// dies may end an answer as if it were whole.
func isHalf(body []byte) bool {
	var v json.RawMessage
	return json.NewDecoder(bytes.NewReader(body)).Decode(&v) == io.ErrUnexpectedEOF
}

// request asks for events from w.next on.
func (w *Watcher) request() request {
	q := waitFor(w.next, w.o.Recursive)
	return request{method: http.MethodGet, path: w.path, query: q, wait: true, heard: func(r *http.Response) error {
		if err := w.hear(r); err != nil {
			return err
		}
		q.Set("waitIndex", strconv.FormatUint(w.next, 10)) // should the next endpoint be asked
		return nil
	}}
}

// waitFor is the query of a request that waits.
func waitFor(index uint64, recursive bool) url.Values {
	return url.Values{
		"recursive": {strconv.FormatBool(recursive)},
		"wait":      {"true"},
		"waitIndex": {strconv.FormatUint(index, 10)},
	}
}

// hear looks at the head of an answer, which comes long before any event. It
// tells from where on the server watches: should the connection break now, the
// next one must begin there.
func (w *Watcher) hear(r *http.Response) error {
	index, err := strconv.ParseUint(r.Header.Get(indexHeader), 10, 64)
	known := err == nil && r.StatusCode == http.StatusOK
	if id := r.Header.Get(clusterHeader); id != "" {
		if w.cluster != "" && w.cluster != id {
			if known {
				w.foreign = &GapError{First: w.next, Last: index, NewCluster: true, cause: errOtherCluster}
			}
			return errOtherCluster
		}
		w.cluster = id
	}
	if known && w.next == 0 {
		w.next = index + 1
	}
	w.begun = w.begun || known
	return nil
}
