package main

import (
	"fmt"
	"io"
	"strings"
)

// shells are those that there is a script for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

func runCompletion(args, _ []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		return misused("completion", stderr)
	}
	shown, _ := defaults().listed()
	switch args[0] {
	case "bash":
		return printed(bashCompletion(shown), stdout, stderr)
	case "zsh":
		return printed(zshCompletion(shown), stdout, stderr)
	case "fish":
		return printed(fishCompletion(shown), stdout, stderr)
	}
	return misused("completion", stderr)
}

// isSwitch reports whether the flag takes no word of its own.
func (s setting) isSwitch() bool {
	_, is := s.value.(*truth)
	return is
}

// values are all the setting can have; nil: too many to tell.
func (s setting) values() []string {
	switch v := s.value.(type) {
	case *truth:
		return []string{"true", "false"}
	case choice:
		return v.of
	}
	return nil
}

// bashScript has places for what may follow a command, for the values of flags,
// for the switches, and for the words a line may begin with.
const bashScript = `# Completion of keytree for bash.
_keytree() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flag= words=
	if [[ $cur == = ]]; then # bash splits words at =, too
		flag=$before cur=
	elif [[ $before == = ]]; then
		flag=${COMP_WORDS[COMP_CWORD-2]}
	elif [[ $before == -* ]]; then
		case $before in
		%s) ;;
		*) flag=$before ;;
		esac
	fi
	if [[ -n $flag ]]; then
		case $flag in
%s		*)
			compopt -o default 2>/dev/null
			return
			;;
		esac
	elif [[ $COMP_CWORD -eq 1 ]]; then
		words='%s'
	else
		case ${COMP_WORDS[1]} in
%s		esac
	fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _keytree keytree
`

func bashCompletion(shown []setting) string {
	var cases, after strings.Builder
	var names, switches, starts []string
	for _, s := range shown {
		names = append(names, "--"+s.name)
		if s.isSwitch() {
			switches = append(switches, bashPattern(s))
		}
		if values := s.values(); values != nil {
			fmt.Fprintf(&cases, "\t\t%s) words='%s' ;;\n", bashPattern(s), strings.Join(values, " "))
		}
	}
	flags := strings.Join(names, " ")
	for _, c := range commands() {
		starts = append(starts, c.name)
		follow := strings.Join(c.words, " ")
		if c.flags {
			follow = flags
		}
		fmt.Fprintf(&after, "\t\t%s) words='%s' ;;\n", c.name, follow)
	}
	fmt.Fprintf(&after, "\t\t*) words='%s' ;;\n", flags)
	return fmt.Sprintf(bashScript, strings.Join(switches, "|"), cases.String(), strings.Join(starts, " ")+" "+flags, after.String())
}

// bashPattern is the flag with one dash or two.
func bashPattern(s setting) string { return "-" + s.name + "|--" + s.name }

const zshScript = `#compdef keytree
# Completion of keytree for zsh.
_keytree() {
	local -a flags commands
	flags=(
%s	)
	commands=(
%s	)
	if (( CURRENT > 2 )); then
		case ${words[2]} in
%s		esac
	fi
	local state
	_arguments $flags '1: :->command'
	if [[ $state == command ]]; then
		_describe command commands
	fi
}
if [[ ${funcstack[1]} == _keytree ]]; then
	_keytree "$@"
else
	compdef _keytree keytree
fi
`

func zshCompletion(shown []setting) string {
	var flags, names, after strings.Builder
	bracketed := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for _, s := range shown {
		follow := "=:value:_files"
		if values := strings.Join(s.values(), " "); s.isSwitch() {
			follow = "=-::value:(" + values + ")"
		} else if values != "" {
			follow = "=:value:(" + values + ")"
		}
		equals, rest, _ := strings.Cut(follow, ":")
		fmt.Fprintf(&flags, "\t\t%s\n", quoted("--"+s.name+equals+"["+bracketed.Replace(s.description())+"]:"+rest))
	}
	for _, c := range commands() {
		fmt.Fprintf(&names, "\t\t%s\n", quoted(c.name+":"+c.does))
		if !c.flags {
			fmt.Fprintf(&after, "\t\t%s)\n\t\t\tcompadd -- %s\n\t\t\treturn\n\t\t\t;;\n", c.name, strings.Join(c.words, " "))
		}
	}
	return fmt.Sprintf(zshScript, flags.String(), names.String(), after.String())
}

func fishCompletion(shown []setting) string {
	var b strings.Builder
	b.WriteString("# Completion of keytree for fish.\ncomplete -c keytree -f\n")
	var bare []string
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c keytree -n __fish_use_subcommand -a %s -d %s\n", c.name, quoted(c.does))
		if !c.flags {
			bare = append(bare, c.name)
		}
		if len(c.words) > 0 {
			fmt.Fprintf(&b, "complete -c keytree -n '__fish_seen_subcommand_from %s' -a '%s'\n", c.name, strings.Join(c.words, " "))
		}
	}
	without := "not __fish_seen_subcommand_from " + strings.Join(bare, " ")
	for _, s := range shown {
		takes := " -r -F"
		if s.isSwitch() {
			takes = ""
		} else if values := s.values(); values != nil {
			takes = " -x -a '" + strings.Join(values, " ") + "'"
		}
		fmt.Fprintf(&b, "complete -c keytree -n '%s' -l %s%s -d %s\n", without, s.name, takes, quoted(s.description()))
	}
	return b.String()
}

// quoted is text as one word of a shell.
func quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
