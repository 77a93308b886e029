package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestTheManualHasEveryCommandAndOption(t *testing.T) {
	s, stdout, stderr := newShell("man")
	if o := ended(s, stdout, stderr); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	text := stdout.String()
	var check func(group string, commands []*cli.Command)
	check = func(group string, commands []*cli.Command) {
		for _, c := range commands {
			name := strings.TrimSpace(group + " " + c.Name)
			if c.Hidden {
				continue
			}
			check(name, c.Subcommands)
			if len(c.Subcommands) == 0 && !strings.Contains(text, `.SS "`+escaped(name)) {
				t.Errorf("there is nothing about %s", name)
			}
			for _, f := range c.Flags {
				if _, help := f.(*helpFlag); !help && !strings.Contains(text, escaped("--"+f.Names()[0])) && !strings.Contains(text, escaped("-"+f.Names()[0])) {
					t.Errorf("there is nothing about the flag %s of %s", f.Names()[0], name)
				}
			}
		}
	}
	app := s.app()
	check("", app.Commands)
	if !strings.HasPrefix(text, `.TH "ETCDCTL2" "1"`) || strings.Contains(text, candidatesCommand) {
		t.Error(text)
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
