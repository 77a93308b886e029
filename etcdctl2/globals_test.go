package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// transport is a network that a test makes up.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// says is a network in which everybody says the same.
func says(status int, body string) transport {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// alone is a network in which there is nobody.
var alone transport = func(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

const refusedBlock = "Error:  client: etcd cluster is unavailable or misconfigured; error #0: dial: connection refused\n\n" +
	"error #0: dial: connection refused\n\n"

func TestTheNewestWayToNameEndpointsWins(t *testing.T) {
	for _, tt := range []struct {
		environ, words string
		want           string
	}{
		{"", "", "127.0.0.1:2379 127.0.0.1:4001"},
		{"ETCDCTL_ENDPOINTS=http://a:1", "", "a:1"},
		{"ETCDCTL_ENDPOINT=http://a:1", "", "a:1"},
		{"ETCDCTL_PEERS=http://a:1", "", "a:1"},
		{"", "--endpoints http://a:1,http://b:2/", "a:1 b:2"},
		{"", "--endpoint=http://a:1", "a:1"},
		{"", "--peers http://a:1", "a:1"},
		{"", "-C //a:1", "a:1"},
		{"ETCDCTL_ENDPOINTS=http://b:2", "--endpoints http://a:1", "a:1"},
		{"ETCDCTL_ENDPOINTS=http://b:2", "--endpoints=", "b:2"},
		{"ETCDCTL_ENDPOINTS=http://a:1", "-C http://b:2 --endpoint http://c:3", "a:1"},
		{"ETCDCTL_PEERS=http://b:2 ETCDCTL_ENDPOINT=http://a:1", "", "a:1"},
		{"ETCDCTL_PEERS=http://b:2", "--endpoint http://a:1", "a:1"},
		{"ETCDCTL_ENDPOINTS= ETCDCTL_PEERS=http://a:1", "", "a:1"},
		{"ETCDCTL_ENDPOINTSX=http://b:2 XETCDCTL_ENDPOINTS=http://b:2", "-C http://a:1", "a:1"},
	} {
		var asked []string
		s, stdout, stderr := newShell(append(strings.Fields(tt.words), "--no-sync", "get", "/k")...)
		s.environ = strings.Fields(tt.environ)
		s.transport = transport(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Host)
			return alone(r)
		})
		if ended(s, stdout, stderr).code != 4 || strings.Join(asked, " ") != tt.want {
			t.Errorf("%s etcdctl %s asked %q", tt.environ, tt.words, asked)
		}
	}
}

func TestEndpointsThatAreNoneAreRefused(t *testing.T) {
	for endpoints, reason := range map[string]string{
		"127.0.0.1:22101":         `parse "127.0.0.1:22101": first path segment in URL cannot contain colon`,
		"http://a:1, http://b:2":  `parse " http://b:2": first path segment in URL cannot contain colon`,
		"http://[::1":             `parse "http://[::1": missing ']' in host`,
		":::":                     `parse ":::": missing protocol scheme`,
		"http://a:1,http://b:c/d": `parse "http://b:c/d": invalid port ":c" after host`,
	} {
		s, stdout, stderr := newShell("--endpoints", endpoints, "get", "/k")
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: reason + "\n", code: 1}, endpoints)
	}
}

func TestVariablesOfOtherAPIsHaveNoEffect(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("1\n", "set", "/k", "1")
		s, stdout, stderr := w.newShell("get", "/k")
		s.environ = append(s.environ, "ETCDCTL_DEBUG=1", "ETCDCTL_OUTPUT=json", "ETCDCTL_API=2")
		mustBe(t, ended(s, stdout, stderr), outcome{stdout: "1\n"}, "get")
		if slices.Contains(s.environ, "ETCDCTL_API=2") {
			t.Error("a program that is started would see ETCDCTL_API")
		}
	})
	for _, api := range []string{"1", "3", "x"} {
		s, stdout, stderr := newShell("--help")
		s.environ = []string{"ETCDCTL_API=" + api}
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: "unsupported API version " + api + "\n", code: 1}, api)
	}
}

