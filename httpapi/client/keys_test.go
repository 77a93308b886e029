package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/client"
)

// What etcdctl --debug shows of its requests.
func TestRequestsAreThoseOfEtcdsClient(t *testing.T) {
	t.Parallel()
	f := serve(t, say(200, aKey))
	var got []string
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}, Trace: func(a client.Attempt) {
		text := "-X " + a.Method + " " + strings.TrimPrefix(a.URL, f.URL+"/v2")
		if a.Body != nil {
			text += fmt.Sprintf(" -d %q", a.Body)
		}
		got = append(got, text)
	}})
	set := func(key, value string, o client.SetOptions) func() (*client.Response, error) {
		return func() (*client.Response, error) { return c.Set(t.Context(), key, value, o) }
	}
	get := func(key string, o client.GetOptions) func() (*client.Response, error) {
		return func() (*client.Response, error) { return c.Get(t.Context(), key, o) }
	}
	remove := func(key string, o client.DeleteOptions) func() (*client.Response, error) {
		return func() (*client.Response, error) { return c.Delete(t.Context(), key, o) }
	}
	for _, one := range []struct {
		ask  func() (*client.Response, error)
		want string
	}{
		{set("/g", "1", client.SetOptions{}), `-X PUT /keys/g -d "value=1"`},
		{set("/g", "a b&c=d\n中", client.SetOptions{}), `-X PUT /keys/g -d "value=a+b%26c%3Dd%0A%E4%B8%AD"`},
		{get("/g", client.GetOptions{}), `-X GET /keys/g?quorum=false&recursive=false&sorted=false`},
		{get("g", client.GetOptions{Quorum: true, Sort: true}), `-X GET /keys/g?quorum=true&recursive=false&sorted=true`},
		{get("/", client.GetOptions{Recursive: true}), `-X GET /keys/?quorum=false&recursive=true&sorted=false`},
		{get("", client.GetOptions{}), `-X GET /keys/?quorum=false&recursive=false&sorted=false`},
		{get("//d//", client.GetOptions{}), `-X GET /keys/d/?quorum=false&recursive=false&sorted=false`},
		{get("/d/..", client.GetOptions{}), `-X GET /keys?quorum=false&recursive=false&sorted=false`},
		{func() (*client.Response, error) { return c.Wait(t.Context(), "/g/", 7, true) }, `-X GET /keys/g/?recursive=true&wait=true&waitIndex=7`},
		{func() (*client.Response, error) { return c.Wait(t.Context(), "g", 1, false) }, `-X GET /keys/g?recursive=false&wait=true&waitIndex=1`},
		{set("a/./b", "1", client.SetOptions{}), `-X PUT /keys/a/b -d "value=1"`},
		{set("/p%2Fq;a:b@c", "1", client.SetOptions{}), `-X PUT /keys/p%252Fq;a:b@c -d "value=1"`},
		{func() (*client.Response, error) { return c.Create(t.Context(), "/n", "1", 0) }, `-X PUT /keys/n?prevExist=false -d "value=1"`},
		{func() (*client.Response, error) { return c.CreateInOrder(t.Context(), "/q", "x", 9*time.Second) }, `-X POST /keys/q -d "ttl=9&value=x"`},
		{set("/d", "x", client.SetOptions{Dir: true, PrevExist: client.PrevMissing, TTL: 4 * time.Second}), `-X PUT /keys/d?dir=true&prevExist=false -d "ttl=4"`},
		{set("/d2", "", client.SetOptions{Dir: true}), `-X PUT /keys/d2?dir=true -d ""`},
		{func() (*client.Response, error) { return c.Update(t.Context(), "/g", "2") }, `-X PUT /keys/g?prevExist=true -d "value=2"`},
		{set("/d2", "", client.SetOptions{Dir: true, PrevExist: client.PrevExists, TTL: time.Minute}), `-X PUT /keys/d2?dir=true&prevExist=true -d "ttl=60"`},
		{set("/g", "x", client.SetOptions{PrevValue: "2", PrevIndex: 3, TTL: 4 * time.Second}), `-X PUT /keys/g?prevIndex=3&prevValue=2 -d "ttl=4&value=x"`},
		{set("/g", "x", client.SetOptions{TTL: -1}), `-X PUT /keys/g -d "value=x"`},
		{set("/g", "x", client.SetOptions{TTL: 1001 * time.Millisecond}), `-X PUT /keys/g -d "ttl=2&value=x"`},
		{set("/g", "x", client.SetOptions{Refresh: true, TTL: time.Second, NoValueOnSuccess: true}), `-X PUT /keys/g?noValueOnSuccess=true&refresh=true -d "ttl=1"`},
		{remove("/n", client.DeleteOptions{}), `-X DELETE /keys/n`},
		{remove("/d2", client.DeleteOptions{Dir: true}), `-X DELETE /keys/d2?dir=true`},
		{remove("/q/", client.DeleteOptions{Recursive: true}), `-X DELETE /keys/q/?recursive=true`},
		{remove("/g", client.DeleteOptions{PrevValue: "a b", PrevIndex: 7}), `-X DELETE /keys/g?prevIndex=7&prevValue=a+b`},
	} {
		got = nil
		if _, err := one.ask(); err != nil || !slices.Equal(got, []string{one.want}) {
			t.Errorf("got %q, %v, want %s", got, err, one.want)
		}
	}
}

