package main

import (
	"strings"
	"testing"
)

func TestWhatIsHardlyMeantIsTold(t *testing.T) {
	const (
		http    = "The scheme of client url http://10.0.0.1:1 is http while client key/cert files are presented. Ignored client key/cert files."
		auth    = "The scheme of peer url http://localhost:2380 is http while client cert auth (--peer-client-cert-auth) is enabled. Ignored client cert auth for this url."
		nowhere = "--advertise-client-urls has http://0.0.0.0:1, which is no address to reach this member at: set it to one that clients can connect to"
		home    = "--initial-advertise-peer-urls is http://localhost:2380, so other members on other machines cannot reach this member, though it listens on http://[::]:2380: set it to an address of this machine"
	)
	tests := []struct {
		args string
		want []string
	}{
		{"", nil},
		{"--listen-client-urls http://10.0.0.1:1,https://10.0.0.1:2 --advertise-client-urls https://h:2 --cert-file c --key-file k", []string{http}},
		{"--listen-client-urls http://10.0.0.1:1 --advertise-client-urls http://h:2 --cert-file c --key-file k --auto-tls", []string{"ignoring client auto TLS since certs given", http}},
		{"--peer-client-cert-auth", []string{auth}},
		{"--listen-client-urls http://0.0.0.0:1 --advertise-client-urls http://0.0.0.0:1", []string{nowhere}},
		{"--listen-client-urls http://0.0.0.0:1 --advertise-client-urls http://h:1", nil},
		{"--listen-client-urls http://10.0.0.1:1,http://127.0.0.1:1 --advertise-client-urls http://10.0.0.1:1,http://127.0.0.1:1", nil},
		{"--listen-client-urls http://127.0.0.1:1 --advertise-client-urls http://localhost:1", nil},
		{"--listen-client-urls unix:///s --advertise-client-urls unix:///s", nil},
		{"--listen-peer-urls http://[::]:2380", []string{home}},
		{"--listen-peer-urls http://[::]:2380 --proxy on", nil},
		{"--bcrypt-cost 3", []string{"--bcrypt-cost[3] should be between 4 and 31: using 10"}},
		{"--bcrypt-cost 4", nil},
		{"--bcrypt-cost 32", []string{"--bcrypt-cost[32] should be between 4 and 31: using 10"}},
		{"--max-request-bytes 33554432", []string{"--max-request-bytes[33554432] is more than the log can carry: using 31457280"}},
		{"--max-request-bytes 1572864", nil},
		{"--audit-reads", []string{"--audit-reads has no effect without --audit-log"}},
		{"--audit-reads --audit-log f", nil},
		{"--unsafe-no-fsync", []string{"--unsafe-no-fsync has no effect: what was acknowledged is on the disk"}},
	}
	for _, tt := range tests {
		c := mustReadConfig(t, strings.Fields(tt.args)...)
		if got := strings.Join(c.warnings(), "\n"); got != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.args, got, strings.Join(tt.want, "\n"))
		}
		if c.bcryptCost < 4 || c.bcryptCost > 31 {
			t.Errorf("%s: a cost of %d", tt.args, c.bcryptCost)
		}
	}
}
