package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// healthPatience is for the whole question. A member takes a second at most to
// find out how it is.
const healthPatience = 5 * time.Second

// runHealth asks the member, or the proxy, that runs with the settings given.
func runHealth(args, environ []string, stdout, stderr io.Writer) int {
	c, err := readConfig(args, environ, stderr)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return 2
	case err != nil:
		fmt.Fprintln(stderr, "keytree:", err)
		return 1
	case c.help || c.version:
		return misused("health", stderr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthPatience)
	defer cancel()
	raw := c.ownURL()
	if err := c.askHealth(ctx, raw); err != nil {
		fmt.Fprintf(stderr, "keytree: %s is not healthy: %v\n", raw, err)
		return 1
	}
	return printed(raw+" is healthy\n", stdout, stderr)
}

// ownURL is where a member with these settings can be asked: in the clear if it
// can, and best where nobody but monitors goes.
func (c *config) ownURL() string {
	all := slices.Concat(c.metricsURLs, c.listenClient)
	i := slices.IndexFunc(all, func(raw string) bool { return !isSecure(raw) })
	return all[max(i, 0)]
}

// askHealth asks what listens at raw on this machine, and returns why it is not
// healthy.
func (c *config) askHealth(ctx context.Context, raw string) error {
	transport, err := c.toSelf(raw)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	target := "http://localhost/health"
	if isSecure(raw) {
		target = "https://localhost/health"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	if names := c.hostWhitelist; len(names) > 0 && !slices.Contains(names, "*") {
		r.Host = names[0]
	}
	a, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, 4096))
	if err != nil {
		return err
	}
	var answer struct{ Health string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Health != "true" || a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", a.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// toSelf connects to what listens at raw, whatever is asked for. Its
// certificate is not looked at: it says who the member is to others, and what is
// asked and answered is no secret.
func (c *config) toSelf(raw string) (*http.Transport, error) {
	network, address, err := ownAddress(raw)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	if isSecure(raw) && c.clientTLS.hasFiles() {
		own, err := tls.LoadX509KeyPair(c.clientTLS.certFile, c.clientTLS.keyFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{own} // for members that ask for one
	}
	return t, nil
}

// ownAddress is where to find on this machine what listens at a URL.
func ownAddress(raw string) (network, address string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", err
	}
	if strings.HasPrefix(u.Scheme, "unix") {
		return "unix", u.Host + u.Path, nil
	}
	host := u.Hostname()
	if isWildcard(host) {
		ip, _ := netip.ParseAddr(host) // none is as good as 0.0.0.0
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return "tcp", net.JoinHostPort(host, u.Port()), nil
}
