package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// subcommand is what `keytree NAME` does instead of being a member or a proxy.
type subcommand struct {
	name      string
	arguments string   // what may follow the name
	does      string   // in words that go on after the name
	words     []string // those of which one may follow
	flags     bool     // those of a member may follow
	run       func(args, environ []string, stdout, stderr io.Writer) (code int)
}

// commands are all there are, in the order in which help lists them.
func commands() []subcommand {
	return []subcommand{
		{name: "health", arguments: "[flags]", flags: true, run: runHealth,
			does: "asks the member on this machine that has these flags, variables and file whether it is healthy. Exit code 0: it is; 1: it is not, or does not answer."},
		{name: "doctor", arguments: "[--json] [flags]", flags: true, run: runDoctor,
			does: "examines what a member with these flags, variables and file would run on - settings, URLs, ports, certificates, directories, disk, the other members - and the one that runs, and says what mends what is wrong. It starts nothing. Exit code 0: nothing is wrong; 1: something is; 2: the command line is."},
		{name: "completion", arguments: strings.Join(shells(), "|"), words: shells(), run: runCompletion,
			does: "prints a script that has a shell complete flags and commands."},
		{name: "man", run: runMan,
			does: "prints the manual page, for man -l - or a file."},
	}
}

// commandNamed is the command that a command line begins with, if it does: no
// flag has such a name.
func commandNamed(name string) (c subcommand, found bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c subcommand) bool { return c.name == name })
	if i < 0 {
		return subcommand{}, false
	}
	return all[i], true
}

// synopsis is how the command is called.
func (c subcommand) synopsis() string {
	return strings.TrimSpace("keytree " + c.name + " " + c.arguments)
}

// misused says how the command called name is used, and returns the exit code
// for that.
func misused(name string, stderr io.Writer) (code int) {
	c, _ := commandNamed(name)
	fmt.Fprintf(stderr, "usage: %s\n%s", c.synopsis(), wrapped(c.does, "       "))
	return 2
}

// printed writes what the user asked for and returns the exit code.
func printed(text string, stdout, stderr io.Writer) (code int) {
	if _, err := io.WriteString(stdout, text); err != nil {
		fmt.Fprintln(stderr, "keytree:", err)
		return 1
	}
	return 0
}
