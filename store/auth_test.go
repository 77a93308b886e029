package store

import "testing"

func TestAuthVersionChangesWithTheAuthSpaceAlone(t *testing.T) {
	s := mustOpen(t)
	before := s.AuthVersion()
	mustApply(t, s, Command{Op: Set, Path: ParsePath(Keys, "/a"), Value: "1"})
	if s.AuthVersion() != before {
		t.Error("a key changed the version of the Auth space")
	}
	mustApply(t, s, Command{Op: Set, Path: ParsePath(Auth, "/enabled"), Value: "true"})
	if s.AuthVersion() == before {
		t.Error("the Auth space changed and its version did not")
	}
}
