package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// added is the category of commands and flags that etcdctl does not have. The
// help screens of a program that is called etcdctl do not show them.
const added = "added"

// shown reports whether help shows what is of a category.
func shown(calledBy, category string) bool {
	return category != added || calledBy != programName
}

// helpFlag is --help of one command. The library shows a screen of its own
// when a flag of this name reads as true, so this one never does.
type helpFlag struct {
	cli.BoolFlag
	asked wish
}

func newHelpFlag() *helpFlag {
	return &helpFlag{BoolFlag: cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help"}}
}

// Apply makes the flag known to the parser.
func (f *helpFlag) Apply(set *flag.FlagSet) error {
	for _, name := range f.Names() {
		set.Var(&f.asked, name, f.Usage)
	}
	return nil
}

// wish is the value of a helpFlag.
type wish bool

// Set reads what stands behind the equals sign.
func (w *wish) Set(text string) error {
	yes, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("parse error")
	}
	*w = wish(yes)
	return nil
}

func (w *wish) String() string   { return "" }
func (w *wish) IsBoolFlag() bool { return true }

// helpAsked reports whether one of flags is a helpFlag that was given.
func helpAsked(flags []cli.Flag) bool {
	for _, f := range flags {
		if h, ok := f.(*helpFlag); ok && bool(h.asked) {
			return true
		}
	}
	return false
}

// helpBefore shows a command's help instead of running it, if that is wanted.
func (s *shell) helpBefore(screen func() string) cli.BeforeFunc {
	return func(c *cli.Context) error {
		if helpAsked(c.Command.Flags) {
			return s.show(screen())
		}
		return nil
	}
}

func (s *shell) onUsageError(prefix string, screen func() string) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		return s.usageError(err, prefix, screen())
	}
}

// usageError tells what is wrong with the command line, and what is right.
func (s *shell) usageError(err error, prefix, screen string) error {
	_ = s.show(prefix + err.Error() + "\n\n" + screen) // the reason goes to stderr too
	return plainly(exitBadArgs, err.Error())
}

const helpUsage = "Shows a list of commands or help for one command"

// helpCommand shows the help of the program or of one command.
func (s *shell) helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     helpUsage,
		ArgsUsage: "[command]",
		Action: func(c *cli.Context) error {
			name := c.Args().First()
			if name == "" {
				return s.show(s.mainHelp(c.App))
			}
			return s.helpOn("", c.App.Commands, name)
		},
	}
}

// groupHelpCommand shows the help of a group or of one of its commands. It is
// not listed.
func (s *shell) groupHelpCommand(group string, g *cli.Command) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     helpUsage,
		ArgsUsage: "[command]",
		Hidden:    true,
		Action: func(c *cli.Context) error {
			name := c.Args().First()
			if name == "" {
				return s.show(programHelp(s.calledBy(), group, g.Usage, g.Subcommands, g.Flags))
			}
			return s.helpOn(group+" ", g.Subcommands, name)
		},
	}
}

// helpOn shows the help of the command called name.
func (s *shell) helpOn(prefix string, commands []*cli.Command, name string) error {
	for _, c := range commands {
		if c.HasName(name) {
			return s.show(commandHelp(s.calledBy(), prefix+c.Name, c))
		}
	}
	return noHelpTopic(name)
}

// mainHelp is the help of the program.
func (s *shell) mainHelp(app *cli.App) string {
	return programHelp(s.calledBy(), "", app.Usage, app.Commands, app.Flags)
}

// programHelp is the help of the program, or the long one of a group.
func programHelp(calledBy, group, usage string, commands []*cli.Command, flags []cli.Flag) string {
	return section("NAME", "   "+titled(programName, group)+" - "+usage+"\n") +
		section("USAGE", "   "+titled(calledBy, group)+" [global options] command [command options] [arguments...]\n") +
		section("VERSION", "   "+version+"\n") +
		section("COMMANDS", commandTable(commands, "")) +
		addedCommands(calledBy, commands) +
		"GLOBAL OPTIONS:\n" + table("   ", flagRows(calledBy, flags))
}

