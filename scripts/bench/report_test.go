package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// fixed is a report with one of each that a report can have.
func fixed() *report {
	r := &report{
		Taken:   time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: machine{CPU: "A processor", Cores: 4, MemoryGB: 8, Kernel: "6.1", Go: "go1.26", FileSystem: "ext4"},
		Subjects: []subject{
			{leanName, "keytree Version: 1", []string{"GOMAXPROCS=2"}},
			{stdName, "keytree Version: 1", []string{"GOMAXPROCS=2", "--http-engine=std"}},
			{etcdName, "etcd Version: 3.4.23", []string{"GOMAXPROCS=2"}},
		},
		Placement: "the members share CPUs 0,1",
	}
	add := func(scenario, server string, round int, f figures) {
		r.Rounds = append(r.Rounds, entry{Scenario: scenario, Server: server, Round: round, Figures: f})
	}
	for round, cost := range []float64{1.1, 1.2, 1.4} {
		add("get", leanName, round+1, figures{rate: 90000 + float64(round), cpu: cost, clientCPU: .5, p50: .5, p99: 1})
		add("get", stdName, round+1, figures{rate: 50000, cpu: 2 * cost, clientCPU: .5, p50: .7, p99: 2})
		add("get", etcdName, round+1, figures{rate: 30000, cpu: 4, clientCPU: .5, p50: 1, p99: 3})
	}
	add("qget", leanName, 1, figures{rate: 60000, cpu: 2.4, raftGrowth: 0, others: .7})
	add("qget", etcdName, 1, figures{rate: 21000, cpu: 6, raftGrowth: 1e6})
	r.Rounds = append(r.Rounds, entry{Scenario: "qget", Server: stdName, Round: 1, Error: "it broke:\nlast words"})
	add("h2watch", leanName, 1, figures{aloneRSS: 10, muxRSS: 5, aloneCPU: 8, muxCPU: 16, muxConnections: 4})
	r.Growth = &growth{Notes: []string{"etcd: not filled with more than 10000 keys"}}
	for i, size := range []int{1000, 10_000, 100_000} {
		rise := 1 + .2*float64(i)
		r.Growth.Samples = append(r.Growth.Samples, sample{byKeys, leanName, size,
			figures{"GET" + atCPU: rise, "PUT" + atCPU: 2 * rise * rise, againstFlat("GET"): rise / 1.2, againstFlat("PUT"): rise * rise / 1.44, keyDisk: 100, "GET" + atP99: 3}})
	}
	r.Growth.Samples = append(r.Growth.Samples, sample{byKeys, etcdName, 1000, figures{"GET" + atCPU: 4, "PUT" + atCPU: 9}})
	return r
}

// TestReports runs testdata/report.txt; -rewrite makes it anew.
func TestReports(t *testing.T) {
	datadriven.RunTest(t, filepath.Join("testdata", "report.txt"), func(t *testing.T, d *datadriven.TestData) string {
		var b bytes.Buffer
		switch d.Cmd {
		case "text":
			fixed().print(&b)
		case "page":
			b.Write(fixed().page())
		case "plots":
			for _, p := range fixed().plots() {
				b.WriteString(p.file + ": " + p.title + "\n")
			}
		default:
			t.Fatalf("unknown command %q", d.Cmd)
		}
		return b.String()
	})
}

func TestAReportIsGoodUntilSomethingIsMissed(t *testing.T) {
	passing := func() *report {
		r := fixed()
		r.Rounds = r.Rounds[:9] // of get, whose CPU time is good enough when scaled
		r.Growth = nil
		return r
	}
	for _, test := range []struct {
		about  string
		change func(*report)
		want   bool
	}{
		{"all is reached", func(*report) {}, true},
		{"std misses a floor", func(r *report) { r.Rounds[1].Figures[rate], r.Rounds[4].Figures[rate] = 1, 1 }, true},
		{"lean misses a floor", func(r *report) { r.Rounds[0].Figures[rate], r.Rounds[3].Figures[rate] = 1, 1 }, false},
		{"a round of lean fails", func(r *report) { r.Rounds[0].Error = "broken" }, false},
		{"a round of std fails", func(r *report) { r.Rounds[1].Error = "broken" }, false},
		{"nothing to compare with", func(r *report) { r.Rounds = r.Rounds[:1]; r.Rounds[0].Figures[cpu] = .8 }, true},
		{"growth is flat", func(r *report) {
			r.Growth = fixed().Growth
			for _, s := range r.Growth.Samples {
				delete(s.Figures, againstFlat("PUT"))
			}
		}, true},
		{"growth is not flat", func(r *report) { r.Growth = fixed().Growth }, false},
	} {
		r := passing()
		test.change(r)
		if got := r.good(); got != test.want {
			t.Errorf("when %s, a report is good: %v, want %v", test.about, got, test.want)
		}
	}
}

func TestADocumentIsTheSameWhenRedrawn(t *testing.T) {
	dir := t.TempDir()
	first := fixed()
	if err := first.document(dir); err != nil {
		t.Fatal(err)
	}
	want := files(t, dir)
	for name := range want {
		if name != dataFile {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := parse([]string{"-report", dir, "-redraw"})
	if err != nil {
		t.Fatal(err)
	}
	if good, err := b.redrawn(t.Context()); err != nil || !good {
		t.Fatalf("redrawn: %v, %v", good, err)
	}
	got := files(t, dir)
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s has changed", name)
		}
	}
}

// files are the files in dir by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestThePageEmbedsPlotsThatAreThere(t *testing.T) {
	r := fixed()
	page := string(r.page())
	for _, p := range r.plots() {
		if strings.Count(page, "]("+p.file+")") != 1 {
			t.Errorf("%s is not embedded once", p.file)
		}
		for d := xml.NewDecoder(bytes.NewReader(p.svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is not well-formed: %v", p.file, err)
			}
		}
	}
}

func TestAFigureThatIsNoNumberFailsItsRound(t *testing.T) {
	zero := 0.
	if err := (figures{rate: 1, cpu: 0}).check(); err != nil {
		t.Error(err)
	}
	for _, v := range []float64{1 / zero, zero / zero} {
		if err := (figures{rate: 1, cpu: v}).check(); err == nil || !strings.Contains(err.Error(), cpu) {
			t.Errorf("check of %v = %v", v, err)
		}
	}
}
