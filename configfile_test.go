package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mustWriteFile writes a configuration file and returns its path.
func mustWriteFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "k.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustReadFile(t *testing.T, text string, args ...string) *config {
	t.Helper()
	return mustReadConfig(t, append([]string{"--config-file", mustWriteFile(t, text)}, args...)...)
}

func TestEverySettingCanBeMadeInAFile(t *testing.T) {
	plain := func(s setting) bool {
		for _, tag := range s.value.kind().tags {
			if tag == "!!int" || tag == "!!bool" {
				return true
			}
		}
		return false
	}
	for _, sections := range []bool{false, true} {
		mustTakeSamples(t, func(r *reading, samples map[string]string) error {
			delete(samples, "config-file")
			var b strings.Builder
			in := map[string]string{}
			for _, s := range r.settings {
				value, there := samples[s.name]
				if !plain(s) {
					value = "'" + value + "'"
				}
				switch {
				case !there:
				case sections && s.section != "":
					in[s.section] += "  " + s.key + ": " + value + "\n"
				default:
					b.WriteString(s.name + ": " + value + "\n")
				}
			}
			for section, keys := range in {
				b.WriteString(section + ":\n" + keys)
			}
			return r.readFile(mustWriteFile(t, b.String()))
		})
	}
}

// The shapes are those of etcd's files, and what else people write.
func TestAFileMayBeWrittenInManyWays(t *testing.T) {
	tests := []struct {
		name, text string
		get        func(*config) string
		want       string
	}{
		{"URLs in a string", "listen-client-urls: http://h:2, http://h:1", func(c *config) string { return c.listenClient.String() }, "http://h:1,http://h:2"},
		{"URLs in a list", "listen-client-urls: [http://h:2, http://h:1]", func(c *config) string { return c.listenClient.String() }, "http://h:1,http://h:2"},
		{"a list", "cipher-suites:\n- TLS_AES_128_GCM_SHA256\n- TLS_AES_256_GCM_SHA384", func(c *config) string { return c.cipherSuites.String() }, "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"},
		{"a list in a string", "cors: http://a, http://b", func(c *config) string { return c.cors.String() }, "http://a,http://b"},
		{"JSON", `{"name": "j", "client-transport-security": {"cert-file": "c", "key-file": "k"}}`, func(c *config) string { return c.name + c.clientTLS.certFile + c.clientTLS.keyFile }, "jck"},
		{"a flag's own name in a section", "peer-transport-security: {peer-crl-file: r}", func(c *config) string { return c.peerTLS.crlFile }, "r"},
		{"a section's key at the top", "client-crl-file: r", func(c *config) string { return c.clientTLS.crlFile }, "r"},
		{"yes", "debug: yes", func(c *config) string { return (*truth)(&c.debug).String() }, "true"},
		{"off", "strict-reconfig-check: off\nproxy: off", func(c *config) string { return (*truth)(&c.strictReconfig).String() + c.proxy.mode }, "falseoff"},
		{"nanoseconds", "grpc-keepalive-interval: 5000000000\nname: x", func(c *config) string { return c.name }, "x"},
		{"a duration", "grpc-keepalive-interval: 5s\nname: x", func(c *config) string { return c.name }, "x"},
		{"an alias", "name: &n x\ninitial-cluster-token: *n", func(c *config) string { return c.token }, "x"},
		{"nothing", "", func(c *config) string { return c.name }, "default"},
		{"comments only", "# name: x\n", func(c *config) string { return c.name }, "default"},
		{"a document of nothing", "---\n", func(c *config) string { return c.name }, "default"},
		{"no value", "name:\nproxy: ''\nclient-transport-security:\nlog-outputs: []", func(c *config) string { return c.name + c.proxy.mode }, "defaultoff"},
		{"no cluster", "name: foo\ninitial-advertise-peer-urls: http://h:1", func(c *config) string { return c.initialCluster }, "foo=http://h:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustReadFile(t, tt.text)
			if got := tt.get(c); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			for _, w := range c.warnings() {
				if strings.Contains(w, "k.yml:") {
					t.Error(w)
				}
			}
		})
	}
}

