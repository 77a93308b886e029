package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsMayStandAnywhereBeforeTwoDashes(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"set /k v --ttl 5", "set --ttl 5 /k v"},
		{"set /k v --ttl=5", "set --ttl=5 /k v"},
		{"set /k v -ttl 5", "set -ttl 5 /k v"},
		{"set --ttl 5 /k v", "set --ttl 5 /k v"},
		{"set /k --ttl 5 v", "set --ttl 5 /k v"},
		{"set /k v --swap-with-index -1 --ttl 3", "set --swap-with-index -1 --ttl 3 /k v"},
		{"ls --sort -p /d --recursive", "ls --sort -p --recursive /d"},
		{"ls / -p", "ls -p /"},

		// What looks like a flag and is none is complained about, not stored.
		{"set /k -5", "set -5 /k"},
		{"get /k -o json", "get -o /k json"},
		{"exec-watch k sh -c x", "exec-watch -c k sh x"},
		{"set /k v --ttl", "set --ttl /k v"},
		{"get /k --help", "get --help /k"},

		{"set -- /k -5", "set -- /k -5"},
		{"set --ttl 5 -- /k -5", "set --ttl 5 -- /k -5"},
		{"set /k -- -5", "set /k -- -5"},
		{"exec-watch /k -r -- sh -c x --recursive", "exec-watch -r /k -- sh -c x --recursive"},
		{"exec-watch --after-index 7 /k -- true", "exec-watch --after-index 7 /k -- true"},

		{"set /k -", "set /k -"},
		{"set help v --ttl 5", "set --ttl 5 help v"},

		{"--debug -o json --timeout=3s get /k -q", "--debug -o json --timeout=3s get -q /k"},
		{"--output get get /k -q", "--output get get -q /k"},
		{"-- get /k -q", "-- get -q /k"},
		{"get -- -q", "get -- -q"},
		{"member list x --nosuch", "member list --nosuch x"},
		{"member add n --peer-urls=U", "member add --peer-urls=U n"},
		{"member -- add n -x", "member -- add -x n"},
		{"member help add", "member help add"},
		{"help set -x", "help -x set"},

		// There is no command to tell flags and arguments apart by.
		{"nosuch /k -q", "nosuch /k -q"},
		{"member nosuch /k -q", "member nosuch /k -q"},
		{"--nosuch get /k -q", "--nosuch get -q /k"},
		{"-o", "-o"},
		{"--timeout", "--timeout"},
		{"-o json", "-o json"},
		{"member", "member"},
		{"", ""},
	} {
		s, _, _ := newShell(strings.Fields(tt.words)...)
		got := arranged(slices.Clone(s.args), s.app())
		if want := strings.Fields("etcdctl " + tt.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tt.words, got, want)
		}
	}
}

func TestAProgramMayBeCalledWithoutItsName(t *testing.T) {
	s, stdout, stderr := newShell()
	s.args = nil
	if got := ended(s, stdout, stderr); got.code != 0 || !strings.HasPrefix(got.stdout, "NAME:\n   etcdctl - ") {
		t.Error(got)
	}
}

func TestValuesThatLookLikeFlagsAreStoredBehindTwoDashes(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("-5\n", "set", "--", "/k", "-5")
		w.must("-6\n", "set", "--ttl", "50", "--", "/k", "-6")
		w.must("--\n", "set", "/k", "--", "-7") // as etcdctl does
		w.must("-\n", "set", "/k", "-")
		w.must("v\n", "set", "/k", "--ttl", "50", "v")
		w.must("1\n", "set", "/k", "1", "more", "words")
		w.must("1\n", "get", "/k", "/j")
	})
}

func TestWrongFlagsAreUsageErrors(t *testing.T) {
	for _, tt := range []struct{ words, reason string }{
		{"set /k -5", "flag provided but not defined: -5"},
		{"set /k v --nosuch", "flag provided but not defined: -nosuch"},
		{"ls -rp", "flag provided but not defined: -rp"},
		{"rmdir --recursive /d", "flag provided but not defined: -recursive"},
		{"set --ttl abc /a 1", `invalid value "abc" for flag -ttl: parse error`},
		{"set --ttl 1.5 /a 1", `invalid value "1.5" for flag -ttl: parse error`},
		{"set --ttl 99999999999999999999 /a 1", `invalid value "99999999999999999999" for flag -ttl: value out of range`},
		{"set /a 1 --ttl", `invalid value "/a" for flag -ttl: parse error`},
		{"mkdir --ttl", "flag needs an argument: -ttl"},
		{"get --quorum=maybe /k", `invalid boolean value "maybe" for -quorum: parse error`},
		{"get --help=maybe /k", `invalid boolean value "maybe" for -help: parse error`},
		{"get ---x", "bad flag syntax: ---x"},
	} {
		words := strings.Fields(tt.words)
		s, stdout, stderr := newShell(words...)
		screen, _, _ := newShell(words[0], "--help")
		want := outcome{
			stdout: "Incorrect Usage: " + tt.reason + "\n\n" + stdoutOf(t, screen),
			stderr: tt.reason + "\n",
			code:   1,
		}
		mustBe(t, ended(s, stdout, stderr), want, words...)
	}
}

func TestWrongGlobalFlagsAreUsageErrors(t *testing.T) {
	main, _, _ := newShell()
	group, _, _ := newShell("member")
	for _, tt := range []struct {
		words, reason string
		screen        string
	}{
		{"--nosuch", "flag provided but not defined: -nosuch", stdoutOf(t, main)},
		{"--nosuch get /k", "flag provided but not defined: -nosuch", stdoutOf(t, main)},
		{"-ojson get /k", "flag provided but not defined: -ojson", stdoutOf(t, main)},
		{"--timeout 1 get /k", `invalid value "1" for flag -timeout: parse error`, stdoutOf(t, main)},
		{"-o", "flag needs an argument: -o", stdoutOf(t, main)},
		{"member --nosuch list", "flag provided but not defined: -nosuch", stdoutOf(t, group)},
	} {
		words := strings.Fields(tt.words)
		s, stdout, stderr := newShell(words...)
		mustBe(t, ended(s, stdout, stderr), outcome{
			stdout: "Incorrect Usage. " + tt.reason + "\n\n" + tt.screen,
			stderr: tt.reason + "\n",
			code:   1,
		}, words...)
	}
}

// A role may have a comma in its name.
func TestAFlagThatMayRepeatIsNotSplitAtCommas(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		got := w.run("--debug", "user", "grant", "u", "--roles", "a,b", "--roles", "c")
		if want := `"{\"user\":\"u\",\"roles\":null,\"grant\":[\"a,b\",\"c\"]}"`; !strings.Contains(got.stderr, want) {
			t.Errorf("no %s in\n%s", want, got.stderr)
		}
	})
}
