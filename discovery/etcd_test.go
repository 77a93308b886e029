package discovery

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// startEtcd runs an etcd with the v2 API that ends with the test, and returns
// its client URL. The test is skipped where there is none.
func startEtcd(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("not run: it needs etcd 3.4 (Debian's etcd-server) beside Keytree:", err)
	}
	urls := freeURLs(t)
	client, peer := urls[0], urls[1]
	var out bytes.Buffer
	cmd := exec.Command(program, "--enable-v2=true", "--data-dir", t.TempDir(), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself, which the test has noticed
		_ = cmd.Wait()         // says that it was killed
	})
	for range 200 {
		resp, err := http.Get(client + "/v2/keys")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusNotFound {
				t.Skip("not run: the etcd here has no v2 API")
			}
			return client
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // as above
	t.Fatalf("etcd does not answer:\n%s", &out)
	return ""
}

// freeURLs are two URLs nobody listened at a moment ago.
func freeURLs(t *testing.T) (all [2]string) {
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

func TestThreeMembersFindEachOtherThroughEtcd(t *testing.T) {
	t.Parallel()
	token := startEtcd(t) + "/v2/keys/discovery/tok"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, token+"/_config/size?"+url.Values{"value": {"3"}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp.Body.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var found [3]string
	var joining sync.WaitGroup
	for i := range found {
		joining.Go(func() {
			peer := fmt.Sprintf("http://127.0.0.1:%d", 2380+i)
			got, err := Join(ctx, Config{URL: token, Self: member.NewID([]string{peer}, token), Registration: fmt.Sprintf("m%d=%s", i, peer)})
			if err != nil {
				t.Error(err)
			}
			found[i] = got
		})
	}
	joining.Wait()
	for i, got := range found {
		if got != found[0] || !strings.Contains(got, fmt.Sprintf("m%d=http://127.0.0.1:%d", i, 2380+i)) {
			t.Errorf("member %d found %q, member 0 found %q", i, got, found[0])
		}
	}
}
