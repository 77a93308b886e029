package discovery

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAHostThatIsDownIsAskedAgainAndAgain(t *testing.T) {
	told(t, func(t *testing.T) {
		var log bytes.Buffer
		l := script(t)
		l.refuse = 1 << 20
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		if got, err := Join(ctx, newConfig(l, &log)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %q, %v", got, err)
		}
		var pauses []string
		for _, found := range regexp.MustCompile(`retrying in (\w+)`).FindAllStringSubmatch(log.String(), -1) {
			pauses = append(pauses, found[1])
		}
		want := []string{"2s", "4s", "8s", "16s", "32s", "1m4s", "2m8s", "4m16s", "4m16s", "4m16s", "4m16s"}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		lines := `level=ERROR msg="discovery: error #0: dial tcp: connect: connection refused"
level=INFO msg="discovery: cluster status check: error connecting to http://host:2379, retrying in 2s"
`
		if !strings.HasPrefix(log.String(), lines) {
			t.Errorf("log:\n%swant first:\n%s", &log, lines)
		}
	})
}

// Whatever a host in trouble does at whichever request, the member gets there.
func TestAHostInTroubleIsAskedAgain(t *testing.T) {
	steps := append(begin("2"), event(11, "create", m(1, 12)))
	troubles := map[string]struct {
		status int
		body   string
		took   time.Duration
	}{
		"cut":     {cut, "", 2 * time.Second},
		"silent":  {hang, "", 7 * time.Second},
		"gateway": {504, "<html>", 2 * time.Second},
		"leader":  {500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`, 2 * time.Second},
	}
	for name, trouble := range troubles {
		for at, s := range steps {
			if s.request == "self 10" || strings.HasPrefix(s.request, "wait") && trouble.status == hang {
				continue // have tests of their own
			}
			t.Run(name+" at "+strings.ReplaceAll(s.request, "/", "."), func(t *testing.T) {
				told(t, func(t *testing.T) {
					again := []step{{s.request, trouble.status, trouble.body, 0}}
					switch {
					case s.request == "list" && at == 1:
						again = append(again, steps[0])
					case s.request == "list":
						again = append(again, steps[4])
					case strings.HasPrefix(s.request, "wait"):
						again = append(again, steps[4], steps[5])
					}
					var log bytes.Buffer
					begun := time.Now()
					got, err := join(t, newConfig(script(t, slices.Insert(slices.Clone(steps), at, again...)...), &log))
					if want := "m0=http://m0:2380,m1=http://m1:2380"; err != nil || got != want {
						t.Errorf("got %q, %v, want %q", got, err, want)
					}
					if took := time.Since(begun); took != trouble.took || strings.Count(log.String(), "retrying in 2s") != 1 {
						t.Errorf("took %v, want %v, log:\n%s", took, trouble.took, &log)
					}
				})
			})
		}
	}
}

func TestTheLogSaysWhatTheTroubleIs(t *testing.T) {
	for want, trouble := range map[string]step{
		"EOF":                 {"size", cut, "", 0},
		"no answer within 5s": {"size", hang, "", 0},
		"the server answers 503 Service Unavailable":                                        {"size", 503, "<html>", 0},
		"the server answers 500 Internal Server Error: 300: Raft Internal Error (late) [0]": {"size", 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"late","index":0}`, 0},
		"the server ended the wait":                                                         {"wait 11", 200, "", 10},
		"unexpected EOF":                                                                    {"wait 11", 200, "{", 10},
	} {
		t.Run(want, func(t *testing.T) {
			told(t, func(t *testing.T) {
				steps := []step{trouble}
				if trouble.request != "size" {
					steps = append(begin("2"), trouble)
				}
				steps = append(steps, refuses("size", 404, 100, "Key not found"))
				var log bytes.Buffer
				if got, err := join(t, newConfig(script(t, steps...), &log)); !errors.Is(err, ErrSizeNotFound) {
					t.Errorf("got %q, %v", got, err)
				}
				if !strings.Contains(log.String(), `msg="discovery: error #0: `+want+`"`) {
					t.Errorf("log:\n%swant: %s", &log, want)
				}
			})
		})
	}
}

