package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func (s *shell) manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Category:  added,
		Usage:     "print the manual page, for man -l - or a file",
		ArgsUsage: " ",
		Action: s.action(func(_ context.Context, c *call) error {
			return c.sayf("%s", manual(c.App))
		}),
	}
}

// manual is the manual page of the program, made of what its help screens say.
func manual(app *cli.App) string {
	p := &page{}
	p.macro("TH", "ETCDCTL2", "1", "", "Keytree", "User Commands")
	p.macro("SH", "NAME")
	p.text("etcdctl2 - a command line client for the etcd v2 API")
	p.macro("SH", "SYNOPSIS")
	p.raw(".B etcdctl2\n[\\fIglobal options\\fR] \\fIcommand\\fR [\\fIcommand options\\fR] [\\fIarguments\\fR...]\n")
	p.macro("SH", "DESCRIPTION")
	p.text("etcdctl2 reads and changes keys, follows what happens to them, and looks after members, users and roles of a cluster of Keytree or etcd. " +
		"It takes the words of the etcdctl of etcd 3.4 in its mode for API version 2, prints the same and ends with the same exit codes, " +
		"so that a link called etcdctl can stand in for it. Options of commands may stand before or behind their arguments; words behind a -- are no options.")
	p.macro("SH", "GLOBAL OPTIONS")
	p.options(app.Flags)
	p.macro("SH", "COMMANDS")
	p.commands("", app.Commands, "")
	p.macro("SH", "ADDED COMMANDS")
	p.text("etcdctl does not have these, nor the format table: \"etcdctl2 -o table ls\", and of get, member list and user list.")
	p.commands("", app.Commands, added)
	p.environment()
	p.exitStatus()
	p.macro("SH", "EXAMPLES")
	for _, line := range []string{
		"etcdctl2 set --ttl 60 /service/web 10.0.0.1:80",
		"etcdctl2 exec-watch --recursive /service -- sh -c 'echo $ETCD_WATCH_KEY'",
		"etcdctl2 export /service > service.json",
		"etcdctl2 import --from http://10.0.0.2:2379 --resume",
	} {
		p.raw(".PP\n.nf\n" + escaped(line) + "\n.fi\n")
	}
	return p.String()
}

// page is a manual page being written.
type page struct{ strings.Builder }

// macro writes a line for the formatter.
func (p *page) macro(name string, args ...string) {
	p.raw("." + name)
	for _, a := range args {
		p.raw(` "` + strings.ReplaceAll(escaped(a), `"`, `\(dq`) + `"`)
	}
	p.raw("\n")
}

func (p *page) raw(text string) { p.WriteString(text) }

// text writes a paragraph's text.
func (p *page) text(text string) { p.raw(escaped(text) + "\n") }

// item writes a term and what it means.
func (p *page) item(term, meaning string) {
	p.raw(".TP\n\\fB" + escaped(term) + "\\fR\n")
	p.text(meaning)
}

func (p *page) options(flags []cli.Flag) {
	for _, r := range flagRows("", flags) {
		p.item(r.name, r.meaning)
	}
}

// commands writes about those of a category.
func (p *page) commands(group string, commands []*cli.Command, category string) {
	for _, c := range commands {
		if c.Hidden || c.Category != category {
			continue
		}
		name := strings.TrimSpace(group + " " + c.Name)
		if len(c.Subcommands) > 0 {
			p.commands(name, c.Subcommands, "")
			p.commands(name, c.Subcommands, added)
			continue
		}
		p.macro("SS", strings.TrimSpace(name+" "+c.ArgsUsage))
		p.text(c.Usage)
		if c.Description != "" {
			p.raw(".PP\n.nf\n")
			for line := range strings.Lines(c.Description) {
				p.text(strings.TrimSpace(line))
			}
			p.raw(".fi\n")
		}
		var own []cli.Flag
		for _, f := range c.Flags {
			if _, is := f.(*helpFlag); !is {
				own = append(own, f)
			}
		}
		p.options(own)
	}
}

func (p *page) environment() {
	p.macro("SH", "ENVIRONMENT")
	for _, v := range []row{
		{"ETCDCTL_ENDPOINTS", "URLs of members, with commas between them; goes before the flags --endpoint and --peers."},
		{"ETCDCTL_ENDPOINT, ETCDCTL_PEERS", "the same, by older names."},
		{"ETCDCTL_CERT_FILE, ETCDCTL_KEY_FILE, ETCDCTL_CA_FILE", "files for TLS."},
		{"ETCDCTL_USERNAME", "user:password."},
		{"ETCDCTL_DISCOVERY_SRV, ETCDCTL_DISCOVERY_SRV_NAME, ETCDCTL_INSECURE_DISCOVERY", "discovery by SRV records of DNS."},
		{"ETCDCTL_API", "2 or unset; others are refused."},
	} {
		p.item(v.name, v.meaning)
	}
}

func (p *page) exitStatus() {
	p.macro("SH", "EXIT STATUS")
	for _, e := range []struct {
		code    int
		meaning string
	}{
		{0, "success"},
		{exitBadArgs, "wrong arguments; whatever goes wrong with members, users and roles"},
		{exitUnreachable, "no endpoint could be reached"},
		{exitNoSuchCommand, "there is no such command"},
		{exitRefused, "a server refused, or the request failed"},
		{exitUnhealthy, "not all members are healthy"},
	} {
		p.item(fmt.Sprint(e.code), e.meaning)
	}
}

// escaped is text that the formatter takes as it is.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			b.WriteString(`\&`)
		}
		b.WriteString(line)
	}
	return b.String()
}
