package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"keytree/store"
)

// refusal is what the dialect makes of a store's code.
type refusal struct {
	status  int
	message string
}

// refusals holds every code the dialect uses. Here alone a code becomes a
// status.
var refusals = map[store.Code]refusal{
	store.CodeKeyNotFound:      {http.StatusNotFound, "Key not found"},
	store.CodeCompareFailed:    {http.StatusPreconditionFailed, "Compare failed"},
	store.CodeNotFile:          {http.StatusForbidden, "Not a file"},
	store.CodeNotDir:           {http.StatusBadRequest, "Not a directory"},
	store.CodeKeyExists:        {http.StatusPreconditionFailed, "Key already exists"},
	store.CodeRootReadOnly:     {http.StatusBadRequest, "Root is read only"},
	store.CodeDirNotEmpty:      {http.StatusForbidden, "Directory not empty"},
	store.CodeUnauthorized:     {http.StatusUnauthorized, "The request requires user authentication"},
	store.CodePrevValueMissing: {http.StatusBadRequest, "PrevValue is Required in POST form"},
	store.CodeTTLNaN:           {http.StatusBadRequest, "The given TTL in POST form is not a number"},
	store.CodeIndexNaN:         {http.StatusBadRequest, "The given index in POST form is not a number"},
	store.CodeInvalidField:     {http.StatusBadRequest, "Invalid field"},
	store.CodeInvalidForm:      {http.StatusBadRequest, "Invalid POST form"},
	store.CodeRefreshValue:     {http.StatusBadRequest, "Value provided on refresh"},
	store.CodeRefreshTTL:       {http.StatusBadRequest, "A TTL must be provided on refresh"},
	store.CodeRaft:             {http.StatusInternalServerError, "Raft Internal Error"},
	store.CodeQuota:            {http.StatusForbidden, "Quota exceeded"},
	store.CodeHistoryCleared:   {http.StatusBadRequest, "The event in requested index is outdated and cleared"},
}

// timedOut is the cause etcd gives when the log did not answer in time.
const timedOut = "etcdserver: request timed out"

// fail answers a request on /v2/keys with err and returns the status. When
// the client's own going away is the reason there is nobody to answer: the
// connection is cut.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) int {
	var e *store.Error
	if !errors.As(err, &e) {
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler)
		}
		e = a.unexpected(r, err)
	}
	what, known := refusals[e.Code]
	if !known {
		what = refusals[store.CodeRaft]
		a.Logger.Error("a refusal has no place in the dialect", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	h := w.Header()
	h["Content-Type"] = contentJSON
	h[headerClusterID] = a.progress().cluster[:]
	h[headerIndex] = a.indexHeader(e.Index)
	body := getBuffer()
	defer putBuffer(body)
	*body = appendError((*body)[:0], e, what.message)
	noteCode(w, e.Code)
	w.WriteHeader(what.status)
	_ = send(w, *body) // nobody left to tell
	return what.status
}

// unexpected makes a refusal of a failure, which the dialect has one code for.
func (a *API) unexpected(r *http.Request, err error) *store.Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &store.Error{Code: store.CodeRaft, Cause: timedOut}
	}
	a.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	return &store.Error{Code: store.CodeRaft, Cause: err.Error()}
}

func appendError(b []byte, e *store.Error, message string) []byte {
	b = append(b, `{"errorCode":`...)
	b = strconv.AppendInt(b, int64(e.Code), 10)
	b = append(b, `,"message":`...)
	b = appendString(b, message)
	if e.Cause != "" {
		b = append(b, `,"cause":`...)
		b = appendString(b, e.Cause)
	}
	b = append(b, `,"index":`...)
	b = strconv.AppendUint(b, uint64(e.Index), 10)
	return append(b, "}\n"...)
}

// problem is an error of the endpoints that are not keys: a status and a
// message in JSON.
type problem struct {
	status  int
	message string
}

func (p *problem) Error() string { return p.message }

// reply is p as an answer.
func (p *problem) reply() reply {
	body := appendString([]byte(`{"message":`), p.message)
	return reply{status: p.status, content: contentJSON, body: append(body, '}')}
}
