package replica

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"keytree/raftlog/member"
)

func rosterOf(t *testing.T, ids ...member.ID) *roster {
	t.Helper()
	r := &roster{}
	for _, id := range ids {
		next, _, err := r.change(rosterChange{What: addMember, PeerURLs: []string{fmt.Sprintf("http://h%v:2380", id)}}, id)
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	return r
}

// What the roster grants, and at the price of how many steps of the index, is
// etcd's (spec: http.md 2 and 6).
func TestTheRosterDecides(t *testing.T) {
	base := rosterOf(t, 1, 2, 3)
	removed, _, err := base.change(rosterChange{What: removeMember}, 3)
	if err != nil {
		t.Fatal(err)
	}
	learning := base.with(member.Member{ID: 2, Name: "n", Learner: true})
	started := base.with(member.Member{ID: 1, Name: "n"})
	tests := []struct {
		name   string
		roster *roster
		change rosterChange
		id     member.ID
		want   error
		steps  int
		after  string
	}{
		{"a new member", base, rosterChange{What: addMember, PeerURLs: []string{"http://h4:2380"}}, 4, nil, 1, "1 2 3 4 -"},
		{"an id that exists", base, rosterChange{What: addMember, PeerURLs: []string{"http://h4:2380"}}, 2, member.ErrIDExists, 0, ""},
		{"a URL that is taken", base, rosterChange{What: addMember, PeerURLs: []string{"http://h4:2380", "http://h2:2380"}}, 4, member.ErrPeerURLExists, 0, ""},
		{"an id that was removed", removed, rosterChange{What: addMember, PeerURLs: []string{"http://h4:2380"}}, 3, member.ErrRemoved, 0, ""},
		{"a URL of a removed member", removed, rosterChange{What: addMember, PeerURLs: []string{"http://h3:2380"}}, 4, nil, 1, "1 2 4 - 3"},
		{"removing", base, rosterChange{What: removeMember}, 2, nil, 2, "1 3 - 2"},
		{"removing twice", removed, rosterChange{What: removeMember}, 3, member.ErrRemoved, 0, ""},
		{"removing a stranger", base, rosterChange{What: removeMember}, 9, member.ErrNotFound, 0, ""},
		{"other URLs", base, rosterChange{What: updateMember, PeerURLs: []string{"http://h9:2380"}}, 2, nil, 1, "1 2 3 -"},
		{"the same URLs", base, rosterChange{What: updateMember, PeerURLs: []string{"http://h2:2380"}}, 2, nil, 1, "1 2 3 -"},
		{"another's URL", base, rosterChange{What: updateMember, PeerURLs: []string{"http://h1:2380"}}, 2, member.ErrPeerURLExists, 0, ""},
		{"URLs of a stranger", base, rosterChange{What: updateMember, PeerURLs: []string{"http://h9:2380"}}, 9, member.ErrNotFound, 0, ""},
		{"URLs of a removed member", removed, rosterChange{What: updateMember, PeerURLs: []string{"http://h9:2380"}}, 3, member.ErrRemoved, 0, ""},
		{"introducing", base, rosterChange{What: introduceMember, Name: "n", ClientURLs: []string{"http://c:1"}}, 2, nil, 1, "1 2 3 -"},
		{"introducing a removed member", removed, rosterChange{What: introduceMember, Name: "n"}, 3, member.ErrRemoved, 0, ""},
		{"introducing a stranger", base, rosterChange{What: introduceMember, Name: "n"}, 9, member.ErrNotFound, 0, ""},
		{"introducing a learner", started, rosterChange{What: introduceMemberAs, Name: "n", Role: member.Learner}, 2, nil, 1, "1 2(learns) 3 -"},
		{"introducing the last voter as a learner", started, rosterChange{What: introduceMemberAs, Name: "n", Role: member.Learner}, 1, member.ErrLastVoter, 0, ""},
		{"introducing a learner beside others that learn or never started", learning, rosterChange{What: introduceMemberAs, Name: "n", Role: member.Learner}, 1, member.ErrLastVoter, 0, ""},
		{"introducing a learner again", learning, rosterChange{What: introduceMember, Name: "m"}, 2, nil, 1, "1 2(learns) 3 -"},
		{"other URLs of a learner", learning, rosterChange{What: updateMember, PeerURLs: []string{"http://h9:2380"}}, 2, nil, 1, "1 2(learns) 3 -"},
		{"introducing a learner as a voter", learning, rosterChange{What: introduceMemberAs, Name: "n", Role: member.Voter}, 2, nil, 1, "1 2 3 -"},
		{"introducing a stranger as a learner", started, rosterChange{What: introduceMemberAs, Name: "n", Role: member.Learner}, 9, member.ErrNotFound, 0, ""},
		{"seizing as a learner", learning, rosterChange{What: seizeCluster}, 2, nil, 5, "2 - 1 3"},
		{"seizing", base, rosterChange{What: seizeCluster}, 2, nil, 4, "2 - 1 3"},
		{"seizing alone", rosterOf(t, 2), rosterChange{What: seizeCluster}, 2, nil, 0, "2 -"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.roster.text()
			next, commands, err := tt.roster.change(tt.change, tt.id)
			if !errors.Is(err, tt.want) || len(commands) != tt.steps {
				t.Fatalf("got %d commands and %v, want %d and %v", len(commands), err, tt.steps, tt.want)
			}
			if err == nil && next.text() != tt.after {
				t.Errorf("the roster is %q, want %q", next.text(), tt.after)
			}
			if tt.roster.text() != before {
				t.Errorf("the roster that was asked has become %q", tt.roster.text())
			}
		})
	}
}

// A change that only a later version knows must stop a member, not be refused
// by it alone.
func TestAChangeOfALaterVersionIsNotUnderstood(t *testing.T) {
	for _, text := range []string{`{"roster":"promote","id":"2"}`, `{"roster":"introduceAs","id":"2","role":"witness"}`, `{"roster":"introduceAs","id":"2"}`} {
		if _, _, err := parseRosterChange([]byte(text)); err == nil {
			t.Errorf("%s is", text)
		}
	}
}

func (r *roster) text() string {
	var b strings.Builder
	for _, m := range r.members {
		fmt.Fprint(&b, m.ID)
		if m.Learner {
			b.WriteString("(learns)")
		}
		b.WriteString(" ")
	}
	b.WriteString("-")
	for _, m := range r.removed {
		fmt.Fprint(&b, " ", m.ID)
	}
	return b.String()
}
