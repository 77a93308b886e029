package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// How much is remembered. Answers that were wrong have a place of their
	// own, where they push out only each other.
	mostRight    = 4096 // users
	mostWrong    = 4096 // pairs
	mostFailures = 8192 // of users from sources
	mostSources  = 8192

	// Who failed within penance waits behind those who did not. From one
	// source so many may fail before everybody from there does.
	penance   = time.Minute
	excusable = 8

	// wrongPause is how long a password that is known to be wrong waits for
	// its answer: about what the comparison takes. It costs nothing here, and
	// whoever asks again and again is slowed down.
	wrongPause = 100 * time.Millisecond
)

// errTurnedAway says that nobody found out about a password. Who offered it
// has failed before.
var errTurnedAway = errors.New("auth: turned away")

// digest stands for a user, the hash of its password, and a password that was
// offered. Nobody can make one without this process's key.
type digest [sha256.Size]byte

// check is the question whether password is right. Its texts may be pieces of
// a header: what is kept for longer is cloned, lest the password stays too.
type check struct {
	user     string
	hash     string // empty: there is no such user
	password string
	from     string // the address of who asks
}

// right is the password of a user, and the hash it was compared with.
type right struct {
	hash     string
	password digest // of that alone, see brief
}

// failures is how often somebody was wrong since a time.
type failures struct {
	count int
	since time.Time
}

// asker is a user as claimed from a source.
type asker struct{ user, source string }

// checks finds out whether passwords are right, and remembers.
type checks struct {
	hasher   Hasher
	logger   *slog.Logger
	line     *line
	counters *counters
	key      [sha256.Size]byte // this process's own
	macs     sync.Pool         // of *mac, with that key
	decoy    func() string     // a hash that stands in for that of a user who does not exist

	rights  *recent[string, right]
	wrongs  *recent[digest, struct{}]
	askers  *recent[asker, time.Time] // when they failed last
	sources *recent[string, failures]
}

// mac makes digests, one at a time.
type mac struct {
	hash.Hash
	text []byte
}

func newChecks(h Hasher, workers int, logger *slog.Logger) *checks {
	c := &checks{
		hasher:  h,
		logger:  logger,
		line:    newLine(workers),
		rights:  newRecent[string, right](mostRight),
		wrongs:  newRecent[digest, struct{}](mostWrong),
		askers:  newRecent[asker, time.Time](mostFailures),
		sources: newRecent[string, failures](mostSources),
	}
	c.decoy = sync.OnceValue(func() string {
		hash, err := h.Hash(rand.Text())
		if err != nil {
			return "" // nothing matches it, if faster
		}
		return hash
	})
	_, _ = rand.Read(c.key[:]) // never fails
	c.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, c.key[:])} }
	c.counters = newCounters(c.line.length, c.rights.len)
	return c
}

// digest is that of q.
func (c *checks) digest(q *check) digest {
	m := c.macs.Get().(*mac)
	defer c.macs.Put(m)
	m.text = binary.AppendUvarint(m.text[:0], uint64(len(q.user)))
	m.text = append(m.text, q.user...)
	m.text = binary.AppendUvarint(m.text, uint64(len(q.hash)))
	m.text = append(m.text, q.hash...)
	m.text = appendSignificant(m.text, q.password)
	m.Reset()
	_, _ = m.Write(m.text) // never fails
	clear(m.text)          // it holds a password
	m.text = m.Sum(m.text[:0])
	return digest(m.text)
}

// brief is the digest of a password alone, at a third of the cost: nearly all
// requests need no other. What it digests has one length, so key and text in a
// row are as good as an HMAC.
func (c *checks) brief(password string) digest {
	var text [sha256.Size + significant]byte
	appendSignificant(text[:copy(text[:], c.key[:])], password)
	return sha256.Sum256(text[:])
}

// verify reports whether q's password is that of q's user. A user who does not
// exist is like one whose password nobody knows: it takes as long to be wrong.
func (c *checks) verify(ctx context.Context, q check) (bool, error) {
	brief := c.brief(q.password)
	if known, found := c.rights.get(q.user); found {
		if known.hash != q.hash {
			c.rights.forget(q.user)
		} else if subtle.ConstantTimeCompare(known.password[:], brief[:]) == 1 {
			c.counters.rememberedRight.Inc()
			return true, nil
		}
	}
	d := c.digest(&q)
	if _, found := c.wrongs.get(d); found {
		c.counters.rememberedWrong.Inc()
		return false, pause(ctx, wrongPause)
	}
	return c.compare(ctx, q, d)
}

// pause waits, or fails when ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// compare has a worker find out.
func (c *checks) compare(ctx context.Context, q check, d digest) (bool, error) {
	who := asker{strings.Clone(q.user), source(q.from)}
	doubted := func() bool { return c.failedLately(who) }
	in := fast
	if doubted() {
		in = slow
	}
	j, err := c.line.join(d, in, doubted, func(j *job) { j.right = c.match(&q, d) })
	if err == nil {
		err = c.line.await(ctx, j)
	}
	switch {
	case errors.Is(err, errTurnedAway):
		c.counters.turnedAway.Inc()
		return false, pause(ctx, wrongPause)
	case err != nil:
		c.counters.unanswered.Inc()
		return false, err
	case j.right:
		c.counters.right.Inc()
		c.askers.forget(who)
		return true, nil
	}
	c.counters.wrong.Inc()
	c.noteFailure(who)
	return false, nil
}

// match compares and remembers the answer. A worker calls it.
func (c *checks) match(q *check, d digest) bool {
	c.counters.hashed.Inc()
	decoy := c.decoy() // first it has to be made, and that should not tell who exists
	if q.hash == "" {
		c.hasher.Matches(decoy, q.password)
	} else if c.hasher.Matches(q.hash, q.password) {
		c.rights.put(strings.Clone(q.user), right{q.hash, c.brief(q.password)})
		return true
	}
	c.wrongs.put(d, struct{}{})
	return false
}

// hash makes the hash of a new password.
func (c *checks) hash(ctx context.Context, password string) (string, error) {
	var err error
	j, full := c.line.join(digest{}, hashes, nil, func(j *job) {
		c.counters.hashed.Inc()
		j.hash, err = c.hasher.Hash(password)
	})
	if full != nil {
		return "", full
	}
	if err := c.line.await(ctx, j); err != nil {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("auth: hashing a password: %w", err)
	}
	return j.hash, nil
}

// failedLately reports whether who has to wait behind others: because that
// user failed from there, or because many did.
func (c *checks) failedLately(who asker) bool {
	if at, found := c.askers.get(who); found && time.Since(at) < penance {
		return true
	}
	f, found := c.sources.get(who.source)
	return found && f.count >= excusable && time.Since(f.since) < penance
}

// noteFailure holds against who asked that it was wrong. Of a source that
// many fail from, the log says no more.
func (c *checks) noteFailure(who asker) {
	now := time.Now()
	c.askers.put(who, now)
	f, found := c.sources.get(who.source)
	if !found || now.Sub(f.since) >= penance {
		f = failures{since: now}
	}
	f.count++
	if f.count <= excusable {
		c.logger.Warn("a user name or password was wrong", "user", who.user, "from", who.source)
	}
	c.sources.put(who.source, f) // one that is lost to another at the same time does not matter
}

// source is where the address from counts as: a host, or with IPv6 the network
// a host can choose its address in.
func source(from string) string {
	const own = 64
	at, err := netip.ParseAddrPort(from)
	if err != nil {
		return from // of a Unix socket
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, own).Masked().Addr()
	}
	return addr.String()
}
