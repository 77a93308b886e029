package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mustFetch(t *testing.T, url string) string {
	t.Helper()
	a, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheAuditLogIsRotatedWithoutLosingALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	s := mustStart(t, "", "--audit-log", file)
	s.mustPut("/before", "secret")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	s.mustPut("/between", "secret")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no new file:\n%s", s.stderr)
		}
	}
	s.mustPut("/after", "secret")
	for name, wants := range map[string][]string{file + ".1": {`"/before"`, `"/between"`}, file: {`"/after"`}} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "secret") {
			t.Errorf("%s tells a value:\n%s", name, text)
		}
		for _, want := range wants {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("%s has not one line of %s:\n%s", name, want, text)
			}
		}
	}
	if metrics := mustFetch(t, s.client+"/metrics"); !strings.Contains(metrics, "\nkeytree_audit_failures_total 0\n") {
		t.Error("no count of failures in the metrics")
	}
}

func TestAQuotaIsKept(t *testing.T) {
	s := mustStart(t, "", "--quota-bytes", "1000")
	s.mustPut("/a", strings.Repeat("x", 700))
	r, err := http.NewRequest("PUT", s.client+"/v2/keys/b?value="+strings.Repeat("x", 700), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(a.Body)
	a.Body.Close()
	if err != nil || a.StatusCode != http.StatusForbidden || !strings.Contains(string(text), `"errorCode":302,"message":"Quota exceeded"`) {
		t.Errorf("%s %s %v", a.Status, text, err)
	}
	metrics := mustFetch(t, s.client+"/metrics")
	for _, want := range []string{"keytree_quota_limit_bytes 1000", "keytree_quota_used_bytes 7", "keytree_quota_refused_total 1"} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

func TestTheMetricsListenerServesNothingElse(t *testing.T) {
	address := "http://" + freeAddress(t)
	s := mustStart(t, "", "--listen-metrics-urls", address)
	if got, want := mustFetch(t, address+"/health"), mustFetch(t, s.client+"/health"); got != want {
		t.Errorf("health: %q, clients see %q", got, want)
	}
	if !strings.Contains(mustFetch(t, address+"/metrics"), "\netcd_server_has_leader 1\n") {
		t.Error("no metrics")
	}
	if got := mustFetch(t, address+"/v2/keys"); got != "404 page not found\n" {
		t.Errorf("keys: %q", got)
	}
}
