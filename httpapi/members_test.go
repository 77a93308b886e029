package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
	"keytree/store"
)

const jsonType = "Content-Type: application/json"

// message fails the test unless a is an error of the members' dialect.
func (a *answer) message(t *testing.T, what string, status int, text string) {
	t.Helper()
	if want := fmt.Sprintf(`{"message":%q}`, text); a.status != status || a.body != want {
		t.Errorf("%s:\n got %d %s\nwant %d %s", what, a.status, a.body, status, want)
	}
	if a.headers.Get("Content-Type") != "application/json" || a.headers.Get(headerClusterID) != "31c6e9f19e0fb0d9" {
		t.Errorf("%s: headers %v", what, a.headers)
	}
}

// Whatever the cluster says of a change has one status, and what the client
// is not told is in the log, once.
func TestEveryRefusalOfAChangeHasItsAnswer(t *testing.T) {
	type refused struct {
		method string
		err    error
		status int
		text   string
		logged string
	}
	const silent = "Internal Server Error"
	timeout := &store.Error{Code: store.CodeRaft, Cause: timedOut}
	tests := []refused{
		{"POST", member.ErrIDExists, 409, "membership: ID exists", ""},
		{"POST", fmt.Errorf("of another: %w", member.ErrPeerURLExists), 409, "membership: peerURL exists", ""},
		{"POST", member.ErrNotEnoughStarted, 500, silent, "error adding member [http://h:1] (re-configuration failed due to not enough started members)"},
		{"POST", member.ErrUnhealthy, 500, silent, "error adding member [http://h:1] (unhealthy cluster)"},
		{"POST", timeout, 500, silent, "error adding member [http://h:1] (etcdserver: request timed out)"},
		{"PUT", member.ErrPeerURLExists, 409, "membership: peerURL exists", ""},
		{"PUT", member.ErrNotFound, 404, "No such member: abc", ""},
		{"PUT", member.ErrRemoved, 500, silent, "error updating member abc (membership: ID removed)"},
		{"PUT", context.DeadlineExceeded, 500, silent, "error updating member abc (etcdserver: request timed out)"},
		{"DELETE", member.ErrNotFound, 404, "No such member: abc", ""},
		{"DELETE", member.ErrRemoved, 410, "Member permanently removed: abc", ""},
		{"DELETE", member.ErrUnhealthy, 500, silent, "error removing member abc (unhealthy cluster)"},
		{"DELETE", errors.New("the disk is full"), 500, silent, "error removing member abc (the disk is full)"},
	}
	told(t, func(t *testing.T, b *bench) {
		for _, tt := range tests {
			b.log.Reset()
			b.cluster.balk.Store(&tt.err)
			what := fmt.Sprint(tt.method, " when ", tt.err)
			b.do(tt.method, "/v2/members/0ABC", `{"peerURLs":["http://h:1"]}`, jsonType).message(t, what, tt.status, tt.text)
			synctest.Wait()
			lines := strings.Count(b.log.String(), "level=")
			if log := b.log.String(); !strings.Contains(log, tt.logged) || lines > 1 || lines == 1 && tt.logged == "" {
				t.Errorf("%s: the log says %q, want %q", what, log, tt.logged)
			}
		}
	})
}

// The checks are made in this order: what comes first is told.
func TestAChangeIsCheckedInOrder(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		const nobody, garbage, wrong = "/v2/members/xyz", "{", `{"peerURLs":["h"]}`
		b.do("PUT", nobody, garbage).message(t, "the ID before the type", 404, "No such member: xyz")
		b.do("PUT", "/v2/members/1", garbage, "Content-Type: TEXT/json ;x").message(t, "the type before the body", 415,
			"Bad Content-Type text/json, accept application/json")
		b.do("PUT", "/v2/members/1", garbage, jsonType).message(t, "the body before the member", 400, "unexpected end of JSON input")
		b.do("PUT", "/v2/members/1", wrong, jsonType).message(t, "the URLs before the member", 400, "URL scheme must be http, https, unix, or unixs: h")
		b.do("PUT", "/v2/members/69b38ac7138de88d/", wrong, jsonType).message(t, "a slash too many", 404, "No such member: 69b38ac7138de88d/")
		b.do("DELETE", nobody, garbage, "Content-Type: text/plain").message(t, "no body is looked at", 404, "No such member: xyz")
		if a := b.do("PATCH", "/v2/members", ""); a.status != 405 || a.headers.Get("Allow") != "GET,POST,DELETE,PUT" || a.headers.Get(headerClusterID) != "" {
			t.Errorf("PATCH: %v", a)
		}
	})
}

func TestWhatIsSaidAboutAMemberIsLimited(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		pad := func(n int) string {
			return `{"peerURLs":["x"]` + strings.Repeat(" ", n-len(`{"peerURLs":["x"]}`)) + "}"
		}
		b.do("POST", "/v2/members", pad(maxMember), jsonType).message(t, "the longest", 400, "URL scheme must be http, https, unix, or unixs: x")
		b.do("POST", "/v2/members", pad(maxMember+1), jsonType).message(t, "one more", 400, "the body is longer than 65536 bytes")
		b.do("PUT", "/v2/members/1", pad(20<<20), jsonType).message(t, "very much more", 400, "the body is longer than 65536 bytes")
	})
}

// The time limit on bodies ends with the body: what is asked then may take
// longer.
func TestABodyThatComesInTimeIsNotCutLater(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.hang.Store(true)
		c := b.dial()
		defer c.Close()
		const body = `{"peerURLs":["http://h:1"]}`
		c.sendRaw(fmt.Sprintf("POST /v2/members HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n", jsonType, len(body)))
		time.Sleep(bodyTime - time.Second)
		c.sendRaw(body)
		c.receive("POST").message(t, "7 s later", 500, "Internal Server Error")
	})
}

func TestAClientThatLeavesEndsItsChangeOfMembers(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.hang.Store(true)
		c := b.dial()
		c.send("POST", "/v2/members", `{"peerURLs":["http://h:1"]}`, jsonType)
		synctest.Wait()
		start := time.Now()
		c.Close()
		synctest.Wait()
		if time.Since(start) != 0 || b.log.Len() > 0 {
			t.Errorf("took %v, log: %s", time.Since(start), b.log)
		}
	})
}
