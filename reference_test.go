package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md and docs/keytree.conf.yml anew")

const (
	referencePage = "docs/configuration.md"
	sampleFile    = "docs/keytree.conf.yml"
)

// mustBeUpToDate compares a file with what the table of settings makes of it.
func mustBeUpToDate(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s does not say what the settings are (%v): run go test -run UpToDate -update .", path, err)
	}
}

const referenceHead = `# Configuration

This page is made from the table of settings in the program: change that, then run ` + "`go test -run UpToDate -update .`" + `

Every setting has one name, and can be given

1. on the command line: ` + "`--data-dir /d`, `-data-dir=/d`" + `; a switch takes no word of its own: ` + "`--debug`, `--debug=false`" + `;
2. in the environment: ` + "`KEYTREE_DATA_DIR=/d`, or `ETCD_DATA_DIR=/d`" + `, which is the same. An empty variable counts as not set. If both
   are there and differ, the first is used, with a warning;
3. in a file, with ` + "`--config-file PATH` or `KEYTREE_CONFIG_FILE`: `data-dir: /d`" + `. It is YAML, or JSON, with the keys and sections of
   etcd's files. [keytree.conf.yml](keytree.conf.yml) has all of them. Lists may be lists or strings with commas. An empty value
   counts as not set. Unknown keys are warned of; a value of the wrong kind is refused.

The first that says something wins: the command line before the environment, that before the file. The log says which variables were
used, which were not and why, and which names nobody knows. Files of lines such as ` + "`ETCD_NAME=\"x\"`" + ` are for the environment
(` + "`EnvironmentFile=`" + ` of systemd), not for ` + "`--config-file`" + `.

A setting that is refused ends the start: exit code 2 if the command line cannot be read, 1 for everything else.
`

func TestTheReferencePageIsUpToDate(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	group := ""
	for _, s := range defaults().settings() {
		if s.name == "h" {
			continue
		}
		if s.group != group {
			group = s.group
			b.WriteString(groupHead(group))
		}
		b.WriteString(row(s))
	}
	mustBeUpToDate(t, referencePage, b.String())
}

func groupHead(group string) string {
	head := "\n## " + strings.ToUpper(group[:1]) + group[1:] + "\n\n"
	switch group {
	case "without effect":
		return head + "Settings of etcd that there is nothing to set for here. Their values are checked and left alone.\n\n| flag | why |\n|---|---|\n"
	case "ignored":
		return head + "Flags that etcd has ignored since 0.4, with a warning, so that old unit files go on working; and two that are refused.\n\n"
	}
	return head + "| flag | variable | elsewhere in the file | default | meaning |\n|---|---|---|---|---|\n"
}

