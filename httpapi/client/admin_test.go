package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/client"
)

// wantError fails the test unless err is a StatusError with this text.
func wantError(t *testing.T, err error, status int, text string) {
	t.Helper()
	var e *client.StatusError
	if !errors.As(err, &e) || e.Status != status || err.Error() != text {
		t.Errorf("got %v, want %d %s", err, status, text)
	}
}

func TestMembersAreListedAddedMovedAndRemoved(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		ctx := t.Context()
		list, err := w.Members(ctx)
		if err != nil || len(list) != 3 || list[0].ID != "15e6a73f0eabd940" || list[0].Name != "c2" || list[0].ClientURLs[0] != "http://127.0.0.1:21512" {
			t.Fatalf("%v, %+v", err, list)
		}
		if leader, err := w.Leader(ctx); err != nil || leader.Name != w.members.Leader().Name {
			t.Errorf("%v, %+v", err, leader)
		}
		time.Sleep(6 * time.Second) // members must have been connected for a while
		added, err := w.AddMember(ctx, "http://127.0.0.1:21524")
		if err != nil || added.ID == "" || added.PeerURLs[0] != "http://127.0.0.1:21524" {
			t.Fatalf("%v, %+v", err, added)
		}
		if err := w.UpdateMember(ctx, added.ID, "http://127.0.0.1:21525", "http://127.0.0.1:21526"); err != nil {
			t.Error(err)
		}
		wantError(t, w.UpdateMember(ctx, added.ID, "http://127.0.0.1:21521"), 409, "membership: peerURL exists")
		wantError(t, w.UpdateMember(ctx, "FF", "http://127.0.0.1:1"), 404, "No such member: ff")
		wantError(t, w.UpdateMember(ctx, added.ID, "http://127.0.0.1"), 400, "unexpected status code 400")
		for range 2 {
			if err := w.RemoveMember(ctx, added.ID); err != nil {
				t.Error(err)
			}
		}
		wantError(t, w.RemoveMember(ctx, "ff"), 404, "unexpected status code 404")
		if list, err := w.Members(ctx); err != nil || len(list) != 3 {
			t.Errorf("%v, %+v", err, list)
		}
		if err := w.Sync(ctx); err != nil || len(w.Endpoints()) != 3 {
			t.Errorf("%v, %q", err, w.Endpoints())
		}
	})
}

func TestALostLeaderReadsAsInEtcd(t *testing.T) {
	t.Parallel()
	f := serve(t, say(503, `{"message":"During election"}`))
	_, err := mustNew(t, client.Config{Endpoints: []string{f.URL}}).Leader(t.Context())
	if want := "client: etcd cluster is unavailable or misconfigured; error #0: client: etcd member " + f.URL + " has no leader\n"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// checker makes a function that fails the test unless there is no error and
// got prints as want.
func checker(t *testing.T) func(got any, err error, want string) {
	return func(got any, err error, want string) {
		t.Helper()
		if text := fmt.Sprintf("%+v", reflect.Indirect(reflect.ValueOf(got))); err != nil || text != want {
			t.Errorf("got %s, %v, want %s", text, err, want)
		}
	}
}

func TestUsersAndRolesAreKept(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		ctx, check := t.Context(), checker(t)
		wantError(t, w.EnableAuth(ctx), 409, "auth: No root user available, please create one")
		wantError(t, w.DisableAuth(ctx), 409, "auth: already disabled")
		for _, created := range []bool{true, false} {
			got, err := w.PutUser(ctx, "root", "pw")
			check(got, err, fmt.Sprint(created))
		}
		_, err := w.PutUser(ctx, "empty", "")
		wantError(t, err, 400, "auth: Cannot create user empty with an empty password")
		if _, err := w.PutUser(ctx, "alice", "a:b"); err != nil {
			t.Error(err)
		}
		if err := w.AddRole(ctx, "r"); err != nil {
			t.Error(err)
		}
		wantError(t, w.AddRole(ctx, "r"), 409, "auth: Role r already exists.")
		role, err := w.GrantRole(ctx, "r", client.Permissions{Read: []string{"/x/*"}, Write: []string{"/x/*", "/y"}})
		check(role, err, "{Name:r Permissions:{Read:[/x/*] Write:[/x/* /y]}}")
		role, err = w.RevokeRole(ctx, "r", client.Permissions{Write: []string{"/y"}})
		check(role, err, "{Name:r Permissions:{Read:[/x/*] Write:[/x/*]}}")
		role, err = w.Role(ctx, "r")
		check(role, err, "{Name:r Permissions:{Read:[/x/*] Write:[/x/*]}}")
		user, err := w.GrantUser(ctx, "alice", "r", "gone")
		check(user, err, "{Name:alice Roles:[gone r]}")
		user, err = w.RevokeUser(ctx, "alice", "gone")
		check(user, err, "{Name:alice Roles:[r]}")
		user, err = w.User(ctx, "alice")
		check(user, err, "{Name:alice Roles:[r]}")
		_, err = w.User(ctx, "nobody")
		wantError(t, err, 404, "auth: User nobody does not exist.")
		on, err := w.AuthEnabled(ctx)
		check(on, err, "false")
	})
}

