// Package httpapi speaks the etcd v2 dialect over HTTP: it reads requests,
// asks the keyspace or the cluster, and writes the answers, byte for byte as
// etcd 3.4 does.
//
// It knows statuses, headers and JSON, and nothing of how members agree or
// how the tree lies on disk. Where it leaves the dialect on purpose,
// docs/compatibility.md says so.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"net/url"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi/auth"
	"keytree/raftlog/member"
	"keytree/stats"
	"keytree/store"
)

// Keyspace is the replicated tree. Its methods may be called from any
// goroutine. Do and Barrier end with ctx at the latest; their error is a
// *store.Error when the log could not take the request.
type Keyspace interface {
	Do(context.Context, store.Command) (store.Result, error)
	Barrier(context.Context) error // before a read that must see all that was answered before
	Get(store.Path) (store.Node, store.Index, error)
	List(p store.Path, recursive bool) (*store.Listing, error)
	Watch(store.Path, store.WatchOptions) (*store.Watcher, error)
	Now() int64 // the log's clock, nanoseconds since 1970
}

// Cluster is who takes part. Its methods may be called from any goroutine.
type Cluster interface {
	ClusterID() member.ID
	Self() member.ID
	Members() []member.Member // in the order of their IDs
	Leader() (member.Member, bool)
	Version() string // such as "3.4.0"; empty while undecided

	// ChangeMember carries out a change and answers with the member as it is
	// then listed: one that was added has its ID by now. It is refused with the
	// errors of package member, and fails like Do.
	ChangeMember(context.Context, member.Change) (member.Member, error)
}

// Progress tells where the log stands. It may be called from any goroutine.
type Progress interface {
	Progress() (position, term uint64)
}

// Config is what an API needs. Keyspace, Cluster and Progress are required.
type Config struct {
	Keyspace Keyspace
	Cluster  Cluster
	Progress Progress
	Auth     *auth.Authority // nil: everybody may do everything, and there is no /v2/auth
	Quota    *Quota          // nil: the keys may grow as the disk allows

	Snapshots Snapshots    // nil: there is no /keytree/v1/snapshot
	Console   http.Handler // of /ui and all below it; nil: there is no such path
	Pages     Pager        // nil: there is no /keytree/v1/list
	Reporter  Reporter     // nil: there is no /keytree/v1/status, /livez and /readyz

	PeerClient *http.Client // asks the other members at their peer URLs; default: one of its own

	Stats      *stats.Member       // default: a set nobody sees
	Trends     *stats.Trends       // default: those of Stats, without a sample
	Metrics    prometheus.Gatherer // what /metrics shows; default: nothing
	RaftStatus func() []byte       // a JSON object for /debug/vars; default: an empty one

	Logger   *slog.Logger
	LogLevel *slog.LevelVar // moved by /config/local/log

	Version        string          // of Keytree itself
	RequestTimeout time.Duration   // of writes and quorum reads; default 7 s; negative: the Keyspace sees to it
	ClientCertAuth bool            // the common name of a verified client certificate names a user
	Stopping       <-chan struct{} // closed before the member ends all watches: then they are cut, not finished
	EnablePprof    bool

	// MaxRequestBytes is how long the body of a request on a key may be, from
	// MinRequestBytes to MaxRequestBytesBound; 0: the dialect's 10 MiB.
	MaxRequestBytes int64
}

