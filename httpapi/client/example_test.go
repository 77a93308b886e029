package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/apitest"
	"keytree/httpapi/client"
)

// startMember starts a member in this process and returns its URL. It runs
// until stop is called.
func startMember() (url string, stop func()) {
	t := &exampleTB{}
	m := apitest.Open(t, 1, nil).Members[0]
	s := httptest.NewServer(handler(t, m))
	return s.URL, func() {
		s.CloseClientConnections()
		m.EndWatches()
		s.Close()
		t.end()
	}
}

// exampleTB stands in for a test.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (t *exampleTB) Helper()                      {}
func (t *exampleTB) Cleanup(f func())             { t.cleanups = append(t.cleanups, f) }
func (t *exampleTB) Error(args ...any)            { log.Print(args...) }
func (t *exampleTB) Errorf(f string, args ...any) { log.Printf(f, args...) }
func (t *exampleTB) Fatal(args ...any)            { log.Panic(args...) }
func (t *exampleTB) Fatalf(f string, args ...any) { log.Panicf(f, args...) }

func (t *exampleTB) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

func Example() {
	url, stop := startMember()
	defer stop()

	c, err := client.New(client.Config{
		Endpoints:     []string{url}, // such as http://127.0.0.1:2379
		HeaderTimeout: 2 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	if _, err := c.Set(ctx, "/message", "Hello world", client.SetOptions{}); err != nil {
		log.Fatal(err)
	}
	r, err := c.Get(ctx, "/message", client.GetOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Node.Key, "=", r.Node.Value)

	_, err = c.Get(ctx, "/nothing", client.GetOptions{})
	fmt.Println(err, client.HasCode(err, client.CodeKeyNotFound))
	// Output:
	// /message = Hello world
	// 100: Key not found (/nothing) [4] true
}

// A lock: whoever creates the key holds it, and keeps it by a new TTL now and
// then. ModifiedIndex is what what is locked can tell an old holder by.
func ExampleClient_Create() {
	url, stop := startMember()
	defer stop()
	c, err := client.New(client.Config{Endpoints: []string{url}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	for _, who := range []string{"alice", "bob"} {
		_, err := c.Create(ctx, "/locks/report", who, 30*time.Second)
		fmt.Println(who, "holds it:", err == nil)
	}
	_, err = c.Set(ctx, "/locks/report", "", client.SetOptions{PrevValue: "alice", Refresh: true, TTL: 30 * time.Second})
	fmt.Println("alice goes on:", err == nil)
	_, err = c.Delete(ctx, "/locks/report", client.DeleteOptions{PrevValue: "bob"})
	fmt.Println("bob lets go:", client.HasCode(err, client.CodeCompareFailed))
	// Output:
	// alice holds it: true
	// bob holds it: false
	// alice goes on: true
	// bob lets go: true
}

// A copy of a directory that follows what happens to it, across restarts of
// the servers and gaps in the history.
func ExampleClient_Watch() {
	url, stop := startMember()
	defer stop()
	c, err := client.New(client.Config{Endpoints: []string{url}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Set(ctx, "/services/web/1", "10.0.0.1:80", client.SetOptions{}); err != nil {
		log.Fatal(err)
	}

	listing, err := c.Get(ctx, "/services", client.GetOptions{Recursive: true, Sort: true, Quorum: true})
	if err != nil {
		log.Fatal(err)
	}
	services := map[string]string{}
	add(services, listing.Node)
	w := c.Watch("/services", client.WatchOptions{
		AfterIndex: listing.Index, // nothing is missed in between
		Recursive:  true,
		Stream:     true,
		Resync:     true,
	})
	defer w.Close()

	change(ctx, c)
	for len(services) != 1 || services["/services/web/2"] == "" {
		event, err := w.Next(ctx)
		var gap *client.GapError
		switch {
		case errors.As(err, &gap): // events were lost: begin anew from what is there
			clear(services)
			if gap.Now != nil {
				add(services, gap.Now.Node)
			}
		case err != nil:
			log.Fatal(err)
		case event.Action == "delete" || event.Action == "expire" || event.Action == "compareAndDelete":
			remove(services, event.Node.Key)
		default:
			add(services, event.Node)
		}
		fmt.Println(services)
	}
	// Output:
	// map[/services/web/1:10.0.0.1:80 /services/web/2:10.0.0.2:80]
	// map[/services/web/2:10.0.0.2:80]
}

// change lets one service come and another go.
func change(ctx context.Context, c *client.Client) {
	if _, err := c.Set(ctx, "/services/web/2", "10.0.0.2:80", client.SetOptions{TTL: time.Minute}); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Delete(ctx, "/services/web/1", client.DeleteOptions{}); err != nil {
		log.Fatal(err)
	}
}

// add takes in n with all that is beneath it.
func add(services map[string]string, n *client.Node) {
	if !n.Dir {
		services[n.Key] = n.Value
	}
	for _, child := range n.Nodes {
		add(services, child)
	}
}

// remove drops key with all that was beneath it.
func remove(services map[string]string, key string) {
	for k := range services {
		if k == key || strings.HasPrefix(k, key+"/") {
			delete(services, k)
		}
	}
}

// The endpoints of all members, from those of some.
func ExampleClient_Sync() {
	url, stop := startMember()
	defer stop()
	c, err := client.New(client.Config{Endpoints: []string{url}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Sync(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Endpoints()) // what the member says it is reached at
	// Output: [http://127.0.0.1:21379]
}

// What to do about errors depends on their type.
func ExampleClusterError() {
	c, err := client.New(client.Config{
		Endpoints: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"},
		Shuffle:   func(int, func(i, j int)) {}, // as they are
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Get(context.Background(), "/a", client.GetOptions{})
	var all *client.ClusterError
	if errors.As(err, &all) {
		fmt.Print(all.Detail())
	}
	fmt.Println("nobody is there:", client.Unreachable(err))
	// Output:
	// error #0: dial tcp 127.0.0.1:1: connect: connection refused
	// error #1: dial tcp 127.0.0.1:2: connect: connection refused
	// nobody is there: true
}
