// Package auth says who may do what.
//
// Users, roles and the switch that makes them count lie in the Auth space of
// the replicated tree, in the form etcd gives them, so every member decides
// alike and a change counts on a member as soon as it has applied it. What a
// member has read there it keeps until the space changes. Passwords are kept
// as bcrypt hashes; a password found right is remembered by a keyed digest,
// so that only the first request of a client pays for bcrypt, and all of
// bcrypt's work goes through a line that no flood of wrong passwords can
// jump. What cannot be read is an error: nobody gets in by accident.
//
// It knows no statuses and no headers.
package auth

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/store"
)

// Tree is the replicated tree. Its methods may be called from any goroutine.
type Tree interface {
	Do(context.Context, store.Command) (store.Result, error)
	Barrier(context.Context) error
	Get(store.Path) (store.Node, store.Index, error)
	List(p store.Path, recursive bool) (*store.Listing, error)

	// AuthVersion changes whenever the Auth space may have changed, before Do
	// returns.
	AuthVersion() uint64
}

// Config is what an Authority needs. Tree is required.
type Config struct {
	Tree   Tree
	Logger *slog.Logger
	Hasher Hasher // default: Bcrypt{}

	// Workers is how many passwords are hashed at a time. Default: a quarter
	// of GOMAXPROCS, at least one.
	Workers int
}

// Authority decides. Its methods may be called from any goroutine; those that
// look at passwords wait until Run runs.
type Authority struct {
	tree   Tree
	logger *slog.Logger
	hasher Hasher

	view    atomic.Pointer[view] // what was read of the tree; written under reading
	reading sync.Mutex

	complaints sync.Map // store.Index of damaged records that were complained about

	checks *checks
}

// Open readies an Authority. Nothing runs until Run.
func Open(c Config) *Authority {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Hasher == nil {
		c.Hasher = Bcrypt{}
	}
	if c.Workers == 0 {
		c.Workers = max(1, runtime.GOMAXPROCS(0)/4)
	}
	return &Authority{
		tree:   c.Tree,
		logger: c.Logger,
		hasher: c.Hasher,
		checks: newChecks(c.Hasher, c.Workers, c.Logger),
	}
}

// Run hashes passwords until ctx is done. Requests that wait for it then fail.
// When it returns, every goroutine it started has ended. Run is called once.
func (a *Authority) Run(ctx context.Context) error {
	a.checks.line.run(ctx)
	return nil
}

// Register adds the counters of passwords to r.
func (a *Authority) Register(r prometheus.Registerer) error { return a.checks.counters.register(r) }
