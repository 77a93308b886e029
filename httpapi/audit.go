package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"keytree/httpapi/audit"
	"keytree/store"
)

// Auditing says what is recorded of the requests of clients.
type Auditing struct {
	// Record is given one record for each request that asks for a change, and
	// for each that was denied. It is called by the goroutine of the request,
	// before the end of the answer is sent, and so by many at a time. Nil:
	// nothing is recorded.
	Record func(audit.Record)

	Reads bool // also what only reads, and the start of watches
}

// Audited is next, with its requests recorded as c says; next itself if
// nothing is to be. It belongs around everything that may refuse a request.
func Audited(next http.Handler, c Auditing) http.Handler {
	if c.Record == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &witness{ResponseWriter: w, config: &c, request: r, start: time.Now()}
		watched.kind, watched.name = subject(r.URL.Path)
		// A handler that panics cuts the connection; that is a way to answer.
		defer watched.end()
		next.ServeHTTP(watched, r)
		watched.whole = true
	})
}

// A witness sees how one request is answered. Flushing and deadlines reach
// the transport through Unwrap.
type witness struct {
	http.ResponseWriter
	config  *Auditing
	request *http.Request
	start   time.Time

	kind, name string // what the request is about
	user       string
	parameters *audit.Parameters
	operations []audit.Operation // of a transaction
	status     int               // 0: no answer yet
	code       store.Code
	foreign    bool // a page of another origin sent it, and may not
	whole      bool // the handler has answered to the end
	recorded   bool
}

// Unwrap is for http.ResponseController.
func (s *witness) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *witness) WriteHeader(status int) {
	s.answered(status)
	s.ResponseWriter.WriteHeader(status)
}

func (s *witness) Write(b []byte) (int, error) {
	s.answered(http.StatusOK)
	return s.ResponseWriter.Write(b)
}

// answered notes the status, if it is the first that is final. A watch is
// recorded now: its end may be days away, and says nothing.
func (s *witness) answered(status int) {
	if s.status != 0 || status < 200 {
		return
	}
	s.status = status
	if s.parameters != nil && s.parameters.Wait && status == http.StatusOK {
		s.whole = true
		s.record()
	}
}

// end records the request, now that it has been answered or cut.
func (s *witness) end() {
	if s.whole {
		s.answered(http.StatusOK) // what net/http answers for a handler that said nothing
	}
	s.record()
}