func TestNobodyThereIsToldByWhatWasDone(t *testing.T) {
	for _, tt := range []struct {
		words string
		want  outcome
	}{
		{"get /k", outcome{stderr: refusedBlock, code: 2}},
		{"get", outcome{stderr: refusedBlock, code: 2}},
		{"-o json set /k 1", outcome{stderr: refusedBlock, code: 2}},
		{"--no-sync get /k", outcome{stderr: refusedBlock, code: 4}},
		{"--no-sync ls", outcome{stderr: refusedBlock, code: 4}},
		{"--no-sync mk --in-order /k 1", outcome{stderr: refusedBlock, code: 4}},
		{"--no-sync mk /k 1", outcome{stderr: "Error:  dial: connection refused\n", code: 4}},
		{"--no-sync mkdir /k", outcome{stderr: "Error:  dial: connection refused\n", code: 4}},
		{"--no-sync rm /k", outcome{stderr: "Error:  dial: connection refused\n", code: 4}},
		{"--no-sync rmdir /k", outcome{stderr: "Error:  dial: connection refused\n", code: 4}},
		{"--no-sync get", outcome{stderr: "Error:  key required\n", code: 1}},
	} {
		s, stdout, stderr := newShell(append([]string{"--endpoints", "http://a:1"}, strings.Fields(tt.words)...)...)
		s.transport = alone
		mustBe(t, ended(s, stdout, stderr), tt.want, tt.words)
	}
	s, stdout, stderr := newShell("--endpoints", "http://a:1,http://b:2", "get", "/k")
	s.transport = alone
	mustBe(t, ended(s, stdout, stderr), outcome{
		stderr: "Error:  client: etcd cluster is unavailable or misconfigured; error #0: dial: connection refused\n; error #1: dial: connection refused\n\n" +
			"error #0: dial: connection refused\nerror #1: dial: connection refused\n\n",
		code: 2,
	}, "two")
}

func TestASyncThatFailsOtherwiseIsIgnored(t *testing.T) {
	s, stdout, stderr := newShell("--endpoints", "http://a:1", "get", "/k")
	s.transport = transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/v2/members" {
			return says(404, "404 page not found")(r)
		}
		return says(200, `{"action":"get","node":{"key":"/k","value":"v"}}`)(r)
	})
	mustBe(t, ended(s, stdout, stderr), outcome{stdout: "v\n"}, "get")
}

func TestAClusterWithoutClientURLsIsToldOf(t *testing.T) {
	s, stdout, stderr := newShell("--endpoints", "http://a:1,http://b:2", "get", "/k")
	s.transport = says(200, `{"members":[{"id":"1","name":"n","peerURLs":["http://p:1"],"clientURLs":[]}]}`)
	mustBe(t, ended(s, stdout, stderr), outcome{
		stderr: "etcd cluster has no published client endpoints.\n" +
			"Try '--no-sync' if you want to access non-published client endpoints(http://a:1,http://b:2).\n" +
			"Error:  client: no endpoints available\n",
		code: 4,
	}, "get")
}

func TestDebugShowsWhatIsAsked(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		url := w.members.Members[0].ClientURL
		synced := "start to sync cluster using endpoints(" + url + ")\n" +
			"cURL Command: curl -X GET " + url + "/v2/members\n" +
			"got endpoints(" + url + ") after sync\n" +
			"Cluster-Endpoints: " + url + "\n"
		curl := func(rest string) string { return synced + "cURL Command: curl -X " + rest + "\n" }
		mustBe(t, w.run("--debug", "set", "/g", "a b&c=\"d\"\n中"), outcome{
			stdout: "a b&c=\"d\"\n中\n",
			stderr: curl("PUT " + url + `/v2/keys/g -d "value=a+b%26c%3D%22d%22%0A%E4%B8%AD"`),
		}, "set")
		mustBe(t, w.run("--debug", "setdir", "/d", "--ttl", "4"), outcome{stderr: curl("PUT " + url + `/v2/keys/d?dir=true -d "ttl=4"`)}, "setdir")
		mustBe(t, w.run("--debug", "setdir", "/e"), outcome{stderr: curl("PUT " + url + `/v2/keys/e?dir=true -d ""`)}, "setdir")
		mustBe(t, w.run("--debug", "ls", "-q"), outcome{
			stdout: "/d\n/e\n/g\n",
			stderr: curl("GET " + url + "/v2/keys/?quorum=true&recursive=false&sorted=false"),
		}, "ls")
		mustBe(t, w.run("--debug", "--no-sync", "-u", "root:secret", "rmdir", "/d"), outcome{
			stderr: "Cluster-Endpoints: " + url + "\ncURL Command: curl -X DELETE " + url + "/v2/keys/d?dir=true\n",
		}, "rmdir")
	})
	s, stdout, stderr := newShell("--debug", "--no-sync", "--endpoints", "http://a:1,http://b:2", "mk", "/k", "")
	s.transport = alone
	mustBe(t, ended(s, stdout, stderr), outcome{
		stderr: "Cluster-Endpoints: http://a:1, http://b:2\ncURL Command: curl -X PUT http://a:1/v2/keys/k?prevExist=false -d \"value=\"\n" +
			"Error:  dial: connection refused\n",
		code: 4,
	}, "mk")
}