func TestKeysCanBeElsewhere(t *testing.T) {
	t.Parallel()
	f := serve(t, say(200, aKey))
	for root, want := range map[string]string{"/": "/tok/_config", "there/": "/there/tok/_config"} {
		c := mustNew(t, client.Config{Endpoints: []string{f.URL}, KeysPath: root})
		if _, err := c.Delete(t.Context(), "/tok/_config", client.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if asked := f.requests(); !slices.Equal(asked, []string{"DELETE " + want}) {
			t.Errorf("%s: asked %q", root, asked)
		}
		if _, err := c.Get(t.Context(), "..", client.GetOptions{}); errors.Is(err, client.ErrInvalidJSON) != (root != "/") {
			t.Errorf("%s: got %v", root, err)
		}
		f.requests()
	}
}

// A key is never a way to anything else.
func TestKeysStayInTheKeySpace(t *testing.T) {
	t.Parallel()
	f := serve(t, say(200, aKey))
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}})
	for _, key := range []string{"/..", "..", "/../up", "a/../../members/1", "/../keysx/a", "../../"} {
		if _, err := c.Delete(t.Context(), key, client.DeleteOptions{}); !errors.Is(err, client.ErrInvalidJSON) {
			t.Errorf("%q: got %v", key, err)
		}
		if _, err := c.Watch(key, client.WatchOptions{}).Next(t.Context()); !errors.Is(err, client.ErrInvalidJSON) {
			t.Errorf("watching %q: got %v", key, err)
		}
		if _, err := c.Wait(t.Context(), key, 1, true); !errors.Is(err, client.ErrInvalidJSON) {
			t.Errorf("waiting for %q: got %v", key, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../roles/x", "a/b"} {
		if err := c.RemoveUser(t.Context(), name); err == nil || err.Error() != "Invalid path" {
			t.Errorf("user %q: got %v", name, err)
		}
		if err := c.RemoveMember(t.Context(), name); err == nil || err.Error() != "No such member: "+name {
			t.Errorf("member %q: got %v", name, err)
		}
	}
	if asked := f.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestKeysAreReadAndWritten(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, key := range []string{"/a", "/q?x=1&y#z%41", "/ä/中 文", "/n\x00l", "/a+b;c", "/x/y/z"} {
			r := w.mustSet(t, key, key)
			if r.Action != "set" || r.Node.Key != key || r.PrevNode != nil || r.Index != r.Node.ModifiedIndex || r.RaftIndex == 0 || r.RaftTerm == 0 || r.ClusterID != "31c6e9f19e0fb0d9" {
				t.Errorf("%q: %+v", key, r)
			}
			if r, err := w.Get(ctx, key, client.GetOptions{Quorum: true}); err != nil || r.Node.Value != key {
				t.Errorf("%q: %v, %v", key, r, err)
			}
		}
		listing, err := w.Get(ctx, "/", client.GetOptions{Recursive: true, Sort: true})
		if err != nil || len(listing.Node.Nodes) != 6 || listing.Node.Key != "" || !listing.Node.Dir {
			t.Fatalf("%v, %+v", err, listing)
		}
		if z := listing.Node.Nodes[4].Nodes[0].Nodes[0]; z.Key != "/x/y/z" || z.Value != "/x/y/z" {
			t.Errorf("got %+v", z)
		}
		if r, err := w.Set(ctx, "/a", "2", client.SetOptions{PrevValue: "/a", TTL: 90 * time.Second}); err != nil || r.Node.TTL != 90 || time.Until(*r.Node.Expiration) > 90*time.Second || r.PrevNode.Value != "/a" {
			t.Errorf("%v, %+v", err, r)
		}
		if r, err := w.Set(ctx, "/a", "", client.SetOptions{Refresh: true, TTL: 30 * time.Second, PrevExist: client.PrevExists}); err != nil || r.Node.TTL != 30 || r.Node.Value != "2" {
			t.Errorf("%v, %+v", err, r)
		}
		if r, err := w.Set(ctx, "/a", "3", client.SetOptions{NoValueOnSuccess: true}); err != nil || r.Node != nil || r.Action != "set" {
			t.Errorf("%v, %+v", err, r)
		}
		if r, err := w.Update(ctx, "/a", "4"); err != nil || r.Action != "update" {
			t.Errorf("%v, %+v", err, r)
		}
		first, err := w.CreateInOrder(ctx, "/queue", "1", 0)
		if err != nil || first.Action != "create" || !strings.HasPrefix(first.Node.Key, "/queue/0000") {
			t.Errorf("%v, %+v", err, first)
		}
		if r, err := w.Delete(ctx, "/queue", client.DeleteOptions{Recursive: true}); err != nil || r.Action != "delete" || !r.PrevNode.Dir {
			t.Errorf("%v, %+v", err, r)
		}
	})
}

