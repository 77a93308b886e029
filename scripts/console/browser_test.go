package main

import (
	"embed"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

//go:embed testdata
var pages embed.FS

// newTrial opens a page of testdata, below a policy like that of the console.
func newTrial(t *testing.T, page string) *trial {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium here: ", err)
	}
	files, err := fs.Sub(pages, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ui/", http.StripPrefix("/ui/", http.FileServerFS(files)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src *")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b, err := launch(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	v, err := b.visit(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.leave)
	if err := v.open(page); err != nil {
		t.Fatal(err)
	}
	return &trial{visitor: v}
}

func TestASoundPageHasNoFaults(t *testing.T) {
	p := newTrial(t, "sound.html")
	for _, width := range widths {
		if err := p.resize(width, "dark"); err != nil {
			t.Fatal(err)
		}
		f, err := ask[facts](p.visitor, "probe.facts()")
		if err != nil {
			t.Fatal(err)
		}
		if got := f.faults(); len(got) > 0 {
			t.Errorf("%d px: got %q", width, got)
		}
	}
	if got := p.seen.complaints(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestEachFaultOfAFaultyPageIsFound(t *testing.T) {
	p := newTrial(t, "faulty.html")
	f, err := ask[facts](p.visitor, "probe.facts()")
	if err != nil {
		t.Fatal(err)
	}
	hasAll(t, f.faults(), []string{
		"does not say its language", "has no title", "2 headings", "0 main", `"twice" stands for several`, "for=nobody refers to nothing",
		"img has no text", "input has no name", "nameless] has no name", "px wide in a window of 1440",
		`"pale words" has a contrast of 2.8`, `"words on glass" has a contrast`, `"faded words" has a contrast`, `"a placeholder is no name" has a contrast`,
	})
	want := []string{"the page is not well", "security error", "to another origin: http://127.0.0.1:9/elsewhere", "404", "Error: thrown"}
	err = within(t.Context(), patience, "complaints", func() (bool, error) { return len(missing(p.seen.complaints(), want)) == 0, nil })
	if err != nil {
		t.Errorf("%v: got %q", err, p.seen.complaints())
	}
}

// missing are those of want that are in no line.
func missing(lines, want []string) (list []string) {
	for _, w := range want {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, w) }) {
			list = append(list, w)
		}
	}
	return list
}

func hasAll(t *testing.T, lines, want []string) {
	t.Helper()
	if m := missing(lines, want); len(m) > 0 {
		t.Errorf("not found: %q, got %q", m, lines)
	}
}

func TestAVisitorClicksTypesAndChooses(t *testing.T) {
	p := newTrial(t, "sound.html")
	out := thing{css: "#out"}
	err := inOrder(
		func() error { return p.enter(thing{css: "input[type=text]"}, "Grüße <b>") },
		func() error { return p.waitText(out, "Grüße <b>") },
		func() error { return p.choose(thing{css: "select"}, "blue") },
		func() error { return p.waitText(out, "blue") },
		func() error { return p.click(thing{css: "button"}.saying("Close")) },
		func() error { return p.waitText(out, "closed") },
		func() error { return p.waitGone(out.saying("blue")) },
	)
	if err != nil {
		t.Error(err)
	}
}

func TestAClickThatWouldNotArriveIsNone(t *testing.T) {
	p := newTrial(t, "faulty.html")
	got, err := ask[spot](p.visitor, hook("covered").js("place"))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Found || got.Arrives || !strings.Contains(got.Under, "#cover") {
		t.Errorf("got %+v, want to be told of what lies over it", got)
	}
	sound := newTrial(t, "sound.html")
	if got, err := ask[spot](sound.visitor, thing{css: "button"}.saying("Pale").js("place")); err != nil || got.Enabled {
		t.Errorf("got %+v, %v of a disabled button", got, err)
	}
}

func TestFocusThatOneCannotSeeIsComplainedOf(t *testing.T) {
	p := newTrial(t, "faulty.html")
	if err := p.tabTo("nameless", 10); err != nil {
		t.Fatal(err)
	}
	hasAll(t, p.wrong, []string{"one does not see that button[data-test=covered]", "has the focus and no name"})
	if err := p.tabTo("nowhere", 3); err == nil {
		t.Error("got to what is not there")
	}
	sound := newTrial(t, "sound.html")
	for range 4 {
		if err := sound.press(kb.Tab); err != nil {
			t.Fatal(err)
		}
		if _, err := sound.focused(); err != nil {
			t.Fatal(err)
		}
	}
	if len(sound.wrong) > 0 {
		t.Errorf("got %q", sound.wrong)
	}
}

func TestFramesAreCountedWhileAPageScrolls(t *testing.T) {
	p := newTrial(t, "sound.html")
	f, err := p.scroll(thing{css: "h1"}, thing{css: "button"}, 100, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Times) < 20 || f.Rows != 4 {
		t.Errorf("got %d frames and %d rows, want many and 4", len(f.Times), f.Rows)
	}
}
