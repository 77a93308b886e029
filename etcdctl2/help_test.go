package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// stdoutOf is what s prints, which must be all it does.
func stdoutOf(t *testing.T, s *shell) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	s.stdout, s.stderr = &stdout, &stderr
	if code := s.run(t.Context()); code != 0 || stderr.Len() > 0 {
		t.Fatalf("%q: code %d, stderr %q", s.args, code, &stderr)
	}
	return stdout.String()
}

func help(t *testing.T, words ...string) string {
	t.Helper()
	s, _, _ := newShell(words...)
	return stdoutOf(t, s)
}

const helpOfSet = `NAME:
   etcdctl set - set the value of a key

USAGE:
   etcdctl set [command options] <key> <value>

DESCRIPTION:
   Set sets the value of a key.

   When <value> begins with '-', <value> is interpreted as a flag.
   Insert '--' for workaround:

   $ set -- <key> <value>

OPTIONS:
   --ttl value              key time-to-live in seconds (default: 0)
   --swap-with-value value  previous value
   --swap-with-index value  previous index (default: 0)
` + "   \n"

const globalOptions = `GLOBAL OPTIONS:
   --debug                          output cURL commands which can be used to reproduce the request
   --no-sync                        don't synchronize cluster information before sending request
   --output simple, -o simple       output response in the given format (simple, ` + "`extended` or `json`" + `) (default: "simple")
   --discovery-srv value, -D value  domain name to query for SRV records describing cluster endpoints
   --insecure-discovery             accept insecure SRV records describing cluster endpoints
   --peers value, -C value          DEPRECATED - "--endpoints" should be used instead
   --endpoint value                 DEPRECATED - "--endpoints" should be used instead
   --endpoints value                a comma-delimited list of machine addresses in the cluster (default: "http://127.0.0.1:2379,http://127.0.0.1:4001")
   --cert-file value                identify HTTPS client using this SSL certificate file
   --key-file value                 identify HTTPS client using this SSL key file
   --ca-file value                  verify certificates of HTTPS-enabled servers using this CA bundle
   --username value, -u value       provide username[:password] and prompt if password is not supplied.
   --timeout value                  connection timeout per request (default: 2s)
   --total-timeout value            timeout for the command execution (except watch) (default: 5s)
   --help, -h                       show help
   --version, -v                    print the version
`

func TestTheProgramExplainsItself(t *testing.T) {
	want := help(t)
	for _, words := range []string{"help", "h", "--help", "-h", "--help get /k", "--help --version", "--"} {
		if got := help(t, strings.Fields(words)...); got != want {
			t.Errorf("%s:\n%s", words, got)
		}
	}
	const head = "NAME:\n   etcdctl - A simple command line client for etcd.\n\n" +
		"USAGE:\n   etcdctl [global options] command [command options] [arguments...]\n\nVERSION:\n   3.4.23\n\nCOMMANDS:\n     "
	if !strings.HasPrefix(want, head) || !strings.HasSuffix(want, "\n\n"+globalOptions) {
		t.Error(want)
	}
	if line := "\n     mk              make a new key with a given value\n"; !strings.Contains(want, line) {
		t.Errorf("no %q in\n%s", line, want)
	}
	if line := "\n     help, h         Shows a list of commands or help for one command\n\nGLOBAL"; !strings.Contains(want, line) {
		t.Errorf("no %q in\n%s", line, want)
	}
}

func TestCommandsExplainThemselves(t *testing.T) {
	for _, words := range []string{"set --help", "set -h", "help set", "h set", "help set get", "set /k v --help", "--debug set -h"} {
		if got := help(t, strings.Fields(words)...); got != helpOfSet {
			t.Errorf("%s:\n%s", words, got)
		}
	}
	for words, want := range map[string]string{
		"rmdir --help": "NAME:\n   etcdctl rmdir - removes the key if it is an empty directory or a key-value pair\n\nUSAGE:\n   etcdctl rmdir <key>\n",
		"ls -h": "NAME:\n   etcdctl ls - retrieve a directory\n\nUSAGE:\n   etcdctl ls [command options] [key]\n\nOPTIONS:\n" +
			"   --sort           returns result in sorted order\n" +
			"   --recursive, -r  returns all key names recursively for the given path\n" +
			"   -p               append slash (/) to directories\n" +
			"   --quorum, -q     require quorum for get request\n   \n",
		"help help": "NAME:\n   etcdctl help - Shows a list of commands or help for one command\n\nUSAGE:\n   etcdctl help [command]\n",
	} {
		if got := help(t, strings.Fields(words)...); got != want {
			t.Errorf("%s:\n%s", words, got)
		}
	}
}

