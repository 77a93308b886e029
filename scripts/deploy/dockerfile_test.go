package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile.
type instruction struct {
	name  string   // in capitals
	flags []string // --from=build
	args  []string // the words; of one in JSON, its elements
	exec  bool     // it was in JSON: no shell is needed
}

// flag is the value of a flag, empty if it has none.
func (i instruction) flag(name string) string {
	for _, f := range i.flags {
		if value, is := strings.CutPrefix(f, "--"+name+"="); is {
			return value
		}
	}
	return ""
}

// stage is what begins with a FROM.
type stage struct {
	from, name   string
	instructions []instruction
}

// all are the instructions of a name.
func (s stage) all(name string) []instruction {
	return slices.DeleteFunc(slices.Clone(s.instructions), func(i instruction) bool { return i.name != name })
}

// mustReadDockerfile reads the Dockerfile of this folder.
func mustReadDockerfile(t *testing.T) []stage {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var stages []stage
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(string(text), "")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		i := parseInstruction(line)
		if i.name == "FROM" {
			s := stage{from: i.args[0]}
			if len(i.args) == 3 && strings.EqualFold(i.args[1], "as") {
				s.name = i.args[2]
			}
			stages = append(stages, s)
			continue
		}
		if len(stages) == 0 {
			t.Fatalf("%s stands before any FROM", line)
		}
		last := &stages[len(stages)-1]
		last.instructions = append(last.instructions, i)
	}
	return stages
}

func parseInstruction(line string) instruction {
	name, rest, _ := strings.Cut(line, " ")
	i := instruction{name: strings.ToUpper(name)}
	rest = strings.TrimSpace(rest)
	for strings.HasPrefix(rest, "--") {
		flag, after, _ := strings.Cut(rest, " ")
		i.flags, rest = append(i.flags, flag), strings.TrimSpace(after)
	}
	list := strings.TrimPrefix(rest, "CMD ") // of a HEALTHCHECK
	if err := json.Unmarshal([]byte(list), &i.args); err == nil {
		i.exec = true
		return i
	}
	if i.args = strings.Fields(rest); i.name == "RUN" {
		i.args = []string{rest}
	}
	return i
}

// ignored are the patterns of a .dockerignore.
type ignored []ignorePattern

type ignorePattern struct {
	match *regexp.Regexp
	keep  bool // what it matches is not ignored after all
}

func mustReadIgnored(t *testing.T) (all ignored) {
	t.Helper()
	text, err := os.ReadFile("Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, keep := strings.CutPrefix(line, "!")
		expr := regexp.QuoteMeta(strings.Trim(pattern, "/"))
		expr = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*\*`, `.*`, `\*`, `[^/]*`, `\?`, `[^/]`).Replace(expr)
		all = append(all, ignorePattern{regexp.MustCompile("^" + expr + "$"), keep})
	}
	return all
}

// holds reports whether a file is left out. What holds for a directory holds
// for all that is in it; the last pattern that matches decides.
func (all ignored) holds(path string) (out bool) {
	for _, p := range all {
		for at := path; at != "."; at = filepath.Dir(at) {
			if p.match.MatchString(filepath.ToSlash(at)) {
				out = !p.keep
				break
			}
		}
	}
	return out
}

func TestPatternsDecideWhatIsSentToTheBuilder(t *testing.T) {
	all := mustReadIgnored(t)
	for path, want := range map[string]bool{
		"main.go": false, "store/apply.go": false, "httpapi/client/client.go": false, "go.sum": false, "scripts/deploy/container.yml": false,
		"main_test.go": true, "store/model_test.go": true, "store/testdata/put.txt": true, "httpapi/testdata/golden/a": true,
		"README.md": true, ".git/config": true, "bin/keytree": true, "scripts/deploy/Dockerfile": true, "scripts/bench/main.go": true,
		"default.etcd/member/x": true, "docs/HOUSE.md": true,
	} {
		if got := all.holds(path); got != want {
			t.Errorf("%s is left out: %v, want %v", path, got, want)
		}
	}
}
