package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"keytree/httpapi/tlsfiles"
)

// fixtures is the directory of certificates that a process made for itself.
const fixtures = "fixtures"

// security is what connections are encrypted with, on the clients' side and on
// the peers'. A side without certificates is nil.
type security struct{ clients, peers *tlsfiles.Files }

// openSecurity reads the certificates that c names, or makes those it asks for.
// The clients' are left alone where nothing listens in TLS, unless a proxy may
// show them to members.
func openSecurity(c *config, proxy bool, logger *slog.Logger) (*security, error) {
	var clients *tlsfiles.Files
	var err error
	if listening := slices.Concat(c.listenClient, c.metricsURLs); proxy || slices.ContainsFunc(listening, isSecure) {
		clients, err = c.openSide("client", c.clientTLS, listening, logger)
	}
	if err != nil {
		return nil, err
	}
	peers, err := c.openSide("peer", c.peerTLS, c.listenPeer, logger)
	if err != nil {
		return nil, err
	}
	return &security{clients, peers}, nil
}

func (c *config) openSide(side string, t tlsConfig, listening []string, logger *slog.Logger) (*tlsfiles.Files, error) {
	made := t.auto && t.certFile == "" && t.keyFile == "" && slices.ContainsFunc(listening, isSecure)
	if made {
		var err error
		t.certFile, t.keyFile, err = tlsfiles.SelfSigned(filepath.Join(c.dataDir, fixtures, side), hosts(listening), time.Now())
		if err != nil {
			return nil, fmt.Errorf("making a certificate for %s: %w", side, err)
		}
	}
	if t == (tlsConfig{auto: t.auto}) {
		return nil, nil
	}
	suites, err := tlsfiles.ParseCipherSuites(c.cipherSuites)
	if err != nil {
		return nil, err
	}
	files := t.files()
	logger.Info(fmt.Sprintf("%sTLS: cert = %s, key = %s, trusted-ca = %s, client-cert-auth = %t, crl-file = %s",
		side, files.CertFile, files.KeyFile, files.TrustedCAFile, files.ClientCertAuth, files.CRLFile))
	files.CipherSuites = suites
	files.InsecureSkipVerify = made // the others have made theirs, and nobody vouches for them
	files.Logger = logger.With("side", side)
	return tlsfiles.Open(files)
}

// files are those that t names.
func (t tlsConfig) files() tlsfiles.Config {
	if t.trustedCAFile == "" && t.caFile != "" { // as 2.x has it
		t.trustedCAFile, t.clientCertAuth = t.caFile, true
	}
	return tlsfiles.Config{
		CertFile:        t.certFile,
		KeyFile:         t.keyFile,
		TrustedCAFile:   t.trustedCAFile,
		CRLFile:         t.crlFile,
		ClientCertAuth:  t.clientCertAuth,
		AllowedCN:       t.allowedCN,
		AllowedHostname: t.allowedHostname,
	}
}

// hosts are the names and addresses in URLs.
func hosts(all []string) (list []string) {
	for _, raw := range all {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" && !slices.Contains(list, u.Hostname()) {
			list = append(list, u.Hostname())
		}
	}
	return list
}

// run keeps both sides as their files are, until ctx is done.
func (s *security) run(ctx context.Context) error {
	done := make(chan error)
	n := 0
	for _, side := range []*tlsfiles.Files{s.clients, s.peers} {
		if side != nil {
			n++
			go func() { done <- side.Run(ctx) }()
		}
	}
	var first error
	for range n {
		if err := <-done; first == nil {
			first = err
		}
	}
	<-ctx.Done()
	return first
}

// A greeting has a listener speak TLS; nil if there are no certificates for that.
type greeting func(net.Listener) net.Listener

// forClients greets in HTTP/2 or HTTP/1.1.
func (s *security) forClients() greeting { return greets(s.clients, "h2", "http/1.1") }

// forPeers greets in HTTP/1.1, which a stream is made of.
func (s *security) forPeers() greeting { return greets(s.peers, "http/1.1") }

func greets(f *tlsfiles.Files, protocols ...string) greeting {
	if f == nil || f.NotAfter().IsZero() {
		return nil
	}
	return func(l net.Listener) net.Listener { return f.Listener(l, protocols...) }
}

// toPeers makes a dialer that greets members at their peer URLs; nil: by the
// system's rules.
func (s *security) toPeers() func(tlsfiles.DialFunc) tlsfiles.DialFunc { return dials(s.peers) }

// toMembers makes one for their client URLs, as a proxy needs it: with the
// clients' files, or if there are none, with the peers'.
func (s *security) toMembers() func(tlsfiles.DialFunc) tlsfiles.DialFunc {
	if s.clients == nil {
		return dials(s.peers)
	}
	return dials(s.clients)
}

func dials(f *tlsfiles.Files) func(tlsfiles.DialFunc) tlsfiles.DialFunc {
	if f == nil {
		return nil
	}
	return func(dial tlsfiles.DialFunc) tlsfiles.DialFunc { return f.Dialer(dial) }
}
