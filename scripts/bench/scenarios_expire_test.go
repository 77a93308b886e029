package main

import (
	"strings"
	"testing"
	"time"
)

func TestLatenessIsCountedFromTheExpiration(t *testing.T) {
	line := `{"action":"expire","node":{"key":"/k","modifiedIndex":2,"createdIndex":1},` +
		`"prevNode":{"key":"/k","value":"v","expiration":"2026-01-02T03:04:05.25Z","ttl":0,"modifiedIndex":1,"createdIndex":1}}`
	due := time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC)
	if late, err := lateBy([]byte(line), due.Add(42*time.Millisecond)); late != 42*time.Millisecond || err != nil {
		t.Errorf("%v late, %v, want 42ms", late, err)
	}
	if _, err := lateBy([]byte(line), due.Add(-1)); err == nil {
		t.Error("an early event is no error")
	}
	if _, err := lateBy([]byte(strings.Replace(line, "expire", "delete", 1)), due); err == nil {
		t.Error("a removal passes for an expiry")
	}
}

func TestKeysOfTheExpireScenarioEndInTheSecondBeforeTheirTime(t *testing.T) {
	for _, ahead := range []time.Duration{20 * time.Second, 19999 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
		put := newRequest("PUT", "h", "/"+dir+"/"+keyPlace+"?ttl="+ttlPlace, valueSize)
		now := time.Now()
		s := &expiring{fill: fill{put: put, step: 1, keys: 1}, ttl: put.place(ttlPlace), due: now.Add(ahead)}
		raw := string(s.next())
		_, rest, _ := strings.Cut(raw, "?ttl=")
		lasts := time.Duration(number([]byte(rest[:len(ttlPlace)]))) * time.Second
		if early := time.Until(s.due) - lasts; early > time.Second || lasts > ahead {
			t.Errorf("with %v to go a key lives %v", ahead, lasts)
		}
	}
}
