package main

import (
	"strings"
	"testing"
	"time"
)

func TestAValueIsShownInThreeFormats(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("hello\n", "set", "/msg", "hello")
		w.must("hello\n", "get", "/msg")
		w.must("Key: /msg\nCreated-Index: 4\nModified-Index: 4\nTTL: 0\nIndex: 4\n\nhello\n", "-o", "extended", "get", "/msg")
		w.must(`{"action":"get","node":{"key":"/msg","value":"hello","nodes":null,"createdIndex":4,"modifiedIndex":4},"prevNode":null}`+"\n",
			"--output=json", "get", "msg")
		w.must("Key: /msg\nCreated-Index: 5\nModified-Index: 5\nPrevNode.Value: hello\nTTL: 0\nIndex: 5\n\na <b> & c\n",
			"-o", "extended", "set", "/msg", "a <b> & c")
		w.must(`{"action":"get","node":{"key":"/msg","value":"a \u003cb\u003e \u0026 c","nodes":null,"createdIndex":5,"modifiedIndex":5},"prevNode":null}`+"\n",
			"-o", "json", "get", "/msg")
	})
}

// Scripts that ask for a format that is not known have always had what they
// asked for done.
func TestAnUnknownFormatIsToldOfWhenAllIsDone(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, words := range [][]string{{"set", "/a", "1"}, {"get", "/a"}, {"ls"}, {"mkdir", "/d"}, {"rmdir", "/d"}, {"rm", "/a"}} {
			mustBe(t, w.run(append([]string{"-o", "xml"}, words...)...), outcome{stderr: "Unsupported output format: xml\n"}, words...)
		}
		w.mustFail(4, "Error:  100: Key not found (/a) [7]\n", "-o", "xml", "get", "/a")
	})
}

func TestAValueMayComeFromStdin(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, words := range [][]string{{"mk", "/a"}, {"set", "/a"}, {"update", "/a"}, {"mk", "--in-order", "/queue"}} {
			mustBe(t, w.runWith("line 1\nline 2\n", words...), outcome{stdout: "line 1\nline 2\n\n"}, words...)
			mustBe(t, w.runWith("", words...), outcome{stderr: "Error:  value required\n", code: 1}, words...)
		}
		mustBe(t, w.runWith("not read", "set", "/a", ""), outcome{stdout: "\n"}, "set", "/a", "")
		w.must("\n", "get", "/a")
	})
}

func TestAKeyIsRequired(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, name := range []string{"get", "set", "mk", "mkdir", "rm", "rmdir", "setdir", "update", "updatedir"} {
			w.mustFail(1, "Error:  key required\n", name)
		}
	})
}

func TestConditionsAreKept(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("1\n", "mk", "/a", "1")
		w.mustFail(4, "Error:  105: Key already exists (/a) [4]\n", "mk", "/a", "2")
		w.mustFail(4, "Error:  101: Compare failed ([x != 1] [9 != 4]) [4]\n", "set", "/a", "2", "--swap-with-value", "x", "--swap-with-index", "9")
		w.mustFail(4, "Error:  101: Compare failed ([18446744073709551615 != 4]) [4]\n", "set", "/a", "2", "--swap-with-index", "-1")
		w.must("2\n", "set", "--swap-with-value", "1", "/a", "2")
		w.must("3\n", "set", "--swap-with-index", "5", "/a", "3")
		w.must("4\n", "set", "--swap-with-index", "0", "--swap-with-value", "", "/a", "4")
		w.mustFail(4, "Error:  100: Key not found (/b) [7]\n", "update", "/b", "1")
		w.must("5\n", "update", "/a", "5")
		w.mustFail(4, "Error:  101: Compare failed ([x != 5]) [8]\n", "rm", "--with-value", "x", "/a")
		w.mustFail(4, "Error:  101: Compare failed ([9 != 8]) [8]\n", "rm", "--with-index", "9", "/a")
		w.must("\n", "rm", "--with-index", "8", "/a")
	})
}

func TestKeysExpire(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("1\n", "set", "/a", "1", "--ttl", "10")
		w.must("1\n", "mk", "--ttl", "0x14", "/b", "1")
		w.must("1\n", "set", "--ttl", "-1", "/c", "1")
		w.must("1\n", "set", "--ttl", "18446744074", "/d", "1") // not 0.3 s, which is what is left of it in 64 bits
		w.must("1\n", "set", "--ttl", "-9223372036854775807", "/e", "1")
		w.must("", "mkdir", "/f", "--ttl", "10")
		w.must("Key: /a\nCreated-Index: 4\nModified-Index: 4\nTTL: 10\nIndex: 9\n\n1\n", "-o", "extended", "get", "/a")
		w.must("2\n", "update", "/b", "2") // and stays
		time.Sleep(30 * time.Second)
		w.must("/b\n/c\n/d\n/e\n", "ls", "--sort")
	})
}

func TestKeysInOrder(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("a\n", "mk", "--in-order", "/queue", "a")
		w.must("b\n", "mk", "/queue", "b", "--in-order", "--ttl", "50")
		w.must("/queue/00000000000000000004\n/queue/00000000000000000005\n", "ls", "--sort", "/queue")
	})
}

