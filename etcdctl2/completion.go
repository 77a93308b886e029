package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// candidatesCommand is what the scripts of shells run. The words that have been
// typed stand behind a "--", the one to be completed last. It prints a line for
// each word that could stand there, with what that is behind a tab.
const candidatesCommand = "__complete"

func (s *shell) completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Category:  added,
		Usage:     "print a script that makes a shell complete commands, flags and keys",
		ArgsUsage: "bash|zsh|fish",
		Description: "Keys are those of the server, which is asked as the words on the line say.\n\n" +
			"   $ source <(etcdctl2 completion bash)\n" +
			"   $ source <(etcdctl2 completion zsh)\n" +
			"   $ etcdctl2 completion fish | source",
		Action: s.action(func(_ context.Context, c *call) error {
			script, known := completionScripts()[c.Args().First()]
			if !known || c.NArg() != 1 {
				return plainly(exitBadArgs, "Please name one of bash, zsh and fish")
			}
			return c.sayf("%s", strings.ReplaceAll(script, "PROGRAM", c.calledBy()))
		}),
	}
}

func (s *shell) candidatesCommand() *cli.Command {
	return &cli.Command{
		Name:            candidatesCommand,
		Hidden:          true,
		SkipFlagParsing: true,
		Action: s.action(func(ctx context.Context, c *call) error {
			words := c.Args().Slice()
			if len(words) < 2 || words[0] != "--" {
				return nil
			}
			return c.sayLines(c.candidates(ctx, words[1:]))
		}),
	}
}

// typed is a command line that is not complete.
type typed struct {
	globals  []string       // words before the command
	path     string         // of the command
	flags    []cli.Flag     // that may follow
	commands []*cli.Command // that may follow; nil: there is a command
	args     []string       // of the command so far
	flag     string         // the flag whose value is to follow; empty: none
}

// typedSoFar makes sense of the words before the one to be completed.
func typedSoFar(app *cli.App, words []string) typed {
	t := typed{flags: app.Flags, commands: app.Commands}
	for at, literal := 0, false; at < len(words); at++ {
		word := words[at]
		if !literal && (isFlag(word) || word == "--") {
			literal = word == "--" && t.commands == nil
			if takesNext(word, t.flags) {
				at++
				if at == len(words) {
					t.flag = strings.TrimLeft(word, "-")
				}
			}
			continue
		}
		if t.commands == nil {
			t.args = append(t.args, word)
			continue
		}
		i := slices.IndexFunc(t.commands, func(c *cli.Command) bool { return c.HasName(word) })
		if i < 0 {
			return typed{}
		}
		if t.path == "" {
			t.globals = words[:at]
		}
		t.path = strings.TrimSpace(t.path + " " + t.commands[i].Name)
		t.flags, t.commands = t.commands[i].Flags, t.commands[i].Subcommands
		if len(t.commands) == 0 {
			t.commands = nil
		}
	}
	if t.path == "" {
		t.globals = words
	}
	return t
}

// candidates are what the last of words could become.
func (c *call) candidates(ctx context.Context, words []string) []string {
	last, words := words[len(words)-1], words[:len(words)-1]
	t := typedSoFar(c.App, words)
	name, begun, valued := strings.Cut(last, "=")
	var all []string
	switch {
	case t.flag != "":
		all = c.flagValues(ctx, t, t.flag, last)
	case isFlag(last) && valued:
		for _, value := range c.flagValues(ctx, t, strings.TrimLeft(name, "-"), begun) {
			all = append(all, name+"="+value)
		}
	case strings.HasPrefix(last, "-"):
		all = flagWords(t.flags)
	case t.commands != nil:
		all = commandWords(t.commands)
	default:
		all = c.arguments(ctx, t, last)
	}
	return slices.DeleteFunc(all, func(word string) bool { return !strings.HasPrefix(word, last) })
}

func commandWords(commands []*cli.Command) (words []string) {
	for _, c := range commands {
		if !c.Hidden {
			words = append(words, c.Name+"\t"+c.Usage)
		}
	}
	return words
}

func flagWords(flags []cli.Flag) (words []string) {
	for _, f := range flags {
		usage := ""
		if known, ok := f.(cli.DocGenerationFlag); ok {
			_, usage = unquoted(known.GetUsage())
		}
		for _, name := range f.Names() {
			if len(name) > 1 {
				words = append(words, "--"+name+"\t"+usage)
			}
		}
	}
	return words
}

// flagValues are what the value of a flag could be.
func (c *call) flagValues(ctx context.Context, t typed, flag, begun string) []string {
	switch flag {
	case "output", "o":
		return slices.Sorted(maps.Keys(c.formats()))
	case "roles":
		return c.ask(ctx, t, "role", "list")
	case "path", "hidden":
		return c.keysLike(ctx, t, begun)
	}
	return nil
}

