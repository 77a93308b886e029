// Package discovery finds the first members of a cluster: those who register
// under a token at some v2 keys server, or those the SRV records of a domain
// name.
//
// A member without data asks once. The answer is the text of an initial
// cluster, NAME=URL pairs joined by commas, and all who ask get the same
// members in it.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"keytree/raftlog/member"
)

// Config says which token, and who asks.
type Config struct {
	URL          string       // of the token. As it stands here it is also the cluster's token
	Self         member.ID    // of Join: who registers
	Registration string       // of Join: NAME=URL[,NAME=URL]
	Proxy        string       // an HTTP proxy to ask through; default: none, whatever the environment says
	DataDir      string       // what Explain calls it
	Logger       *slog.Logger // default: silent

	dial func(ctx context.Context, network, address string) (net.Conn, error) // default: the operating system's
}

// Why no cluster was found. Explain has words for each.
var (
	ErrInvalidURL        = errors.New("discovery: invalid URL") // of the token, of the proxy, or in what a member registered
	ErrBadEndpoint       = errors.New("discovery: bad discovery endpoint")
	ErrSizeNotFound      = errors.New("discovery: size key not found")
	ErrBadSize           = errors.New("discovery: size key is bad")
	ErrFull              = errors.New("discovery: cluster is full")
	ErrAlreadyRegistered = errors.New("discovery: found duplicate id")
	ErrDuplicateName     = errors.New("discovery: found duplicate name")
)

// Join registers the member under the token, waits until as many members are
// there as the cluster is to have, and returns them as an initial cluster. A
// server that cannot be reached or is in trouble is asked again until it
// answers or ctx is done.
func Join(ctx context.Context, c Config) (string, error) {
	t, err := open(c)
	if err != nil {
		return "", err
	}
	defer t.close()
	found, err := t.check(ctx)
	if err != nil {
		return "", err
	}
	if found.complete() && !found.has(c.Self) {
		return "", ErrFull
	}
	if err := t.register(ctx, found.has(c.Self)); err != nil {
		return "", err
	}
	if found, err = t.check(ctx); err != nil {
		return "", err
	}
	if found, err = t.wait(ctx, found); err != nil {
		return "", err
	}
	if !found.has(c.Self) { // others were quicker
		return "", ErrFull
	}
	return found.initialCluster()
}

// Cluster waits as Join does and returns the same, but does not register: it
// is for those who serve a cluster without being of it.
func Cluster(ctx context.Context, c Config) (string, error) {
	t, err := open(c)
	if err != nil {
		return "", err
	}
	defer t.close()
	found, err := t.check(ctx)
	if err != nil {
		return "", err
	}
	if found, err = t.wait(ctx, found); err != nil {
		return "", err
	}
	return found.initialCluster()
}

// ended is the error of work that ctx ended.
func ended(ctx context.Context) error {
	return fmt.Errorf("discovery: %w", ctx.Err())
}
