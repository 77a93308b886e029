package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// The cases of spec/server.md, 1 to 4 and 6.1, that end before anything
// begins. Exit code 2 is for a command line that cannot be read. @ is one with
// the text of the case in it.
func TestSettingsThatAreRefused(t *testing.T) {
	const verifying, help = "keytree: error verifying flags, ", ". See 'keytree --help'.\n"
	const unknownScheme = "URL scheme must be http, https, unix, or unixs: "
	for _, tt := range []struct {
		args, environ, file string
		code                int
		want                string
	}{
		// 1. the command line
		{"word", "", "", 1, verifying + "'word' is not a valid flag" + help},
		{"--enable-v2 true", "", "", 1, verifying + "'true' is not a valid flag" + help},
		{"-name x --debug=true word", "", "", 1, verifying + "'word' is not a valid flag" + help},
		{"-bogus", "", "", 2, "flag provided but not defined: -bogus\nusage: keytree [flags]"},
		{"--bogus=x", "", "", 2, "flag provided but not defined: -bogus\n"},
		{"-name", "", "", 2, "flag needs an argument: -name\n"},
		{"-snapshot-count abc", "", "", 2, "invalid value \"abc\" for flag -snapshot-count: parse error\n"},
		{"--debug=yes", "", "", 2, "invalid boolean value \"yes\" for -debug: parse error\n"},
		{"--help", "ETCD_DEBUG=yes", "", 0, "\nclustering flags:\n"},
		{"-h", "", "", 0, "  --initial-cluster-token (default: etcd-cluster)\n"},
		{"-version", "ETCD_DEBUG=yes", "", 0, "keytree Version: " + Version + "\n"},

		// 1. the environment
		{"", "ETCD_HEARTBEAT_INTERVAL=abc", "", 1, verifying + `invalid value "abc" for ETCD_HEARTBEAT_INTERVAL: parse error` + help},
		{"", "ETCD_DEBUG=yes", "", 1, verifying + `invalid value "yes" for ETCD_DEBUG: parse error` + help},
		{"", "KEYTREE_PROXY=maybe", "", 1, verifying + `invalid value "maybe" for KEYTREE_PROXY: invalid value` + help},
		{"", "ETCD_LISTEN_PEER_URLS=ftp://h:1", "", 1, `for ETCD_LISTEN_PEER_URLS: ` + unknownScheme + "ftp://h:1" + help},
		{"", "ETCD_BOGUS=1 ETCD_DEBUG=yes", "", 1, `for ETCD_DEBUG: parse error` + help},
		{"", "ETCD_LISTEN_CLIENT_URL=http://h:1 ETCD_HEARTBEAT_INTERVAL=0", "", 1,
			"keytree: warning: unrecognized environment variable ETCD_LISTEN_CLIENT_URL=http://h:1, did you mean ETCD_LISTEN_CLIENT_URLS?\n" + verifying},
		{"", "ETCD_HEARTBEAT_INTERVAL=0", "", 1, verifying + "--heartbeat-interval must be >0 (set to 0ms)" + help},
		{"--heartbeat-interval 0", "ETCD_HEARTBEAT_INTERVAL=100", "", 1,
			"keytree: warning: recognized environment variable ETCD_HEARTBEAT_INTERVAL, but unused: shadowed by corresponding flag\n" + verifying + "--heartbeat-interval must be >0"},

		// 1 and 3. the file
		{"--config-file /nope.yml", "", "", 1, verifying + "open /nope.yml: no such file or directory" + help},
		{"", "ETCD_CONFIG_FILE=/nope.yml", "", 1, verifying + "open /nope.yml: no such file or directory" + help},
		{"--config-file @", "", "heartbeat-interval: 0", 1, verifying + "--heartbeat-interval must be >0 (set to 0ms)" + help},
		{"", "KEYTREE_CONFIG_FILE=@", "heartbeat-interval: 0", 1, verifying + "--heartbeat-interval must be >0 (set to 0ms)" + help},
		{"--config-file @", "", "ETCD_NAME=\"x\"\nETCD_DATA_DIR=\"/d\"", 1, "@ looks like an environment file (it has a line ETCD_NAME=...)"},
		{"--config-file @", "", "name: [", 1, verifying + "@: yaml: line 1: "},
		{"--config-file @", "", "name: x\nsnapshot-count: many", 1, verifying + `@:2: snapshot-count is the string "many", but should be a whole number` + help},
		{"--config-file @", "", "initial-cluster-state: maybe", 1, verifying + "@:1: unexpected error setting up initial-cluster-state: invalid value"},
		{"--config-file @", "", "proxy: maybe", 1, verifying + "@:1: unexpected error setting up proxy: invalid value"},
		{"--config-file @", "", "listen-client-urls: 127.0.0.1:1", 1,
			verifying + `@:1: unexpected error setting up listen-client-urls: parse "127.0.0.1:1": first path segment in URL cannot contain colon` + help},
		{"--config-file @", "", "discovery: http://h:1/x\ninitial-cluster: a=http://h:1", 1, verifying + "multiple discovery or bootstrap flags are set. "},
		{"--config-file @", "", "bogus: 1\nheartbeat-interval: 0", 1, `keytree: warning: @:1: unknown key "bogus"` + "\n" + verifying},

		// 2. the tables
		{"--election-timeout 499 --heartbeat-interval 100", "", "", 1, verifying + "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]" + help},
		{"--log-level nope", "", "", 2, "invalid value \"nope\" for flag -log-level: invalid value\n"},
		{"--logger x", "", "", 1, verifying + `unknown logger option "x"` + help},
		{"--log-outputs @/log", "", "", 1, "keytree: opening the log: open @/log: not a directory\n"},
		{"--cipher-suites NOPE", "", "", 1, "keytree: unexpected TLS cipher suite \"NOPE\"\n"},
		{"--cert-file /x.pem", "", "", 1, "keytree: KeyFile and CertFile must both be present[key: , cert: /x.pem]\n"},
		{"--peers=x", "", "", 2, "invalid value \"x\" for flag -peers: flag \"-peers\" is no longer supported.\n"},
		{"--peers-file /x", "", "", 2, "invalid value \"/x\" for flag -peers-file: flag \"-peers-file\" is no longer supported.\n"},
		{"--config /x", "", "", 1, verifying + "'/x' is not a valid flag" + help},
		{"--max-txn-ops -1", "", "", 2, "invalid value \"-1\" for flag -max-txn-ops: parse error\n"},
		{"--quota-backend-bytes x", "", "", 2, "invalid value \"x\" for flag -quota-backend-bytes: parse error\n"},
		{"--grpc-keepalive-interval 5", "", "", 2, "invalid value \"5\" for flag -grpc-keepalive-interval: parse error\n"},
		{"--experimental-enable-lease-checkpoint=x", "", "", 2, "invalid boolean value \"x\" for -experimental-enable-lease-checkpoint: parse error\n"},

		// 4. addresses of 0.4
		{"-bind-addr localhost:22201", "", "", 2, "invalid value \"localhost:22201\" for flag -bind-addr: bad IP in address specification\n"},
		{"-addr 127.0.0.1:x", "", "", 2, "invalid value \"127.0.0.1:x\" for flag -addr: bad port in address specification\n"},
		{"-peer-addr 127.0.0.1", "", "", 2, "invalid value \"127.0.0.1\" for flag -peer-addr: address 127.0.0.1: missing port in address\n"},
		{"-peer-bind-addr 127.0.0.1:70000", "", "", 2, "for flag -peer-bind-addr: bad port in address specification\n"},
		{"-bind-addr 127.0.0.1:1 --listen-client-urls http://127.0.0.1:1", "", "", 1, verifying + "Set only one of flags -listen-client-urls and -bind-addr" + help},
		{"-addr 127.0.0.1:1", "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1", "", 1, verifying + "Set only one of flags -listen-client-urls and -bind-addr" + help},
		{"", "ETCD_PEER_ADDR=h:1", "", 1, verifying + `invalid value "h:1" for ETCD_PEER_ADDR: bad IP in address specification` + help},

		// 6.1 URLs, and what does not go together
		{"--listen-client-urls 127.0.0.1:2379", "", "", 2, `invalid value "127.0.0.1:2379" for flag -listen-client-urls: parse "127.0.0.1:2379": first path segment in URL cannot contain colon` + "\n"},
		{"--listen-peer-urls http://127.0.0.1", "", "", 2, `for flag -listen-peer-urls: URL address does not have the form "host:port": http://127.0.0.1` + "\n"},
		{"--advertise-client-urls http://127.0.0.1:2379/x", "", "", 2, "for flag -advertise-client-urls: URL must not contain a path: http://127.0.0.1:2379/x\n"},
		{"--initial-advertise-peer-urls http://127.0.0.1:2379/", "", "", 2, "for flag -initial-advertise-peer-urls: URL must not contain a path: http://127.0.0.1:2379/\n"},
		{"--listen-metrics-urls ftp://h:1", "", "", 2, "for flag -listen-metrics-urls: " + unknownScheme + "ftp://h:1\n"},
		{"--proxy maybe", "", "", 2, "invalid value \"maybe\" for flag -proxy: invalid value\n"},
		{"--initial-cluster-state bogus", "", "", 2, "invalid value \"bogus\" for flag -initial-cluster-state: invalid value\n"},
		{"--discovery-fallback x", "", "", 2, "invalid value \"x\" for flag -discovery-fallback: invalid value\n"},
		{"--listen-client-urls http://127.0.0.1:1", "", "", 1, verifying + "--advertise-client-urls is required when --listen-client-urls is set explicitly.\nWhen listening on specific address(es), "},
		{"", "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1", "", 1, verifying + "--advertise-client-urls is required when --listen-client-urls is set explicitly.\n"},
		{"--discovery http://h:1/x --discovery-srv d", "", "", 1, verifying + "multiple discovery or bootstrap flags are set. "},
		{"--discovery http://h:1/x", "ETCD_INITIAL_CLUSTER=a=http://h:1", "", 1, verifying + "multiple discovery or bootstrap flags are set. "},
		{"--election-timeout 60000", "", "", 1, verifying + "--election-timeout[60000ms] is too long, and should be set less than 50000ms" + help},
		{"--election-timeout 0", "", "", 1, verifying + "--election-timeout must be >0 (set to 0ms)" + help},
		{"--advertise-client-urls http://:22201", "", "", 1, verifying + `--advertise-client-urls "http://:22201" must be "host:port" (unexpected empty host (http://:22201))` + help},
		{"--initial-advertise-peer-urls http://:22202", "", "", 1, verifying + `--initial-advertise-peer-urls "http://:22202" must be "host:port" (unexpected empty host (http://:22202))` + help},

		// 11. certificates that are missing
		{"--listen-client-urls https://127.0.0.1:1 --advertise-client-urls https://127.0.0.1:1", "", "", 1,
			"keytree: TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme\n"},
		{"--listen-peer-urls https://127.0.0.1:1", "", "", 1, "keytree: cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented\n"},
	} {
		t.Run(strings.TrimSpace(tt.environ+" "+tt.args+" "+tt.file), func(t *testing.T) {
			t.Parallel()
			path := mustWriteFile(t, tt.file)
			here := func(text string) string { return strings.ReplaceAll(text, "@", path) }
			cmd := command(t, strings.Fields(here(tt.args))...)
			cmd.Env = append(cmd.Env, strings.Fields(here(tt.environ))...)
			out, code := mustEnd(t, cmd)
			if want := here(tt.want); code != tt.code || !strings.Contains(out, want) {
				t.Errorf("exit %d, want %d with\n%s\nbut it said\n%s", code, tt.code, want, out)
			}
			if entries, err := os.ReadDir(cmd.Dir); err != nil || len(entries) > 0 {
				t.Errorf("it left %v behind (%v)", entries, err)
			}
		})
	}
}

