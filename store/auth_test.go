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

// Nobody sees a node that came with or after a change of the Auth space and
// takes that space for unchanged.
func TestWhoSeesAnIndexSeesTheAuthVersionOfThatTime(t *testing.T) {
	s := mustOpen(t)
	behind := func() bool { // each change below makes one index and one version
		index := uint64(s.Index())
		return s.AuthVersion() <= index
	}
	done, late := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-done:
				late <- n
				return
			default:
			}
			if behind() {
				n++
			}
		}
	}()
	for range 5000 {
		mustApply(t, s, Command{Op: Set, Path: ParsePath(Auth, "/enabled"), Value: "true"})
	}
	close(done)
	if n := <-late; n > 0 {
		t.Errorf("%d times the version was behind", n)
	}
}
