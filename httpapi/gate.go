package httpapi

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
)

// GateConfig says who is let through a Gate. Its zero value lets everybody
// through but pages of other origins that want to write.
type GateConfig struct {
	// CORS are the origins whose pages may read what is answered, and write.
	// An origin must be met exactly; "*" stands for all. Empty strings are
	// passed over.
	CORS []string

	// Hosts are the names that requests without TLS may be addressed to; "*"
	// stands for all, and so does an empty list. It keeps pages out that have
	// made their own name mean this machine.
	Hosts []string

	Logger *slog.Logger // default: none
}

// Gate is next behind the checks that come before any request is looked at:
// whether it was meant for this server, and what pages of other origins may
// do. They are made in this order, and the answers to all that pass the first
// tell browsers about the second.
//
// Only browsers tell where a request comes from. What does not say so passes.
func Gate(next http.Handler, c GateConfig) http.Handler {
	g := &gate{next: next, logger: c.Logger, hosts: map[string]bool{}, origins: map[string][]string{}}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	for _, host := range c.Hosts {
		g.anyHost = g.anyHost || host == "*"
		if host != "" {
			g.hosts[hostKey(hostName(host))] = true
		}
	}
	g.anyHost = g.anyHost || len(g.hosts) == 0
	for _, origin := range c.CORS {
		if origin == "*" {
			g.everyOrigin = []string{"*"}
		}
		if origin != "" {
			g.origins[origin] = []string{origin}
		}
	}
	return g
}

// gate is a Gate. Nothing in it changes.
type gate struct {
	next    http.Handler
	logger  *slog.Logger
	browser http.CrossOriginProtection

	anyHost     bool
	hosts       map[string]bool     // by hostKey
	everyOrigin []string            // the header for all of them; nil: those in origins only
	origins     map[string][]string // the header for each
}

// The headers that tell a browser what pages of an origin may do, as etcd
// sends them, and the values that never differ.
const (
	headerAllowMethods = "Access-Control-Allow-Methods"
	headerAllowOrigin  = "Access-Control-Allow-Origin"
	headerAllowHeaders = "Access-Control-Allow-Headers"
)

var (
	corsMethods = []string{"POST, GET, OPTIONS, PUT, DELETE"}
	corsHeaders = []string{"accept, content-type, authorization"}
)

// ServeHTTP lets r through or refuses it.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.anyHost && r.TLS == nil && !g.hosts[hostKey(hostName(r.Host))] {
		g.refuseHost(w, r)
		return
	}
	allowed := g.allowed(r)
	if allowed != nil {
		h := w.Header()
		h[headerAllowMethods] = corsMethods
		h[headerAllowOrigin] = allowed
		h[headerAllowHeaders] = corsHeaders
	}
	if allowed == nil && g.foreignWrite(r) {
		g.refuseOrigin(w, r)
		return
	}
	g.next.ServeHTTP(w, r)
}

// allowed is the header with the origin of r, or nil if that is not one of
// those that may.
func (g *gate) allowed(r *http.Request) []string {
	if g.everyOrigin != nil || len(g.origins) == 0 {
		return g.everyOrigin
	}
	return g.origins[r.Header.Get("Origin")]
}

// foreignWrite reports whether a page of another origin sent r, and r changes
// something. That one GET makes a key is a thing to be guarded too.
func (g *gate) foreignWrite(r *http.Request) bool {
	if r.Method == http.MethodGet && r.URL.Path == tokenPath {
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	return g.browser.Check(r) != nil
}

// hostName is a Host header without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// hostKey is what is compared of a name: it may be written in capitals, and
// an address in brackets.
func hostKey(name string) string {
	if n := len(name); n > 1 && name[0] == '[' && name[n-1] == ']' {
		name = name[1 : n-1]
	}
	return strings.ToLower(name)
}

func (g *gate) refuseHost(w http.ResponseWriter, r *http.Request) {
	g.logger.Debug("refused a request for another host", "host", r.Host, "client", r.RemoteAddr)
	g.refuse(w, r)
	http.Error(w, fmt.Sprintf(unknownHost, hostName(r.Host)), http.StatusMisdirectedRequest)
}

// unknownHost is etcd's text, letter by letter, with the host for its verb.
const unknownHost = `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist %q

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
`

func (g *gate) refuseOrigin(w http.ResponseWriter, r *http.Request) {
	g.logger.Debug("refused to let a page of another origin write",
		"origin", r.Header.Get("Origin"), "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr)
	g.refuse(w, r)
	noteForeign(w)
	w.Header()["Content-Type"] = contentJSON
	answer := problem{http.StatusForbidden, "pages of other origins may not write here: --cors names those that may"}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.reply().body) // nobody left to tell
}

// refuse readies w for an answer to a request whose body nobody reads: it
// holds the connection no longer than one that is read.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		limitBodyTime(w)
	}
}
