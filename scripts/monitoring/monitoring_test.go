package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// docs is where the documents are, seen from here.
const docs = "../../docs/monitoring"

func mustReadRules(t *testing.T) []rule {
	t.Helper()
	rules, err := readRules(filepath.Join(docs, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestEveryAlertSaysWhatIsWrongAndWhatMendsIt(t *testing.T) {
	for _, r := range mustReadRules(t) {
		for _, name := range []string{"summary", "description", "mend"} {
			if len(r.Annotations[name]) < 20 {
				t.Errorf("%s: its %s is %q", r.Alert, name, r.Annotations[name])
			}
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: its severity is %q", r.Alert, s)
		}
		if judged(r.Expr) == r.Expr {
			t.Errorf("%s: nothing is compared in %s", r.Alert, r.Expr)
		}
	}
}

// In the tests of the rules, "bad" has an alert fire and "good" does not.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Input []struct{ Series string } `yaml:"input_series"`
			Exprs []struct {
				Expr    string
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, one := range file.Tests {
		good := slices.ContainsFunc(one.Input, func(s struct{ Series string }) bool { return strings.Contains(s.Series, `instance="good"`) })
		for _, e := range one.Exprs {
			if good && len(e.Samples) == 1 && strings.Contains(e.Samples[0].Labels, `instance="bad"`) && strings.Contains(e.Samples[0].Labels, `alertstate="firing"`) {
				tested[e.Expr] = true
			}
		}
	}
	for _, r := range mustReadRules(t) {
		if !tested[`ALERTS{alertname="`+r.Alert+`"}`] {
			t.Errorf("no test has %s fire, and not fire", r.Alert)
		}
	}
}

func TestTheDashboardAsksForMembersOfItsVariables(t *testing.T) {
	d, err := readDashboard(filepath.Join(docs, "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, p := range d.Panels {
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %q has no query, or no unit", p.Title)
		}
		for _, q := range p.Targets {
			if !strings.Contains(q.Expr, `job="$job"`) || strings.Contains(substituted(q.Expr), "$") {
				t.Errorf("panel %q: %s", p.Title, q.Expr)
			}
		}
	}
	if want := []string{"Cluster", "Requests", "Log", "Watches", "Tree", "Resources"}; !slices.Equal(rows, want) {
		t.Errorf("its rows are %v, want %v", rows, want)
	}
}

func TestComparisonsBecomeNumbersAndMatchersStay(t *testing.T) {
	got := judged(`a{b="c", d!="e", f=~"g"} / h > 0 and changes(i[2m]) == 0`)
	if want := `a{b="c", d!="e", f=~"g"} / h > bool 0 and changes(i[2m]) == bool 0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOnlyEtcdsNamesMayBeFoundFaultWith(t *testing.T) {
	ours, theirs := complaints("etcd_a_total non-counter metrics\n\nkeytree_b counter metrics\nerror while linting: x\n")
	if !slices.Equal(theirs, []string{"etcd_a_total non-counter metrics"}) || !slices.Equal(ours, []string{"keytree_b counter metrics", "error while linting: x"}) {
		t.Errorf("ours %q, etcd's %q", ours, theirs)
	}
}
