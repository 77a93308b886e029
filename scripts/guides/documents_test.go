// Package guides checks the documents: that the scripts they show are those
// that run, that links lead somewhere, and that flags they name exist. What the
// guides do is tried by docs/guides/run.sh.
package guides

import (
	"flag"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	guides = root + "/docs/guides"
)

var update = flag.Bool("update", false, "write the scripts into the pages that show them")

// shown is a block with the name of a file behind its language:
//
//	```sh lock/lock.sh
var shown = regexp.MustCompile("(?ms)^```\\w+ (\\S+/\\S+)\n(.*?)^```$")

func TestScriptsInGuidesAreThoseThatRun(t *testing.T) {
	found := map[string]bool{}
	for _, page := range pages(t, guides) {
		text := read(t, page)
		now := shown.ReplaceAllStringFunc(text, func(block string) string {
			name := shown.FindStringSubmatch(block)[1]
			found[name] = true
			fence, _, _ := strings.Cut(block, "\n")
			return fence + "\n" + read(t, filepath.Join(guides, name)) + "```"
		})
		if now == text {
			continue
		}
		if !*update {
			t.Errorf("%s shows other scripts than there are: run go test ./scripts/guides -update", page)
			continue
		}
		if err := os.WriteFile(page, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, script := range scripts(t) {
		if !found[script] {
			t.Errorf("no guide shows %s", script)
		}
	}
}

// scripts are those for people to copy: in a directory of a guide, beside the
// test and what only the test needs.
func scripts(t *testing.T) []string {
	t.Helper()
	ofTests := []string{"test.sh", "load.py", "backend.py"}
	names, err := filepath.Glob(guides + "/*/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var all []string
	for _, name := range names {
		if slices.Contains(ofTests, filepath.Base(name)) {
			continue
		}
		name, err = filepath.Rel(guides, name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	return all
}

func TestEveryGuideIsListedAndRuns(t *testing.T) {
	index, run := read(t, guides+"/README.md"), read(t, guides+"/run.sh")
	for _, page := range pages(t, guides) {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		if !strings.Contains(index, "("+name+".md)") {
			t.Errorf("docs/guides/README.md does not list %s", name)
		}
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(run) {
			t.Errorf("docs/guides/run.sh does not run %s", name)
		}
	}
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inline = regexp.MustCompile("`[^`\n]*`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	header = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	for _, page := range append(pages(t, root+"/docs"), root+"/README.md") {
		text := inline.ReplaceAllString(fenced.ReplaceAllString(read(t, page), ""), "`code`")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, err := url.Parse(found[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if target.Scheme != "" {
				continue
			}
			file := page
			if target.Path != "" {
				file = filepath.Join(filepath.Dir(page), target.Path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, found[1])
			} else if target.Fragment != "" && !slices.Contains(anchors(read(t, file)), target.Fragment) {
				t.Errorf("%s: %s has no such headline", page, found[1])
			}
		}
	}
}

// anchors are what headlines are called in links.
func anchors(text string) []string {
	var all []string
	for _, found := range header.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(found[1]))
		all = append(all, name)
	}
	return all
}

// pages are the documents in dir and beneath it.
func pages(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("no pages in %s: %v", dir, err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