func TestRemovedKeysAreShown(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("1\n", "set", "/d/a", "1")
		w.must("PrevNode.Value: 1\n", "rm", "/d/a")
		w.must("2\n", "set", "/d/a", "2")
		w.must("Key: /d/a\nCreated-Index: 6\nModified-Index: 7\nPrevNode.Value: 2\nTTL: 0\nIndex: 7\n", "-o", "extended", "rmdir", "/d/a")
		w.must("3\n", "set", "/d/a", "3")
		w.mustFail(4, "Error:  102: Not a file (/d) [8]\n", "rm", "/d")
		w.mustFail(4, "Error:  108: Directory not empty (/d) [8]\n", "rmdir", "/d")
		w.mustFail(4, "Error:  108: Directory not empty (/d) [8]\n", "rm", "--dir", "/d")
		w.must("", "rm", "-r", "/d")
		w.must("", "mkdir", "/d")
		w.must(`{"action":"delete","node":{"key":"/d","dir":true,"value":"","nodes":null,"createdIndex":10,"modifiedIndex":11},`+
			`"prevNode":{"key":"/d","dir":true,"value":"","nodes":null,"createdIndex":10,"modifiedIndex":10}}`+"\n", "-o", "json", "rm", "--dir", "/d")
	})
}

func TestDirectories(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("", "mkdir", "/d/e")
		w.mustFail(4, "Error:  105: Key already exists (/d/e) [4]\n", "mkdir", "/d/e")
		w.mustFail(4, "Error:  102: Not a file (/d/e) [4]\n", "setdir", "/d/e")
		w.must("", "setdir", "/f")
		w.must("", "updatedir", "/f", "--ttl", "60")
		w.must("Key: /f\nCreated-Index: 5\nModified-Index: 7\nPrevNode.Value: \nTTL: 0\nIndex: 7\n\n\n", "-o", "extended", "updatedir", "/f")
		w.must(`{"action":"create","node":{"key":"/g","dir":true,"value":"","nodes":null,"createdIndex":8,"modifiedIndex":8},"prevNode":null}`+"\n",
			"-o", "json", "mkdir", "/g")
		w.mustFail(1, "/d: is a directory\n", "get", "/d")
		w.mustFail(1, ": is a directory\n", "-o", "json", "get", "/")
	})
}

func TestWhatIsInADirectoryIsListed(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.must("", "ls")
		for _, key := range []string{"/d/x/y", "/b", "/d/z", "/_hidden/h"} {
			w.must("1\n", "set", key, "1")
		}
		w.must("", "mkdir", "/empty")
		w.must("/b\n/d\n/empty\n", "ls", "--sort")
		w.must("/b\n/d/\n/d/x/\n/d/x/y\n/d/z\n/empty/\n", "ls", "-p", "--sort", "-r")
		w.must("/d/x/\n/d/x/y\n/d/z\n", "ls", "d", "-p", "--sort", "--recursive", "-q")
		w.must("/b\n", "ls", "-p", "/b")
		w.must("", "ls", "-p", "/empty")
		w.must("/_hidden/h\n", "ls", "/_hidden")
		w.must("Key: \nCreated-Index: 0\nModified-Index: 0\nTTL: 0\nIndex: 8\n\n\n", "-o", "extended", "ls", "")
		w.mustFail(4, "Error:  100: Key not found (/nope) [8]\n", "ls", "/nope/x")
	})
}

func TestKeysMayHaveAnyName(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, key := range []string{"help", "h", "-", "/q?x=1&y#z%41", "/a b", "/中文/键", "//d//x/", "ls"} {
			w.must("v "+key+"\n", "set", key, "v "+key)
			w.must("v "+key+"\n", "get", key)
		}
		w.must("/h\n", "ls", "h")
		w.must("PrevNode.Value: v help\n", "rm", "help")
		w.mustFail(4, "Error:  client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint\n", "get", "/../up")
	})
}

func TestAnswersThatSayNothingAreRefused(t *testing.T) {
	for _, body := range []string{`{"action":"get"}`, `{"action":"delete"}`, `<html>`, `[]`} {
		s, stdout, stderr := newShell("--no-sync", "get", "/a")
		s.transport = says(200, body)
		mustBe(t, ended(s, stdout, stderr), outcome{
			stderr: "Error:  client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint\n", code: 4,
		}, body)
	}
	s, stdout, stderr := newShell("--no-sync", "rm", "/a")
	s.transport = says(200, `{"action":"delete","node":{"key":"/a"}}`)
	mustBe(t, ended(s, stdout, stderr), outcome{stdout: "PrevNode.Value: \n"}, "rm")
}

// A disk that is full must not look like an empty value.
func TestAnAnswerThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, words := range [][]string{{"get", "/a"}, {"ls"}, {"help"}, {"--version"}} {
		s, _, stderr := newShell(append([]string{"--no-sync"}, words...)...)
		s.transport = says(200, `{"action":"get","node":{"key":"/a","value":"1"}}`)
		s.stdout = fullDisk{}
		if code := s.run(t.Context()); code != 1 || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%q: code %d, stderr %q", words, code, stderr)
		}
	}
}
