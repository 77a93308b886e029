package doctor

import (
	"crypto/x509"
	"os"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles"
	"keytree/httpapi/tlsfiles/certtest"
)

// peersWith is a member whose peers' side has the files, at an address.
func peersWith(files tlsfiles.Config, host string) *exam {
	return examOf(Subject{
		ListenPeer: []string{"https://0.0.0.0:2380"}, AdvertisePeer: []string{"https://" + host + ":2380"},
		ListenClient: []string{"http://localhost:2379"}, Peers: TLS{Files: files},
	})
}

// filesOf writes a certificate that an authority has issued, and the authority.
func filesOf(t *testing.T, ca *certtest.Authority, pair *certtest.Pair) tlsfiles.Config {
	t.Helper()
	dir := privateDir(t)
	cert, key := pair.Write(dir, "peer")
	return tlsfiles.Config{CertFile: cert, KeyFile: key, TrustedCAFile: certtest.Write(t, dir, "ca.pem", ca.PEM()), ClientCertAuth: true}
}

func TestACertificateMustBeGoodForThoseWhoMeetIt(t *testing.T) {
	ca, other := certtest.New(t, "ours"), certtest.New(t, "theirs")
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	hosts := []string{"192.0.2.1", "here"}
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name  string
		pair  *certtest.Pair
		host  string
		state State
		words []string
	}{
		{"good", ca.Issue(certtest.Leaf{Hosts: hosts}), "192.0.2.1", OK, []string{"here, 192.0.2.1", "until"}},
		{"good, by a name", ca.Issue(certtest.Leaf{Hosts: hosts}), "here", OK, nil},
		{"good, with an authority between", ca.Intermediate("between").Issue(certtest.Leaf{Hosts: hosts}), "here", OK, nil},
		{"expired", ca.Issue(certtest.Leaf{Hosts: hosts, From: in(-2 * day), Until: in(-day)}), "here", Wrong, []string{"has expired", "-> openssl req", "subjectAltName=DNS:here", "-> openssl x509 -req"}},
		{"soon expired", ca.Issue(certtest.Leaf{Hosts: hosts, Until: in(29 * day)}), "here", Warning, []string{"expires on"}},
		{"not yet valid", ca.Issue(certtest.Leaf{Hosts: hosts, From: in(day)}), "here", Wrong, []string{"not valid before", "-> timedatectl"}},
		{"for other hosts", ca.Issue(certtest.Leaf{Hosts: []string{"there"}}), "192.0.2.1", Wrong, []string{"is for there, and not for 192.0.2.1", "subjectAltName=IP:192.0.2.1"}},
		{"for no host", ca.Issue(certtest.Leaf{Hosts: []string{}}), "here", Wrong, []string{"is for no host"}},
		{"for servers only", ca.Issue(certtest.Leaf{Hosts: hosts, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}), "here", Wrong, []string{"not for clients", "serverAuth,clientAuth"}},
		{"for clients only", ca.Issue(certtest.Leaf{Hosts: hosts, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}), "here", Wrong, []string{"not for servers"}},
		{"of another authority", other.Issue(certtest.Leaf{Hosts: hosts}), "here", Wrong, []string{"not signed by an authority in", "-> --peer-trusted-ca-file"}},
		{"self-signed", certtest.SelfSigned(t, certtest.Leaf{Hosts: hosts}), "here", Wrong, []string{"not signed by"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := peersWith(filesOf(t, ca, tt.pair), tt.host).certificates(t.Context())
			mustFind(t, all, tt.state, tt.words...)
			if tt.state == OK {
				mustBeFine(t, all)
			}
			mustFind(t, all, Unchecked, "clients are served in the clear")
		})
	}
}

func TestTwoFaultsOfACertificateAreBothTold(t *testing.T) {
	ca := certtest.New(t, "ours")
	all := peersWith(filesOf(t, ca, ca.Issue(certtest.Leaf{Hosts: []string{"there"}, Until: time.Now().Add(-time.Minute)})), "here").certificates(t.Context())
	mustFind(t, all, Wrong, "has expired")
	mustFind(t, all, Wrong, "not for here")
}

func TestFilesThatCannotBeUsedAreTold(t *testing.T) {
	ca := certtest.New(t, "ours")
	good := filesOf(t, ca, ca.Issue(certtest.Leaf{}))
	missing, crossed, empty := good, good, good
	missing.KeyFile = "/nonexistent.pem"
	crossed.KeyFile = filesOf(t, ca, ca.Issue(certtest.Leaf{})).KeyFile
	empty.TrustedCAFile = mustWrite(t, privateDir(t), "ca.pem")
	mustFind(t, peersWith(missing, "localhost").certificates(t.Context()), Wrong, "/nonexistent.pem", "-> --peer-cert-file and --peer-key-file")
	mustFind(t, peersWith(crossed, "localhost").certificates(t.Context()), Wrong, "private key does not match", "-> openssl pkey -pubout -in "+crossed.KeyFile)
	mustFind(t, peersWith(empty, "localhost").certificates(t.Context()), Wrong, "no certificate in file")
	mustFind(t, peersWith(tlsfiles.Config{}, "localhost").certificates(t.Context()), Unchecked, "no files")
}

func TestAKeyThatOthersMayReadIsTold(t *testing.T) {
	ca := certtest.New(t, "ours")
	files := filesOf(t, ca, ca.Issue(certtest.Leaf{}))
	for mode, want := range map[os.FileMode]State{0o600: OK, 0o640: OK, 0o644: Warning, 0o660: Warning} {
		if err := os.Chmod(files.KeyFile, mode); err != nil {
			t.Fatal(err)
		}
		all := peersWith(files, "localhost").certificates(t.Context())
		words := []string{"-> chmod 600 " + files.KeyFile}
		if want == OK {
			words = nil
			mustBeFine(t, all)
		}
		mustFind(t, all, want, words...)
	}
}

func TestWhatIsMadeAtTheStartCannotBeChecked(t *testing.T) {
	e := peersWith(tlsfiles.Config{}, "localhost")
	e.Peers.Auto = true
	mustFind(t, e.certificates(t.Context()), Unchecked, "made at the start")
}

// Clients may trust whom they like, and a server's certificate need not be for
// clients.
func TestTheClientsSideIsJudgedLessStrictly(t *testing.T) {
	ca, other := certtest.New(t, "of clients"), certtest.New(t, "of servers")
	files := filesOf(t, ca, other.Issue(certtest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))
	e := examOf(Subject{ListenClient: []string{"https://localhost:2379"}, AdvertiseClient: []string{"https://localhost:2379"}, Clients: TLS{Files: files}})
	all := e.certificates(t.Context())
	mustFind(t, all, Warning, "clients must trust")
	for _, f := range all {
		if f.State == Wrong {
			t.Errorf("%s", f)
		}
	}
}