func TestUsersAndRolesCountOnceEnabled(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		ctx, check := t.Context(), checker(t)
		all := client.Permissions{Read: []string{"/x/*"}, Write: []string{"/x/*"}}
		for _, name := range []string{"root", "alice"} {
			if _, err := w.PutUser(ctx, name, "a:b"); err != nil {
				t.Fatal(err)
			}
		}
		_, granted := w.GrantUser(ctx, "alice", "r")
		added := w.AddRole(ctx, "r")
		_, allowed := w.GrantRole(ctx, "r", all)
		if err := errors.Join(granted, added, allowed); err != nil {
			t.Fatal(err)
		}
		if err := w.EnableAuth(ctx); err != nil {
			t.Fatal(err)
		}
		_, err := w.Users(ctx)
		wantError(t, err, 401, "Insufficient credentials")
		_, err = w.Roles(ctx)
		wantError(t, err, 401, "unexpected status code 401")
		_, err = w.AddMember(ctx, "http://127.0.0.1:1")
		wantError(t, err, 401, "unexpected status code 401")
		alice := w.client(t, client.Config{Username: "alice", Password: "a:b"})
		mustSet(t, alice, "/x/y", "1")
		if _, err := alice.Set(ctx, "/z", "1", client.SetOptions{}); !client.HasCode(err, client.CodeUnauthorized) {
			t.Errorf("got %v", err)
		}
		if _, err := alice.Get(ctx, "/x/", client.GetOptions{}); err != nil { // without the slash it is not hers
			t.Error(err)
		}
		root := w.client(t, client.Config{Username: "root", Password: "a:b"})
		list, err := root.Users(ctx)
		check(list, err, "[alice root]")
		list, err = root.Roles(ctx)
		check(list, err, "[guest r root]")
		on, err := root.AuthEnabled(ctx)
		check(on, err, "true")
		for _, err := range []error{root.RemoveRole(ctx, "r"), root.RemoveUser(ctx, "alice"), root.DisableAuth(ctx)} {
			if err != nil {
				t.Error(err)
			}
		}
		wantError(t, w.RemoveRole(ctx, "r"), 404, "auth: Role r doesn't exist.")
	})
}

func TestAServerTellsWhatItIs(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		ctx := t.Context()
		if v, err := w.Version(ctx); err != nil || v != (client.Version{Server: "3.4.23", Cluster: "3.4.0", Keytree: "0.1.0"}) {
			t.Errorf("%v, %+v", err, v)
		}
		leader, follower := w.members.Leader().ClientURL, w.members.Follower(0).ClientURL
		if ok, err := w.Health(ctx, follower); err != nil || !ok {
			t.Errorf("%v, %v", err, ok)
		}
		var self struct{ State string }
		figures, err := w.Stats(ctx, leader, client.StatsSelf)
		if err := errors.Join(err, json.Unmarshal(figures, &self)); err != nil || self.State != "StateLeader" {
			t.Errorf("%v, %s", err, figures)
		}
		_, err = w.Stats(ctx, follower, client.StatsLeader)
		wantError(t, err, 403, "not current leader")
	})
}

func TestHealthIsReadInBothForms(t *testing.T) {
	t.Parallel()
	c := mustNew(t, client.Config{Endpoints: []string{"http://h"}, Username: "root", Trace: func(a client.Attempt) {
		t.Errorf("%s is told of", a.URL)
	}})
	for body, want := range map[string]string{
		`200{"health":"true"}`:  "true <nil>",
		`200{"health": true}`:   "true <nil>",
		`503{"health":"false"}`: "false <nil>",
		`503{"health":false}`:   "false <nil>",
		`200<html>`:             "false invalid character '<' looking for beginning of value",
	} {
		f := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if _, _, named := r.BasicAuth(); named {
				t.Error("a user is named")
			}
			status := 0
			if _, err := fmt.Sscan(body[:3], &status); err != nil {
				t.Error(err)
			}
			say(status, body[3:])(w, r)
		})
		got, err := c.Health(t.Context(), f.URL)
		if text := fmt.Sprint(got, " ", err); text != want {
			t.Errorf("%s: got %s, want %s", body, text, want)
		}
	}
	if _, err := c.Health(t.Context(), nobody(t)); err == nil || !strings.HasSuffix(err.Error(), "connect: connection refused") {
		t.Errorf("got %v", err)
	}
}
