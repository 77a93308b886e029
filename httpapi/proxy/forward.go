package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// maxBody is how long the body of a request may be unless something else is
// configured: it is kept until a member has answered. Members take no longer
// ones either.
const maxBody = 10 << 20

var errTooLarge = errors.New("http: POST too large")

// newForwarder makes the handler of all that a proxy does not answer itself.
//
// Answers of unknown length, which all watches are, are flushed piece by
// piece; the others leave when a buffer is full, in one packet if they are
// small.
func (p *Proxy) newForwarder() http.Handler {
	reverse := &httputil.ReverseProxy{
		Rewrite:      rewrite,
		Transport:    failover{p},
		BufferPool:   new(buffers),
		ErrorHandler: answerFailure,
		// A client or a member that goes away in the middle is no event.
		ErrorLog: slog.NewLogLogger(p.config.Logger.Handler(), slog.LevelDebug),
	}
	if p.config.CORS {
		reverse.Rewrite, reverse.ModifyResponse = rewriteDecided, dropCORS
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r, p.config.MaxRequestBytes)
		if err != nil {
			refuseBody(w, r, err)
			return
		}
		ctx := r.Context()
		if isWatch(r) {
			var done func()
			ctx, done = p.watches.begin(ctx)
			defer done()
			if r = r.WithContext(ctx); p.fanout != nil && p.fanout.serve(newPatientWriter(w, r), r) {
				return
			}
		}
		reverse.ServeHTTP(newPatientWriter(w, r), prepared(r.WithContext(ctx), body))
	})
}

// buffers are what answers pass through, used again. The library would make one
// of 32 KiB for each answer, and so keep one for each watch.
type buffers struct{ pool sync.Pool }

const bufferBytes = 8 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[bufferBytes]byte); ok {
		return kept[:]
	}
	return make([]byte, bufferBytes)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferBytes]byte)(buffer)) }

// readBody takes the whole body of r, up to limit bytes, so that it can be
// sent more than once. Its buffer grows as bytes come, whatever length was
// announced.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = tooLarge(limit)
	}
	return body, err
}

func isKey(path string) bool { return path == "/v2/keys" || strings.HasPrefix(path, "/v2/keys/") }

// tooLarge is the error of a body that is longer than limit, in the words of
// a member with the same limit.
func tooLarge(limit int64) error {
	if limit == maxBody {
		return errTooLarge
	}
	return fmt.Errorf("%w: the limit is %d bytes", errTooLarge, limit)
}

// refuseBody answers a request whose body did not come or is too large. For
// a key that is what the member would have said.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if r.ProtoMajor < 2 { // in HTTP/2 the other requests of a connection go on
		w.Header().Set("Connection", "close") // the rest is not worth waiting for
	}
	switch {
	case !errors.Is(err, errTooLarge):
		refuse(w, http.StatusInternalServerError, "httpproxy: failed to read request body: "+err.Error())
	case isKey(r.URL.Path):
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Etcd-Index", "0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errorCode":210,"message":"Invalid POST form","cause":"`+err.Error()+`","index":0}`+"\n") // nobody left to tell
	default:
		refuse(w, http.StatusRequestEntityTooLarge, "httpproxy: failed to read request body: "+err.Error())
	}
}

// prepared is r, whose context and fields are the caller's, with its body in
// memory. What follows a GET or HEAD is dropped: no member reads it, and it
// would be kept as long as a watch lasts.
func prepared(r *http.Request, body []byte) *http.Request {
	if repeatable(r.Method) {
		body = nil
	}
	r.Body, r.GetBody = http.NoBody, nil
	r.ContentLength, r.TransferEncoding, r.Trailer = int64(len(body)), nil, nil
	if len(body) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	if _, upgrade := r.Header["Upgrade"]; upgrade { // no member speaks anything else
		r.Header = r.Header.Clone()
		r.Header.Del("Upgrade")
	}
	return r
}

// rewrite makes the request that members see: what the client sent, and where
// it came from.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery // also what the library finds fault with
	if strings.ContainsFunc(r.Out.Host, func(c rune) bool { return c >= 0x80 }) {
		r.Out.Host = "" // a URL can bring a name that no header can carry
	}
	forwarded := [...]string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"}
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
	if came := r.In.Header["X-Forwarded-For"]; came != nil && r.Out.Header["X-Forwarded-For"] == nil {
		r.Out.Header["X-Forwarded-For"] = came // a client at a unix socket has no address to add
	}
	for _, name := range forwarded {
		r.Out.Header.Del(name)
		if values := r.In.Header[name]; values != nil {
			r.Out.Header[name] = values
		}
	}
	for _, name := range [...]string{
		"Expect", // the body is here
		// These would make the transport send a write twice; members know
		// nothing of them.
		"Idempotency-Key", "X-Idempotency-Key",
	} {
		r.Out.Header.Del(name)
	}
}

// rewriteDecided is rewrite where the proxy has decided what the page that r
// comes from may do: a member would decide for its own address.
func rewriteDecided(r *httputil.ProxyRequest) {
	rewrite(r)
	r.Out.Header.Del("Origin")
	r.Out.Header.Del("Sec-Fetch-Site")
}

// dropCORS takes out of a member's answer what it allows to pages.
func dropCORS(answer *http.Response) error {
	for name := range answer.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(answer.Header, name)
		}
	}
	return nil
}

// answerFailure answers a request that no member has answered.
func answerFailure(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody left to answer
	case errors.Is(err, errNoEndpoint):
		refuse(w, http.StatusServiceUnavailable, err.Error())
	default:
		refuse(w, http.StatusBadGateway, err.Error())
	}
}

// pieceTime is how long a client may take to accept a piece of an answer.
const pieceTime = 30 * time.Second

// patientWriter writes an answer that may take hours to a client that must
// take each piece of it in time. It is used by one goroutine at a time.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time // the write deadline
	lift    bool      // it must not pass while there is nothing to write
}

// newPatientWriter makes the writer of the answer to r. In HTTP/1 a deadline
// that passes while nothing is written does no harm. In HTTP/2 it ends the
// stream.
func newPatientWriter(w http.ResponseWriter, r *http.Request) *patientWriter {
	return &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), lift: r.ProtoMajor > 1}
}

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(b []byte) (int, error) {
	w.renew()
	return w.ResponseWriter.Write(b)
}

// FlushError is how http.ResponseController flushes.
func (w *patientWriter) FlushError() error {
	w.renew()
	if err := w.control.Flush(); err != nil {
		return err
	}
	if w.lift {
		w.until = time.Time{}
		_ = w.control.SetWriteDeadline(w.until) // as below
	}
	return nil
}

func (w *patientWriter) renew() {
	if now := time.Now(); w.until.Sub(now) < pieceTime/2 {
		w.until = now.Add(pieceTime)
		_ = w.control.SetWriteDeadline(w.until) // a test's recorder has none
	}
}