// A registration whose answer was lost is the member's own.
func TestALostAnswerToARegistrationIsNoFormerLife(t *testing.T) {
	told(t, func(t *testing.T) {
		exists := refuses("register m0=http://m0:2380", 412, 105, "Key already exists")
		l := script(t, size("1"), list(9), step{"register m0=http://m0:2380", cut, "", 0}, exists, size("1"), list(10, me(10)))
		if got, err := join(t, newConfig(l, new(bytes.Buffer))); err != nil || got != "m0=http://m0:2380" {
			t.Errorf("got %q, %v", got, err)
		}
		l = script(t, size("1"), list(9, me(7)), step{"register m0=http://m0:2380", cut, "", 0}, exists)
		if got, err := join(t, newConfig(l, new(bytes.Buffer))); !errors.Is(err, ErrAlreadyRegistered) {
			t.Errorf("where it was before: got %q, %v", got, err)
		}
	})
}

// Seeing oneself only saves time.
func TestAMemberThatDoesNotSeeItselfGoesOn(t *testing.T) {
	for name, s := range map[string]step{
		"cut": {"self 10", cut, "", 0}, "silent": {"self 10", hang, "", 0}, "cleared": refuses("self 10", 400, 401, "The event in requested index is outdated and cleared"),
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T) {
				// The follower that is asked knows of nobody yet.
				l := script(t, size("1"), list(9), registers(10), s, size("1"), list(9), event(10, "create", me(10)))
				if got, err := join(t, newConfig(l, new(bytes.Buffer))); err != nil || got != "m0=http://m0:2380" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		})
	}
}

// What is not simply one more member makes the roll be read anew.
func TestAWaitThatCannotGoOnStartsOver(t *testing.T) {
	for name, s := range map[string]step{
		"history cleared":      refuses("wait 11", 400, 401, "The event in requested index is outdated and cleared"),
		"ended":                {"wait 11", 200, "", 10},
		"ended halfway":        {"wait 11", 200, `{"action":"create","no`, 10},
		"a member gone":        event(11, "delete", m(3, 12)),
		"an entry changed":     event(11, "set", me(12)),
		"a directory":          event(11, "set", `{"key":"/reg/tok/d","dir":true,"modifiedIndex":12,"createdIndex":12}`),
		"a key from elsewhere": event(11, "create", `{"key":"/other/1","value":"m1=http://m1:1","modifiedIndex":12,"createdIndex":12}`),
		"an old event":         event(11, "create", m(3, 9)),
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T) {
				steps := append(begin("2"), s, size("2"), list(20, me(10)), event(21, "create", m(1, 21)))
				begun := time.Now()
				got, err := join(t, newConfig(script(t, steps...), new(bytes.Buffer)))
				if want := "m0=http://m0:2380,m1=http://m1:2380"; err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				if took := time.Since(begun); took != firstPause {
					t.Errorf("took %v, want a pause of %v: a broken host is not to be flooded", took, firstPause)
				}
			})
		})
	}
}

func TestEventsBesideTheMembersAreSkipped(t *testing.T) {
	told(t, func(t *testing.T) {
		steps := append(begin("2"), event(11, "set", key("_config/size", "2", 12)), event(13, "set", key("1/deeper", "x", 14)),
			event(15, "set", key("_config", "x", 15)), event(16, "set", m(1, 20)))
		got, err := join(t, newConfig(script(t, steps...), new(bytes.Buffer)))
		if want := "m0=http://m0:2380,m1=http://m1:2380"; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

func TestAnEntryThatIsRemovedWhileWaitingLosesItsPlace(t *testing.T) {
	told(t, func(t *testing.T) {
		steps := append(begin("2"), event(11, "delete", me(12)), size("2"), list(20, m(1, 14), m(2, 15)))
		if got, err := join(t, newConfig(script(t, steps...), new(bytes.Buffer))); !errors.Is(err, ErrFull) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A gateway may end every wait after a minute: that is no reason to ask more
// and more seldom.
func TestPausesStayShortWhileWaitsLast(t *testing.T) {
	told(t, func(t *testing.T) {
		var log bytes.Buffer
		steps := begin("2")
		for range 5 {
			steps = append(steps, step{"wait 11", late, "", 0}, size("2"), list(10, me(10)))
		}
		steps = append(steps, event(11, "create", m(1, 12)))
		begun := time.Now()
		if got, err := join(t, newConfig(script(t, steps...), &log)); err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if took, want := time.Since(begun), 5*(time.Minute+firstPause); took != want {
			t.Errorf("took %v, want %v, log:\n%s", took, want, &log)
		}
	})
}
