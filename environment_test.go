package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// said is what the notices say, each after its level.
func (c *config) said() []string {
	var all []string
	for _, n := range c.notices {
		all = append(all, fmt.Sprintf("%v %s", n.level, n.text))
	}
	return all
}

func (c *config) warnings() []string {
	var all []string
	for _, n := range c.notices {
		if n.level == slog.LevelWarn {
			all = append(all, n.text)
		}
	}
	return all
}

// sample is a value that s takes and does not have by itself.
func sample(s setting) string {
	switch v := s.value.(type) {
	case *number, *signed, *count:
		return "7"
	case *truth:
		return fmt.Sprint(v.String() == "false")
	case *span:
		return "7s"
	case choice:
		return v.of[len(v.of)-1]
	case *urls:
		return "http://h:1,http://h:2"
	case *words:
		return "a,b"
	case *ipPort:
		return "127.0.0.1:7"
	case *ignored:
		return ""
	}
	return "seven"
}

// mustTakeSamples gives every setting a value that is not its default, by read,
// and looks whether it has taken it.
func mustTakeSamples(t *testing.T, read func(*reading, map[string]string) error) {
	t.Helper()
	r := newReading(defaults())
	samples := map[string]string{}
	for _, s := range r.settings {
		if _, withdrawn := s.value.(withdrawn); !s.flagOnly && !withdrawn {
			samples[s.name] = sample(s)
		}
	}
	if err := read(r, samples); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.settings {
		if want, there := samples[s.name]; there && s.value.String() != want {
			t.Errorf("%s is %q, want %q", s.name, s.value, want)
		}
	}
	if warnings := r.warnings(); len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestEverySettingCanBeMadeInTheEnvironment(t *testing.T) {
	for _, prefix := range []string{"ETCD_", "KEYTREE_"} {
		mustTakeSamples(t, func(r *reading, samples map[string]string) error {
			var environ []string
			for name, value := range samples {
				environ = append(environ, prefix+setting{name: name}.variable()+"="+value)
			}
			return r.readEnvironment(environ)
		})
	}
}

func TestEverySettingCanBeMadeOnTheCommandLine(t *testing.T) {
	mustTakeSamples(t, func(r *reading, samples map[string]string) error {
		var args []string
		for name, value := range samples {
			args = append(args, "--"+name+"="+value)
		}
		_, err := r.readArguments(args, io.Discard)
		return err
	})
}

// The texts are etcd's, of 3.3 where it and 3.4 differ (spec: server.md 1).
func TestWhatIsSaidAboutVariables(t *testing.T) {
	const used = "INFO recognized and used environment variable "
	tests := []struct {
		name    string
		args    string
		environ []string
		want    []string
		member  string // its name
	}{
		{"used, in the order of the flags", "", []string{"ETCD_NAME=foo", "ETCD_INITIAL_CLUSTER_TOKEN=t"},
			[]string{used + "ETCD_INITIAL_CLUSTER_TOKEN=t", used + "ETCD_NAME=foo"}, "foo"},
		{"our own", "", []string{"KEYTREE_NAME=foo"}, []string{used + "KEYTREE_NAME=foo"}, "foo"},
		{"shadowed", "--name bar", []string{"ETCD_NAME=foo"},
			[]string{"WARN recognized environment variable ETCD_NAME, but unused: shadowed by corresponding flag"}, "bar"},
		{"shadowed by nothing", "--name=", []string{"ETCD_NAME=foo"},
			[]string{"WARN recognized environment variable ETCD_NAME, but unused: shadowed by corresponding flag"}, ""},
		{"unknown", "", []string{"ETCD_BOGUS=1", "ETCDCTL_PEERS=x", "OTHER_NAME=x", "KEYTREE_=y"},
			[]string{"WARN unrecognized environment variable ETCD_BOGUS=1", "WARN unrecognized environment variable KEYTREE_=y"}, "default"},
		{"mistyped", "", []string{"ETCD_LISTEN_CLIENT_URL=x"},
			[]string{"WARN unrecognized environment variable ETCD_LISTEN_CLIENT_URL=x, did you mean ETCD_LISTEN_CLIENT_URLS?"}, "default"},
		{"may be secret", "", []string{"ETCD_ROOT_PASSWORD=hunter2", "KEYTREE_SECRET=hunter2"},
			[]string{"WARN unrecognized environment variable ETCD_ROOT_PASSWORD=...", "WARN unrecognized environment variable KEYTREE_SECRET=..."}, "default"},
		{"of an image", "", []string{"ETCD_VERSION=v3.4.3", "ETCD_UNSUPPORTED_ARCH=arm64"},
			[]string{"WARN unrecognized environment variable ETCD_VERSION=v3.4.3"}, "default"},
		{"empty", "", []string{"ETCD_NAME=", "KEYTREE_DEBUG=", "ETCD_BOGUS="}, nil, "default"},
		{"both, the same", "", []string{"ETCD_NAME=foo", "KEYTREE_NAME=foo"}, []string{used + "KEYTREE_NAME=foo"}, "foo"},
		{"both, different", "", []string{"KEYTREE_NAME=foo", "ETCD_NAME=bar"},
			[]string{"WARN KEYTREE_NAME and ETCD_NAME differ: KEYTREE_NAME is used", used + "KEYTREE_NAME=foo"}, "foo"},
		{"both, ours empty", "", []string{"KEYTREE_NAME=", "ETCD_NAME=bar"}, []string{used + "ETCD_NAME=bar"}, "bar"},
		{"quoted", "", []string{`ETCD_NAME="foo"`, `ETCD_DATA_DIR=''`, `ETCD_INITIAL_CLUSTER_TOKEN="`},
			[]string{used + `ETCD_INITIAL_CLUSTER_TOKEN="`, "WARN environment variable ETCD_NAME has quotes around its value, which are left out", used + "ETCD_NAME=foo"}, "foo"},
		{"ignored since 0.4", "", []string{"ETCD_SNAPSHOT=x"},
			[]string{used + "ETCD_SNAPSHOT=x", `WARN flag "-snapshot" is no longer supported - ignoring.`}, "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := readConfig(strings.Fields(tt.args), tt.environ, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.said(); !slices.Equal(got, tt.want) {
				t.Errorf("it says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if c.name != tt.member {
				t.Errorf("name %q, want %q", c.name, tt.member)
			}
		})
	}
}

