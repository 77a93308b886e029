package client_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/client"
)

func TestATransactionMakesAllItsChanges(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		lock := w.mustSet(t, "/lock", "me")
		done, err := w.Txn(t.Context(), client.Transaction{
			Compares: []client.Compare{
				{Key: "lock", PrevValue: "me", PrevIndex: lock.Node.ModifiedIndex, PrevExist: client.PrevExists},
				{Key: "/d/", PrevExist: client.PrevMissing},
			},
			Operations: []client.Operation{
				{Action: client.ActionSet, Key: "/a", Value: "é <&> 1", TTL: 1500 * time.Millisecond},
				{Action: client.ActionCreate, Key: "/d", Dir: true},
				{Action: client.ActionCreateInOrder, Key: "/d", Value: "x"},
				{Action: client.ActionUpdate, Key: "/a", Refresh: true, TTL: time.Minute},
				{Action: client.ActionCompareAndSwap, Key: "/lock", PrevValue: "me", Value: "you"},
				{Action: client.ActionCompareAndDelete, Key: "/lock", PrevIndex: lock.Node.ModifiedIndex + 5},
				{Action: client.ActionDelete, Key: "/d", Recursive: true},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var actions []string
		for i, e := range done.Events {
			actions = append(actions, e.Action)
			if want := lock.Index + 1 + uint64(i); e.Node.ModifiedIndex != want || e.Index != done.Index || e.ClusterID == "" {
				t.Errorf("event %d: %+v of %+v, want index %d", i, e.Node, e, want)
			}
		}
		if want := []string{"set", "create", "create", "update", "compareAndSwap", "compareAndDelete", "delete"}; !slices.Equal(actions, want) {
			t.Errorf("got %q, want %q", actions, want)
		}
		if a := done.Events[3]; a.Node.Value != "é <&> 1" || a.Node.TTL != 60 || a.PrevNode.TTL != 2 || done.Index != lock.Index+7 {
			t.Errorf("got %+v, before %+v, index %d", a.Node, a.PrevNode, done.Index)
		}
	})
}

func TestATransactionThatIsRefusedSaysWhichPart(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustSet(t, "/a", "1")
		set := []client.Operation{{Action: client.ActionSet, Key: "/b", Value: "1"}, {Action: client.ActionCreate, Key: "/a", Value: "2"}}
		var refused *client.Error
		_, err := w.Txn(t.Context(), client.Transaction{Operations: set})
		if !errors.As(err, &refused) || refused.Code != client.CodeKeyExists || refused.Cause != "operation 1: /a" || refused.Status != 412 {
			t.Errorf("got %v", err)
		}
		_, err = w.Txn(t.Context(), client.Transaction{Compares: []client.Compare{{Key: "/a", PrevValue: "2"}}, Operations: set})
		if !errors.As(err, &refused) || refused.Code != client.CodeCompareFailed || refused.Cause != "compare 0: [2 != 1]" {
			t.Errorf("got %v", err)
		}
		if _, err := w.Get(t.Context(), "/b", client.GetOptions{}); !client.HasCode(err, client.CodeKeyNotFound) {
			t.Errorf("a part was done: %v", err)
		}
		var wrong *client.StatusError
		_, err = w.Txn(t.Context(), client.Transaction{Operations: []client.Operation{{Action: "get", Key: "/a"}}})
		if !errors.As(err, &wrong) || wrong.Status != 400 || wrong.Message != `operations[0].action: unknown action "get"` {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatATransactionCannotSendIsNotSent(t *testing.T) {
	t.Parallel()
	f := serve(t, say(200, `{"events":[]}`))
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}})
	compare := func(key, value string) client.Transaction {
		return client.Transaction{Compares: []client.Compare{{Key: key, PrevValue: value}}}
	}
	for _, one := range []client.Transaction{
		compare("/a", "\xff"), compare("/\xff", "a"),
		{Operations: []client.Operation{{Action: client.ActionSet, Key: "/a", Value: "\xff"}}},
	} {
		if _, err := c.Txn(t.Context(), one); !errors.Is(err, client.ErrNotText) {
			t.Errorf("%+v: got %v", one, err)
		}
	}
	if _, err := c.Txn(t.Context(), compare("/../x", "a")); !errors.Is(err, client.ErrInvalidJSON) {
		t.Errorf("a key that leads out: %v", err)
	}
	elsewhere := mustNew(t, client.Config{Endpoints: []string{f.URL}, KeysPath: "/"})
	if _, err := elsewhere.Txn(t.Context(), compare("/a", "a")); err == nil || !strings.Contains(err.Error(), "/a is no key") {
		t.Errorf("keys that are elsewhere: %v", err)
	}
	if got := f.requests(); len(got) > 0 {
		t.Errorf("sent: %q", got)
	}
	within := mustNew(t, client.Config{Endpoints: []string{f.URL}, KeysPath: "/v2/keys/tenant"})
	for _, key := range []string{"/", "d/"} {
		if _, err := within.Txn(t.Context(), compare(key, "a")); err != nil {
			t.Error(err)
		}
	}
	want := []string{`POST /keytree/v1/txn {"compare":[{"key":"/tenant/","prevValue":"a"}]}`, `POST /keytree/v1/txn {"compare":[{"key":"/tenant/d/","prevValue":"a"}]}`}
	if got := f.requests(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if _, err := c.Txn(t.Context(), compare("/", "a")); err != nil || !slices.Equal(f.requests(), []string{`POST /keytree/v1/txn {"compare":[{"key":"/","prevValue":"a"}]}`}) {
		t.Errorf("the root: %v", err)
	}
}

func TestAnAnswerThatDoesNotFitATransactionIsAnError(t *testing.T) {
	t.Parallel()
	one := client.Transaction{Operations: []client.Operation{{Action: client.ActionSet, Key: "/a"}}}
	for text, status := range map[string]int{
		`{"events":[]}`: 200, `{}`: 200, ``: 200, `{"events":[null]}`: 200, `{"events":[{"action":"set"}]}`: 200, `{"events":[{"node":{"key":"/a"}}]}`: 200,
	} {
		c := mustNew(t, client.Config{Endpoints: []string{serve(t, say(status, text)).URL}})
		if _, err := c.Txn(t.Context(), one); !errors.Is(err, client.ErrInvalidJSON) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	odd := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Etcd-Index", "x")
		_, _ = w.Write([]byte(`{"events":[{"action":"set","node":{"key":"/a"}}]}`))
	})
	if _, err := mustNew(t, client.Config{Endpoints: []string{odd.URL}}).Txn(t.Context(), one); !errors.Is(err, client.ErrInvalidJSON) {
		t.Errorf("an odd index: got %v", err)
	}
	var refused *client.StatusError
	etcd := mustNew(t, client.Config{Endpoints: []string{serve(t, say(404, "404 page not found\n")).URL}})
	if _, err := etcd.Txn(t.Context(), one); !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("etcd: got %v", err)
	}
}

// It may have been done where the answer was lost, so nobody else is asked.
func TestATransactionIsSentOnce(t *testing.T) {
	t.Parallel()
	broken, other := serve(t, cut), serve(t, say(200, `{"events":[]}`))
	c := mustNew(t, client.Config{Endpoints: []string{broken.URL, other.URL}})
	one := client.Transaction{Compares: []client.Compare{{Key: "/a", PrevExist: client.PrevMissing}}}
	if _, err := c.Txn(t.Context(), one); err == nil || len(other.requests()) > 0 {
		t.Errorf("got %v", err)
	}
	if _, err := c.Txn(t.Context(), one); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