func TestGroupsExplainThemselves(t *testing.T) {
	const commands = "COMMANDS:\n     list    enumerate existing cluster members\n     add     add a new member to the etcd cluster\n" +
		"     remove  remove an existing member from the etcd cluster\n     update  update an existing member in the etcd cluster\n\n"
	const name = "NAME:\n   etcdctl member - member add, remove and list subcommands\n\nUSAGE:\n   etcdctl member "
	for words, want := range map[string]string{
		"member":          name + "command [command options] [arguments...]\n\n" + commands + "OPTIONS:\n   --help, -h  show help\n   \n",
		"member --help":   name + "command [command options] [arguments...]\n\n" + commands + "OPTIONS:\n   --help, -h  show help\n   \n",
		"help member":     name + "[arguments...]\n",
		"help member add": name + "[arguments...]\n",
		"member help": name + "[global options] command [command options] [arguments...]\n\nVERSION:\n   3.4.23\n\n" + commands +
			"GLOBAL OPTIONS:\n   --help, -h  show help\n",
		"member h add":    "NAME:\n   etcdctl member add - add a new member to the etcd cluster\n\nUSAGE:\n   etcdctl member add <name> <peerURL>\n",
		"member add n -h": "NAME:\n   etcdctl member add - add a new member to the etcd cluster\n\nUSAGE:\n   etcdctl member add <name> <peerURL>\n",
	} {
		if got := help(t, strings.Fields(words)...); got != want {
			t.Errorf("%s:\n%s", words, got)
		}
	}
}

func TestThereIsNoHelpOnUnknownCommands(t *testing.T) {
	for _, words := range []string{"nosuch", "nosuch --help", "help nosuch", "nosuch -x y", "member nosuch", "member help nosuch", "--debug nosuch"} {
		s, stdout, stderr := newShell(strings.Fields(words)...)
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: "No help topic for 'nosuch'\n", code: 3}, words)
	}
}

func TestTheVersionIsThatOfEtcdctl(t *testing.T) {
	for _, words := range []string{"--version", "-v", "-v get /k"} {
		if got := help(t, strings.Fields(words)...); got != "etcdctl version: 3.4.23\nAPI version: 2\n" {
			t.Errorf("%s: %q", words, got)
		}
	}
}

func TestHelpShowsTheNameTheProgramWasCalledBy(t *testing.T) {
	for words, want := range map[string]string{
		"":              "NAME:\n   etcdctl - A simple command line client for etcd.\n\nUSAGE:\n   ctl2 [global options]",
		"set -h":        "NAME:\n   etcdctl set - set the value of a key\n\nUSAGE:\n   ctl2 set [command options]",
		"member":        "NAME:\n   etcdctl member - member add, remove and list subcommands\n\nUSAGE:\n   ctl2 member command",
		"member add -h": "NAME:\n   etcdctl member add - add a new member to the etcd cluster\n\nUSAGE:\n   ctl2 member add <name>",
	} {
		s, _, _ := newShell(strings.Fields(words)...)
		s.args[0] = "/opt/bin/ctl2"
		if got := stdoutOf(t, s); !strings.HasPrefix(got, want) {
			t.Errorf("%s:\n%s", words, got)
		}
	}
}

// A program called etcdctl shows what etcdctl shows.
func TestWhatEtcdctlDoesNotHaveIsShownUnderAnotherName(t *testing.T) {
	old, more := cli.Command{Name: "old", Usage: "o"}, cli.Command{Name: "more", Usage: "m", Category: added}
	flags := []cli.Flag{&cli.BoolFlag{Name: "a", Usage: "x"}, &cli.BoolFlag{Name: "b", Usage: "y", Category: added}, &cli.BoolFlag{Name: "c", Hidden: true}}
	commands := []*cli.Command{&old, &more}
	for calledBy, want := range map[string]string{
		"etcdctl":  "COMMANDS:\n     old  o\n\nGLOBAL OPTIONS:\n   -a  x\n",
		"etcdctl2": "COMMANDS:\n     old  o\n\nADDED COMMANDS:\n     more  m\n\nGLOBAL OPTIONS:\n   -a  x\n   -b  y\n",
	} {
		if got := programHelp(calledBy, "", "u", commands, flags); !strings.HasSuffix(got, "\n\n"+want) {
			t.Errorf("%s:\n%s", calledBy, got)
		}
	}
}
