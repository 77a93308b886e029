package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// step is one line of a recording. testdata/golden/README.md describes the
// fields.
type step struct {
	Kind       string            `json:"kind"`
	N          int               `json:"n"`
	Argv       []string          `json:"argv"`
	Line       string            `json:"line"`
	Stdin      string            `json:"stdin"`
	Env        map[string]string `json:"env"`         // nil: that of the scenario
	DefaultEnv map[string]string `json:"default_env"` // of a header

	Code      *int   `json:"rc"` // nil: it was killed
	Stdout    string `json:"stdout"`
	Stderr    string `json:"stderr"`
	EndedBy   string `json:"ended_by"`
	During    []int  `json:"concurrent_with"` // first and last of the steps that ran meanwhile
	Unordered bool   `json:"unordered"`
	Note      string `json:"note"`
}

// Variables of the environment that tell a test program what it is for.
const (
	programsVar = "TEST_GOLDEN_PROGRAMS" // a directory with the programs
	alreadyVar  = "TEST_GOLDEN_INSIDE"   // it has a network of its own
)

// TestGolden types what was recorded with etcdctl 3.4.23 and etcd 3.4.23 to
// etcdctl2 and Keytree, each scenario to a new server, and compares what is
// printed and the exit codes. What differs and why is in departures.
//
// Members are known by identifiers that come of their ports, so these have to
// be those of the recording: each scenario plays in a network of its own, or
// one after the other in the common one if there is no other.
func TestGolden(t *testing.T) {
	programs := os.Getenv(programsVar)
	if programs == "" {
		if testing.Short() {
			t.Skip("-short: it builds programs and takes a minute")
		}
		programs = mustBuild(t)
	}
	inside := os.Getenv(alreadyVar) != ""
	files, err := filepath.Glob("testdata/golden/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	alone := inside
	if !inside {
		if err := canIsolate(); err != nil {
			t.Logf("no networks of their own, so the scenarios play one after the other: %v", err)
			alone = true
		}
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(name, func(t *testing.T) {
			if alone {
				if inside {
					mustUpLoopback(t)
				} else {
					awaitPorts(t)
				}
				play(t, name, mustReadSteps(t, file), programs)
				return
			}
			t.Parallel()
			playElsewhere(t, programs)
		})
	}
}

// mustBuild builds the server and the program, which is called etcdctl.
func mustBuild(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, pkg := range map[string]string{"keytree": "keytree", "etcdctl2": "keytree/etcdctl2"} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	if err := os.Symlink("etcdctl2", filepath.Join(dir, "etcdctl")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// playElsewhere plays the scenario of t in another process, which has a
// network for itself.
func playElsewhere(t *testing.T, programs string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+strings.Join(parts, "$/^")+"$", "-test.timeout=3m", "-test.v="+verbosity())
	cmd.Env = append(os.Environ(), programsVar+"="+programs, alreadyVar+"=1")
	isolate(cmd)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case testing.Verbose():
		t.Logf("%s", out)
	}
}

func verbosity() string {
	if testing.Verbose() {
		return "true"
	}
	return "false"
}

// recordedPorts are the ports that servers of the recordings listen on.
var recordedPorts = []string{"22101", "22102", "22103", "22111", "22112", "22121", "22122"}

// awaitPorts waits until nobody listens where the scenario wants to.
func awaitPorts(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for _, port := range recordedPorts {
		for {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
			if err == nil {
				l.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Skipf("the ports of the recording are not free: %v", err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// mustReadSteps reads a recording. The header comes first.
func mustReadSteps(t *testing.T, file string) (steps []step) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var s step
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return steps
		} else if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
}

// play does the steps of a scenario, and tells of all that end otherwise.
func play(t *testing.T, name string, steps []step, programs string) {
	p := newStage(t, name, steps[0].DefaultEnv, programs)
	if stage := stagings[name]; stage != nil {
		stage(p)
	} else if !strings.HasPrefix(name, "help-") {
		p.start(p.lone())
	}
	for _, s := range steps[1:] {
		if happens := before[name][s.N]; happens != nil {
			happens(p)
		}
		p.do(s)
		p.finish(s.N)
	}
	for n, d := range departures[name] {
		if !p.departed[n] {
			t.Errorf("step %d departs (%s), but there is no such step, or it ends as recorded", n, d.name)
		}
	}
}

// TestDeparturesAreOnThePageAboutThem keeps docs/compatibility.md complete.
func TestDeparturesAreOnThePageAboutThem(t *testing.T) {
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	for scenario, steps := range departures {
		for n, d := range steps {
			if !strings.Contains(string(page), "`"+d.name+"`") {
				t.Errorf("%s, step %d departs as %s, which is not on the page", scenario, n, d.name)
			}
		}
	}
}