// mustServeWith starts a member that must become ready.
func mustServeWith(t *testing.T, client string, environ []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, stderr: &transcript{}, client: client, cmd: command(t, args...)}
	s.cmd.Env = append(s.cmd.Env, environ...)
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	s.mustSay("ready to serve client requests")
	return s
}

// fullSettings are settings that can be seen from outside, and all of etcd's
// that have no effect.
func fullSettings(t *testing.T, p place) map[string]string {
	t.Helper()
	all := map[string]string{
		"name": p.name, "data-dir": p.dir, "initial-cluster-token": "tok", "initial-cluster": p.name + "=" + p.peer,
		"listen-client-urls": p.client, "advertise-client-urls": "http://h:9," + p.client,
		"listen-peer-urls": p.peer, "initial-advertise-peer-urls": p.peer,
		"heartbeat-interval": "50", "election-timeout": "600", "watch-history": "5", "debug": "true",
	}
	for _, s := range defaults().inertSettings() {
		all[s.name] = sample(s)
	}
	all["logger"] = "zap"
	return all
}

// mustBeAsSet checks that a member is as fullSettings have it.
func mustBeAsSet(t *testing.T, s *server, p place) {
	t.Helper()
	members := s.mustListMembers()
	want := listedMember{member.NewID([]string{p.peer}, "tok").String(), p.name, []string{p.peer}, []string{p.client, "http://h:9"}}
	if len(members) != 1 || fmt.Sprint(members[0]) != fmt.Sprint(want) {
		t.Errorf("members: %+v, want %+v", members, want)
	}
	_, text, _ := s.ask("GET", "/v2/stats/self", "")
	var self struct{ Name string }
	if err := json.Unmarshal([]byte(text), &self); err != nil || self.Name != p.name {
		t.Errorf("it says of itself %s", text)
	}
	if status, _, _ := s.ask("GET", "/debug/pprof/cmdline", ""); status != 200 {
		t.Errorf("with debug, profiles are %d", status)
	}
	for _, line := range []string{"heartbeat = 50ms", "election = 600ms", "data dir = " + p.dir, "accepted, without effect here: snapshot-count,"} {
		if !strings.Contains(s.stderr.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, s.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "member")); err != nil {
		t.Error(err)
	}
}

