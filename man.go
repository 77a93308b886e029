package main

import (
	"io"
	"strings"
)

func runMan(args, _ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		return misused("man", stderr)
	}
	return printed(manual(), stdout, stderr)
}

// manual is the manual page, in the language of man(7): what help says, and
// what whoever starts and stops the program must know.
func manual() string {
	p := &page{}
	p.macro("TH", "KEYTREE", "1", "", "Keytree "+Version, "User Commands")
	p.macro("SH", "NAME")
	p.text("keytree - a server for the etcd v2 API")
	p.macro("SH", "SYNOPSIS")
	p.raw(".B keytree\n[\\fIflags\\fR]\n.br\n.B keytree\n\\fIcommand\\fR\n")
	p.macro("SH", "DESCRIPTION")
	p.text("keytree keeps one tree of keys and directories, alone or replicated by several members, and speaks the v2 API of etcd: HTTP and JSON, " +
		"with lifetimes, compare-and-swap, keys in order, and watches. Without flags it is one member that keeps its data in ./default.etcd " +
		"and answers on http://localhost:2379 and :4001.")
	p.macro("SH", "COMMANDS")
	for _, c := range commands() {
		p.item(c.synopsis(), c.does)
	}
	p.options()
	p.macro("SH", "ENVIRONMENT")
	p.text("Each flag can be set in the environment as well, in capitals and with _ for -, after KEYTREE_ or ETCD_: KEYTREE_DATA_DIR. " +
		"The command line goes before the environment, and that before the file.")
	p.item("GOMEMLIMIT", "memory that the program may take, such as 512MiB, if it is less than the control group or the machine has.")
	p.item("NOTIFY_SOCKET, WATCHDOG_USEC", "set by systemd, which is told when clients are served, and that the program is alive.")
	p.ends()
	p.macro("SH", "EXAMPLES")
	p.example("keytree --data-dir /var/lib/keytree")
	p.example("keytree --name node1 --data-dir /var/lib/keytree \\",
		"  --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://192.0.2.1:2379 \\",
		"  --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://192.0.2.1:2380 \\",
		"  --initial-cluster node1=http://192.0.2.1:2380,node2=http://192.0.2.2:2380,node3=http://192.0.2.3:2380")
	p.macro("SH", "SEE ALSO")
	p.raw(".BR etcdctl2 (1)\n")
	return p.String()
}

// options writes about all settings.
func (p *page) options() {
	p.macro("SH", "FLAGS")
	p.text("A flag takes one dash or two, and its value after a blank or a =; switches only after a =.")
	shown, inert := defaults().listed()
	group := ""
	for _, s := range shown {
		if s.group != group {
			group = s.group
			p.macro("SS", strings.ToUpper(group[:1])+group[1:])
		}
		p.item(strings.TrimSpace("--"+s.name+" "+s.placeholder())+s.defaultInBrackets(), s.description())
	}
	p.macro("SS", "Accepted for etcd's sake, without effect")
	p.text("--" + strings.Join(inert, " --"))
}

// placeholder stands for the value in a description of the flag. A switch needs
// none.
func (s setting) placeholder() string {
	switch v := s.value.(type) {
	case *truth:
		return ""
	case choice:
		return strings.Join(v.of, "|")
	case *number, *count, *signed:
		return "N"
	case *urls:
		return "URL,..."
	case *words:
		return "WORD,..."
	}
	return "TEXT"
}

// ends writes about how the program ends.
func (p *page) ends() {
	p.macro("SH", "SIGNALS")
	p.item("SIGTERM, SIGINT", "end the program: another member is made leader, requests under way are finished, and the process ends by the same signal, or with 0 if it is the first of a container.")
	p.item("SIGHUP", "opens the audit log anew, if there is one; otherwise it ends the program at once.")
	p.item("SIGKILL", "loses nothing that was acknowledged.")
	p.macro("SH", "EXIT STATUS")
	p.item("0", "help and the like were shown, or the member was removed from its cluster: there is nothing to start again.")
	p.item("1", "the settings, the data directory, the cluster or the disk do not allow to go on. The last line of the log says why.")
	p.item("2", "the command line cannot be read.")
}

// page is a manual page being written.
type page struct{ strings.Builder }

func (p *page) raw(text string) { p.WriteString(text) }

// macro writes a line for the formatter.
func (p *page) macro(name string, args ...string) {
	p.raw("." + name)
	for _, a := range args {
		p.raw(` "` + roff(a) + `"`)
	}
	p.raw("\n")
}

// text writes a paragraph's text.
func (p *page) text(text string) { p.raw(roff(text) + "\n") }

// item writes a term and what it means.
func (p *page) item(term, meaning string) {
	p.raw(".TP\n\\fB" + roff(term) + "\\fR\n")
	p.text(meaning)
}

// example writes lines as they are.
func (p *page) example(lines ...string) {
	p.raw(".PP\n.nf\n")
	for _, line := range lines {
		p.text(line)
	}
	p.raw(".fi\n")
}

// roff is a line of text that the formatter takes as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
