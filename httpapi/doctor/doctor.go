// Package doctor examines what a member would run on, and the one that runs.
//
// It looks at URLs, ports, certificates, directories, the disk, limits and the
// other members, and says of each whether it will do, and what mends what will
// not. It starts nothing and changes nothing: for the speed of the disk it
// writes a file of its own for a moment, and removes it.
package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"keytree/httpapi/tlsfiles"
	"keytree/raftlog/member"
)

// State is how what was looked at is.
type State string

const (
	OK        State = "ok"
	Warning   State = "warning"     // it works, and is hardly meant
	Wrong     State = "wrong"       // a member will not start, be reached or be safe with it
	Unchecked State = "not checked" // and the text says why
)

// Finding is what one check has found. Mend are commands for a shell and
// settings as the command line has them, any of which may be what helps.
type Finding struct {
	Area  string   `json:"area"`
	State State    `json:"state"`
	Text  string   `json:"text"`
	Mend  []string `json:"mend,omitempty"`
}

// String is the finding in one line, and what mends it in one line each.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %s: %s\n", f.State, f.Area, strings.Join(strings.Fields(f.Text), " "))
	for _, one := range f.Mend {
		fmt.Fprintf(&b, "%12s -> %s\n", "", one)
	}
	return b.String()
}

// TLS is how one side is protected. With Auto and no files a certificate is
// made at the start.
type TLS struct {
	Files tlsfiles.Config
	Auto  bool
}

func (t TLS) made() bool { return t.Auto && t.Files.CertFile == "" }

// Data says whose data a directory holds.
type Data struct {
	Found           bool // a member lives there
	Member, Cluster member.ID
	Err             error // why that cannot be known, or why it is of no use
}

// Subject is a member, or a proxy, as its settings describe it.
type Subject struct {
	Name     string
	Settings []Finding // what reading them has found; it is told first
	Proxy    bool
	Existing bool // it is to join a cluster that runs

	ListenPeer, ListenClient, ListenMetrics []string
	AdvertisePeer, AdvertiseClient          []string
	Spare                                   string // URL that it does without if the port is taken

	InitialCluster, Token          string
	DiscoveryURL, DiscoveryProxy   string
	DiscoveryDomain, DiscoveryName string // of the SRV records, and the suffix of their services

	Clients, Peers      TLS
	DataDir, LogDir     string // LogDir is empty if the log lies in DataDir
	Data                Data
	Heartbeat, Election time.Duration
	QuotaBytes          uint64
	MemoryBytes         int64 // it may take; 0: not known
	MemorySource        string

	// Own connects to what listens at a URL on this machine, whatever is asked
	// for. Host is what to call the member then; empty: localhost.
	Own  func(raw string) (*http.Transport, error)
	Host string

	dial   func(ctx context.Context, network, address string) (net.Conn, error) // default: the system's
	lookUp func(ctx context.Context, host string) ([]netip.Addr, error)         // default: the system's
	local  []netip.Addr                                                         // of this machine; default: the system's
}

// patience bounds each question to the network, and the look at the disk.
const patience = 2 * time.Second

// exam is an examination under way. What a stage has found out is there for
// the stages after it.
type exam struct {
	Subject
	cluster    member.Cluster // that is to be founded or joined; nil: not known
	discovered member.Cluster // what the domain name system says of it
	self       string         // URL at which this member answers; empty: it does not run
	running    *status        // how it stands; nil: not known
}

// A step looks at one area.
type step func(ctx context.Context) []Finding

// Examine makes all checks and tells of each finding, in an order that is
// always the same, as soon as those before it are known. It returns when ctx
// ends, or after some seconds at most.
func Examine(ctx context.Context, s Subject, tell func(Finding)) {
	e := &exam{Subject: s.withDefaults()}
	for _, f := range s.Settings {
		tell(f)
	}
	e.readCluster()
	for _, stage := range [][]step{
		{e.advertised, e.founders, e.ports, e.certificates, e.directories, e.latency, e.limits},
		{e.member},
		{e.peers},
	} {
		e.runStage(ctx, stage, tell)
	}
}

func (e *exam) readCluster() {
	c, err := member.ParseCluster(e.InitialCluster)
	if err == nil && len(c) > 0 { // founders tells of the error
		e.cluster = c
	}
}

// runStage takes the steps side by side.
func (e *exam) runStage(ctx context.Context, steps []step, tell func(Finding)) {
	var done sync.WaitGroup
	defer done.Wait()
	results := make([]chan []Finding, len(steps))
	for i, look := range steps {
		results[i] = make(chan []Finding, 1) // nobody may be waiting yet
		done.Go(func() { results[i] <- look(ctx) })
	}
	for _, r := range results {
		for _, f := range <-r {
			tell(f)
		}
	}
}

func (s Subject) withDefaults() Subject {
	if s.dial == nil {
		s.dial = new(net.Dialer).DialContext
	}
	if s.lookUp == nil {
		s.lookUp = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if s.local == nil {
		s.local = ownAddresses()
	}
	return s
}

// notes are the findings of one area.
type notes struct {
	area string
	all  []Finding
}

func (n *notes) add(s State, text string, mend []string) {
	n.all = append(n.all, Finding{n.area, s, text, mend})
}

func (n *notes) ok(format string, args ...any) { n.add(OK, fmt.Sprintf(format, args...), nil) }
func (n *notes) unchecked(format string, args ...any) {
	n.add(Unchecked, fmt.Sprintf(format, args...), nil)
}
func (n *notes) warn(text string, mend ...string)  { n.add(Warning, text, mend) }
func (n *notes) wrong(text string, mend ...string) { n.add(Wrong, text, mend) }

// each looks at all of list side by side and joins the findings in its order.
func each[T any](list []T, look func(i int, one T) []Finding) (all []Finding) {
	found := make([][]Finding, len(list))
	var done sync.WaitGroup
	for i, one := range list {
		done.Go(func() { found[i] = look(i, one) })
	}
	done.Wait()
	for _, some := range found {
		all = append(all, some...)
	}
	return all
}

// quoted is a word as a shell reads it back.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:=,@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
