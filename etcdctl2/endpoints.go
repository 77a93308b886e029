package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"keytree/httpapi/client"
)

// client is a client of the cluster, whose members it has asked who they
// are, unless the user does not want that. Its error says how the program is
// to end. The client is closed by whoever gets it.
func (c *call) client(ctx context.Context) (*client.Client, error) {
	cl, err := c.newClient(ctx, c.curl())
	if err != nil {
		return nil, plainly(exitBadArgs, err.Error())
	}
	if !c.Bool("no-sync") {
		if err := c.sync(ctx, cl); err != nil {
			return nil, err
		}
	}
	c.showEndpoints(cl)
	return cl, nil
}

// sync asks the members who they are. That they do not say does not matter,
// as long as somebody is there.
func (c *call) sync(ctx context.Context, cl *client.Client) error {
	c.debugf("start to sync cluster using endpoints(%s)\n", strings.Join(cl.Endpoints(), ","))
	limited, cancel := c.limited(ctx)
	defer cancel()
	err := cl.Sync(limited)
	if errors.Is(err, client.ErrNoEndpoints) {
		fmt.Fprintln(c.stderr, "etcd cluster has no published client endpoints.")
		fmt.Fprintf(c.stderr, "Try '--no-sync' if you want to access non-published client endpoints(%s).\n", strings.Join(cl.Endpoints(), ","))
		return failed(exitRefused, err)
	}
	if client.Unreachable(err) {
		return failed(exitUnreachable, err)
	}
	c.debugf("got endpoints(%s) after sync\n", strings.Join(cl.Endpoints(), ","))
	return nil
}

// limited is ctx with the time that one phase of a command may take.
func (c *call) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.Duration("total-timeout"))
}

// showEndpoints tells who is going to be asked, if the user wants to know.
func (c *call) showEndpoints(cl *client.Client) {
	c.debugf("Cluster-Endpoints: %s\n", strings.Join(cl.Endpoints(), ", "))
}

// curl tells of each request, if the user wants to know; else it is nil.
func (c *call) curl() func(client.Attempt) {
	if !c.Bool("debug") {
		return nil
	}
	return func(a client.Attempt) {
		line := "cURL Command: curl -X " + a.Method + " " + a.URL
		if a.Body != nil {
			line += fmt.Sprintf(" -d %q", a.Body)
		}
		fmt.Fprintln(c.stderr, line)
	}
}

func (c *call) debugf(format string, args ...any) {
	if c.Bool("debug") {
		fmt.Fprintf(c.stderr, format, args...)
	}
}

// newClient makes a client of the endpoints the user named, which tells trace
// of its requests. It has asked nobody yet.
func (c *call) newClient(ctx context.Context, trace func(client.Attempt)) (*client.Client, error) {
	domain := c.setting("discovery-srv", "ETCDCTL_DISCOVERY_SRV")
	insecure := c.Bool("insecure-discovery") || c.env("ETCDCTL_INSECURE_DISCOVERY") != ""
	endpoints, err := c.discovered(ctx, domain, insecure)
	if err != nil {
		return nil, err
	}
	if len(endpoints) == 0 {
		endpoints = c.givenEndpoints()
	}
	secure, err := readTLS(c.setting("cert-file", "ETCDCTL_CERT_FILE"), c.setting("key-file", "ETCDCTL_KEY_FILE"), c.setting("ca-file", "ETCDCTL_CA_FILE"))
	if err != nil {
		return nil, err
	}
	if !insecure {
		secure.ServerName = domain // whom the records lead to must be of the domain
	}
	name, password, err := c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Endpoints:     endpoints,
		Username:      name,
		Password:      password,
		TLS:           secure,
		DialTimeout:   timeToConnect(c.Duration("total-timeout")),
		HeaderTimeout: c.Duration("timeout"),
		Trace:         trace,
		Transport:     c.transport,
		Shuffle:       c.shuffle,
	})
}

// timeToConnect is how long a connection may take to be made, if a whole
// command may take total.
func timeToConnect(total time.Duration) time.Duration {
	const limit = 30 * time.Second
	if total <= 0 {
		return limit
	}
	return min(limit, total)
}

// discovered are the endpoints that the SRV records of a domain name. Those
// that are not reached by https are left out, unless insecure: whoever
// answers for the domain could have put them there.
func (c *call) discovered(ctx context.Context, domain string, insecure bool) ([]string, error) {
	if domain == "" {
		return nil, nil
	}
	found, err := client.Discover(ctx, c.resolver, domain, c.env("ETCDCTL_DISCOVERY_SRV_NAME"))
	if err != nil || insecure {
		return found, err
	}
	var endpoints []string
	for _, one := range found {
		if !strings.HasPrefix(one, "https://") {
			fmt.Fprintf(c.stderr, "ignoring discovered insecure endpoint %q\n", one)
			continue
		}
		endpoints = append(endpoints, one)
	}
	return endpoints, nil
}

// readTLS reads the files that say who the client is and whom it trusts.
// They are read once: a command does not outlive them. Empty names are left
// out.
func readTLS(certFile, keyFile, caFile string) (*tls.Config, error) {
	config := &tls.Config{}
	if (certFile == "") != (keyFile == "") {
		return nil, fmt.Errorf("KeyFile and CertFile must both be present[key: %s, cert: %s]", keyFile, certFile)
	}
	if certFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("no certificate in %s", caFile)
		}
	}
	return config, nil
}
