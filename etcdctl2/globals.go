package main

import (
	"context"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

const defaultEndpoints = "http://127.0.0.1:2379,http://127.0.0.1:4001"

// globalFlags are the flags before the command. None is bound to a variable
// of the environment: those mix with flags in an order of their own, and
// some that etcdctl knows for other APIs have no effect here.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "debug", Usage: "output cURL commands which can be used to reproduce the request"},
		&cli.BoolFlag{Name: "no-sync", Usage: "don't synchronize cluster information before sending request"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "simple",
			Usage: "output response in the given format (`simple`, `extended` or `json`)"},
		&cli.StringFlag{Name: "discovery-srv", Aliases: []string{"D"}, Usage: "domain name to query for SRV records describing cluster endpoints"},
		&cli.BoolFlag{Name: "insecure-discovery", Usage: "accept insecure SRV records describing cluster endpoints"},
		&cli.StringFlag{Name: "peers", Aliases: []string{"C"}, Usage: `DEPRECATED - "--endpoints" should be used instead`},
		&cli.StringFlag{Name: "endpoint", Usage: `DEPRECATED - "--endpoints" should be used instead`},
		&cli.StringFlag{Name: "endpoints",
			Usage: "a comma-delimited list of machine addresses in the cluster (default: \"" + defaultEndpoints + "\")"},
		&cli.StringFlag{Name: "cert-file", Usage: "identify HTTPS client using this SSL certificate file"},
		&cli.StringFlag{Name: "key-file", Usage: "identify HTTPS client using this SSL key file"},
		&cli.StringFlag{Name: "ca-file", Usage: "verify certificates of HTTPS-enabled servers using this CA bundle"},
		&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Usage: "provide username[:password] and prompt if password is not supplied."},
		&cli.DurationFlag{Name: "timeout", Value: 2 * time.Second, Usage: "connection timeout per request"},
		&cli.DurationFlag{Name: "total-timeout", Value: 5 * time.Second, Usage: "timeout for the command execution (except watch)"},
		newHelpFlag(),
		&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"},
	}
}

// setting is a global flag, or if that is empty a variable of the environment.
func (c *call) setting(flag, variable string) string {
	if value := c.String(flag); value != "" {
		return value
	}
	return c.env(variable)
}

// givenEndpoints are the endpoints the user named, or those that etcd has
// when nobody says otherwise. The newest way to name them comes first, even
// if it is a variable and an older one is a flag.
func (c *call) givenEndpoints() []string {
	for _, one := range []struct{ flag, variable string }{
		{"endpoints", "ETCDCTL_ENDPOINTS"},
		{"endpoint", "ETCDCTL_ENDPOINT"},
		{"peers", "ETCDCTL_PEERS"},
	} {
		if list := c.setting(one.flag, one.variable); list != "" {
			return strings.Split(list, ",")
		}
	}
	return strings.Split(defaultEndpoints, ",")
}

// credentials are what the user wants to be known by. No name means that none
// are sent. Without a colon the password is asked for.
func (c *call) credentials(ctx context.Context) (name, password string, err error) {
	given := c.setting("username", "ETCDCTL_USERNAME")
	if given == "" {
		return "", "", nil
	}
	return c.nameAndPassword(ctx, given, "Password: ")
}

// nameAndPassword splits what stands for a user at the first colon. Without
// one the password is asked for.
func (s *shell) nameAndPassword(ctx context.Context, given, prompt string) (name, password string, err error) {
	name, password, found := strings.Cut(given, ":")
	if !found {
		password, err = s.askPassword(ctx, prompt)
	}
	return name, password, err
}
