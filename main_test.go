package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rooms says which packages outside the standard library each package may
// import, and why the others are kept out. What is not listed is forbidden.
// docs/HOUSE.md draws the same table.
var rooms = []struct {
	dir    string
	may    []string
	reason string
}{
	{"store", []string{"keytree/store/compaction", "github.com/cockroachdb/pebble/v2"},
		"store must not know raft or HTTP: the tree is also opened offline, by backup"},
	{"store/compaction", []string{"github.com/cockroachdb/pebble/v2"},
		"compaction is a leaf: when an engine compacts, whatever it holds"},
	{"raftlog", []string{"keytree/store/compaction", "github.com/cockroachdb/pebble/v2", "go.etcd.io/raft/v3", "google.golang.org/protobuf"},
		"raftlog must not know commands: it carries opaque bytes"},
	{"raftlog/member", nil,
		"member is a leaf: values only"},
	{"raftlog/block", nil,
		"block is a leaf: it frames bytes, whatever they are"},
	{"raftlog/peer", []string{"keytree/raftlog/block", "keytree/raftlog/member", "keytree/stats", "go.etcd.io/raft/v3", "google.golang.org/protobuf", "golang.org/x/time"},
		"peer must not know what a message decides: it carries them"},
	{"raftlog/replica", []string{"keytree/store", "keytree/raftlog", "keytree/raftlog/member", "keytree/stats", "github.com/cockroachdb/pebble/v2", "go.etcd.io/raft/v3"},
		"replica must not know HTTP: it is what HTTP stands on"},
	{"httpapi", []string{"keytree/store", "keytree/raftlog/member", "keytree/raftlog/block", "keytree/stats", "keytree/httpapi/auth", "keytree/httpapi/audit",
		"github.com/go-chi/chi/v5", "github.com/prometheus/client_golang"},
		"httpapi must not know consensus or Pebble: it sees a member through its own small interfaces"},
	{"httpapi/auth", []string{"keytree/store", "golang.org/x/crypto", "github.com/prometheus/client_golang"},
		"auth must not know HTTP: it decides, and others answer"},
	{"httpapi/audit", nil,
		"audit is a leaf: what is recorded does not depend on who answers"},
	{"httpapi/tlsfiles", nil,
		"tlsfiles is a leaf: the command line uses it without a server"},
	{"httpapi/tlsfiles/certtest", nil,
		"certtest is a leaf, and of tests only"},
	{"httpapi/conn", nil,
		"conn is a leaf: it serves any handler"},
	{"httpapi/console", nil,
		"console is a leaf: files for browsers, that speak the public API"},
	{"httpapi/doctor", []string{"keytree/discovery", "keytree/httpapi/tlsfiles", "keytree/raftlog/member", "keytree/raftlog/peer"},
		"doctor must not know what runs a member: it looks from outside, and asks as others do"},
	{"httpapi/client", nil,
		"client is for strangers too: the standard library only"},
	{"etcdctl2", []string{"keytree/httpapi/client", "keytree/raftlog/block", "keytree/httpapi/tlsfiles", "keytree/raftlog/member", "keytree/raftlog/replica",
		"github.com/urfave/cli/v2", "golang.org/x/term", "github.com/schollz/progressbar/v3"},
		"etcdctl2 must not know servers: what it needs of one it asks for, but for backups, which are directories"},
	{"httpapi/apitest", []string{"keytree/raftlog/member", "keytree/raftlog/replica", "github.com/cockroachdb/pebble/v2", "go.etcd.io/raft/v3", "google.golang.org/protobuf"},
		"apitest must not know httpapi: the tests of that stand on it"},
	{"discovery", []string{"keytree/httpapi/client", "keytree/raftlog/member"},
		"discovery must not know servers: it asks before there is one"},
	{"httpapi/proxy", []string{"keytree/raftlog/member", "github.com/prometheus/client_golang"},
		"proxy must not know how members work inside: it speaks HTTP to them, whoever made them"},
	{"stats", []string{"github.com/prometheus/client_golang"},
		"stats is a leaf: it must not know who counts"},
	{".", []string{"keytree", "github.com/prometheus/client_golang", "github.com/coreos/go-systemd/v22", "go.yaml.in/yaml/v3"},
		"main wires the rooms together and does nothing of theirs"},
}

func TestImports(t *testing.T) {
	known := map[string]bool{}
	for _, room := range rooms {
		known[room.dir] = true
		for _, path := range imports(t, "./"+room.dir) {
			if strings.Contains(strings.Split(path, "/")[0], ".") || strings.HasPrefix(path, "keytree") {
				if !allowed(path, room.may) {
					t.Errorf("%s imports %s: %s", room.dir, path, room.reason)
				}
			}
		}
	}
	for _, dir := range packages(t) {
		if strings.HasPrefix(dir, "scripts") {
			continue // programs that drive others from outside
		}
		if !known[dir] {
			t.Errorf("package %s has no line in the import table: add one, here and in docs/HOUSE.md", dir)
		}
		if name := filepath.Base(dir); regexp.MustCompile(`^(util|utils|common|types|base|helpers?|misc|internal)$`).MatchString(name) {
			t.Errorf("package %s: find the noun it is about", dir)
		}
	}
}

func allowed(path string, may []string) bool {
	for _, prefix := range may {
		if path == prefix || strings.HasPrefix(path, prefix+"/") && !strings.HasPrefix(prefix, "keytree/") {
			return true
		}
	}
	return false
}

// imports are the packages that dir imports itself, tests left out.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	return strings.Fields(goList(t, "-f", `{{join .Imports "\n"}}`, dir))
}

// packages are the folders of all packages, relative to the module.
func packages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, path := range strings.Fields(goList(t, "./...")) {
		if path == "keytree" {
			dirs = append(dirs, ".")
			continue
		}
		dirs = append(dirs, strings.TrimPrefix(path, "keytree/"))
	}
	return dirs
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return string(out)
}

// TestTreeReadsNoClock: Apply must see its arguments and the tree, nothing
// else, or members come apart.
func TestTreeReadsNoClock(t *testing.T) {
	forbidden := regexp.MustCompile(`time\.(Now|Since|After|Sleep|NewTimer|Tick)\(|math/rand"`)
	files, err := filepath.Glob("store/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of package store: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s uses %s: the tree is told the time by its commands", file, found)
		}
	}
}