func TestTimeIsLimited(t *testing.T) {
	stuck := transport(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})
	const late = "client: endpoint http://a:1 exceeded header timeout\n"
	for _, tt := range []struct {
		words string
		took  time.Duration
		want  outcome
	}{
		{"get /k", 4 * time.Second, outcome{stderr: "Error:  client: etcd cluster is unavailable or misconfigured; error #0: " + late + "\nerror #0: " + late + "\n", code: 4}},
		{"--timeout 0 get /k", 5 * time.Second, outcome{stderr: "Error:  context deadline exceeded\n", code: 2}},
		{"--timeout 0 --no-sync get /k", 5 * time.Second, outcome{stderr: "Error:  context deadline exceeded\n", code: 4}},
		{"--timeout 8s --total-timeout 6s --no-sync mk /k v", 6 * time.Second, outcome{stderr: "Error:  context deadline exceeded\n", code: 4}},
		{"--total-timeout 0 get /k", 0, outcome{stderr: "Error:  context deadline exceeded\n", code: 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stdout, stderr := newShell(append([]string{"--endpoints", "http://a:1"}, strings.Fields(tt.words)...)...)
			s.transport = stuck
			begun := time.Now()
			mustBe(t, ended(s, stdout, stderr), tt.want, tt.words)
			if took := time.Since(begun); took != tt.took {
				t.Errorf("%s took %v, want %v", tt.words, took, tt.took)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	for _, tt := range []struct {
		words, environ, stdin string
		user, password        string // no user: none are sent
		stdout, left          string
	}{
		{words: "-u root:a:b", user: "root", password: "a:b"},
		{words: "--username root:", user: "root"},
		{environ: "ETCDCTL_USERNAME=alice:pw", user: "alice", password: "pw"},
		{words: "-u root:pw", environ: "ETCDCTL_USERNAME=alice:pw", user: "root", password: "pw"},
		{words: "-u="},
		{words: "-u :"},
		{},
		{words: "-u root", stdin: " pw \r\nthe value\n", user: "root", password: "pw", stdout: "Password: \n", left: "the value\n"},
		{words: "-u root", stdin: "pw", user: "root", password: "pw", stdout: "Password: \n"},
		{words: "-u root", user: "root", stdout: "Password: \n"},
	} {
		s, stdout, stderr := newShell(append(strings.Fields(tt.words), "--no-sync", "get", "/k")...)
		s.environ = strings.Fields(tt.environ)
		stdin := strings.NewReader(tt.stdin)
		s.stdin = stdin
		var user, password string
		s.transport = transport(func(r *http.Request) (*http.Response, error) {
			user, password, _ = r.BasicAuth()
			return says(200, `{"action":"get","node":{"key":"/k","value":"v"}}`)(r)
		})
		mustBe(t, ended(s, stdout, stderr), outcome{stdout: tt.stdout + "v\n"}, tt.words)
		if left, _ := io.ReadAll(stdin); user != tt.user || password != tt.password || string(left) != tt.left {
			t.Errorf("%s %s: user %q, password %q, left on stdin %q", tt.environ, tt.words, user, password, left)
		}
	}
}

func TestAPasswordThatCannotBeReadIsAnError(t *testing.T) {
	s, stdout, stderr := newShell("-u", "root", "get", "/k")
	s.stdin = iotest.ErrReader(errors.New("stdin is broken"))
	mustBe(t, ended(s, stdout, stderr), outcome{stdout: "Password: ", stderr: "read the password: stdin is broken\n", code: 1}, "get")
}

func TestFilesForTLSAreReadFirst(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, "root")
	caFile := certtest.Write(t, dir, "ca.pem", ca.PEM())
	other := certtest.Write(t, dir, "other.pem", []byte("no certificate"))
	missing := filepath.Join(dir, "missing.pem")
	for _, tt := range []struct {
		words  []string
		stderr string
	}{
		{[]string{"--ca-file", missing}, "open " + missing + ": no such file or directory\n"},
		{[]string{"--ca-file", caFile, "--cert-file", missing, "--key-file", missing}, "open " + missing + ": no such file or directory\n"},
		{[]string{"--cert-file", "client.pem"}, "KeyFile and CertFile must both be present[key: , cert: client.pem]\n"},
		{[]string{"--key-file", "key.pem"}, "KeyFile and CertFile must both be present[key: key.pem, cert: ]\n"},
		{[]string{"--ca-file", other}, "no certificate in " + other + "\n"},
	} {
		s, stdout, stderr := newShell(append(tt.words, "get", "/k")...)
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: tt.stderr, code: 1}, tt.words...)
	}
	s, stdout, stderr := newShell("get", "/k")
	s.environ = []string{"ETCDCTL_CA_FILE=" + missing}
	mustBe(t, ended(s, stdout, stderr), outcome{stderr: "open " + missing + ": no such file or directory\n", code: 1}, "get")
}

// records are the SRV records of example.org.
type records map[string][]*net.SRV