func (c Config) withDefaults() Config {
	if c.Stats == nil {
		c.Stats = stats.New(stats.Config{})
	}
	if c.Trends == nil {
		c.Trends = stats.NewTrends(c.Stats)
	}
	if c.PeerClient == nil {
		c.PeerClient = &http.Client{}
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.RaftStatus == nil {
		c.RaftStatus = func() []byte { return []byte("{}") }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LogLevel == nil {
		c.LogLevel = new(slog.LevelVar)
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = maxForm
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 7 * time.Second
	}
	return c
}

// API answers the requests of clients. It is meant to be served by NewServer,
// which sets the deadlines that it relies on.
type API struct {
	Config
	router    chi.Router
	began     time.Time     // what durations are counted from
	snapshots chan struct{} // holds one for each that is under way
	gathering gathering     // of what all members say of themselves

	// turns holds one for each long listing that walks just now. There is room
	// for one less than there are processors: the others' requests need the
	// last, also to be noticed at all while listings keep the rest busy.
	turns chan struct{}
	yield func() // gives the processor to others: runtime.Gosched

	// The X- headers of the latest answers, see headers.go.
	marks atomic.Pointer[marks]
	index atomic.Pointer[indexMark]
}

// New makes the handler of the client listeners.
func New(c Config) http.Handler {
	a := &API{
		Config:    c.withDefaults(),
		began:     time.Now(),
		snapshots: make(chan struct{}, maxSnapshots),
		turns:     make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		yield:     runtime.Gosched,
	}
	a.router = a.routes()
	return a
}

// routes is everything but /v2/keys, which ServeHTTP knows itself.
func (a *API) routes() chi.Router {
	r := chi.NewRouter()
	members := a.guarded("GET,POST,DELETE,PUT", verbs{"GET": a.member},
		deeds{"POST": byAnyone(a.addMember), "PUT": byAnyone(a.updateMember), "DELETE": byAnyone(a.removeMember)})
	r.Handle("/v2/members", members)
	r.Handle("/v2/members/*", members)
	r.Handle("/v2/machines", a.on("GET,HEAD", verbs{"GET": a.machines, "HEAD": a.machines}))
	r.Handle("/v2/stats/self", a.on("GET", verbs{"GET": a.selfStats}))
	r.Handle("/v2/stats/leader", a.on("GET", verbs{"GET": a.leaderStats}))
	r.Handle("/v2/stats/store", a.on("GET", verbs{"GET": a.storeStats}))
	a.routeAuth(r)
	r.Handle("/version", a.on("GET", verbs{"GET": a.version}))
	r.Handle("/health", a.on("GET", verbs{"GET": a.health}))
	r.Handle("/metrics", a.metrics())
	r.Handle("/debug/vars", a.on("GET", verbs{"GET": a.vars}))
	r.Handle("/config/local/log", a.on("PUT", verbs{"PUT": a.setLogLevel}))
	r.HandleFunc(tokenPath, a.newToken)
	r.HandleFunc(txnPath, a.txn)
	r.Handle("/keytree/v1/trends", a.on("GET", verbs{"GET": a.trends}))
	if a.Snapshots != nil {
		r.HandleFunc(snapshotPath, a.snapshot)
	}
	if a.Console != nil {
		r.Handle("/ui", a.Console)
		r.Handle("/ui/*", a.Console)
	}
	if a.Pages != nil {
		r.HandleFunc(listPath, a.listNodes)
	}
	if a.Reporter != nil {
		r.Handle(statusPath, a.on("GET,HEAD", verbs{"GET": a.status, "HEAD": a.status}))
		r.Handle(livePath, a.on("GET,HEAD", verbs{"GET": a.live, "HEAD": a.live}))
		r.Handle(readyPath, a.on("GET,HEAD", verbs{"GET": a.ready, "HEAD": a.ready}))
	}
	if a.EnablePprof {
		r.Handle("/debug/pprof", http.RedirectHandler("/debug/pprof/", http.StatusMovedPermanently))
		r.HandleFunc("/debug/pprof/*", pprof.Index)
		r.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		r.HandleFunc("/debug/pprof/profile", pprof.Profile)
		r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		r.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return r
}

// keysPrefix begins the path of every key. It is recognised before the router
// is asked: that costs nothing, while chi adds 2 us and ten allocations to the
// 0.5 us of a read (BenchmarkGet, BenchmarkGetThroughRouter).
const keysPrefix = "/v2/keys"

// tokenPath is where a GET makes something.
const tokenPath = "/keytree/v1/discovery/new"

// ServeHTTP answers one request. All routing is on the decoded path, and only
// after it was found clean: a path element "..", however written, never
// reaches a handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		limitBodyTime(w)
	}
	switch {
	case r.RequestURI == "*" && r.Method != http.MethodOptions:
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusOK)
	case r.Method != http.MethodConnect && !isClean(r.URL.Path):
		redirect(w, r)
	case strings.HasPrefix(r.URL.Path, keysPrefix) &&
		(len(r.URL.Path) == len(keysPrefix) || r.URL.Path[len(keysPrefix)] == '/'):
		a.serveKeys(w, r, r.URL.Path[len(keysPrefix):])
	default:
		a.route(w, r)
	}
}

// route hands r to the router. The method is no part of routing: an unknown
// one is a 405 on the paths that exist and a 404 elsewhere.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	at := chi.NewRouteContext()
	at.Routes = a.router
	at.RoutePath = r.URL.Path
	at.RouteMethod = http.MethodGet
	a.router.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, at)))
}

// isClean reports whether p has no empty, "." or ".." element. A trailing
// slash is allowed.
func isClean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	for i := 0; i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		switch rest := p[i+1:]; {
		case rest == "":
		case rest[0] == '/':
			return false
		case rest[0] == '.':
			if name, _, _ := strings.Cut(rest, "/"); name == "." || name == ".." {
				return false
			}
		}
	}
	return true
}

// redirect sends the client to the clean form of the path it asked for.
func redirect(w http.ResponseWriter, r *http.Request) {
	clean := path.Clean("/" + r.URL.Path)
	if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
		clean += "/"
	}
	u := url.URL{Path: clean, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, u.String(), http.StatusMovedPermanently)
}
