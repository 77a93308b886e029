package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const usageText = `usage: keytree [flags]
       keytree COMMAND

A server for the etcd v2 API. Without flags: one member that keeps its data in
./default.etcd and answers on http://localhost:2379 and :4001.

Flags take one dash or two. Each can be set in the environment as well, in
capitals and with _ for -, after KEYTREE_ or ETCD_ (KEYTREE_DATA_DIR); and in
the file given by --config-file, in YAML, under its own name (data-dir: /d).
The command line goes before the environment, and that before the file.
`

// printHelp shows the commands, and all settings by group. Of those without
// effect it shows the names.
func (c *config) printHelp(w io.Writer) {
	fmt.Fprint(w, usageText, "\ncommands:\n")
	for _, one := range commands() {
		fmt.Fprintf(w, "  %s\n%s", one.synopsis(), wrapped(one.does, "        "))
	}
	group := ""
	shown, inert := c.listed()
	for _, s := range shown {
		if s.group != group {
			group = s.group
			fmt.Fprintf(w, "\n%s flags:\n", group)
		}
		fmt.Fprintf(w, "  --%s%s\n%s", s.name, s.defaultInBrackets(), wrapped(s.description(), "        "))
	}
	fmt.Fprintf(w, "\naccepted for etcd's sake, without effect:\n%s", wrapped(strings.Join(inert, " "), "  "))
}

// listed are the settings that people are told of, and the names of those
// that have no effect.
func (c *config) listed() (shown []setting, inert words) {
	for _, s := range c.settings() {
		switch {
		case s.inert:
			inert = append(inert, s.name)
		case s.usage != "":
			shown = append(shown, s)
		}
	}
	return shown, inert
}

// defaultInBrackets is what help shows beside the name of a flag.
func (s setting) defaultInBrackets() string {
	switch d := s.defaultValue(); {
	case s.flagOnly || d == "":
		return ""
	default:
		return " (default: " + d + ")"
	}
}

// defaultValue is what counts where nothing is said, for people.
func (s setting) defaultValue() string {
	if s.shown != "" {
		return s.shown
	}
	return s.value.String()
}

// description is the usage with unit and successor.
func (s setting) description() string {
	text := s.usage
	if s.unit != "" {
		text = s.unit + " " + text
	}
	if s.instead != "" {
		text = "now --" + s.instead + "; " + text
	}
	return text
}

// wrapped is text in lines of at most 80 characters, each after indent.
func wrapped(text, indent string) string {
	const width = 80
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// closest is the setting whose name is most like a wrong one.
func (r *reading) closest(name string) string {
	var names []string
	for _, s := range r.settings {
		if s.usage != "" {
			names = append(names, s.name)
		}
	}
	return closest(name, names)
}

// closest is that of names which takes the fewest changes to reach from name;
// empty if even that is too far away to have been meant.
func closest(name string, names []string) string {
	best, least := "", max(2, len(name)/4)+1
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out or replaced to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := before
			if a[i] != b[j] {
				d++
			}
			before = row[j+1]
			row[j+1] = min(d, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