func TestAFileIsRefusedWithTheLineThatIsWrong(t *testing.T) {
	tests := []struct{ text, want string }{
		{"name: x\nsnapshot-count: many", `FILE:2: snapshot-count is the string "many", but should be a whole number`},
		{"snapshot-count: '10'", `FILE:1: snapshot-count is the string "10", but should be a whole number: leave out the quotes`},
		{"name: 5", "FILE:1: name is the number 5, but should be a string: put it in quotes"},
		{"name: true", "FILE:1: name is true, but should be a string: put it in quotes"},
		{"name: [a, b]", "FILE:1: name is a list, but should be a string"},
		{"debug: 'true'", `FILE:1: debug is the string "true", but should be true or false: leave out the quotes`},
		{"debug: 1", "FILE:1: debug is the number 1, but should be true or false"},
		{"max-wals: 1.5", "FILE:1: max-wals is the number 1.5, but should be a whole number"},
		{"max-wals: -1", `FILE:1: unexpected error setting up max-wals: parse error: "-1" is not a whole number`},
		{"grpc-keepalive-timeout: soon", `FILE:1: unexpected error setting up grpc-keepalive-timeout: parse error: "soon" is not a duration such as 5s, or a number of nanoseconds`},
		{"cors: [1]", "FILE:1: cors is a list, but should be a list of strings, or one string with commas between them"},
		{"cors: {a: b}", "FILE:1: cors is a mapping, but should be a list of strings, or one string with commas between them"},
		{"client-transport-security: x", `FILE:1: client-transport-security is the string "x", but should be a mapping of keys to values`},
		{"peer-transport-security:\n  cert-file: c\n  auto-tls: c", `FILE:3: peer-auto-tls is the string "c", but should be true or false`},
		{"- name", "FILE:1: it is a list, but should be a mapping of keys to values"},
		{"just words", `FILE:1: it is the string "just words", but should be a mapping of keys to values`},
		{"name: x\n\tproxy: off\n: [", "FILE: yaml: line 2: found a tab character that violates indentation"},
		{"listen-client-urls: 127.0.0.1:1", `FILE:1: unexpected error setting up listen-client-urls: parse "127.0.0.1:1": first path segment in URL cannot contain colon`},
		{"advertise-client-urls: http://h", `FILE:1: unexpected error setting up advertise-client-urls: URL address does not have the form "host:port": http://h`},
		{"initial-cluster-state: maybe", `FILE:1: unexpected error setting up initial-cluster-state: invalid value: "maybe" is not new or existing`},
		{"proxy: maybe", `FILE:1: unexpected error setting up proxy: invalid value: "maybe" is not off, readonly or on`},
		{"addr: localhost:1", "FILE:1: unexpected error setting up addr: bad IP in address specification"},
		{"discovery: http://h:1/x\ninitial-cluster: a=http://h:1", `multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery" or "discovery-srv"`},
		{"ETCD_NAME=\"x\"\nETCD_DATA_DIR=\"/d\"\n", `FILE looks like an environment file (it has a line ETCD_NAME=...), and --config-file wants YAML. ` +
			`Put it into the environment instead: with EnvironmentFile=FILE in a systemd unit, docker run --env-file, or set -a; . FILE in a shell`},
		{"# name=x\nETCD_NAME='x: y' z\n", `FILE looks like an environment file (it has a line ETCD_NAME=...), and --config-file wants YAML. ` +
			`Put it into the environment instead: with EnvironmentFile=FILE in a systemd unit, docker run --env-file, or set -a; . FILE in a shell`},
		{"# [member]: x\nexport KEYTREE_NAME='x: y'\n", `FILE looks like an environment file (it has a line export KEYTREE_NAME=...), and --config-file wants YAML. ` +
			`Put it into the environment instead: with EnvironmentFile=FILE in a systemd unit, docker run --env-file, or set -a; . FILE in a shell`},
	}
	for _, tt := range tests {
		path := mustWriteFile(t, tt.text)
		want := "error verifying flags, " + strings.ReplaceAll(tt.want, "FILE", path) + ". See 'keytree --help'."
		if _, err := readConfig([]string{"--config-file", path}, nil, io.Discard); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", tt.text, err, want)
		}
	}
	if _, err := readConfig(nil, []string{"ETCD_CONFIG_FILE=/nope.yml"}, io.Discard); err == nil ||
		err.Error() != "error verifying flags, open /nope.yml: no such file or directory. See 'keytree --help'." {
		t.Error(err)
	}
}

