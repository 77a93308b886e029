package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"path"
	"strings"
	"time"

	"keytree/httpapi/client"
)

// entry is a key or a directory outside of any server.
type entry struct {
	Key        string     `json:"key"`
	Dir        bool       `json:"dir,omitempty"`
	Value      string     `json:"value,omitempty"`
	Expiration *time.Time `json:"expiration,omitempty"` // by the clock here; nil: it stays
}

// group are entries of one directory, or some of them.
type group struct {
	parent  string
	entries []entry
	end     time.Time // none of them may be written from then on; zero: they may always be
}

// entryOf is n as it was read at now. Its end is told by the clock here: how
// long it has is believed more than when that is over, if the two clocks do
// not agree.
func entryOf(n *client.Node, now time.Time) entry {
	e := entry{Key: n.Key, Dir: n.Dir, Value: n.Value}
	if n.Expiration == nil {
		return e
	}
	left, told := n.Expiration.Sub(now), time.Duration(n.TTL)*time.Second
	end := *n.Expiration
	if (left - told).Abs() > tolerance {
		end = now.Add(told)
	}
	e.Expiration = &end
	return e
}

// tolerance is how far lifetimes may be apart that count as the same: they
// are told in whole seconds, and requests take their time.
const tolerance = 2 * time.Second

// left is how long e has from now on, if it ends.
func (e *entry) left(now time.Time) (d time.Duration, ends bool) {
	if e.Expiration == nil {
		return 0, false
	}
	return e.Expiration.Sub(now), true
}

// is reports whether a server has e as n, which was read at now. What was told
// of its lifetime may be old by then; where the clocks agree, its end tells.
func (e *entry) is(n *client.Node, now time.Time) bool {
	if n == nil || n.Dir != e.Dir || n.Value != e.Value || (n.Expiration == nil) != (e.Expiration == nil) {
		return false
	}
	left, ends := e.left(now)
	return !ends || (left-time.Duration(n.TTL)*time.Second).Abs() <= tolerance || n.Expiration.Sub(*e.Expiration).Abs() <= tolerance
}

// tally counts entries.
type tally struct {
	keys, dirs int
	sum        [sha256.Size]byte
}

// add counts e. The order in which entries come does not matter, and neither
// does when they end.
func (t *tally) add(e *entry) {
	kind := byte('k')
	if e.Dir {
		kind = 'd'
		t.dirs++
	} else {
		t.keys++
	}
	// KIND, the length of the key in eight bytes, key, value
	b := binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(e.Key)))
	sum := sha256.Sum256(append(append(b, e.Key...), e.Value...))
	for i := range sum {
		t.sum[i] ^= sum[i]
	}
}

// merge counts what other has counted.
func (t *tally) merge(other tally) {
	t.keys += other.keys
	t.dirs += other.dirs
	for i := range other.sum {
		t.sum[i] ^= other.sum[i]
	}
}

// checksum is the same for the same entries.
func (t *tally) checksum() string { return hex.EncodeToString(t.sum[:]) }

// walker reads trees, one directory at a time, so that it needs no more memory
// than the largest directory.
type walker struct {
	read        func(ctx context.Context, key string) (*client.Response, error)
	first, last uint64 // indexes of the tree at the first and the last reading
}

// walk hands to take what is at key and below. Directories come before what
// is in them, and the entries of a directory come together.
func (w *walker) walk(ctx context.Context, key string, take func(group) error) error {
	n, now, err := w.readAt(ctx, key)
	if err != nil {
		return err
	}
	if n.Key != "" && n.Key != "/" {
		if err := take(group{parent: path.Dir(n.Key), entries: []entry{entryOf(n, now)}}); err != nil {
			return err
		}
	}
	return w.below(ctx, n, now, take)
}

func (w *walker) below(ctx context.Context, n *client.Node, now time.Time, take func(group) error) error {
	var dirs []string
	entries := make([]entry, 0, len(n.Nodes))
	for _, child := range n.Nodes {
		entries = append(entries, entryOf(child, now))
		if child.Dir {
			dirs = append(dirs, child.Key)
		}
	}
	if len(entries) > 0 {
		if err := take(group{parent: "/" + strings.TrimPrefix(n.Key, "/"), entries: entries}); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		n, now, err := w.readAt(ctx, dir)
		if client.HasCode(err, client.CodeKeyNotFound) || client.HasCode(err, client.CodeNotADirectory) {
			continue // it has gone meanwhile
		}
		if err != nil {
			return err
		}
		if err := w.below(ctx, n, now, take); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) readAt(ctx context.Context, key string) (*client.Node, time.Time, error) {
	r, err := w.read(ctx, key)
	now := time.Now()
	if err != nil {
		return nil, now, err
	}
	if r.Node == nil {
		return nil, now, client.ErrInvalidJSON
	}
	if w.first == 0 {
		w.first = r.Index
	}
	w.last = r.Index
	return r.Node, now, nil
}

// baseName is the last element of a key.
func baseName(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// retryFor is how long a request is tried again while nobody answers it.
const retryFor = 30 * time.Second

// persistently asks again while the cluster has no leader, or cannot be
// reached. What a server refuses it refuses for good.
func persistently[A any](ctx context.Context, c *call, ask func(context.Context) (A, error)) (A, error) {
	deadline := time.Now().Add(retryFor)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		a, err := asking(ctx, c, ask)
		_, refused := errors.AsType[*client.Error](err)
		if err == nil || refused || errors.Is(err, client.ErrInvalidJSON) || ctx.Err() != nil || time.Now().Add(pause).After(deadline) {
			return a, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
