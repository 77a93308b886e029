package main

import "strings"

// departure is a step that ends otherwise than recorded.
type departure struct {
	name string      // in docs/compatibility.md
	ends func(*step) // makes of the recording what is expected instead
}

// departures are the steps that end otherwise, by scenario and number.
var departures = map[string]map[int]departure{
	"auth": {
		13: {"ctl-password", quiet("stty: 'standard input': Inappropriate ioctl for device\n")},
		59: {"ctl-password", quiet("stty: 'standard input': Inappropriate ioctl for device\n")},
		61: {"ctl-password", quiet("stty: 'standard input': Inappropriate ioctl for device\n")},
		74: {"ctl-password", quiet("stty: 'standard input': Inappropriate ioctl for device\n")},
	},
	"backup": {
		6: {"ctl-backup", quiet(ignoredEntries)},
		8: {"ctl-backup", quiet(ignoredEntries)},
		9: {"ctl-backup", func(s *step) {
			s.Stderr = strings.ReplaceAll(s.Stderr, "out1/member/snap", "out1/member")
			s.Stderr = strings.Replace(s.Stderr, `["db"]`, `["backup.json" "identity" "lock" "log" "tree"]`, 1)
		}},
		10: {"ctl-backup", quiet(ignoredEntries)},
		11: {"ctl-backup", quiet(ignoredEntries)},
	},
	"help-and-usage": {
		29: {"ctl-added", func(s *step) {
			s.Code, s.Stdout, s.Stderr = new(int), importHelp(), ""
		}},
		61: {"ctl-added", func(s *step) {
			const reason = "flag provided but not defined: -snap"
			code := exitBadArgs
			s.Code, s.Stdout, s.Stderr = &code, "Incorrect Usage: "+reason+"\n\n"+importHelp(), reason+"\n"
		}},
	},
	"key-get-ls": {
		37: {"ctl-flag-order", prints("/d/x/\n/d/x/y\n/d/z\n")},
	},
	"key-set-flag-order": {
		7: {"ctl-flag-order", prints("v\n")},
		8: {"ctl-flag-order", prints("/k\n")},
	},
	"member-grow": {
		14: {"ctl-pinned", func(s *step) {
			s.Stderr = strings.Replace(s.Stderr, "22101/v2/keys", "22111/v2/keys", 1)
		}},
	},
	"member-multi-url": {
		5: {"ctl-pinned", func(s *step) {
			s.Stderr = strings.Replace(s.Stderr, "22103/v2/keys", "22101/v2/keys", 1)
		}},
		10: {"ctl-pinned", quiet("cURL Command: curl -X GET http://127.0.0.1:22099/v2/keys/a?quorum=false&recursive=false&sorted=false\n")},
	},
	"seed-curl": {
		4: {"version-field", hasVersion},
		13: {"listing-order", prints(`{"action":"get","node":{"dir":true,"nodes":[` +
			`{"key":"/message2","value":"hello etcd 1","modifiedIndex":7,"createdIndex":7},` +
			`{"key":"/message3","dir":true,"nodes":[{"key":"/message3/00000000000000000008","value":"hello etcd 1","modifiedIndex":8,"createdIndex":8}],` +
			`"modifiedIndex":8,"createdIndex":8}]}}` + "\n")},
		22: {"stats-store-gets", func(s *step) {
			s.Stdout = strings.Replace(s.Stdout, `"getsSuccess":5,"getsFail":18`, `"getsSuccess":4,"getsFail":0`, 1)
		}},
		38: {"stream-once", func(s *step) {
			lines := strings.SplitAfter(s.Stdout, "\n")
			s.Stdout = strings.Join(lines[:2], "")
		}},
		41: {"version-field", hasVersion},
		44: {"add-keeps-quorum", prints(`{"message":"No such member: 272e204152"}`)},
	},
	"tls": {
		8: {"ctl-tls-texts", complains("client: etcd cluster is unavailable or misconfigured; error #0: ", "remote error: tls: certificate required")},
		9: {"ctl-tls-texts", complains("client: etcd cluster is unavailable or misconfigured; error #0: ", "remote error: tls: certificate required")},
		10: {"tls-plain", func(s *step) {
			s.Stderr = "Error:  client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint\n"
		}},
	},
	"watch-server-gone": {
		1: {"ctl-watch-goes-on", goesOn},
		2: {"ctl-watch-goes-on", goesOn},
		6: {"ctl-watch-goes-on", goesOn},
	},
}

// ignoredEntries is what etcd's log has, and Keytree's does not.
const ignoredEntries = "TIME I | ignoring EntryConfChange raft entry\n" +
	"TIME I | ignoring member attribute update on /0/members/57081c5b19a5f934/attributes\n"

func importHelp() string { return commandHelp(programName, "import", (&shell{}).importCommand()) }

func prints(text string) func(*step) { return func(s *step) { s.Stdout = text } }

// quiet does not say text on stderr.
func quiet(text string) func(*step) {
	return func(s *step) { s.Stderr = strings.ReplaceAll(timeStamp.ReplaceAllString(s.Stderr, "TIME"), text, "") }
}

// complains has another cause in the form of an error of the cluster.
func complains(prefix, cause string) func(*step) {
	return func(s *step) {
		s.Stderr = "Error:  " + prefix + cause + "\n\nerror #0: " + cause + "\n\n"
	}
}

func hasVersion(s *step) {
	s.Stdout = strings.TrimSuffix(s.Stdout, "}") + `,"keytree":"0.1.0"}`
}

// goesOn waits for the cluster to come back, until somebody ends it.
func goesOn(s *step) {
	s.Stderr = "Lost the connection, trying to get it back: unexpected EOF\n"
	s.Code, s.EndedBy = nil, "SIGKILL after 1s"
}
