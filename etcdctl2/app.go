package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

// shell is everything that a run touches.
type shell struct {
	args    []string // the name the program was called by, and what was said to it
	environ []string // as in os.Environ; after run has begun without what chooses the API
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	// interruptible gives a context that ends when the user interrupts; until
	// it is released an interrupt does nothing else.
	interruptible func(context.Context) (context.Context, context.CancelFunc)

	resolver  client.Resolver                  // nil: that of the system
	transport http.RoundTripper                // nil: the network
	shuffle   func(n int, swap func(i, j int)) // of endpoints; nil: at random
}

// version is the etcdctl that etcdctl2 stands in for.
const version = "3.4.23"

// programName is what help screens call the program, whatever it was called by.
const programName = "etcdctl"

// run does what s.args say and returns the exit code.
func (s *shell) run(ctx context.Context) int {
	err := s.chooseAPI()
	if err == nil {
		app := s.app()
		err = app.RunContext(ctx, arranged(s.args, app))
	}
	return s.report(err)
}

// chooseAPI refuses other APIs than that of version 2, and takes the choice
// out of the environment: programs that are started do not see it.
func (s *shell) chooseAPI() error {
	chosen := s.env("ETCDCTL_API")
	s.environ = slices.DeleteFunc(slices.Clone(s.environ), func(pair string) bool {
		return strings.HasPrefix(pair, "ETCDCTL_API=")
	})
	if chosen != "" && chosen != "2" {
		return plainly(exitBadArgs, "unsupported API version "+chosen)
	}
	return nil
}

// env is a variable of the environment, empty if there is none.
func (s *shell) env(name string) string {
	for _, pair := range s.environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// calledBy is the name of the program that the user knows.
func (s *shell) calledBy() string {
	if len(s.args) == 0 {
		return programName
	}
	return filepath.Base(s.args[0])
}

// app is the program for one run.
func (s *shell) app() *cli.App {
	app := &cli.App{
		Name:      programName,
		HelpName:  s.calledBy(),
		Usage:     "A simple command line client for etcd.",
		Flags:     globalFlags(),
		Commands:  s.commands(),
		Reader:    s.stdin,
		Writer:    s.stdout,
		ErrWriter: s.stderr,

		// Help, versions, usage errors and exit codes are this package's affair:
		// the library's look different.
		HideHelp:                  true,
		HideVersion:               true,
		ExitErrHandler:            func(*cli.Context, error) {},
		DisableSliceFlagSeparator: true,
		Before:                    s.beforeAll,
		Action:                    s.noCommand,
	}
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return s.usageError(err, "Incorrect Usage. ", s.mainHelp(app))
	}
	s.prepare("", app.Commands)
	return app
}

// commands are all commands, in the order in which help lists them.
func (s *shell) commands() []*cli.Command {
	return []*cli.Command{
		s.backupCommand(),
		s.clusterHealthCommand(),
		s.mkCommand(),
		s.mkdirCommand(),
		s.rmCommand(),
		s.rmdirCommand(),
		s.getCommand(),
		s.lsCommand(),
		s.setCommand(),
		s.setdirCommand(),
		s.updateCommand(),
		s.updatedirCommand(),
		s.watchCommand(),
		s.execWatchCommand(),
		s.memberCommand(),
		s.userCommand(),
		s.roleCommand(),
		s.authCommand(),
		s.treeCommand(),
		s.exportCommand(),
		s.importCommand(),
		s.restoreCommand(),
		s.completionCommand(),
		s.manCommand(),
		s.candidatesCommand(),
		s.helpCommand(),
	}
}

// prepare gives the commands of a group, or those of the program, what they
// all have: help, and its own way to tell of wrong usage.
func (s *shell) prepare(group string, commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp = true // the library's; a key may be called help
		c.Flags = append(c.Flags, newHelpFlag())
		path := strings.TrimSpace(group + " " + c.Name)
		if len(c.Subcommands) == 0 {
			screen := func() string { return commandHelp(s.calledBy(), path, c) }
			c.Before = s.helpBefore(screen)
			c.OnUsageError = s.onUsageError("Incorrect Usage: ", screen)
			continue
		}
		c.Subcommands = append(c.Subcommands, s.groupHelpCommand(path, c))
		screen := func() string { return groupHelp(s.calledBy(), path, c) }
		c.Before = s.helpBefore(screen)
		c.OnUsageError = s.onUsageError("Incorrect Usage. ", screen)
		c.Action = s.noSubcommand(screen)
		s.prepare(path, c.Subcommands)
	}
}

// call is one command being run.
type call struct {
	*cli.Context
	*shell
}

// action makes a command's action of f. An error of f that is no *exitError
// ends the program with code 1.
func (s *shell) action(f func(context.Context, *call) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		return f(c.Context, &call{Context: c, shell: s})
	}
}

// beforeAll looks after what may be said instead of a command.
func (s *shell) beforeAll(c *cli.Context) error {
	if helpAsked(c.App.Flags) {
		return s.show(s.mainHelp(c.App))
	}
	if c.Bool("version") {
		return s.show("etcdctl version: " + version + "\nAPI version: 2\n")
	}
	return nil
}

// noCommand is what is done without a command.
func (s *shell) noCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return noHelpTopic(name)
	}
	return s.show(s.mainHelp(c.App))
}

// noSubcommand is what a group does without one of its commands.
func (s *shell) noSubcommand(screen func() string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if name := c.Args().First(); name != "" {
			return noHelpTopic(name)
		}
		return s.show(screen())
	}
}

// errDone ends a run early, and well.
var errDone = errors.New("done")

// show writes text to the user, who wanted nothing else.
func (s *shell) show(text string) error {
	if _, err := io.WriteString(s.stdout, text); err != nil {
		return err
	}
	return errDone
}
