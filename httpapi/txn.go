package httpapi

import (
	"errors"
	"net/http"
	"time"

	"keytree/httpapi/auth"
	"keytree/stats"
	"keytree/store"
)

// txnPath is where a POST has several keys compared and changed in one entry
// of the log: all of what it asks for is done, or nothing. Its body is
//
//	{"compare":[{"key","prevValue","prevIndex","prevExist"},...],
//	 "operations":[{"action","key","value","ttl","refresh","dir","recursive","prevValue","prevIndex"},...]}
//
// and the answer {"events":[...]}, the event of each operation as the dialect
// shows it.
const txnPath = "/keytree/v1/txn"

// txn answers a request for a transaction.
func (a *API) txn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		methodNotAllowed(w, http.MethodPost)
		return
	}
	q, err := a.readTxn(w, r)
	if err == nil {
		noteTxn(w, q)
		err = a.permitTxn(w, r, q)
	}
	if err != nil {
		a.failTxn(w, r, err)
		return
	}
	start := time.Since(a.began)
	a.Stats.HTTP.Received(stats.POST)
	if err := a.transact(w, r, q); err != nil {
		a.Stats.HTTP.Failed(stats.POST, a.failTxn(w, r, err))
		return
	}
	a.Stats.HTTP.Succeeded(stats.POST, time.Since(a.began)-start)
}

// readTxn reads the body of r, within the limit on requests on keys. A long one
// is read only from those who may do something.
func (a *API) readTxn(w http.ResponseWriter, r *http.Request) (*txnRequest, error) {
	if r.ContentLength < 0 || r.ContentLength > freeBody {
		if err := a.allowSomething(w, r); err != nil {
			abandonBody(w, r)
			return nil, err
		}
	}
	if r.ContentLength > a.MaxRequestBytes {
		abandonBody(w, r)
		return nil, misplaced("body", tooLarge(a.MaxRequestBytes).Error())
	}
	body := getBuffer()
	defer putBuffer(body)
	if err := readAll(body, r.Body, a.MaxRequestBytes); err != nil {
		abandonBody(w, r)
		return nil, misplaced("body", err.Error())
	}
	liftBodyTime(w)
	return parseTxn(*body)
}

// permitTxn asks whether who sent r may read all that is compared and write
// all that is changed.
func (a *API) permitTxn(w http.ResponseWriter, r *http.Request, q *txnRequest) error {
	for _, raw := range q.compared {
		if err := a.allow(w, r, auth.Wish{Key: raw}); err != nil {
			return err
		}
	}
	for i, raw := range q.changed {
		if err := a.allow(w, r, auth.Wish{Key: raw, Write: true, Recursive: q.Operations[i].Recursive}); err != nil {
			return err
		}
	}
	return nil
}

// transact has the keyspace carry out q and answers with the events.
func (a *API) transact(w http.ResponseWriter, r *http.Request, q *txnRequest) error {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	done, err := a.change(ctx, store.Command{Op: store.Transact, Path: store.Root(store.Keys), Transaction: &q.Transaction})
	if err != nil {
		return err
	}
	noteMade(w, done.Events)
	a.setKeyHeaders(w.Header(), done.Index)
	sendEvents(w, done.Events)
	return nil
}

// sendEvents writes the answer to a transaction. Values that were there before
// can make it much longer than the request, so it goes out as it comes.
func sendEvents(w http.ResponseWriter, events []*store.Event) {
	body := getBuffer()
	defer putBuffer(body)
	*body = append((*body)[:0], `{"events":[`...)
	for i, e := range events {
		if i > 0 {
			*body = append(*body, ',')
		}
		*body = appendEvent(*body, e)
		*body = (*body)[:len(*body)-1] // the end of its line
		if len(*body) < pieceBytes {
			continue
		}
		if send(w, *body) != nil {
			return // nobody left to tell
		}
		*body = (*body)[:0]
	}
	*body = append(*body, "]}\n"...)
	_ = send(w, *body) // nobody left to tell
}

// failTxn answers with err and returns the status: what the request itself has
// wrong is told as a problem, a refusal in the words of the dialect.
func (a *API) failTxn(w http.ResponseWriter, r *http.Request, err error) int {
	var wrong *problem
	if !errors.As(err, &wrong) {
		return a.fail(w, r, err)
	}
	a.serve(w, r, func(*http.Request) (reply, error) { return reply{cluster: true}, wrong })
	return wrong.status
}