func (r records) LookupSRV(_ context.Context, service, _, name string) (string, []*net.SRV, error) {
	found := r[service]
	if name != "example.org" || found == nil {
		return "", nil, errors.New("no " + service)
	}
	return "", found, nil
}

func TestEndpointsMayBeFoundInDNS(t *testing.T) {
	secure, plain := []*net.SRV{{Target: "s.example.org.", Port: 1}}, []*net.SRV{{Target: "p.example.org.", Port: 2}}
	const ignored = "ignoring discovered insecure endpoint \"http://p.example.org.:2\"\n"
	for _, tt := range []struct {
		records        records
		environ, words string
		want, stderr   string
	}{
		{records{"etcd-client-ssl": secure, "etcd-client": plain}, "", "-D example.org", "s.example.org.:1", ignored},
		{records{"etcd-client-ssl": secure, "etcd-client": plain}, "", "-D example.org --insecure-discovery", "s.example.org.:1 p.example.org.:2", ""},
		{records{"etcd-client": plain}, "ETCDCTL_DISCOVERY_SRV=example.org ETCDCTL_INSECURE_DISCOVERY=no", "--endpoints http://a:1", "p.example.org.:2", ""},
		{records{"etcd-client": plain}, "", "-D example.org --endpoints http://a:1", "a:1", ignored},
		{records{"etcd-client-ssl-x": secure}, "ETCDCTL_DISCOVERY_SRV_NAME=x", "-D example.org", "s.example.org.:1", ""},
	} {
		var asked []string
		s, stdout, stderr := newShell(append(strings.Fields(tt.words), "--no-sync", "mk", "--in-order", "/k", "v")...)
		s.environ = strings.Fields(tt.environ)
		s.resolver = tt.records
		s.transport = transport(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Host)
			return nil, errors.New("no")
		})
		got := ended(s, stdout, stderr)
		if told, _, _ := strings.Cut(got.stderr, "Error:"); got.code != 4 || strings.Join(asked, " ") != tt.want || told != tt.stderr {
			t.Errorf("%s %s: asked %q, told %q", tt.environ, tt.words, asked, got.stderr)
		}
	}
	s, stdout, stderr := newShell("-D", "example.org", "get", "/k")
	s.resolver = records{}
	mustBe(t, ended(s, stdout, stderr), outcome{stderr: "dns lookup errors: no etcd-client-ssl and no etcd-client\n", code: 1}, "get")
}

// Whoever answers for the name of a domain may lead anywhere; that it is the
// right place is known by the certificate.
func TestACertificateMustBeOfTheDomainThatLedThere(t *testing.T) {
	ca := certtest.New(t, "root")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"action":"get","node":{"key":"/k","value":"v"}}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(certtest.Leaf{Hosts: []string{"example.org"}}).TLS()}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	caFile := certtest.Write(t, t.TempDir(), "ca.pem", ca.PEM())
	run := func(words ...string) outcome {
		s, stdout, stderr := newShell(append(words, "--ca-file", caFile, "--no-sync", "get", "/k")...)
		s.resolver = records{"etcd-client-ssl": {{Target: "127.0.0.1", Port: uint16(number)}}}
		return ended(s, stdout, stderr)
	}
	mustBe(t, run("-D", "example.org"), outcome{stdout: "v\n"}, "get")
	if got := run("-D", "example.org", "--insecure-discovery"); got.code != 4 || !strings.Contains(got.stderr, "x509: ") {
		t.Error(got)
	}
	if got := run("--endpoints", server.URL); got.code != 4 || !strings.Contains(got.stderr, "x509: ") {
		t.Error(got)
	}
}

func TestToConnectTakesNoLongerThanTheCommand(t *testing.T) {
	for total, want := range map[time.Duration]time.Duration{
		5 * time.Second: 5 * time.Second, time.Minute: 30 * time.Second, 0: 30 * time.Second, -1: 30 * time.Second,
	} {
		if got := timeToConnect(total); got != want {
			t.Errorf("%v: %v, want %v", total, got, want)
		}
	}
}

func TestAnErrorIsToldAsItIs(t *testing.T) {
	var stderr bytes.Buffer
	s := &shell{stderr: &stderr}
	for _, tt := range []struct {
		err  error
		text string
		code int
	}{
		{nil, "", 0},
		{errDone, "", 0},
		{&exitError{code: 5}, "", 5},
		{&exitError{code: 1, text: "no newline"}, "no newline", 1},
		{plainly(3, "a line"), "a line\n", 3},
		{failed(4, errors.New("no")), "Error:  no\n", 4},
		{errors.New("no"), "no\n", 1},
	} {
		stderr.Reset()
		if code := s.report(tt.err); code != tt.code || stderr.String() != tt.text {
			t.Errorf("%v: code %d, %q", tt.err, code, &stderr)
		}
	}
}
