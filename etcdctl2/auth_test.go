package main

import (
	"net/http"
	"strings"
	"testing"
)

// session is a transcript: lines that begin with $ are typed, those below are
// what is to come of it. Lines of stderr begin with !, and a code other than 0
// stands behind the command.
func (w *world) session(text string) {
	w.t.Helper()
	for _, one := range strings.Split(strings.TrimSpace(text), "\n$ ") {
		typed, rest, _ := strings.Cut(strings.TrimPrefix(one, "$ ")+"\n", "\n")
		want := outcome{}
		if command, failure, ok := strings.Cut(typed, " => "); ok {
			typed, want.code = command, int(failure[0]-'0')
		}
		for _, line := range strings.SplitAfter(rest, "\n") {
			if refusal, ok := strings.CutPrefix(line, "! "); ok {
				want.stderr += refusal
			} else {
				want.stdout += line
			}
		}
		words := strings.Fields(typed)
		mustBe(w.t, w.run(words...), want, words...)
	}
}

func TestUsersAndRolesAreLookedAfter(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.session(`
$ user list
$ role list
root
$ auth enable => 1
! auth: No root user available, please create one
$ auth disable => 1
! auth: already disabled
$ user get nobody => 1
! auth: User nobody does not exist.
$ user add root:rootpw
User root created
$ user add root:rootpw
User root created
$ user add alice:pw
User alice created
$ user add carol: => 1
! auth: Cannot create user carol with an empty password
$ user list
alice
root
$ user get root
User: root
Roles:  root
$ role add rkv
Role rkv created
$ role add rkv => 1
! Role rkv already exists
$ role get rkv
Role: rkv
KV Read:
KV Write:
$ role get nope => 1
! auth: Role nope does not exist.
$ role grant --path /pub/* --read rkv
Role rkv updated
$ role grant --path /pub/* --read rkv => 1
! auth: Granting duplicate read permission /pub/*
$ role grant rkv --path /rw --rw
Role rkv updated
$ role grant rkv -path /w -write
Role rkv updated
$ role grant --path /w --write nope => 1
! auth: Role nope does not exist.
$ role get rkv
Role: rkv
KV Read:
	/pub/*
	/rw
KV Write:
	/rw
	/w
$ role revoke --path /w --write rkv
Role rkv updated
$ role revoke --path /w --write rkv => 1
! auth: Role not updated. Use grant/revoke to update the role.
$ role revoke --path /rw --readwrite root => 1
! auth: Cannot modify role root: is root role.
$ user grant alice --roles rkv
User alice updated
$ user grant --roles rkv alice => 1
! auth: Granting duplicate role rkv for user alice
$ user grant --roles root,rkv alice
User alice updated
$ user get alice => 1
! auth: Role root,rkv does not exist.
$ user revoke --roles root,rkv alice
User alice updated
$ user grant --roles root alice
User alice updated
$ user get alice
User: alice
Roles:   rkv root
$ user revoke --roles rkv --roles root alice
User alice updated
$ auth enable
Authentication Enabled
$ auth enable => 1
! Insufficient credentials
$ role list => 1
! unexpected status code 401
$ role add r2 => 1
! Insufficient credentials
$ -u root:rootpw user list
alice
root
$ -u root:rootpw user remove root => 1
! auth: Cannot delete root user while auth is enabled.
$ -u root:rootpw role remove guest
Role guest removed
$ watch /open => 4
! Error:  110: The request requires user authentication (Insufficient credentials) [0]
$ exec-watch /open -- true => 4
! Error:  110: The request requires user authentication (Insufficient credentials) [0]
$ -u root:rootpw role remove rkv
Role rkv removed
$ -u root:rootpw role remove rkv => 1
! auth: Role rkv doesn't exist.
$ -u root:rootpw user remove alice
User alice removed
$ -u root:rootpw auth disable
Authentication Disabled
`)
	})
}

func TestArgumentsOfAuthCommandsAreCheckedBeforeAnybodyIsAsked(t *testing.T) {
	for words, want := range map[string]string{
		"user list x":                         "No arguments accepted",
		"role list x":                         "No arguments accepted",
		"auth enable x":                       "No arguments accepted",
		"auth disable x":                      "No arguments accepted",
		"user get":                            "Please provide a username",
		"user get a b":                        "Please provide a username",
		"user add":                            "Please provide a username",
		"user add a:b c":                      "Please provide a username",
		"user remove":                         "Please provide a username",
		"user passwd":                         "Please provide a username",
		"user grant":                          "No roles specified; please use `--roles`",
		"user revoke a":                       "No roles specified; please use `--roles`",
		"user grant --roles r":                "Please provide a username",
		"role add":                            "Please provide a role name",
		"role get":                            "Please provide a role name",
		"role remove a b":                     "Please provide a role name",
		"role grant":                          "No path specified; please use `--path`",
		"role revoke a":                       "No path specified; please use `--path`",
		"role grant --path pub a":             "Not canonical path; please use `--path=/pub`",
		"role grant --path /pub a":            "Please specify exactly one of --read, --write or --readwrite",
		"role grant --path /p --read --write": "Please specify exactly one of --read, --write or --readwrite",
		"role grant --path /p --read --rw a":  "Please specify exactly one of --read, --write or --readwrite",
		"role revoke --path /p --readwrite":   "Please provide a role name",
		"role revoke --path /p --write a b":   "Please provide a role name",
	} {
		s, stdout, stderr := newShell(strings.Fields(words)...)
		s.transport = transport(func(*http.Request) (*http.Response, error) { panic("somebody was asked") })
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: want + "\n", code: 1}, words)
	}
}

func TestPasswordsAreAskedFor(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		mustBe(t, w.runWith("first\n", "user", "add", "root"), outcome{stdout: "New password: \nUser root created\n"}, "user add")
		w.must("Authentication Enabled\n", "auth", "enable")
		w.must("root\n", "-u", "root:first", "user", "list")
		mustBe(t, w.runWith("second", "-u", "root:first", "user", "passwd", "root"), outcome{stdout: "New password: \nPassword updated\n"}, "user passwd")
		w.mustFail(1, "Insufficient credentials\n", "-u", "root:first", "user", "list")
		w.must("root\n", "-u", "root:second", "user", "list")
		mustBe(t, w.runWith("x\n", "-u", "root:second", "user", "passwd", "nobody"), outcome{stdout: "New password: \n", stderr: "\n", code: 1}, "user passwd")
		w.must("nobody\nroot\n", "-u", "root:second", "user", "list")
	})
}

func TestAPasswordIsAllBehindTheFirstColon(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("User root created\n", "user", "add", "root:y:z")
		w.must("Authentication Enabled\n", "auth", "enable")
		w.must("root\n", "-u", "root:y:z", "user", "list")
	})
}

func TestWhatIsAskedAboutRolesIsShown(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		url := w.members.Members[0].ClientURL
		got := w.run("--debug", "--no-sync", "role", "add", "r")
		mustBe(t, got, outcome{stdout: "Role r created\n", stderr: "Cluster-Endpoints: " + url + "\nCluster-Endpoints: " + url + "\n" +
			"cURL Command: curl -X GET " + url + "/v2/auth/roles/r\n" +
			"cURL Command: curl -X PUT " + url + "/v2/auth/roles/r -d \"{\\\"role\\\":\\\"r\\\",\\\"permissions\\\":{\\\"kv\\\":{\\\"read\\\":null,\\\"write\\\":null}}}\"\n"}, "role add")
	})
}