func TestVariablesThatCannotBeReadAreRefused(t *testing.T) {
	tests := []struct{ variable, want string }{
		{"ETCD_DEBUG=yes", `invalid value "yes" for ETCD_DEBUG: parse error`},
		{"KEYTREE_HEARTBEAT_INTERVAL=abc", `invalid value "abc" for KEYTREE_HEARTBEAT_INTERVAL: parse error`},
		{"ETCD_PROXY=maybe", `invalid value "maybe" for ETCD_PROXY: invalid value`},
		{"ETCD_LISTEN_PEER_URLS=h:1", `invalid value "h:1" for ETCD_LISTEN_PEER_URLS: URL scheme must be http, https, unix, or unixs: h:1`},
		{`ETCD_LISTEN_PEER_URLS="http://h"`, `invalid value "http://h" for ETCD_LISTEN_PEER_URLS: URL address does not have the form "host:port": http://h`},
		{"ETCD_GRPC_KEEPALIVE_TIMEOUT=5", `invalid value "5" for ETCD_GRPC_KEEPALIVE_TIMEOUT: parse error`},
		{"ETCD_PEERS=x", `invalid value "x" for ETCD_PEERS: flag "-peers" is no longer supported.`},
	}
	for _, tt := range tests {
		want := "error verifying flags, " + tt.want + ". See 'keytree --help'."
		if _, err := readConfig(nil, []string{tt.variable}, io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", tt.variable, err, want)
		}
	}
}

func TestTheEnvironmentIsNotReadForHelp(t *testing.T) {
	c, err := readConfig([]string{"--version"}, []string{"ETCD_DEBUG=yes"}, io.Discard)
	if err != nil || !c.version || len(c.notices) > 0 {
		t.Errorf("%v, %+v", err, c)
	}
}
