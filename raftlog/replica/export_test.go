package replica

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// Fingerprint is a sum over the whole tree: all spaces, history, due list and
// cursor. Members that have applied the same have the same.
func (r *Replica) Fingerprint() (string, error) {
	c, err := r.tree.Capture()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = c.WriteTo(h)
	return fmt.Sprintf("%x", h.Sum(nil)), errors.Join(err, c.Close())
}

// Voting are the members that raft counts, and those that learn.
func (r *Replica) Voting() (voters, learners int) {
	c := r.conf.Load()
	return len(c.voters), len(c.learners)
}
