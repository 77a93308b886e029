package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// All that is handed out, and all that others may import, must be there for
// every system. To compile it and what it stands on for all of them takes
// minutes; to check it as a compiler does, seconds.
func TestEverySystemCanBeBuiltFor(t *testing.T) {
	sources := newSources()
	for one := range strings.SplitSeq(platforms, ",") {
		t.Run(strings.ReplaceAll(one, "/", "-"), func(t *testing.T) {
			t.Parallel()
			p, err := parsePlatform(one)
			if err != nil {
				t.Fatal(err)
			}
			own := 0
			c := newChecker(sources, p)
			for _, l := range mustList(t, p, ".", "./discovery/...", "./etcdctl2/...", "./httpapi/...", "./raftlog/...", "./stats/...", "./store/...") {
				wrong := c.check(l)
				if !l.own() {
					continue // what is built elsewhere is not looked into
				}
				own++
				for _, err := range wrong {
					t.Error(err)
				}
			}
			if own < 15 {
				t.Errorf("only %d packages are ours", own)
			}
		})
	}
}

// listed is a package as `go list` has it.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
}

func (l listed) own() bool {
	return l.ImportPath == "keytree" || strings.HasPrefix(l.ImportPath, "keytree/")
}

// mustList are the packages that are built for p, each after those it imports.
func mustList(t *testing.T, p platform, packages ...string) (all []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap"}, packages...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var one listed
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// sources are files that are read once for all platforms.
type sources struct {
	positions *token.FileSet

	mu   sync.Mutex
	read map[string]func() (*ast.File, error)
}

func newSources() *sources {
	return &sources{positions: token.NewFileSet(), read: map[string]func() (*ast.File, error){}}
}

// file is the syntax of a file; without what functions do, if nobody will look
// into them.
func (s *sources) file(path string, whole bool) (*ast.File, error) {
	s.mu.Lock()
	read := s.read[path]
	if read == nil {
		read = sync.OnceValues(func() (*ast.File, error) {
			f, err := parser.ParseFile(s.positions, path, nil, parser.SkipObjectResolution)
			if err != nil || whole {
				return f, err
			}
			for _, d := range f.Decls {
				if function, is := d.(*ast.FuncDecl); is {
					function.Body = nil
				}
			}
			return f, nil
		})
		s.read[path] = read
	}
	s.mu.Unlock()
	return read()
}

// checker checks packages for one platform.
type checker struct {
	*sources
	sizes types.Sizes
	known map[string]*types.Package
}

func newChecker(s *sources, p platform) *checker {
	return &checker{s, types.SizesFor("gc", p.arch), map[string]*types.Package{"unsafe": types.Unsafe}}
}

// check checks a package and returns what a compiler would not take. Of those
// that are not ours only what others see is looked at.
func (c *checker) check(l listed) (wrong []error) {
	if l.ImportPath == "unsafe" {
		return nil
	}
	var files []*ast.File
	for _, name := range l.GoFiles {
		f, err := c.file(filepath.Join(l.Dir, name), l.own())
		if err != nil {
			return []error{err}
		}
		files = append(files, f)
	}
	config := types.Config{
		Importer:         importer{c, l.ImportMap},
		Sizes:            c.sizes,
		IgnoreFuncBodies: !l.own(),
		FakeImportC:      true,
		Error:            func(err error) { wrong = append(wrong, err) },
	}
	p, err := config.Check(l.ImportPath, c.positions, files, nil)
	if err != nil && len(wrong) == 0 {
		wrong = append(wrong, err)
	}
	c.known[l.ImportPath] = p
	return wrong
}

// importer finds what has been checked before.
type importer struct {
	*checker
	renamed map[string]string
}

func (i importer) Import(path string) (*types.Package, error) {
	if other := i.renamed[path]; other != "" {
		path = other
	}
	if p := i.known[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s was not listed before", path)
}

// A check that lets everything pass would say nothing.
func TestWhatOneSystemLacksIsFound(t *testing.T) {
	dir := t.TempDir()
	source := "package main\n\nimport \"syscall\"\n\nfunc main() { _ = syscall.Kill(1, syscall.SIGTERM) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[platform]bool{{"linux", "amd64"}: true, {"windows", "amd64"}: false} {
		c := newChecker(newSources(), p)
		for _, l := range mustList(t, p, "syscall") {
			c.check(l)
		}
		wrong := c.check(listed{ImportPath: "keytree/x", Dir: dir, GoFiles: []string{"main.go"}})
		if got := len(wrong) == 0; got != want {
			t.Errorf("%v: %v", p, wrong)
		}
	}
}
