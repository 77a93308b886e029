package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"keytree/httpapi/client"
)

// etcd is a real one, to be killed and started again.
type etcd struct {
	t         testing.TB
	program   string
	dir       string
	url, peer string
	out       bytes.Buffer
	running   *exec.Cmd
}

// startEtcd starts an etcd with the v2 API that ends with the test, which is
// skipped where there is none.
func startEtcd(t testing.TB) *etcd {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("not run: it needs etcd 3.4 (Debian's etcd-server) beside Keytree:", err)
	}
	urls := freeURLs(t)
	e := &etcd{t: t, program: program, dir: t.TempDir(), url: urls[0], peer: urls[1]}
	t.Cleanup(e.kill)
	err = e.start()
	if errors.Is(err, client.ErrInvalidJSON) {
		t.Skip("not run: the etcd here has no v2 API")
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// freeURLs are two URLs nobody listened at a moment ago.
func freeURLs(t testing.TB) (all [2]string) {
	t.Helper()
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all are held until the last is found
		all[i] = "http://" + l.Addr().String()
	}
	return all
}

// start starts e and waits until it answers.
func (e *etcd) start() error {
	e.running = exec.Command(e.program, "--enable-v2=true", "--data-dir", e.dir, "--listen-client-urls", e.url,
		"--advertise-client-urls", e.url, "--listen-peer-urls", e.peer, "--initial-advertise-peer-urls", e.peer,
		"--initial-cluster", "default="+e.peer)
	e.running.Stdout, e.running.Stderr = &e.out, &e.out
	if err := e.running.Start(); err != nil {
		return err
	}
	c, err := client.New(client.Config{Endpoints: []string{e.url}, HeaderTimeout: time.Second})
	if err != nil {
		return err
	}
	defer c.Close()
	for range 200 {
		_, err = c.Get(e.t.Context(), "/", client.GetOptions{Quorum: true})
		if err == nil || errors.Is(err, client.ErrInvalidJSON) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	e.kill()
	return fmt.Errorf("etcd does not answer: %w:\n%s", err, &e.out)
}

// kill ends e as kill -9 does.
func (e *etcd) kill() {
	if e.running == nil {
		return
	}
	_ = e.running.Process.Kill() // it may have ended by itself, which the test has noticed
	_ = e.running.Wait()         // says that it was killed
	e.running = nil
}

func TestEtcdIsSpokenTo(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	c := mustNew(t, client.Config{Endpoints: []string{e.url}})
	ctx := t.Context()
	if v, err := c.Version(ctx); err != nil || v.Server == "" || v.Keytree != "" {
		t.Errorf("%v, %+v", err, v)
	}
	if err := c.Sync(ctx); err != nil || c.Endpoints()[0] != e.url {
		t.Errorf("%v, %q", err, c.Endpoints())
	}
	if leader, err := c.Leader(ctx); err != nil || leader.Name != "default" {
		t.Errorf("%v, %+v", err, leader)
	}
	if ok, err := c.Health(ctx, e.url); err != nil || !ok {
		t.Errorf("%v, %v", err, ok)
	}
	r := mustSet(t, c, "/a/b c", "<1>")
	if got, err := c.Get(ctx, "/a", client.GetOptions{Recursive: true}); err != nil || got.Node.Nodes[0].Value != "<1>" || got.Index != r.Index || got.ClusterID == "" {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err := c.Create(ctx, "/a/b c", "", 0); !client.HasCode(err, client.CodeKeyExists) {
		t.Errorf("got %v", err)
	}
	if created, err := c.PutUser(ctx, "root", "pw"); err != nil || !created {
		t.Errorf("%v, %v", err, created)
	}
	if role, err := c.GrantUser(ctx, "root", "guest"); err != nil || fmt.Sprint(role.Roles) != "[guest root]" {
		t.Errorf("%v, %+v", err, role)
	}
	if err := c.EnableAuth(ctx); err != nil {
		t.Fatal(err)
	}
	root := mustNew(t, client.Config{Endpoints: []string{e.url}, Username: "root", Password: "pw"})
	if user, err := root.User(ctx, "root"); err != nil || fmt.Sprint(user.Roles) != "[guest root]" {
		t.Errorf("%v, %+v", err, user)
	}
	_, err := c.Users(ctx)
	wantError(t, err, 401, "Insufficient credentials")
}

// All that is written to an etcd that is killed now and then comes, once and
// in order, through connections that break at any byte.
func TestNoEventOfEtcdIsLostOrRepeated(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	writer := mustNew(t, client.Config{Endpoints: []string{e.url}, HeaderTimeout: time.Second})
	const writes = 300
	first := mustSet(t, writer, "/d/first", "").Node.ModifiedIndex
	var going sync.WaitGroup
	defer going.Wait()
	going.Go(func() {
		for i := range writes {
			if i%100 == 99 {
				e.kill()
				if err := e.start(); err != nil {
					t.Error(err)
					return
				}
			}
			insist(t, writer, fmt.Sprintf("/d/%d", i))
		}
	})
	var watching sync.WaitGroup
	for seed, o := range []client.WatchOptions{{Recursive: true}, {Recursive: true, Stream: true}} {
		o.AfterIndex = first
		watching.Go(func() {
			c := mustNew(t, client.Config{Endpoints: []string{e.url}, Transport: newScissors(uint64(seed))})
			w := c.Watch("/d", o)
			defer w.Close()
			for i := range writes {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				event, err := w.Next(ctx)
				cancel()
				if err != nil || event.Node.Key != fmt.Sprintf("/d/%d", i) {
					t.Errorf("event %d: got %+v, %v", i, event, err)
					return
				}
			}
		})
	}
	watching.Wait()
}

func TestALostHistoryOfEtcdIsReadAnew(t *testing.T) {
	t.Parallel()
	c := mustNew(t, client.Config{Endpoints: []string{startEtcd(t).url}})
	mustSet(t, c, "/d/x", "1")
	w := c.Watch("/d", client.WatchOptions{AfterIndex: 1, Recursive: true, Resync: true})
	for range outrun {
		mustSet(t, c, "/other", "1")
	}
	gap := mustGap(t, w)
	if gap.First != 2 || gap.Now == nil || gap.Now.Node.Nodes[0].Value != "1" || gap.Last != gap.Now.Index {
		t.Errorf("got %+v", gap)
	}
	mustSet(t, c, "/d/x", "2")
	mustNext(t, w, "set /d/x=2")
}

// The message of a client that gives up when the server dies under its watch.
func TestAnImpatientWatchEndsAsInEtcdctl(t *testing.T) {
	t.Parallel()
	e := startEtcd(t)
	begun := make(chan struct{})
	c := mustNew(t, client.Config{Endpoints: []string{e.url}, Transport: &telling{newScissors(0).RoundTripper, begun}})
	w := c.Watch("/a", client.WatchOptions{FailFast: true})
	var killing sync.WaitGroup
	killing.Go(func() {
		<-begun
		e.kill()
	})
	_, err := w.Next(t.Context())
	killing.Wait()
	if want := "client: etcd cluster is unavailable or misconfigured; error #0: " + io.ErrUnexpectedEOF.Error() + "\n"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