// inJSON are settings as they stand in a file.
func inJSON(all map[string]string) (lines []string) {
	for _, s := range defaults().settings() {
		value, there := all[s.name]
		if s.value.kind().tags[0] == "!!str" {
			value = fmt.Sprintf("%q", value)
		}
		if there {
			lines = append(lines, fmt.Sprintf("%q: %s", s.name, value))
		}
	}
	return lines
}

// Flags, variables of both kinds, and files: each alone is enough.
func TestAMemberIsAsEachSourceOfSettingsSays(t *testing.T) {
	variables := func(prefix, quote string) func(*testing.T, map[string]string) (environ, args []string) {
		return func(_ *testing.T, all map[string]string) (environ, args []string) {
			for name, value := range all {
				environ = append(environ, prefix+setting{name: name}.variable()+"="+quote+value+quote)
			}
			return environ, nil
		}
	}
	file := func(before, between, after string) func(*testing.T, map[string]string) (environ, args []string) {
		return func(t *testing.T, all map[string]string) (environ, args []string) {
			return nil, []string{"--config-file", mustWriteFile(t, before+strings.Join(inJSON(all), between)+after)}
		}
	}
	for name, source := range map[string]func(*testing.T, map[string]string) (environ, args []string){
		"flags": func(_ *testing.T, all map[string]string) (environ, args []string) {
			for name, value := range all {
				args = append(args, "-"+name+"="+value)
			}
			return nil, args
		},
		"etcd's variables": variables("ETCD_", ""),
		"our variables":    variables("KEYTREE_", ""),
		"docker's quotes":  variables("ETCD_", `"`),
		"YAML":             file("", "\n", "\n"),
		"JSON":             file("{", ",\n", "}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "m1")
			environ, args := source(t, fullSettings(t, p))
			mustBeAsSet(t, mustServeWith(t, p.client, environ, args...), p)
		})
	}
}

func TestAMemberWithSettingsFromEverywhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "flag")
	nowhere := filepath.Join(mustWriteFile(t, ""), "d") // no directory can be beneath a file
	path := mustWriteFile(t, "name: file\ndata-dir: "+nowhere+"\nheartbeat-interval: 70\nwatch-history: 3\nbogus: 1\nlisten-client-urls: "+p.client+
		"\nlisten-peer-urls: "+p.peer+"\ninitial-advertise-peer-urls: "+p.peer)
	environ := []string{"ETCD_NAME=env", "KEYTREE_DATA_DIR=" + p.dir, "ETCD_DATA_DIR=" + nowhere, "ETCD_HEARTBEAT_INTERVAL=60", "ETCD_BOGUS=1", "KEYTREE_CONFIG_FILE=" + path, "ETCDCTL_PEERS=x"}
	s := mustServeWith(t, p.client, environ, "--name", "flag", "--snapshot")
	if members := s.mustListMembers(); len(members) != 1 || members[0].Name != "flag" || !slices.Equal(members[0].ClientURLs, []string{p.client}) {
		t.Errorf("%+v", members)
	}
	for _, line := range []string{
		`level=WARN msg="KEYTREE_DATA_DIR and ETCD_DATA_DIR differ: KEYTREE_DATA_DIR is used"`,
		`level=INFO msg="recognized and used environment variable KEYTREE_DATA_DIR=` + p.dir + `"`,
		`level=WARN msg="recognized environment variable ETCD_NAME, but unused: shadowed by corresponding flag"`,
		`level=WARN msg="unrecognized environment variable ETCD_BOGUS=1"`,
		`level=INFO msg="Loading server configuration from \"` + path + `\""`,
		`level=INFO msg="` + path + `:1: name is overridden by the command line"`,
		`level=INFO msg="` + path + `:3: heartbeat-interval is overridden by ETCD_HEARTBEAT_INTERVAL"`,
		`level=WARN msg="` + path + `:5: unknown key \"bogus\""`,
		`level=WARN msg="` + path + ` sets listen-client-urls without advertise-client-urls: advertising ` + p.client + `"`,
		`level=WARN msg="flag \"-snapshot\" is no longer supported - ignoring."`,
		`level=INFO msg="heartbeat = 60ms"`,
		`level=INFO msg="data dir = ` + p.dir + `"`,
	} {
		if !strings.Contains(s.stderr.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	if strings.Contains(s.stderr.String(), "ETCDCTL") || t.Failed() {
		t.Errorf("the log:\n%s", s.stderr)
	}
}

// The command line of etcd 0.4, as people still have it.
func TestAMemberWithAddressesInsteadOfURLs(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "machine2")
	client, peer := strings.TrimPrefix(p.client, "http://"), strings.TrimPrefix(p.peer, "http://")
	s := mustServeWith(t, p.client, []string{"ETCD_PEER_ADDR=" + peer, "ETCD_PEER_BIND_ADDR=" + peer},
		"-name", "machine2", "-data-dir", p.dir, "-addr", client, "-bind-addr", client)
	want := []listedMember{{member.NewID([]string{p.peer}, "etcd-cluster").String(), "machine2", []string{p.peer}, []string{p.client}}}
	if got := s.mustListMembers(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTheSampleFileStartsAMember(t *testing.T) {
	t.Parallel()
	sample, err := filepath.Abs(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, "default")
	s := mustServeWith(t, p.client, nil, "--config-file", sample, "--data-dir", p.dir, "--listen-client-urls", p.client, "--advertise-client-urls", p.client,
		"--listen-peer-urls", p.peer, "--initial-advertise-peer-urls", p.peer)
	if strings.Contains(s.stderr.String(), "level=WARN") {
		t.Errorf("it warns:\n%s", s.stderr)
	}
}

// What is logged, and where to, is as configured.
func TestAMemberLogsToAFileFromALevelOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "m1")
	path := filepath.Join(t.TempDir(), "log")
	s := p.mustLaunch("--log-outputs", path, "--log-level", "warn", "--initial-cluster", list(p))
	if !within(t, 20*time.Second, func() bool { return answers(s) }) {
		t.Fatalf("it does not answer: %s", s.stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "level=INFO") || s.stderr.String() != "" {
		t.Errorf("%v, the file has\n%s\nstderr has\n%s", err, text, s.stderr)
	}
	s.kill()
	s = mustServeWith(t, p.client, nil, "--name", p.name, "--data-dir", p.dir, "--log-outputs", path+",stderr", "--listen-client-urls", p.client, "--advertise-client-urls", p.client, "--listen-peer-urls", p.peer, "--initial-advertise-peer-urls", p.peer)
	text, err = os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "ready to serve client requests") {
		t.Errorf("%v, the file has\n%s", err, text)
	}
}

func answers(s *server) bool {
	a, err := http.Get(s.client + "/health")
	if err != nil {
		return false
	}
	_ = a.Body.Close() // its status says enough
	return a.StatusCode == http.StatusOK
}
