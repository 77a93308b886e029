package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed are the words that the last of those typed could become.
func (w *world) completed(typed ...string) []string {
	w.t.Helper()
	words := []string{}
	for line := range strings.Lines(w.mustRun(append([]string{candidatesCommand, "--"}, typed...)...)) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		words = append(words, word)
	}
	return words
}

func TestWordsAreCompleted(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustRun("set", "/app/name", "x")
		w.mustRun("set", "/app/-odd", "x")
		w.mustRun("mkdir", "/app/dir")
		w.mustRun("set", "/apple", "x")
		w.mustRun("user", "add", "ann:pw")
		w.mustRun("role", "add", "reader")
		id, _, _ := strings.Cut(w.mustRun("member", "list"), ":")
		for _, test := range []struct {
			typed string // with blanks between words
			want  string
		}{
			{"set", "set setdir"},
			{"--no-sync upd", "update updatedir"},
			{"--timeout 1s upd", "update updatedir"},
			{"member ", "list add remove update"},
			{"member remove ", id},
			{"get /app", "/app/ /apple"},
			{"get app", "app/ apple"},
			{"get ", "/app/ /apple"},
			{"--debug get --quorum /app/", "/app/-odd /app/dir/ /app/name"},
			{"get /app/n", "/app/name"},
			{"get -- /app/n", "/app/name"},
			{"get /app/name ", ""},
			{"set --ttl 5 /app/d", "/app/dir/"},
			{"set --swap", "--swap-with-value --swap-with-index"},
			{"--out", "--output"},
			{"-o ", "extended json simple table"},
			{"-o j", "json"},
			{"--output=t", "--output=table"},
			{"user get ", "ann"},
			{"user grant --roles re", "reader"},
			{"role grant --path /app/", "/app/-odd /app/dir/ /app/name"},
			{"completion ", "bash fish zsh"},
			{"help ex", "exec-watch export"},
			{"nonsense ", ""},
			{"--endpoints http://127.0.0.1:1 get /", ""},
			{"--username ann get ", ""}, // nobody is asked for the password
		} {
			if got := w.completed(strings.Split(test.typed, " ")...); !slices.Equal(got, strings.Fields(test.want)) {
				t.Errorf("%q becomes %q, want %q", test.typed, got, test.want)
			}
		}
		w.must("", candidatesCommand)
	})
}

// TestBashCompletesByTheScript lets a bash ask a program that prints what it
// is asked.
func TestBashCompletesByTheScript(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	program := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + asked + "\nprintf '%s\\n' \"$FOUND\"\n"
	if err := os.WriteFile(filepath.Join(dir, "etcdctl2"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	s, stdout, stderr := newShell("completion", "bash")
	s.args[0] = "etcdctl2"
	if o := ended(s, stdout, stderr); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	for _, test := range []struct{ words, found, asked, reply string }{
		{"get /a", "/app/\n/apple", "get /a", "/app/ /apple"},
		{"--output = j", "--output=json\tx", "--output=j", "json"},
		{"--endpoints http : //h : 1 get /x", "/x:y\tx", "--endpoints http://h:1 get /x", "/x:y"},
		{"get /x : z", "/x:zz", "get /x:z", "zz"},
	} {
		script := stdout.String() + `
COMP_WORDS=(etcdctl2 ` + test.words + `)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_etcdctl2
echo "${COMPREPLY[*]}"
`
		cmd := exec.Command(bash, "--norc", "-c", script)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "FOUND=" + test.found}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		words, err := os.ReadFile(asked)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(string(words)), " "); got != candidatesCommand+" -- "+test.asked {
			t.Errorf("%s: asked %q, want %q", test.words, got, test.asked)
		}
		if got := strings.TrimSpace(string(out)); got != test.reply {
			t.Errorf("%s: %q, want %q", test.words, got, test.reply)
		}
	}
}

// TestShellsUnderstandTheirScripts lets shells that are there read them.
func TestShellsUnderstandTheirScripts(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "fish"} {
		t.Run(name, func(t *testing.T) {
			s, stdout, stderr := newShell("completion", name)
			if o := ended(s, stdout, stderr); o.code != 0 || !strings.Contains(o.stdout, candidatesCommand+" -- ") || strings.Contains(o.stdout, "PROGRAM") || strings.Contains(o.stdout, "%!") {
				t.Fatalf("%+v", o)
			}
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(path, "-n")
			cmd.Stdin = stdout
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	s, stdout, stderr := newShell("completion", "csh")
	mustBe(t, ended(s, stdout, stderr), outcome{stderr: "Please name one of bash, zsh and fish\n", code: exitBadArgs})
}