func TestRefusalsHaveCodes(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.mustSet(t, "/a", "1")
		w.mustSet(t, "/d/x", "1")
		for want, ask := range map[string]func() error{
			"100: Key not found (/no) [5]":       func() error { _, err := w.Get(ctx, "/no/x", client.GetOptions{}); return err },
			"101: Compare failed ([9 != 4]) [5]": func() error { _, err := w.Set(ctx, "/a", "2", client.SetOptions{PrevIndex: 9}); return err },
			"102: Not a file (/d) [5]":           func() error { _, err := w.Delete(ctx, "/d", client.DeleteOptions{}); return err },
			"104: Not a directory (/a) [5]":      func() error { _, err := w.Set(ctx, "/a/b", "2", client.SetOptions{}); return err },
			"105: Key already exists (/a) [5]":   func() error { _, err := w.Create(ctx, "/a", "2", 0); return err },
			"107: Root is read only (/) [5]":     func() error { _, err := w.Set(ctx, "/", "2", client.SetOptions{}); return err },
			"108: Directory not empty (/d) [5]":  func() error { _, err := w.Delete(ctx, "/d/", client.DeleteOptions{Dir: true}); return err },
			"101: Compare failed ([x != 1]) [5]": func() error { _, err := w.Delete(ctx, "/a", client.DeleteOptions{PrevValue: "x"}); return err },
			"100: Key not found (/no) [5] ":      func() error { _, err := w.Update(ctx, "/no", "2"); return err },
		} {
			err := ask()
			var e *client.Error
			if !errors.As(err, &e) || err.Error() != strings.TrimSpace(want) || e.Status < 400 || !strings.HasPrefix(want, fmt.Sprint(e.Code)) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
}

func TestResponsesAreWrittenAsEtcdctlWritesThem(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"action":"get","node":{"key":"/a","value":"<1>","modifiedIndex":4,"createdIndex":4}}`:                                                                    `{"action":"get","node":{"key":"/a","value":"\u003c1\u003e","nodes":null,"createdIndex":4,"modifiedIndex":4},"prevNode":null}`,
		`{"action":"get","node":{"dir":true,"nodes":[{"key":"/d","dir":true,"expiration":"2026-11-21T07:20:44.29Z","ttl":5,"modifiedIndex":4,"createdIndex":4}]}}`: `{"action":"get","node":{"key":"","dir":true,"value":"","nodes":[{"key":"/d","dir":true,"value":"","nodes":null,"createdIndex":4,"modifiedIndex":4,"expiration":"2026-11-21T07:20:44.29Z","ttl":5}],"createdIndex":0,"modifiedIndex":0},"prevNode":null}`,
	} {
		c := mustNew(t, client.Config{Endpoints: []string{serve(t, say(http.StatusOK, body)).URL}})
		r, err := c.Get(t.Context(), "/", client.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(r); err != nil || string(got) != want {
			t.Errorf("got %s, %v\nwant %s", got, err, want)
		}
	}
}