func TestWhatIsOddInAFileIsTold(t *testing.T) {
	tests := []struct{ text, want string }{
		{"bogus: 1", `FILE:1: unknown key "bogus"`},
		{"listen-client-url: x", `FILE:1: unknown key "listen-client-url", did you mean "listen-client-urls"?`},
		{"config-file: x", `FILE:1: unknown key "config-file"`},
		{"version: true", `FILE:1: unknown key "version"`},
		{"client-transport-security:\n  cert-file: c\n  key-file: k\n  key-fil: k", `FILE:4: unknown key "client-transport-security.key-fil", did you mean "client-transport-security.key-file"?`},
		{"name: a\nname: b", "FILE:2: name was set in line 1 already: the last one counts"},
		{"cert-file: a\nclient-transport-security: {cert-file: b, key-file: k}", "FILE:2: cert-file was set in line 1 already: the last one counts"},
		{"snapshot: true", `flag "-snapshot" is no longer supported - ignoring.`},
		{"config: x", `flag "-config" is no longer supported - ignoring. The file to read is --config-file.`},
	}
	for _, tt := range tests {
		c := mustReadFile(t, tt.text)
		want := strings.ReplaceAll(tt.want, "FILE", c.configFile)
		if got := c.warnings(); len(got) == 0 || got[0] != want {
			t.Errorf("%q: %q, want %q", tt.text, got, want)
		}
	}
	if c := mustReadFile(t, "name: a\nname: b"); c.name != "b" {
		t.Errorf("of two names %s counts", c.name)
	}
}

func TestTheCommandLineGoesBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	path := mustWriteFile(t, "name: f\ndata-dir: f\nwal-dir: f\ninitial-cluster-token: ''")
	c, err := readConfig([]string{"--name", "a", "--config-file", path}, []string{"ETCD_NAME=e", "ETCD_DATA_DIR=e", "ETCD_INITIAL_CLUSTER_TOKEN=e", "ETCD_CONFIG_FILE=/nope"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{c.name, c.dataDir, c.walDir, c.token}; !slices.Equal(got, []string{"a", "e", "f", "e"}) {
		t.Errorf("%v", got)
	}
	want := []string{
		"WARN recognized environment variable ETCD_CONFIG_FILE, but unused: shadowed by corresponding flag",
		"INFO recognized and used environment variable ETCD_DATA_DIR=e",
		"INFO recognized and used environment variable ETCD_INITIAL_CLUSTER_TOKEN=e",
		"WARN recognized environment variable ETCD_NAME, but unused: shadowed by corresponding flag",
		`INFO Loading server configuration from "` + path + `"`,
		"INFO " + path + ":1: name is overridden by the command line",
		"INFO " + path + ":2: data-dir is overridden by ETCD_DATA_DIR",
	}
	if got := c.said(); !slices.Equal(got, want) {
		t.Errorf("it says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Unlike the command line a file need not say what to advertise.
func TestAFileThatSaysOnlyWhereToListenAdvertisesThat(t *testing.T) {
	tests := []struct{ text, args, want string }{
		{"listen-client-urls: http://10.0.0.1:2379,http://127.0.0.1:2379", "", "http://10.0.0.1:2379,http://127.0.0.1:2379"},
		{"listen-client-urls: http://0.0.0.0:2379,http://10.0.0.1:4001", "", "http://10.0.0.1:4001"},
		{"listen-client-urls: http://0.0.0.0:12379,http://[::]:12379", "", "http://localhost:12379"},
		{"listen-client-urls: unix:///run/k.sock", "", "unix:///run/k.sock"},
		{"listen-client-urls: http://10.0.0.1:1\nadvertise-client-urls: http://h:1", "", "http://h:1"},
		{"listen-client-urls: http://10.0.0.1:1", "--advertise-client-urls http://h:1", "http://h:1"},
	}
	for _, tt := range tests {
		c := mustReadFile(t, tt.text, strings.Fields(tt.args)...)
		if got := c.advertiseClient.String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
		const told = "sets listen-client-urls without advertise-client-urls: advertising "
		if derived := strings.Contains(strings.Join(c.warnings(), "\n"), told+tt.want); derived == strings.Contains(tt.want, "http://h:") {
			t.Errorf("%s: it says %q", tt.text, c.warnings())
		}
	}
	path := mustWriteFile(t, "name: x")
	if _, err := readConfig([]string{"--config-file", path, "--listen-client-urls", "http://10.0.0.1:1"}, nil, io.Discard); err == nil {
		t.Error("beside a file the command line was let off as well")
	}
}

// Whatever stands in a file, it is read or refused.
func FuzzAConfigurationFileIsReadOrRefused(f *testing.F) {
	for _, text := range []string{
		"name: x\nclient-transport-security: {cert-file: c}", "a: &a [*a]\nname: *a", "? [x]\n: y\n? name\n: {a: 1}", "<<: {name: x}",
		"name: !!binary eA==\ndebug: !!str true", "ETCD_NAME=x", "--- x\n--- y", "client-transport-security: &x {cert-file: *x}", "cors: [a, [b]]\ncors:",
	} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		r := newReading(defaults())
		if r.newFile("f").read([]byte(text)) == nil && r.fillIn() == nil && len(r.refusals()) == 0 {
			r.advise()
		}
	})
}
