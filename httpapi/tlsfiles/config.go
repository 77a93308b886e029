// Package tlsfiles is TLS as files say it: a certificate with its key, the
// authorities to trust, and what they have revoked.
//
// The files are read and checked once at the start, and looked at again while
// the process runs. Connections that are made get what the files say then;
// connections that exist are left alone. Files that have become unusable are
// told of, and what they said before goes on.
package tlsfiles

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Config names the files and says what they are for. An empty name is a file
// that is not there.
type Config struct {
	CertFile, KeyFile string // our own certificate, with the chain above it, and its key: both or neither
	TrustedCAFile     string // authorities of others' certificates; without it, those of the system
	CRLFile           string // what these have revoked: PEM or DER, any number of lists

	// ClientCertAuth makes a server demand a certificate of its clients. A
	// TrustedCAFile does so too.
	ClientCertAuth bool

	// AllowedCN and AllowedHostname narrow down whose certificate will do,
	// of clients and of servers: its common name must be this one, it must be
	// valid for this host. With both, both must fit.
	AllowedCN, AllowedHostname string

	CipherSuites       []uint16 // for TLS 1.2; nil: those that Go thinks well of
	ServerName         string   // the name that servers we connect to must have, if it is not that of their host
	InsecureSkipVerify bool     // do not check the certificates of servers we connect to

	Interval time.Duration // between two looks at the files; 5 s by default
	Logger   *slog.Logger  // nil: none
}

const defaultInterval = 5 * time.Second

// demands is whether clients must show a certificate.
func (c *Config) demands() bool { return c.ClientCertAuth || c.TrustedCAFile != "" }

// check finds what contradicts itself in c, whatever is in the files.
func (c *Config) check() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return fmt.Errorf("KeyFile and CertFile must both be present[key: %v, cert: %v]", c.KeyFile, c.CertFile)
	}
	if (c.AllowedCN != "" || c.AllowedHostname != "") && !c.demands() {
		return errors.New("an allowed CN or hostname is given, but nobody is asked for a certificate: a trusted CA file or client-cert-auth is needed too")
	}
	return nil
}

// Files are the files of a Config as they were when they last made sense. Any
// goroutine may use them.
type Files struct {
	config Config
	logger *slog.Logger

	// now is what the files say. Run stores it, everyone loads it: whoever
	// does gets certificate, authorities and revocations of one moment.
	now atomic.Pointer[state]

	rejects rejects
}

// Open reads and checks the files. The error says which of them is wrong; what
// is only unusual, such as a certificate that has expired, is logged. Nothing
// runs until Run.
func Open(c Config) (*Files, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	f := &Files{config: c, logger: c.Logger}
	if f.logger == nil {
		f.logger = slog.New(slog.DiscardHandler)
	}
	if f.config.Interval <= 0 {
		f.config.Interval = defaultInterval
	}
	s, err := load(&f.config, f.config.read())
	if err != nil {
		return nil, err
	}
	f.now.Store(s)
	f.warn(s, time.Now())
	return f, nil
}

// NotAfter is when our own certificate expires; zero if there is none.
func (f *Files) NotAfter() time.Time {
	if own := f.now.Load().own; own != nil {
		return own.Leaf.NotAfter
	}
	return time.Time{}
}

// warn logs what is unusual about s.
func (f *Files) warn(s *state, now time.Time) {
	for _, w := range s.warnings(&f.config, now) {
		f.logger.Warn(w)
	}
}