func row(s setting) string {
	code := func(text string) string {
		if text == "" {
			return ""
		}
		return "`" + text + "`"
	}
	switch {
	case s.inert:
		return fmt.Sprintf("| %s | %s |\n", code("--"+s.name), s.usage)
	case s.group == "ignored":
		return fmt.Sprintf("- %s\n", code("--"+s.name))
	}
	variable, place, standard := code(ownPrefix+s.variable()), "", s.defaultValue()
	if s.flagOnly {
		variable, standard = "", ""
	}
	if s.section != "" {
		place = code(s.section + ": " + s.key)
	}
	if s.shown == "" {
		standard = code(standard)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", code("--"+s.name), variable, place, standard, s.description())
}

const sampleHead = `# A configuration file for keytree --config-file, with every key at its
# default. A key without a value counts as not set; what is not needed may be
# left out. See configuration.md for what the settings mean.
`

func TestTheSampleFileIsUpToDate(t *testing.T) {
	var b strings.Builder
	b.WriteString(sampleHead)
	group, section := "", ""
	for _, s := range defaults().settings() {
		if s.flagOnly || s.notInFile || s.instead != "" || s.group == "ignored" {
			continue
		}
		if s.group != group {
			group, section = s.group, ""
			fmt.Fprintf(&b, "\n# %s\n", strings.ToUpper(group[:1])+group[1:])
			if s.inert {
				b.WriteString("# (accepted for etcd's sake)\n")
			}
		}
		if s.section != section && s.section != "" {
			fmt.Fprintf(&b, "\n%s:\n", s.section)
		}
		if section != "" && s.section == "" {
			b.WriteString("\n")
		}
		section = s.section
		b.WriteString(sampleLines(s))
	}
	mustBeUpToDate(t, sampleFile, b.String())
}

func sampleLines(s setting) string {
	if s.inert {
		return s.name + ":\n"
	}
	key, indent, fallback := s.name, "", s.value.String()
	if s.section != "" {
		key, indent = s.key, "  "
	}
	comment := s.description()
	if s.shown != "" {
		comment += " Default: " + s.shown + "."
		fallback = ""
	}
	if fallback != "" && s.value.kind().tags[0] == "!!str" {
		fallback = "'" + fallback + "'"
	}
	return wrapped(comment, indent+"# ") + strings.TrimRight(fmt.Sprintf("%s%s: %s", indent, key, fallback), " ") + "\n"
}

// Whoever starts from the sample must get what they would without a file.
func TestTheSampleFileMeansTheDefaults(t *testing.T) {
	got, err := readConfig([]string{"--config-file", sampleFile}, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.notices) != 1 {
		t.Errorf("there is more to say than that the file is read: %v", got.notices)
	}
	want := mustReadConfig(t)
	got.given, got.notices, got.configFile = want.given, want.notices, want.configFile
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the sample means\n%+v, want\n%+v", got, want)
	}
}

func TestTheSampleFileHasEveryKey(t *testing.T) {
	b, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range defaults().settings() {
		key := "\n" + s.name + ":"
		if s.section != "" {
			key = "\n  " + s.key + ":"
		}
		want := !s.flagOnly && !s.notInFile && s.instead == "" && s.group != "ignored"
		if strings.Contains(string(b), key) != want && (want || s.section == "") {
			t.Errorf("%s: in the sample: %v, want %v", s.name, !want, want)
		}
	}
}

// What the table promises, in one place or the other, must not clash.
func TestEverySettingHasNamesOfItsOwn(t *testing.T) {
	var names, variables, places []string
	for _, s := range defaults().settings() {
		names, variables = append(names, s.name), append(variables, s.variable())
		if s.section != "" {
			places = append(places, s.section+"."+s.key)
		}
		if s.usage != "" && !strings.HasSuffix(s.usage, ".") {
			t.Errorf("--%s: %q is no sentence", s.name, s.usage)
		}
		if s.instead != "" && !slices.ContainsFunc(defaults().settings(), func(o setting) bool { return o.name == s.instead }) {
			t.Errorf("--%s was replaced by --%s, which there is not", s.name, s.instead)
		}
	}
	for _, list := range [][]string{names, variables, places} {
		slices.Sort(list)
		if n := len(slices.Compact(slices.Clone(list))); n != len(list) {
			t.Errorf("something is twice in %v", list)
		}
	}
}

func TestHelpShowsEverySetting(t *testing.T) {
	var b strings.Builder
	defaults().printHelp(&b)
	for _, s := range defaults().settings() {
		name := "  --" + s.name + "\n"
		if d := s.defaultInBrackets(); d != "" {
			name = "  --" + s.name + d + "\n"
		}
		switch {
		case s.group == "ignored" || s.name == "h":
		case s.inert:
			if !slices.Contains(strings.Fields(b.String()), s.name) {
				t.Errorf("help lacks %s", s.name)
			}
		case !strings.Contains(b.String(), name):
			t.Errorf("help lacks %q", name)
		}
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 81 && strings.Count(strings.TrimSpace(line), " ") > 3 {
			t.Errorf("too long: %s", line)
		}
	}
}

// The sample is installed from here; it must not be moved unseen.
func TestTheReferencePageNamesTheSample(t *testing.T) {
	b, err := os.ReadFile(referencePage)
	if err != nil || !strings.Contains(string(b), "("+filepath.Base(sampleFile)+")") {
		t.Errorf("no link to %s (%v)", sampleFile, err)
	}
}
