package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/apitest"
	"keytree/store"
)

// hashTime is how long stub takes for a hash.
const hashTime = 60 * time.Millisecond

// stub is a Hasher that costs no work, and on demand time on the clock of a
// bubble.
type stub struct {
	runs atomic.Int64
	slow bool
}

func (s *stub) run() {
	s.runs.Add(1)
	if s.slow {
		time.Sleep(hashTime)
	}
}

func (s *stub) Hash(password string) (string, error) {
	s.run()
	return "stub:" + cut(password), nil
}

func (s *stub) Matches(hash, password string) bool {
	s.run()
	return hash == "stub:"+cut(password)
}

func (s *stub) Valid(hash string) bool { return strings.HasPrefix(hash, "stub:") }

// bench is an Authority over a real tree, in a bubble.
type bench struct {
	*Authority
	t      testing.TB
	tree   Tree
	hasher *stub
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// told runs test with an Authority of a lone member.
func told(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, open(t, apitest.Open(t, 1, nil).Members[0].Replica))
	})
}

// open opens an Authority that runs until the test ends.
func open(t testing.TB, tree Tree) *bench {
	t.Helper()
	hasher := &stub{}
	b := openWith(t, tree, hasher)
	b.hasher = hasher
	return b
}

func openWith(t testing.TB, tree Tree, h Hasher) *bench {
	t.Helper()
	b := &bench{t: t, tree: tree, log: &lockedBuffer{}}
	b.Authority = Open(Config{Tree: tree, Hasher: h, Workers: 1, Logger: slog.New(slog.NewTextHandler(b.log, nil))})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b
}

// record writes a record as an importer would.
func (b *bench) record(p store.Path, value string) {
	b.t.Helper()
	done, err := b.tree.Do(b.t.Context(), store.Command{Op: store.Set, Path: p, Value: value})
	if err := errors.Join(err, done.Err); err != nil {
		b.t.Fatal(err)
	}
}

func encode(t testing.TB, record any) string {
	t.Helper()
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// user makes a user, enable turns auth on with root's password "rootpw".
func (b *bench) user(name, password string, roles ...string) {
	b.t.Helper()
	if _, _, err := b.PutUser(b.t.Context(), "", User{Name: name, Password: password, Roles: roles}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) enable() {
	b.t.Helper()
	b.user(RootUser, "rootpw")
	if err := b.Enable(b.t.Context(), ""); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) role(name string, read, write []string) {
	b.t.Helper()
	if err := b.MakeRole(b.t.Context(), "", Role{Name: name, Permissions: Permissions{Patterns{read, write}}}); err != nil {
		b.t.Fatal(err)
	}
}

// claim is of somebody who shows a password.
func claim(user, password string) *Claim {
	return &Claim{Given: true, Readable: true, User: user, Password: password, From: "192.0.2.1:1234"}
}

// ask is what becomes of a read of key.
func (b *bench) ask(c *Claim, key string) error {
	_, err := b.Allow(b.t.Context(), c, Wish{Key: key})
	return err
}

// wantDenied and wantAllowed ask for a read of key.
func (b *bench) wantDenied(c *Claim, key string) {
	b.t.Helper()
	if err := b.ask(c, key); !errors.Is(err, ErrDenied) {
		b.t.Errorf("%s may read %s: %v", c.User, key, err)
	}
}

func (b *bench) wantAllowed(c *Claim, key string) {
	b.t.Helper()
	if err := b.ask(c, key); err != nil {
		b.t.Errorf("%s may not read %s: %v", c.User, key, err)
	}
}

var guest = &Claim{From: "192.0.2.1:1234"}