// groupHelp is the help of a group of commands.
func groupHelp(calledBy, group string, g *cli.Command) string {
	return section("NAME", "   "+titled(programName, group)+" - "+g.Usage+"\n") +
		section("USAGE", "   "+titled(calledBy, group)+" command [command options] [arguments...]\n") +
		section("COMMANDS", commandTable(g.Subcommands, "")) +
		addedCommands(calledBy, g.Subcommands) +
		"OPTIONS:\n" + table("   ", flagRows(calledBy, g.Flags)) + "   \n"
}

// commandHelp is the help of one command. That it has help needs no line.
func commandHelp(calledBy, path string, c *cli.Command) string {
	var own []cli.Flag
	for _, f := range c.Flags {
		if _, is := f.(*helpFlag); !is {
			own = append(own, f)
		}
	}
	rows := flagRows(calledBy, own)
	usage := titled(calledBy, path)
	if len(rows) > 0 {
		usage += " [command options]"
	}
	if c.ArgsUsage != "" {
		usage += " " + c.ArgsUsage
	} else {
		usage += " [arguments...]"
	}
	parts := "NAME:\n   " + titled(programName, path) + " - " + c.Usage + "\n\nUSAGE:\n   " + usage + "\n"
	if c.Description != "" {
		parts += "\nDESCRIPTION:\n   " + c.Description + "\n"
	}
	if len(rows) > 0 {
		parts += "\nOPTIONS:\n" + table("   ", rows) + "   \n"
	}
	return parts
}

// titled is the name of a command with that of the program in front.
func titled(program, path string) string {
	return strings.TrimSuffix(program+" "+path, " ")
}

func section(title, body string) string { return title + ":\n" + body + "\n" }

// row is a line of a table.
type row struct{ name, meaning string }

// table is rows with what they mean in one column.
func table(indent string, rows []row) string {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.name))
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s%-*s  %s\n", indent, width, r.name, r.meaning)
	}
	return b.String()
}

// addedCommands is the section of commands that etcdctl does not have.
func addedCommands(calledBy string, commands []*cli.Command) string {
	lines := commandTable(commands, added)
	if lines == "" || !shown(calledBy, added) {
		return ""
	}
	return section("ADDED COMMANDS", lines)
}

// commandTable is a line for each of the commands of a category.
func commandTable(commands []*cli.Command, category string) string {
	var rows []row
	for _, c := range commands {
		if !c.Hidden && c.Category == category {
			rows = append(rows, row{strings.Join(c.Names(), ", "), c.Usage})
		}
	}
	return table("     ", rows)
}

// flagRows are the lines about flags.
func flagRows(calledBy string, flags []cli.Flag) []row {
	var rows []row
	for _, f := range flags {
		if visible, ok := f.(cli.VisibleFlag); ok && !visible.IsVisible() {
			continue
		}
		if of, ok := f.(cli.CategorizableFlag); ok && !shown(calledBy, of.GetCategory()) {
			continue
		}
		rows = append(rows, flagRow(f))
	}
	return rows
}

func flagRow(f cli.Flag) row {
	known, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return row{name: f.String()}
	}
	placeholder, meaning := unquoted(known.GetUsage())
	names := f.Names()
	for i, name := range names {
		names[i] = "--" + name
		if len(name) == 1 {
			names[i] = "-" + name
		}
		if known.TakesValue() {
			names[i] += " " + placeholder
		}
	}
	return row{strings.Join(names, ", "), meaning + defaultOf(f)}
}

// unquoted is what stands for a flag's value: the first word in back quotes,
// which its meaning then has without them.
func unquoted(usage string) (placeholder, meaning string) {
	before, rest, found := strings.Cut(usage, "`")
	word, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "value", usage
	}
	return word, before + word + after
}

// defaultOf is what a flag is when it is not given, if that is worth saying.
func defaultOf(f cli.Flag) string {
	switch f := f.(type) {
	case *cli.StringFlag:
		if f.Value != "" {
			return fmt.Sprintf(" (default: %q)", f.Value)
		}
	case *cli.IntFlag:
		return fmt.Sprintf(" (default: %d)", f.Value)
	case *cli.DurationFlag:
		return fmt.Sprintf(" (default: %s)", f.Value)
	}
	return ""
}
