package httpapi

import (
	"errors"
	"net/http"
	"sync"
)

// endpoint answers one kind of request that is neither a read, a write nor a
// watch of keys.
type endpoint func(*http.Request) (reply, error)

// reply is a whole answer.
type reply struct {
	status  int // 0: 200
	content []string
	body    []byte
	cluster bool // names the cluster in a header
	nosniff bool
	made    string // the name of what the request made, for the audit
}

// verbs says which endpoint answers which method.
type verbs map[string]endpoint

// on answers with the endpoint of the request's method; any other method is
// refused, naming the allowed ones. Allowed is what the dialect allows here,
// also where a part of it is still to be built.
func (a *API) on(allowed string, v verbs) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := v[r.Method]
		if e == nil {
			methodNotAllowed(w, allowed)
			return
		}
		a.serve(w, r, e)
	})
}

func methodNotAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
}

// serve writes what e answers.
func (a *API) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	answer, err := e(r)
	if err != nil {
		cluster := answer.cluster
		answer = a.troubled(r, err).reply()
		answer.cluster = cluster
	}
	noteName(w, answer.made)
	h := w.Header()
	if answer.content != nil {
		h["Content-Type"] = answer.content
	}
	if answer.cluster {
		h[headerClusterID] = a.progress().cluster[:]
	}
	if answer.nosniff {
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	if len(answer.body) > 0 {
		_ = send(w, answer.body) // nobody left to tell
	}
}

// troubled is the problem behind err.
func (a *API) troubled(r *http.Request, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody left to answer
	}
	a.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	return &problem{http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)}
}

// buffers are the bodies of answers and forms between two uses. Each holds at
// most keptBuffer bytes.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= keptBuffer {
		buffers.Put(b)
	}
}
