package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// role is what a process is to its cluster, and the name of the directory
// where it keeps what it needs for that.
type role string

const (
	noRole     role = ""
	memberRole role = "member"
	proxyRole  role = "proxy"
)

// run runs what the data directory and the flags say the process is, until
// ctx is done or something it needs fails.
func run(ctx context.Context, c *config, logger *slog.Logger, level *slog.LevelVar) error {
	logger.Info("keytree Version: " + Version)
	if c.dataDir == "" {
		c.dataDir = c.name + ".etcd"
		logger.Warn("no data-dir provided, using default data-dir ./" + c.dataDir)
	}
	was, err := formerRole(c.dataDir, logger)
	if err != nil {
		return err
	}
	if was != noRole {
		logger.Info(fmt.Sprintf("the server is already initialized as %s before, starting as etcd %s...", was, was))
	}
	secure, err := openSecurity(c, was == proxyRole || c.mayBeProxy(), logger)
	if err != nil {
		return err
	}
	if was == proxyRole || was == noRole && c.proxy.mode != proxyOff {
		err = runProxy(ctx, c, secure, logger)
	} else if err = runMember(ctx, c, secure, logger, level); errors.Is(err, errClusterFull) && was == noRole {
		logger.Info("discovery cluster full, falling back to proxy")
		err = runProxy(ctx, c, secure, logger)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop before it had begun
	}
	return err
}

// formerRole is what the data directory was used as before.
func formerRole(dir string, logger *slog.Logger) (role, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return noRole, nil
	}
	if err != nil {
		return noRole, fmt.Errorf("error listing data dir: %s (%w)", dir, err)
	}
	was := noRole
	for _, e := range entries {
		switch r := role(e.Name()); {
		case r == fixtures:
		case r != memberRole && r != proxyRole:
			logger.Warn(fmt.Sprintf("found invalid file/dir %s under data dir %s (Ignore this if you are upgrading etcd)", e.Name(), dir))
		case was != noRole:
			//lint:ignore ST1005 etcd's words, for those who search for them
			return noRole, errors.New("invalid datadir. Both member and proxy directories exist.")
		default:
			was = r
		}
	}
	return was, nil
}
