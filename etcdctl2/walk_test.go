package main

import (
	"testing"
	"time"

	"keytree/httpapi/client"
)

func TestAnEndIsToldByTheClockHere(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name      string
		end, want time.Duration // from now
		ttl       int64
	}{
		{"the clocks agree", 9300 * time.Millisecond, 9300 * time.Millisecond, 10},
		{"the answer was on its way for a second", 8900 * time.Millisecond, 8900 * time.Millisecond, 10},
		{"theirs is an hour ahead", time.Hour + 9300*time.Millisecond, 10 * time.Second, 10},
		{"theirs is an hour behind", -time.Hour, 10 * time.Second, 10},
	} {
		end := now.Add(test.end)
		e := entryOf(&client.Node{Key: "/k", Value: "v", Expiration: &end, TTL: test.ttl}, now)
		if left, ends := e.left(now); left != test.want || !ends {
			t.Errorf("%s: %v are left, want %v", test.name, left, test.want)
		}
	}
	stays := entryOf(&client.Node{Key: "/k"}, now)
	if _, ends := stays.left(now); ends {
		t.Error("a key that stays ends")
	}
}

func TestLifetimesAreComparedWithTolerance(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	end, theirs := now.Add(100*time.Second), now.Add(time.Hour) // their clock is another one
	e := entry{Key: "/k", Value: "v", Expiration: &end}
	for _, test := range []struct {
		node *client.Node
		want bool
	}{
		{&client.Node{Value: "v", TTL: 99, Expiration: &theirs}, true},
		{&client.Node{Value: "v", TTL: 102, Expiration: &theirs}, true},
		{&client.Node{Value: "v", TTL: 103, Expiration: &theirs}, false},
		{&client.Node{Value: "v", TTL: 110, Expiration: &end}, true}, // the answer was on its way for long
		{&client.Node{Value: "v"}, false},
		{&client.Node{Value: "w", TTL: 100, Expiration: &end}, false},
		{&client.Node{Dir: true, TTL: 100, Expiration: &end}, false},
		{nil, false},
	} {
		if got := e.is(test.node, now); got != test.want {
			t.Errorf("%+v: %t, want %t", test.node, got, test.want)
		}
	}
}
