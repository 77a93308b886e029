package tlsfiles

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
)

// Server is the configuration of a server that offers protos by ALPN, the best
// first ("h2", "http/1.1"). They are given here because what net/http would
// add to the configuration later does not count: every handshake gets one of
// its own, with what the files say then.
func (f *Files) Server(protos ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protos,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return f.now.Load().server(&f.config, hello, protos)
		},
	}
}

// Client is the configuration of a client for one connection: of the trusted
// authorities it has those of this moment. The caller sets ServerName to the
// host it connects to, if it is still empty; net/http and tls.Dialer do so by
// themselves. Dialer does all this.
func (f *Files) Client() *tls.Config { return f.now.Load().client(&f.config) }

// server is the configuration for one handshake. Sessions of clients that have
// shown a certificate are not resumed: it is looked at every time, by what the
// files say then.
func (s *state) server(c *Config, hello *tls.ClientHelloInfo, protos []string) (*tls.Config, error) {
	if s.own == nil {
		return nil, errors.New("KeyFile and CertFile are not presented")
	}
	if !fitForHTTP2(c.CipherSuites) && !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		protos = slices.DeleteFunc(slices.Clone(protos), func(p string) bool { return p == "h2" })
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: c.CipherSuites,
		NextProtos:   protos,
		Certificates: []tls.Certificate{*s.own},
	}
	if c.demands() {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = s.trusted
		config.SessionTicketsDisabled = true
		config.VerifyConnection = func(cs tls.ConnectionState) error { return s.admit(c, cs.VerifiedChains) }
	}
	return config, nil
}

// client is the configuration for one connection to a server.
func (s *state) client(c *Config) *tls.Config {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       c.CipherSuites,
		RootCAs:            s.trusted,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify,
	}
	if s.own != nil {
		// Shown whatever authorities the server names: its refusal then says more than that nothing came.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.own, nil }
	}
	if !c.InsecureSkipVerify {
		config.VerifyConnection = func(cs tls.ConnectionState) error { return s.admit(c, cs.VerifiedChains) }
	}
	return config
}

// A DialFunc connects, as that of a net.Dialer does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer makes a DialFunc that greets in TLS whom dial reached, by what the
// files say at that moment, and offers protos by ALPN. It fits where net/http
// wants a DialTLSContext. Its connections are *tls.Conn; its error about a
// certificate is a *Refusal.
func (f *Files) Dialer(dial DialFunc, protos ...string) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil || host == "" || strings.HasPrefix(network, "unix") {
			host = "localhost" // a file has no host in its name
		}
		s := f.now.Load()
		config := s.client(&f.config)
		config.ServerName = cmp.Or(config.ServerName, host)
		config.NextProtos = protos
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // there is a better error
			return nil, s.explain(&f.config, err, host)
		}
		return secure, nil
	}
}