// arguments are what the next argument of a command could be.
func (c *call) arguments(ctx context.Context, t typed, begun string) []string {
	if len(t.args) > 0 {
		return nil
	}
	switch t.path {
	case "get", "ls", "set", "mk", "mkdir", "rm", "rmdir", "setdir", "update", "updatedir", "watch", "exec-watch", "tree", "export":
		return c.keysLike(ctx, t, begun)
	case "member remove", "member update":
		var ids []string
		for _, line := range c.ask(ctx, t, "member", "list") {
			id, name, _ := strings.Cut(line, ":")
			id, _, _ = strings.Cut(id, "[")
			ids = append(ids, id+"\t"+strings.TrimSpace(name))
		}
		return ids
	case "user get", "user remove", "user grant", "user revoke", "user passwd":
		return c.ask(ctx, t, "user", "list")
	case "role get", "role remove", "role grant", "role revoke":
		return c.ask(ctx, t, "role", "list")
	case "help":
		return commandWords(c.App.Commands)
	case "completion":
		return slices.Sorted(maps.Keys(completionScripts()))
	}
	return nil
}

// keysLike are the keys in the directory that is part of what has been typed
// of one. Directories end in a slash.
func (c *call) keysLike(ctx context.Context, t typed, begun string) []string {
	dir := "/" + begun[:strings.LastIndexByte(begun, '/')+1]
	keys := c.ask(ctx, t, "ls", "-p", "--sort", "--", dir)
	if begun != "" && begun[0] != '/' {
		for i := range keys {
			keys[i] = strings.TrimPrefix(keys[i], "/")
		}
	}
	return keys
}

// ask runs a command with the flags that have been typed, and returns its
// lines. Nobody wants to wait for long, or to be told why there are none.
func (c *call) ask(ctx context.Context, t typed, words ...string) []string {
	var out bytes.Buffer
	asking := *c.shell
	asking.args = slices.Concat(c.shell.args[:1], t.globals, []string{"--no-sync", "--output", simple, "--timeout", "500ms", "--total-timeout", "1s"}, words)
	asking.stdin, asking.stdout, asking.stderr = silence{}, &out, io.Discard
	if asking.run(ctx) != 0 {
		return nil
	}
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
}

// silence is what the user says who is not to be asked: a password that is not
// on the line is not known.
type silence struct{}

func (silence) Read([]byte) (int, error) { return 0, errors.New("there is nobody to ask") }

// completionScripts are for shells, by their names. PROGRAM stands for the name
// of the program.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": fmt.Sprintf(bashScript, candidatesCommand),
		"zsh":  fmt.Sprintf(zshScript, candidatesCommand),
		"fish": fmt.Sprintf(fishScript, candidatesCommand),
	}
}

const bashScript = `# Completion of PROGRAM for bash.
_PROGRAM() {
	local cur=${COMP_WORDS[COMP_CWORD]} prefix= line word words=() i
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n := cur words
		words=("${words[@]:1:COMP_CWORD}")
	fi
	if [ ${#words[@]} -eq 0 ]; then
		# bash splits words at : and =, too.
		for ((i = 1; i <= COMP_CWORD; i++)); do
			word=${COMP_WORDS[i]}
			if [[ ${#words[@]} -gt 0 && ($word == [:=]* || ${words[-1]} == *[:=]) ]]; then
				words[-1]+=$word
			else
				words+=("$word")
			fi
		done
		cur=${words[-1]}
	fi
	if [[ $cur == *[:=]* ]]; then
		prefix=${cur%%"${cur##*[:=]}"}
	fi
	COMPREPLY=()
	while IFS= read -r line; do
		word=${line%%%%$'\t'*}
		COMPREPLY+=("${word#"$prefix"}")
	done < <(PROGRAM %s -- "${words[@]}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
		compopt -o default 2>/dev/null
	elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
		compopt -o nospace -o filenames 2>/dev/null
	else
		compopt -o filenames 2>/dev/null
	fi
}
complete -F _PROGRAM PROGRAM
`

const zshScript = `#compdef PROGRAM
# Completion of PROGRAM for zsh.
_PROGRAM() {
	local line word
	local -a typed words_ directories
	typed=("${(@Q)words[2,CURRENT]}")
	for line in ${(f)"$(PROGRAM %s -- "${(@)typed}" 2>/dev/null)"}; do
		word=${line%%%%$'\t'*}
		if [[ $word == */ ]]; then
			directories+=("$word")
		else
			words_+=("$word")
		fi
	done
	if (( ${#words_} + ${#directories} == 0 )); then
		_files
		return
	fi
	compadd -a -- words_
	compadd -S '' -a -- directories
}
if [[ ${funcstack[1]} == _PROGRAM ]]; then
	_PROGRAM "$@"
else
	compdef _PROGRAM PROGRAM
fi
`

const fishScript = `# Completion of PROGRAM for fish.
function __PROGRAM_candidates
	set -l typed (commandline -opc)
	set -e typed[1]
	PROGRAM %s -- $typed (commandline -ct) 2>/dev/null
end
complete -c PROGRAM -f -n 'not __fish_seen_subcommand_from import backup restore' -a '(__PROGRAM_candidates)'
complete -c PROGRAM -F -n '__fish_seen_subcommand_from import backup restore' -a '(__PROGRAM_candidates)'
`
