package main

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mustPrint runs a command and returns what it prints.
func mustPrint(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code, _ := start(args, nil, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("keytree %v: exit %d:\n%s", args, code, stderr.String())
	}
	return stdout.String()
}

func TestHelpShowsEveryCommand(t *testing.T) {
	help := mustPrint(t, "--help")
	for _, c := range commands() {
		if !strings.Contains(help, "\n  "+c.synopsis()+"\n") {
			t.Errorf("help lacks %s", c.synopsis())
		}
		if !strings.HasSuffix(c.does, ".") {
			t.Errorf("%s: %q is no sentence", c.name, c.does)
		}
	}
}

func TestACommandCalledWronglySaysHowItIsUsed(t *testing.T) {
	for _, args := range []string{"man page", "completion", "completion csh", "completion bash zsh"} {
		var stdout, stderr bytes.Buffer
		code, _ := start(strings.Fields(args), nil, &stdout, &stderr)
		name, _, _ := strings.Cut(args, " ")
		if code != 2 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "usage: keytree "+name) {
			t.Errorf("keytree %s: exit %d:\n%s%s", args, code, stdout.String(), stderr.String())
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestWhatCannotBePrintedIsAFailure(t *testing.T) {
	for _, args := range []string{"man", "completion bash", "completion zsh", "completion fish"} {
		if code, _ := start(strings.Fields(args), nil, full{}, io.Discard); code != 1 {
			t.Errorf("keytree %s: exit %d, want 1", args, code)
		}
	}
}

func TestTheManualHasEverySettingAndCommand(t *testing.T) {
	text := mustPrint(t, "man")
	shown, inert := defaults().listed()
	for _, s := range shown {
		if !strings.Contains(text, "\n\\fB"+roff("--"+s.name)) || !strings.Contains(text, "\n"+roff(s.description())+"\n") {
			t.Errorf("there is nothing about --%s", s.name)
		}
	}
	for _, name := range inert {
		if !strings.Contains(text, roff("--"+name)) {
			t.Errorf("--%s is not named", name)
		}
	}
	for _, c := range commands() {
		if !strings.Contains(text, roff(c.synopsis())) {
			t.Errorf("there is nothing about keytree %s", c.name)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// mustAskShell has a shell that is here run a script.
func mustAskShell(t *testing.T, script, shell string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(script)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", shell, err, out)
	}
	return string(out)
}

// lines are the first words of lines, in order.
func lines(text string) []string {
	all := []string{}
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		all = append(all, word)
	}
	slices.Sort(all)
	return all
}

func allFlags() (all []string) {
	shown, _ := defaults().listed()
	for _, s := range shown {
		all = append(all, "--"+s.name)
	}
	slices.Sort(all)
	return all
}

func TestBashCompletesFlagsTheirValuesAndCommands(t *testing.T) {
	script := mustPrint(t, "completion", "bash")
	for _, tt := range []struct{ typed, want string }{ // as bash splits it
		{"keytree --pro", "--proxy --proxy-fanout --proxy-failure-wait --proxy-refresh-interval --proxy-dial-timeout --proxy-write-timeout --proxy-read-timeout"},
		{"keytree --proxy ", "off readonly on"},
		{"keytree -proxy ", "off readonly on"},
		{"keytree --proxy = r", "readonly"},
		{"keytree --proxy =", "off readonly on"},
		{"keytree --debug = ", "true false"},
		{"keytree --debug --name x --initial-cluster-st", "--initial-cluster-state"},
		{"keytree --debug --auto", "--auto-tls"},
		{"keytree --data-dir ", ""},
		{"keytree com", "completion"},
		{"keytree completion ", "bash zsh fish"},
		{"keytree man ", ""},
		{"keytree health --listen-m", "--listen-metrics-urls"},
		{"keytree --debug com", ""},
	} {
		words := strings.Split(tt.typed, " ")
		out := mustAskShell(t, script+"COMP_WORDS=('"+strings.Join(words, "' '")+"')\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_keytree\nprintf '%s\\n' \"${COMPREPLY[*]}\"\n", "bash", "--norc")
		if got := strings.TrimSpace(out); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.typed, got, tt.want)
		}
	}
}

func TestFishCompletesFlagsTheirValuesAndCommands(t *testing.T) {
	script := mustPrint(t, "completion", "fish")
	for _, tt := range []struct{ typed, want string }{
		{"keytree --proxy-f", "--proxy-failure-wait --proxy-fanout"},
		{"keytree --proxy ", "off on readonly"},
		{"keytree --proxy=r", "--proxy=readonly"},
		{"keytree --debug --auto", "--auto-tls"},
		{"keytree com", "completion"},
		{"keytree completion ", "bash fish zsh"},
		{"keytree man --d", ""},
		{"keytree health --listen-m", "--listen-metrics-urls"},
	} {
		got := lines(mustAskShell(t, script+"complete -C '"+tt.typed+"'\n", "fish", "--no-config"))
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%q becomes %q, want %q", tt.typed, got, tt.want)
		}
	}
	if got := lines(mustAskShell(t, script+"complete -C 'keytree --'\n", "fish", "--no-config")); !slices.Equal(got, allFlags()) {
		t.Errorf("-- becomes %q, want every flag", got)
	}
}

// What zsh makes of the flags needs somebody at a terminal. What it is told of
// them does not.
func TestZshIsToldOfFlagsTheirValuesAndCommands(t *testing.T) {
	const stubs = `
compdef() { :; }
_arguments() { print -rl -- "$@"; state=command; }
_describe() { print -rl -- "${(@P)2}"; }
compadd() { print -rl -- "$@"; }
`
	script := stubs + mustPrint(t, "completion", "zsh")
	told := mustAskShell(t, script+"words=(keytree '') CURRENT=2\n_keytree\n", "zsh", "-f")
	for _, want := range []string{
		"--proxy=[be a proxy instead of a member\\: 'on', 'readonly', or 'off'.]:value:(off readonly on)\n",
		"--debug=-[log at debug level and serve profiles.]::value:(true false)\n",
		"--data-dir=[directory of this member's data.]:value:_files\n",
		"1: :->command\n", "man:prints the manual page, for man -l - or a file.\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it is not told %q:\n%s", want, told)
		}
	}
	if got, want := strings.Count(told, "\n"), len(allFlags())+1+len(commands()); got != want {
		t.Errorf("it is told %d things, want %d:\n%s", got, want, told)
	}
	if got := mustAskShell(t, script+"words=(keytree completion '') CURRENT=3\n_keytree\n", "zsh", "-f"); got != "--\nbash\nzsh\nfish\n" {
		t.Errorf("completion is followed by %q", got)
	}
}
