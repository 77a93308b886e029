package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// ill is a reporter with switches for what goes wrong.
type ill struct {
	*lone
	silent, mute bool
	disk         error
	behind       uint64
	young        chan struct{}
}

func (i *ill) Report(ctx context.Context) (member.Report, error) {
	if i.mute {
		<-ctx.Done()
		return member.Report{}, ctx.Err()
	}
	return i.lone.Report(ctx)
}

func (i *ill) Alive(ctx context.Context) error {
	if i.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return i.lone.Alive(ctx)
}

func (i *ill) DiskFailure() error { return i.disk }
func (i *ill) Behind() uint64     { return i.behind }
func (i *ill) Current() <-chan struct{} {
	if i.young != nil {
		return i.young
	}
	return i.lone.Current()
}

func TestProbesSayWhatIsWrong(t *testing.T) {
	const wellLive, wellReady = "loop: ok\ndisk: ok\n", "loop: ok\ndisk: ok\nreplay: ok\nleader: ok\napply: ok\n"
	for name, c := range map[string]struct {
		harm                 func(*ill)
		live, ready, verbose string
	}{
		"nothing": {func(*ill) {}, "ok\n", "ok\n", wellReady},
		"a loop that hangs": {func(i *ill) { i.silent = true }, "loop: it has not turned for 1s\n", "loop: it has not turned for 1s\n",
			strings.Replace(wellReady, "loop: ok", "loop: it has not turned for 1s", 1)},
		"a broken disk": {func(i *ill) { i.disk = errors.New("no space left") }, "disk: no space left\n", "disk: no space left\n",
			strings.Replace(wellReady, "disk: ok", "disk: no space left", 1)},
		"an old tree": {func(i *ill) { i.young = make(chan struct{}) }, "ok\n", "replay: the tree is older than it was before the start\n",
			strings.Replace(wellReady, "replay: ok", "replay: the tree is older than it was before the start", 1)},
		"no leader": {func(i *ill) { i.lost.Store(true) }, "ok\n", "leader: no leader is known\n",
			strings.Replace(wellReady, "leader: ok", "leader: no leader is known", 1)},
		"a tree that lags": {func(i *ill) { i.behind = farBehind + 1 }, "ok\n", "apply: 5001 committed entries are not applied\n",
			strings.Replace(wellReady, "apply: ok", "apply: 5001 committed entries are not applied", 1)},
		"a tree that is busy": {func(i *ill) { i.behind = farBehind }, "ok\n", "ok\n", wellReady},
		"a lost quorum":       {func(i *ill) { i.hang.Store(true) }, "ok\n", "ok\n", wellReady},
		"no leader and an old tree": {func(i *ill) { i.lost.Store(true); i.young = make(chan struct{}) }, "ok\n",
			"replay: the tree is older than it was before the start\nleader: no leader is known\n",
			strings.NewReplacer("leader: ok", "leader: no leader is known", "replay: ok", "replay: the tree is older than it was before the start").Replace(wellReady)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				m := &ill{lone: openLone(t)}
				config := Config{Keyspace: m, Cluster: m, Progress: m, Reporter: m}
				c.harm(m)
				for kind, h := range map[string]http.Handler{"clients": New(config), "metrics": NewMetricsHandler(config)} {
					probe := func(target, want, well string) {
						t.Helper()
						for _, method := range []string{"GET", "HEAD"} {
							w := httptest.NewRecorder()
							h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
							status := http.StatusOK
							if want != well {
								status = http.StatusServiceUnavailable
							}
							if w.Code != status || w.Body.String() != want || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
								t.Errorf("%s: %s %s: got %d %q, want %d %q", kind, method, target, w.Code, w.Body, status, want)
							}
						}
					}
					probe(livePath, c.live, "ok\n")
					probe(readyPath, c.ready, "ok\n")
					probe(readyPath+"?verbose", c.verbose, wellReady)
					vital, _, _ := strings.Cut(c.verbose, "replay")
					probe(livePath+"?verbose=1", vital, wellLive)
				}
			})
		})
	}
}

func TestProbesAreForReaders(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.closeToGuests()
		for _, path := range []string{livePath, readyPath} {
			if a := b.get(path); a.status != 200 || a.body != "ok\n" {
				t.Errorf("%s: %v", path, a)
			}
			if a := b.do("HEAD", path, ""); a.status != 200 || a.body != "" {
				t.Errorf("HEAD %s: %v", path, a)
			}
			if a := b.do("POST", path, ""); a.status != 405 || a.headers.Get("Allow") != "GET,HEAD" {
				t.Errorf("POST %s: %v", path, a)
			}
		}
		if a := b.get(statusPath); a.status != 200 {
			t.Errorf("status: %v", a)
		}
	})
}

// A member whose log does not answer says so, and is not waited for.
func TestAStatusIsNotWaitedForForLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := &ill{lone: openLone(t), mute: true}
		h := New(Config{Keyspace: m, Cluster: m, Progress: m, Reporter: m})
		start := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", statusPath, nil))
		if w.Code != 503 || w.Body.String() != `{"message":"the member does not say how it stands"}` || time.Since(start) != time.Second {
			t.Errorf("got %d %s after %v", w.Code, w.Body, time.Since(start))
		}
	})
}
