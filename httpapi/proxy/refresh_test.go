package proxy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/raftlog/member"
)

func TestTheMembersAreFollowed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, a := range []string{"a:79", "b:79", "c:79"} {
			w.member(a, nil)
		}
		r := newRig(w, []string{"a:79"})
		r.expect("GET", "/", 200, "from a:79")
		r.tell("b:79", "c:79")
		time.Sleep(29 * time.Second)
		r.expect("GET", "/", 200, "from a:79")
		time.Sleep(1001 * time.Millisecond)
		r.expect("GET", "/", 200, "from b:79")
		r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://b:79","http://c:79"]}`+"\n")
		for _, line := range []string{
			`proxy: using peer urls [http://10.0.0.1:2380]`,
			`proxy: endpoints found [\"http://a:79\"]`, `proxy: endpoints found [\"http://b:79\" \"http://c:79\"]`,
		} {
			if n := r.log.count(line); n != 1 {
				t.Errorf("logged %q %d times, want once", line, n)
			}
		}
		time.Sleep(time.Minute)
		if want := []string{"http://10.0.0.1:2380", "http://a:80", "http://b:80", "http://b:80"}; !slices.Equal(r.peers(), want) {
			t.Errorf("asked %v, want %v", r.peers(), want)
		}
	})
}

func TestAFailedRefreshLeavesTheEndpointsAsTheyWere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		for _, useless := range []func(){
			r.fail,
			func() { r.tell() },
			func() { // not started, or not to be reached by HTTP
				r.asked.Lock()
				defer r.asked.Unlock()
				r.asked.err = nil
				r.asked.members = []member.Member{
					{PeerURLs: []string{"http://x:80"}}, {PeerURLs: []string{"http://y:80"}, ClientURLs: []string{"unix://y", "::", "http://y/x"}},
				}
			},
		} {
			useless()
			time.Sleep(5 * time.Minute)
			r.expect("GET", "/", 200, "from a:79")
		}
		if n := r.log.count("proxy: could not retrieve cluster information from the given URLs"); n != 1 {
			t.Errorf("logged %d times that no peer answered, want once", n)
		}
		r.tell("a:79")
		time.Sleep(31 * time.Second)
		r.fail()
		time.Sleep(31 * time.Second)
		if n := r.log.count("could not get cluster response from http://a:80"); n != 2 {
			t.Errorf("logged %d times that a:80 did not answer, want once each time it stopped", n)
		}
	})
}

func TestMembersAreSearchedEverySecondWhileThereIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", nil)
		r := newRig(w, nil)
		r.expect("GET", "/", 503, none)
		r.tell("a:79")
		time.Sleep(1001 * time.Millisecond)
		r.expect("GET", "/", 200, "from a:79")
	})
}

func TestTheNextPeerIsAskedWhenOneDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", nil)
		r := newRig(w, []string{"a:79", "b:79"})
		r.asked.Lock()
		r.asked.peers = nil
		members := r.asked.members
		r.asked.Unlock()
		r.stop()
		ask := func(url string) ([]member.Member, error) {
			if url == "http://a:80" {
				return nil, os.ErrDeadlineExceeded
			}
			return members, nil
		}
		asked := ""
		r.proxy.config.Ask = func(_ context.Context, url string) ([]member.Member, error) {
			asked += url + " "
			return ask(url)
		}
		r.proxy.refresh(t.Context())
		if want := "http://a:80 http://b:80 "; asked != want {
			t.Errorf("asked %q, want %q", asked, want)
		}
	})
}

func TestWhatWasLearnedOfTheMembersServesTheNextStart(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.Dir = filepath.Join(dir, "data", "proxy") }
	name := filepath.Join(dir, "data", "proxy", "cluster")
	inBubble(t, func(t *testing.T, w *world) {
		newRig(w, []string{"b:79", "a:79"}, inDir)
		text, err := os.ReadFile(name)
		if want := `{"PeerURLs":["http://a:80","http://b:80"]}`; err != nil || string(text) != want {
			t.Errorf("the file holds %q, %v, want %q", text, err, want)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("the file's mode is %v, %v, want 0600", info.Mode(), err)
		}
		time.Sleep(time.Hour)
		if later, err := os.Stat(name); err != nil || !os.SameFile(info, later) {
			t.Error("the file is written anew though nothing has changed")
		}
		if left, err := filepath.Glob(filepath.Join(dir, "data", "proxy", "*")); err != nil || len(left) != 1 {
			t.Errorf("the directory holds %v, %v", left, err)
		}
	})
	inBubble(t, func(t *testing.T, w *world) {
		r := newRig(w, []string{"c:79"}, inDir, func(c *Config) { c.PeerURLs = nil })
		if r.peers()[0] != "http://a:80" {
			t.Errorf("asked %v first, want what the file says", r.peers())
		}
		if r.log.count("proxy: using peer urls [http://a:80 http://b:80]") != 1 {
			t.Error("the log does not name the peers")
		}
	})
}

func TestADiskThatTakesNothingDoesNotStopTheProxy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", nil)
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "cluster.new"), 0o700); err != nil { // in the way of the fresh file
			t.Fatal(err)
		}
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.Dir = dir })
		r.expect("GET", "/", 200, "from a:79")
		if r.log.count("proxy: could not keep the members' peer URLs") != 1 {
			t.Error("nothing logged of the failure")
		}
		if err := os.Remove(filepath.Join(dir, "cluster.new")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		if _, err := os.Stat(filepath.Join(dir, "cluster")); err != nil {
			t.Errorf("it is not tried again: %v", err)
		}
	})
}

func TestOpenRefusesWhatItCannotBeginWith(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no peer URLs"}, {`{"PeerURLs":[]}`, "no peer URLs"}, {"{}", "no peer URLs"},
		{"garbage", "holds no peer URLs"}, {`{"PeerURLs":["ftp://x:1"]}`, "holds a wrong peer URL"},
	} {
		dir := t.TempDir()
		if c.text != "" {
			if err := os.WriteFile(filepath.Join(dir, "cluster"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: file, PeerURLs: []string{"http://a:1"}}); err == nil {
		t.Error("a file for a directory: no error")
	}
}