func (s *witness) record() {
	if s.recorded {
		return
	}
	s.recorded = true
	outcome := s.outcome()
	if !s.matters(outcome) {
		return
	}
	r := s.request
	record := audit.Record{
		Time:       s.start,
		Client:     r.RemoteAddr,
		Forwarded:  strings.Join(r.Header["X-Forwarded-For"], ", "),
		User:       s.user,
		By:         s.by(),
		Method:     r.Method,
		Path:       r.URL.EscapedPath(),
		Kind:       s.kind,
		Name:       s.name,
		Parameters: s.parameters,
		Operations: s.operations,
		Outcome:    outcome,
		Status:     s.status,
		Code:       int(s.code),
		Duration:   time.Since(s.start),
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		record.Certificate = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	if outcome == audit.Done && s.changes() {
		record.Index = s.index()
	}
	s.config.Record(record)
}

// matters reports whether the request is one that is recorded.
func (s *witness) matters(outcome audit.Outcome) bool {
	switch {
	case outcome == audit.Denied:
		return true
	case s.kind == "" || s.status/100 == 3: // a client that was sent elsewhere is met there
		return false
	case s.changes():
		return true
	}
	return s.config.Reads && (s.request.Method == http.MethodGet || s.request.Method == http.MethodHead)
}

// changes reports whether the request asks for a change.
func (s *witness) changes() bool {
	switch s.request.Method {
	case http.MethodPut, http.MethodPost, http.MethodDelete:
		return true
	}
	return s.kind == kindToken && s.request.Method == http.MethodGet
}

func (s *witness) outcome() audit.Outcome {
	switch {
	case s.denied():
		return audit.Denied
	case s.whole && s.status < 400:
		return audit.Done
	case s.whole && (s.status < 500 || s.status == http.StatusServiceUnavailable || s.code == store.CodeQuota):
		return audit.Refused // a 503 is answered before anything is begun
	case s.changes():
		return audit.Unknown
	}
	return audit.Failed
}

// denied reports whether the request was refused for who sent it, or from
// where. In the dialect a 403 is for what nobody may do.
func (s *witness) denied() bool {
	return s.foreign || s.status == http.StatusUnauthorized || s.status == http.StatusMisdirectedRequest
}

// by says how the client told who it is. An Authorization header goes before
// a certificate.
func (s *witness) by() audit.Proof {
	switch {
	case s.user == "":
		return audit.None
	case s.request.Header.Get("Authorization") != "":
		return audit.Basic
	}
	return audit.Certificate
}

// index is the tree's index in the answer, or zero.
func (s *witness) index() uint64 {
	text := s.Header()[headerIndex]
	if len(text) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(text[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// What requests are about.
const (
	kindKey    = "key"
	kindMember = "member"
	kindUser   = "user"
	kindRole   = "role"
	kindAuth   = "auth" // the switch
	kindLog    = "log"
	kindToken  = "token"
	kindTxn    = "txn" // what it is about is in its operations
)

// subject tells from a path what a request is about; of a path that nothing
// is recorded of, the kind is empty.
func subject(path string) (kind, name string) {
	for _, s := range [...]struct{ prefix, kind string }{
		{keysPrefix, kindKey},
		{listPath, kindKey},
		{"/v2/members", kindMember},
		{"/v2/auth/users", kindUser},
		{"/v2/auth/roles", kindRole},
		{"/v2/auth/enable", kindAuth},
		{"/config/local/log", kindLog},
		{tokenPath, kindToken},
		{txnPath, kindTxn},
	} {
		rest, found := strings.CutPrefix(path, s.prefix)
		switch {
		case !found || rest != "" && rest[0] != '/':
			continue
		case s.kind == kindKey:
			return s.kind, rest
		}
		return s.kind, strings.TrimPrefix(rest, "/")
	}
	return "", ""
}

// witnessOf is who watches what is written to w, or nil.
func witnessOf(w http.ResponseWriter) *witness {
	for {
		switch at := w.(type) {
		case *witness:
			return at
		case interface{ Unwrap() http.ResponseWriter }:
			w = at.Unwrap()
		default:
			return nil
		}
	}
}

// noteUser remembers who asks, for the audit: the user that was verified, or
// the one that was claimed when it was refused; "" when nobody said.
func noteUser(w http.ResponseWriter, user string) {
	if s := witnessOf(w); s != nil {
		s.user = user
	}
}

// noteName remembers what a request made, for the audit.
func noteName(w http.ResponseWriter, name string) {
	if s := witnessOf(w); s != nil && name != "" {
		s.name = name
	}
}

// noteCode remembers the code of a refusal, for the audit.
func noteCode(w http.ResponseWriter, code store.Code) {
	if s := witnessOf(w); s != nil {
		s.code = code
	}
}

// noteForeign remembers, for the audit, that a request is refused because a
// page of another origin sent it.
func noteForeign(w http.ResponseWriter) {
	if s := witnessOf(w); s != nil {
		s.foreign = true
	}
}

// noteKey remembers what is asked of which key, for the audit. It leaves out
// values, also the one that is compared with.
func noteKey(w http.ResponseWriter, q *keyRequest) {
	s := witnessOf(w)
	if s == nil {
		return
	}
	s.name = q.path.String()
	p := audit.Parameters{
		Dir:        q.dir,
		Recursive:  q.recursive,
		PrevIndex:  uint64(q.prevIndex),
		PrevValued: q.prevValue != "",
		Refresh:    q.refresh,
		Quorum:     q.quorum,
		Wait:       q.wait,
		Stream:     q.stream,
		WaitIndex:  uint64(q.waitIndex),
	}
	if q.hasTTL {
		p.TTL = new(q.ttl)
	}
	if q.hasPrevExist {
		p.PrevExist = new(q.prevExist)
	}
	if p != (audit.Parameters{}) {
		s.parameters = &p
	}
}

// noteTxn remembers which operations are asked for together, for the audit.
// What is compared before them is left out.
func noteTxn(w http.ResponseWriter, q *txnRequest) {
	s := witnessOf(w)
	if s == nil {
		return
	}
	for i := range q.Operations {
		c := &q.Operations[i]
		one := audit.Operation{Action: c.Op.String(), Key: c.Path.String()}
		p := audit.Parameters{
			Dir:        c.Dir,
			Recursive:  c.Recursive,
			PrevIndex:  uint64(c.PrevIndex),
			PrevValued: c.PrevValue != "",
			Refresh:    c.Refresh,
		}
		if c.Expires {
			p.TTL = new(uint64(c.TTL / time.Second))
		}
		if p != (audit.Parameters{}) {
			one.Parameters = &p
		}
		s.operations = append(s.operations, one)
	}
}

// noteMade remembers the keys that the operations of a transaction have
// changed, for the audit: not all of them were known before.
func noteMade(w http.ResponseWriter, events []*store.Event) {
	if s := witnessOf(w); s != nil {
		for i, e := range events {
			s.operations[i].Key = e.Node.Path.String()
		}
	}
}
