package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arranged are the words of the command line, the name of the program first,
// with those that the flags of a command are made of before its arguments: the
// library looks for flags no further than the first argument.
func arranged(words []string, app *cli.App) []string {
	if len(words) == 0 {
		return []string{app.HelpName}
	}
	flags, commands := app.Flags, app.Commands
	for at := 1; ; {
		at = skipFlags(words, at, flags)
		if at >= len(words) {
			return words
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(words[at]) })
		if i < 0 {
			return words
		}
		at++
		flags, commands = commands[i].Flags, commands[i].Subcommands
		if len(commands) == 0 {
			return slices.Concat(words[:at], flagsFirst(words[at:], flags))
		}
	}
}

// skipFlags is where the first word at or behind at stands that is no part of
// a flag. A "--" ends the flags and is none.
func skipFlags(words []string, at int, flags []cli.Flag) int {
	for at < len(words) && isFlag(words[at]) {
		if takesNext(words[at], flags) {
			at++
		}
		at++
	}
	if at < len(words) && words[at] == "--" {
		at++
	}
	return min(at, len(words))
}

// flagsFirst is words with flags and their values first, in their order, and
// then the others in theirs. What looks like a flag and is none counts as one,
// so that it is complained about. Words from a "--" on stay where they are.
func flagsFirst(words []string, flags []cli.Flag) []string {
	var first, then []string
	for i := 0; i < len(words); i++ {
		if words[i] == "--" {
			then = append(then, words[i:]...)
			break
		}
		if !isFlag(words[i]) {
			then = append(then, words[i])
			continue
		}
		first = append(first, words[i])
		if takesNext(words[i], flags) && i+1 < len(words) {
			i++
			first = append(first, words[i])
		}
	}
	return append(first, then...)
}

// isFlag reports whether word is meant to be a flag. A dash alone is none.
func isFlag(word string) bool {
	return len(word) > 1 && word[0] == '-' && word != "--"
}

// takesNext reports whether word is a flag whose value is the next word.
func takesNext(word string, flags []cli.Flag) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			valued, ok := f.(cli.DocGenerationFlag)
			return ok && valued.TakesValue()
		}
	}
	return false
}
