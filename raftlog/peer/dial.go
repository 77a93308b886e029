package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"keytree/raftlog/member"
)

// What the requests and answers between members say in their headers.
const (
	headerCluster  = "X-Etcd-Cluster-Id" // of the sender, also in answers
	headerFrom     = "X-Keytree-From"    // the sender, also in answers
	headerTo       = "X-Keytree-To"      // the member that is meant
	headerURLs     = "X-Keytree-Urls"    // where the sender is reached, separated by commas
	headerVersion  = "X-Keytree-Version" // of the sender's program
	headerProtocol = "X-Keytree-Protocol"

	protocol     = "1"
	upgrade      = "keytree-raft"
	pathPost     = "/raft" // where etcd posts its messages
	pathStream   = "/raft/stream"
	pathSnapshot = "/raft/snapshot"
	pathProbing  = "/raft/probing"
)

// A refusal is an answer that is not the one hoped for.
type refusal struct {
	status  int
	text    string    // one line
	cluster member.ID // of who refuses, as it says; 0 if it does not
	peer    bool      // it says that it is the peer that was meant, in the same cluster
}

// removed is whether the peer says that this member left the cluster for ever.
func (r *refusal) removed() bool { return r.status == http.StatusGone && r.peer }

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d: %q", r.status, r.text) }

// connect connects to a URL as its scheme wants it.
func (t *Transport) connect(ctx context.Context, raw string) (net.Conn, error) {
	if isSecure(raw) {
		return dial(ctx, raw, t.config.DialTLS)
	}
	return dial(ctx, raw, t.config.Dial)
}

// knock connects to the host of a URL and says nothing.
func (t *Transport) knock(ctx context.Context, raw string) (net.Conn, error) {
	return dial(ctx, raw, t.config.Dial)
}

func dial(ctx context.Context, raw string, with DialFunc) (net.Conn, error) {
	network, address, err := address(raw)
	if err != nil {
		return nil, err
	}
	return with(ctx, network, address)
}

// greet connects and greets in TLS, by the rules of the system.
func (d DialFunc) greet(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = "localhost" // it is a file
	}
	secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // there is a better error
		return nil, err
	}
	return secure, nil
}

func address(raw string) (network, address string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", fmt.Errorf("peer URL: %w", err)
	}
	if isFile(raw) {
		return "unix", u.Host + u.Path, nil
	}
	return "tcp", u.Host, nil
}

func isFile(raw string) bool { return strings.HasPrefix(raw, "unix") }

func isSecure(raw string) bool {
	return strings.HasPrefix(raw, "https:") || strings.HasPrefix(raw, "unixs:")
}

// A call is a connection to a peer on which a request was sent.
type call struct {
	conn   net.Conn
	answer *bufio.Reader
}

// call connects to one URL of a peer, sends the head of a request, and waits
// for the first answer, which must have the status wanted. When ctx ends
// before, so does the attempt.
func (p *peer) call(ctx context.Context, raw, method, path string, extra http.Header, want int) (call, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.config.dialTimeout())
	defer cancel()
	conn, err := p.t.connect(ctx, raw)
	if err != nil {
		return call{}, err
	}
	stop := onceDone(ctx, func() { _ = conn.Close() }) // wakes who waits for it
	c := call{conn, bufio.NewReader(io.LimitReader(conn, maxAnswer))}
	_, err = c.conn.Write(p.head(raw, method, path, extra))
	if err == nil {
		err = p.await(c.answer, method, want)
	}
	if !stop() {
		return call{}, errNoAnswer
	}
	if err != nil {
		_ = conn.Close() // there is a better error
		return call{}, err
	}
	return c, nil
}

var errNoAnswer = errors.New("the peer did not answer in time")

// maxAnswer bounds all that a peer may answer on one connection.
const maxAnswer = 64 << 10

// head is a request without its body.
func (p *peer) head(raw, method, path string, extra http.Header) []byte {
	var b strings.Builder
	network, host, _ := address(raw) // it was dialled
	if network != "tcp" {
		host = "localhost" // a file's name is no host
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	h := extra.Clone()
	h.Set(headerCluster, p.self.Cluster.String())
	h.Set(headerFrom, p.self.Member.String())
	h.Set(headerTo, p.id.String())
	if urls := p.t.ownURLs(p.self.Member); urls != "" {
		h.Set(headerURLs, urls)
	}
	h.Set(headerVersion, p.t.config.Version)
	h.Set(headerProtocol, protocol)
	_ = h.Write(&b) // a Builder takes everything
	b.WriteString("\r\n")
	return []byte(b.String())
}

// await reads an answer, and is nil if the peer gave the status wanted.
func (p *peer) await(r *bufio.Reader, method string, want int) error {
	answer, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return fmt.Errorf("read the peer's answer: %w", err)
	}
	cluster, _ := member.ParseID(answer.Header.Get(headerCluster)) // 0: it is no member
	peer := cluster == p.self.Cluster && answer.Header.Get(headerFrom) == p.id.String()
	if answer.StatusCode == want && (peer || want == http.StatusContinue) {
		return nil
	}
	text := make([]byte, 200)
	n, _ := io.ReadFull(answer.Body, text) // a piece of it will do
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	if answer.StatusCode == want {
		line = "it is another member than expected"
	}
	return &refusal{answer.StatusCode, line, cluster, peer}
}

// troubled tells the operator what keeps us from the peer, once until it is
// another thing; told is what it was.
func (p *peer) troubled(told *string, err error) {
	kind, line := p.trouble(err)
	if *told != kind {
		*told = kind
		p.t.log.Warn(line, "error", err)
	}
}

func (p *peer) trouble(err error) (kind, line string) {
	var r *refusal
	switch {
	case isRefused(err):
		return "refused", fmt.Sprintf("cannot reach peer %v", p.id)
	case !errors.As(err, &r):
		return "unreachable" + misfit(err), fmt.Sprintf("cannot reach peer %v", p.id)
	case r.removed():
		return "removed", fmt.Sprintf("failed to dial %v (the member has been permanently removed from the cluster)", p.id)
	case r.status == http.StatusPreconditionFailed && r.cluster != 0:
		line = fmt.Sprintf("request sent was ignored (cluster ID mismatch: peer[%v]=%v, local=%v)", p.id, r.cluster, p.self.Cluster)
		return line, line
	}
	return fmt.Sprint(r.status), fmt.Sprintf("peer %v does not talk to us", p.id)
}

// misfit is what is wrong with the certificate the peer has shown, or nothing:
// one that is replaced by another that does not fit either is news.
func misfit(err error) string {
	var (
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
	)
	switch {
	case errors.As(err, &authority):
		return ": authority"
	case errors.As(err, &invalid):
		return fmt.Sprint(": invalid ", invalid.Reason)
	case errors.As(err, &host):
		return ": host"
	}
	return ""
}

// removed tells the receiver, once, that this member was removed.
func (t *Transport) removed() {
	if t.told.CompareAndSwap(false, true) {
		t.attached.Load().Receiver.Removed()
	}
}
