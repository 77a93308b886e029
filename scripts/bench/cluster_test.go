package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// naming is a member that says who leads.
func naming(t *testing.T, member, leader string) *server {
	t.Helper()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leader == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, fmt.Sprintf(`{"id":"1","name":%q}`, leader)) // a broken connection shows in the test
	}))
	t.Cleanup(ts.Close)
	return &server{member: member, addr: ts.Listener.Addr().(*net.TCPAddr)}
}

func TestALeaderIsOneThatAllMembersName(t *testing.T) {
	for _, test := range []struct {
		named []string // by node1, node2 and so on
		want  string
	}{
		{[]string{"node2", "node2", "node2"}, "node2"},
		{[]string{"node2", "node2", "node3"}, ""},
		{[]string{"node2", "", "node2"}, ""},
		{[]string{"node9", "node9", "node9"}, ""},
		{[]string{"node1"}, "node1"},
	} {
		c := &cluster{}
		for i, leader := range test.named {
			c.members = append(c.members, naming(t, fmt.Sprintf("node%d", i+1), leader))
		}
		got := ""
		if s := c.agreed(t.Context()); s != nil {
			got = s.member
		}
		if got != test.want {
			t.Errorf("leader among members that name %q: %q, want %q", test.named, got, test.want)
		}
	}
}

func TestALoadOnTheLeaderGoesNowhereElse(t *testing.T) {
	c := &cluster{members: []*server{
		{addr: &net.TCPAddr{Port: 1}}, {addr: &net.TCPAddr{Port: 2}}, {addr: &net.TCPAddr{Port: 3}},
	}}
	ports := func(to target) (all []int) {
		for _, a := range to.addrs() {
			all = append(all, a.Port)
		}
		return all
	}
	if got, want := ports(c), []int{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("spread over %v, want %v", got, want)
	}
	if got, want := ports(led{c, c.members[1]}), []int{2}; !slices.Equal(got, want) {
		t.Errorf("goes to %v, want %v", got, want)
	}
}
