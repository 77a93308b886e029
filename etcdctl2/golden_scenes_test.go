package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// stagings start the servers of the scenarios that do not have just a lone one.
var stagings = map[string]func(*stage){
	"bad-advertise":    func(p *stage) { p.start(p.lone("--advertise-client-urls", "http://127.0.0.1:22199")) },
	"member-multi-url": func(*stage) {},
	"no-quorum": func(p *stage) {
		const both = "node1=http://127.0.0.1:22102,node2=http://127.0.0.1:22112"
		p.start(p.server(0, "http", both, "new"), p.server(1, "http", both, "new"))
	},
	"tls": func(p *stage) {
		ca := certtest.New(p.t, "test-ca")
		p.mustWrite("ca.pem", string(ca.PEM()))
		for _, name := range []string{"server", "client"} {
			pair := ca.Issue(certtest.Leaf{CommonName: name})
			p.mustWrite(name+".pem", string(pair.PEM))
			p.mustWrite(name+"-key.pem", string(pair.Key))
		}
		in := func(name string) string { return filepath.Join(p.dir, name) }
		p.start(p.server(0, "https", "", "new", "--cert-file", in("server.pem"), "--key-file", in("server-key.pem"),
			"--client-cert-auth", "--trusted-ca-file", in("ca.pem")))
	},
}

// pausing waits for what takes its time: keys to end, members to have been
// connected for a while.
func pausing(d time.Duration) func(*stage) {
	return func(*stage) { time.Sleep(d) }
}

// before is what happens before steps, and is not in the recording.
var before = map[string]map[int]func(*stage){
	"key-set-cas": {25: pausing(1500 * time.Millisecond)},
	"member-grow": {
		4:  pausing(500 * time.Millisecond),
		6:  pausing(6 * time.Second),
		10: pausing(1500 * time.Millisecond),
		16: pausing(500 * time.Millisecond),
		26: pausing(1500 * time.Millisecond),
	},
	"seed-curl": {
		14: func(p *stage) { p.mustWrite("upfile", "file content\nsecond line\n") },
		36: pausing(1100 * time.Millisecond),
	},
	"seed000-examples": {
		7:  pausing(2500 * time.Millisecond),
		27: pausing(1500 * time.Millisecond),
	},
	"seed000-tour":      {26: func(p *stage) { p.mustWrite("README.md", "") }},
	"watch-server-gone": {6: func(p *stage) { p.start(p.called("node1")) }},
	"watch":             {27: pausing(1500 * time.Millisecond)},
}

// events are what the recording only tells of.
var events = map[string]map[int]func(*stage){
	"backup": {
		7: func(p *stage) { p.stop(p.called("node1"), syscall.SIGTERM) },
		13: func(p *stage) {
			p.start(p.lone("--data-dir", filepath.Join(p.dir, "out1"), "--force-new-cluster"))
		},
	},
	"member-grow": {
		3: func(p *stage) { p.start(p.joining(1, "node1=http://127.0.0.1:22102,node2=http://127.0.0.1:22112")) },
		9: func(p *stage) {
			p.start(p.joining(2, "node1=http://127.0.0.1:22102,node2=http://127.0.0.1:22112,node3=http://127.0.0.1:22122"))
		},
		15: func(p *stage) { p.stop(p.called("node3"), syscall.SIGTERM) },
	},
	"member-multi-url": {
		1: func(p *stage) { p.startWith("http://127.0.0.1:22101,http://127.0.0.1:22103") },
		6: func(p *stage) { p.startWith("http://127.0.0.1:22101,http://127.0.0.1:22099") },
	},
	"no-quorum": {3: func(p *stage) {
		p.stop(p.called("node2"), syscall.SIGKILL)
		time.Sleep(3 * time.Second)
	}},
	"watch": {53: func(p *stage) {
		for i := range 1010 {
			if _, err := fetch("PUT", p.called("node1").client+"/v2/keys/fill", fmt.Sprintf("value=%d", i)); err != nil {
				p.t.Fatal(err)
			}
		}
	}},
	"watch-server-gone": {
		4: func(p *stage) { p.stop(p.called("node1"), syscall.SIGKILL) },
		7: func(p *stage) { p.stop(p.called("node1"), syscall.SIGTERM) },
	},
}

// joining is a server that is to join a cluster.
func (p *stage) joining(i int, cluster string) *node { return p.server(i, "http", cluster, "existing") }

// startWith starts a new lone server that listens at two URLs and advertises
// others.
func (p *stage) startWith(advertised string) {
	for _, n := range p.servers {
		p.stop(n, syscall.SIGTERM)
	}
	if err := os.RemoveAll(p.dataDir("node1")); err != nil {
		p.t.Fatal(err)
	}
	p.start(p.lone("--listen-client-urls", "http://127.0.0.1:22101,http://127.0.0.1:22103", "--advertise-client-urls", advertised))
}

func (p *stage) mustWrite(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}
