package main

import (
	"errors"
	"fmt"
	"io"

	"keytree/httpapi/client"
)

// The exit codes of etcdctl.
const (
	exitBadArgs       = 1 // also whatever goes wrong with members, users and roles
	exitUnreachable   = 2 // nobody could be asked who the members are
	exitNoSuchCommand = 3
	exitRefused       = 4 // a server said no, or none could be asked
	exitUnhealthy     = 5
)

// exitError ends the program with a code.
type exitError struct {
	code int
	text string // for stderr, with its newlines
}

func (e *exitError) Error() string { return e.text }

// plainly ends the program with a line.
func plainly(code int, line string) error {
	return &exitError{code: code, text: line + "\n"}
}

// failed ends the program with an error in the form that the commands on keys
// tell it in: of an error of all endpoints there is a line for each once more.
func failed(code int, err error) error {
	text := fmt.Sprintln("Error: ", err)
	if cluster, ok := errors.AsType[*client.ClusterError](err); ok {
		text += fmt.Sprintln(cluster.Detail())
	}
	return &exitError{code: code, text: text}
}

// noHelpTopic ends the program because there is no such command.
func noHelpTopic(name string) error {
	return plainly(exitNoSuchCommand, fmt.Sprintf("No help topic for '%s'", name))
}

// report tells of the error a run ended with and returns the exit code.
func (s *shell) report(err error) int {
	if err == nil || errors.Is(err, errDone) {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		exit = &exitError{code: exitBadArgs, text: err.Error() + "\n"}
	}
	_, _ = io.WriteString(s.stderr, exit.text) // the code says it too
	return exit.code
}
