package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Line is one line of a log.
type Line struct {
	Level slog.Level
	Text  string
}

// Explain says in the words operators know what err of Join or Cluster means
// and what to do about it. There is nothing to say when somebody ended the
// work.
func (c Config) Explain(err error) []Line {
	name, _, _ := strings.Cut(c.Registration, "=")
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, ErrAlreadyRegistered):
		return []Line{
			{slog.LevelError, fmt.Sprintf("member %q has previously registered with discovery service token (%s).", name, c.shownURL())},
			{slog.LevelError, fmt.Sprintf("But etcd could not find valid cluster configuration in the given data dir (%s).", c.DataDir)},
			{slog.LevelInfo, "Please check the given data dir path if the previous bootstrap succeeded"},
			{slog.LevelInfo, "or use a new discovery token if the previous bootstrap failed."},
		}
	case errors.Is(err, ErrDuplicateName):
		return []Line{
			{slog.LevelError, fmt.Sprintf("member with duplicated name has registered with discovery service token(%s).", c.shownURL())},
			{slog.LevelError, "please check (cURL) the discovery token for more information."},
			{slog.LevelError, "please do not reuse the discovery token and generate a new one to bootstrap the cluster."},
		}
	}
	return []Line{
		{slog.LevelError, fmt.Sprintf("failed to join discovery cluster (%v)", err)},
		{slog.LevelInfo, fmt.Sprintf("discovery token %s was used, but failed to bootstrap the cluster.", c.shownURL())},
		{slog.LevelInfo, "please generate a new discovery token and try to bootstrap again."},
	}
}

// shownURL is the URL without a password in it.
func (c Config) shownURL() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "not a URL"
	}
	if _, secret := u.User.Password(); !secret {
		return c.URL
	}
	return u.Redacted()
}
