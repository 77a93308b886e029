package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keytree/raftlog/member"
)

// Handler serves the paths under /raft, of streams, snapshots and probes. It
// may be used before Attach and Run, and after Run: callers are told to come
// again.
func (t *Transport) Handler() http.Handler { return http.HandlerFunc(t.serve) }

func (t *Transport) serve(w http.ResponseWriter, r *http.Request) {
	a := t.attached.Load()
	if a == nil {
		turnAway(w, http.StatusServiceUnavailable, "the member is not ready")
		return
	}
	switch r.URL.Path {
	case pathProbing:
		t.serveProbe(w)
	case pathPost:
		t.servePost(w, r, a)
	case pathStream:
		t.serveStream(w, r, a)
	case pathSnapshot:
		t.serveSnapshot(w, r, a)
	default:
		http.NotFound(w, r)
	}
}

// turnAway answers and hangs up: nothing more is read of who is not one of us.
func turnAway(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Connection", "close")
	http.Error(w, text, status)
}

func (t *Transport) serveProbe(w http.ResponseWriter) {
	b := t.config.Now().AppendFormat([]byte(`{"OK":true,"Now":"`), time.RFC3339Nano)
	_, _ = w.Write(append(b, "\"}\n"...)) // if it fails, who asked has gone
}

// servePost answers servers that speak etcd's own protocol.
func (t *Transport) servePost(w http.ResponseWriter, r *http.Request, a *Attachment) {
	if !hasMethod(w, r, http.MethodPost) {
		return
	}
	sign(w, a)
	if no := checkCluster(r, a); no != nil {
		t.deny(w, r, no)
		return
	}
	turnAway(w, http.StatusHTTPVersionNotSupported, "this member speaks keytree's peer protocol only")
}

// sign says in the answer whose it is.
func sign(w http.ResponseWriter, a *Attachment) {
	w.Header().Set(headerCluster, a.Cluster.String())
	w.Header().Set(headerFrom, a.Member.String())
}

// hasMethod answers requests with another method.
func hasMethod(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method != method {
		w.Header().Set("Allow", method)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	}
	return r.Method == method
}

func (t *Transport) serveStream(w http.ResponseWriter, r *http.Request, a *Attachment) {
	p := t.admit(w, r, a, http.MethodGet)
	if p == nil {
		return
	}
	defer t.dismiss(p)
	if !strings.EqualFold(r.Header.Get("Upgrade"), upgrade) {
		w.Header().Set("Upgrade", upgrade)
		turnAway(w, http.StatusUpgradeRequired, "a stream must be upgraded to "+upgrade)
		return
	}
	if t.enter() == nil {
		turnAway(w, http.StatusServiceUnavailable, errNotRunning.Error())
		return
	}
	defer t.leave()
	ctx := p.context()
	if ctx == nil || ctx.Err() != nil {
		turnAway(w, http.StatusServiceUnavailable, errNotRunning.Error())
		return
	}
	conn, early, err := p.takeOver(w)
	if err != nil {
		t.log.Warn(fmt.Sprintf("cannot take a stream of peer %v", p.id), "error", err)
		return
	}
	p.attend(ctx, conn, early, quote(r.Header.Get(headerVersion)))
}

// takeOver takes the connection from the HTTP server and makes it a stream.
// Early is what the peer has already written.
func (p *peer) takeOver(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		turnAway(w, http.StatusInternalServerError, "the connection cannot be a stream")
		return nil, nil, err
	}
	hello := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + "\r\n" +
		headerCluster + ": " + p.self.Cluster.String() + "\r\n" +
		headerFrom + ": " + p.self.Member.String() + "\r\n\r\n"
	early, err = rw.Peek(rw.Reader.Buffered())
	err = errors.Join(err, conn.SetDeadline(time.Now().Add(p.t.config.patience())))
	if err == nil {
		_, err = io.WriteString(conn, hello)
	}
	if err != nil {
		_ = conn.Close() // there is a better error
		return nil, nil, err
	}
	return conn, early, nil
}

// A denial is why a caller is turned away.
type denial struct {
	status int
	kind   string // is logged once for each source
	text   string // for the caller
	line   string // for the log
}

// admit finds out which peer calls, or answers that it may not.
func (t *Transport) admit(w http.ResponseWriter, r *http.Request, a *Attachment, method string) *peer {
	if !hasMethod(w, r, method) {
		return nil
	}
	sign(w, a)
	no := checkCluster(r, a)
	if no == nil {
		no = checkProtocol(r, a)
	}
	var p *peer
	if no == nil {
		p, no = t.checkFrom(r)
	}
	if no != nil {
		t.deny(w, r, no)
		return nil
	}
	return p
}

// deny turns a caller away, and logs that once for each source.
func (t *Transport) deny(w http.ResponseWriter, r *http.Request, no *denial) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr // of a listener that has no ports
	}
	if t.strange.isNew(source{host, no.kind}) {
		t.log.Warn(no.line, "from", host)
	}
	turnAway(w, no.status, no.text)
}

func checkCluster(r *http.Request, a *Attachment) *denial {
	text := r.Header.Get(headerCluster)
	got, err := member.ParseID(text)
	switch {
	case err != nil:
		return &denial{http.StatusBadRequest, "no cluster", "the request does not name its cluster",
			"request to the peer port ignored: it does not name its cluster"}
	case got != a.Cluster:
		return &denial{http.StatusPreconditionFailed, "cluster", "cluster ID mismatch",
			fmt.Sprintf("request cluster ID mismatch (got %v want %v)", got, a.Cluster)}
	}
	return nil
}

func checkProtocol(r *http.Request, a *Attachment) *denial {
	if got := r.Header.Get(headerProtocol); got != protocol {
		return &denial{http.StatusHTTPVersionNotSupported, "protocol", "the peer protocol here is " + protocol,
			"request of a peer ignored: it speaks protocol " + quote(got) + ", not " + protocol}
	}
	got, err := member.ParseID(r.Header.Get(headerTo))
	if err != nil || got != a.Member {
		return &denial{http.StatusMisdirectedRequest, "to", fmt.Sprintf("member ID mismatch (want %v)", a.Member),
			fmt.Sprintf("streaming request ignored (ID mismatch got %v want %v)", got, a.Member)}
	}
	return nil
}

func (t *Transport) checkFrom(r *http.Request) (*peer, *denial) {
	from, err := member.ParseID(r.Header.Get(headerFrom))
	if err != nil {
		return nil, &denial{http.StatusBadRequest, "no sender", "the request does not name its sender",
			"request to the peer port ignored: it does not name its sender"}
	}
	if t.wasRemoved(from) {
		return nil, &denial{http.StatusGone, "removed", "the member has been permanently removed from the cluster",
			fmt.Sprintf("request of removed member %v ignored", from)}
	}
	p := t.peer(from)
	if p == nil {
		p = t.welcome(from, r)
	}
	if p == nil {
		return nil, &denial{http.StatusNotFound, "unknown", "the member is not known here",
			fmt.Sprintf("request of unknown member %v ignored", from)}
	}
	return p, nil
}

// quote makes what a stranger sent fit for a line of the log.
func quote(s string) string { return strconv.Quote(s[:min(len(s), 32)]) }

// context is that of the peer's goroutines, which run.
func (p *peer) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.ctx
}
