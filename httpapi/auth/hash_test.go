package auth

import (
	"log/slog"
	"strings"
	"testing"
)

// Whoever knows a password can write it in more than one way. Were these
// different questions, each would cost a run of bcrypt.
func TestPasswordsThatAreTheSameToBcryptAreOneQuestion(t *testing.T) {
	c := newChecks(&stub{}, 1, slog.New(slog.DiscardHandler))
	long := strings.Repeat("x", significant)
	for _, pair := range [][2]string{
		{"abc", "abc\x00abc"}, {"abc", "abc\x00abc\x00abc"}, {"abc", "abc\x00"}, {"abc", "abc\x00ab"}, {"abc", "abc\x00abd"},
		{"", "\x00"}, {"", "\x00\x00\x00"}, {"a", "a\x00\x00"}, {long, long + "y"}, {long, long[1:]}, {long[1:], long[1:] + "\x00x"},
	} {
		hash, err := Bcrypt{Cost: 4}.Hash(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		same := Bcrypt{}.Matches(hash, pair[1])
		if one := c.digest(&check{password: pair[0]}) == c.digest(&check{password: pair[1]}); one != same {
			t.Errorf("%q: the same to bcrypt is %t, one question is %t", pair, same, one)
		}
	}
}
