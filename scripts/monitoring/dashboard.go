package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A dashboard is what is looked at of one of Grafana's.
type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

type panel struct {
	Title, Type string
	Targets     []struct{ Expr string }
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
}

func readDashboard(path string) (d dashboard, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	if len(d.Panels) == 0 {
		return d, fmt.Errorf("%s: there is no panel", path)
	}
	return d, nil
}

// substituted is a query as Grafana would send it, for all members.
func substituted(expr string) string {
	return strings.NewReplacer("$job", job, "$instance", ".*", "$__rate_interval", "8s").Replace(expr)
}

// mayBeUnknown are the panels that may show no number where all is well, with
// the reason.
var mayBeUnknown = map[string]string{
	"Block cache, hits": "nothing is read from tables as long as all keys lie in caches",
}

// judgeDashboard finds queries that show nothing.
func (s *server) judgeDashboard(ctx context.Context, d dashboard) (err error) {
	queries := 0
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			queries++
			if e := s.judgePanel(ctx, p.Title, substituted(t.Expr)); e != nil {
				err = errors.Join(err, fmt.Errorf("panel %q: %w", p.Title, e))
			}
		}
	}
	for _, a := range d.Annotations.List {
		if e := s.judgePanel(ctx, a.Name, judged(substituted(a.Expr))); e != nil {
			err = errors.Join(err, fmt.Errorf("annotation %q: %w", a.Name, e))
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		if e := s.judgeVariable(ctx, v.Definition); e != nil {
			err = errors.Join(err, fmt.Errorf("variable %q: %w", v.Name, e))
		}
	}
	if err == nil {
		fmt.Printf("%d queries of the dashboard show something\n", queries)
	}
	return err
}

func (s *server) judgePanel(ctx context.Context, title, expr string) error {
	found, err := s.query(ctx, expr)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("there are no series for %s", expr)
	}
	known := slices.ContainsFunc(found, func(one sample) bool { return !math.IsNaN(one.value) })
	if reason := mayBeUnknown[title]; !known && reason == "" {
		return fmt.Errorf("there is no number in %s", expr)
	} else if !known {
		fmt.Printf("panel %q shows no number: %s\n", title, reason)
	}
	return nil
}

// labelValues is how Grafana asks for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

func (s *server) judgeVariable(ctx context.Context, definition string) error {
	m := labelValues.FindStringSubmatch(definition)
	if m == nil {
		return fmt.Errorf("%q does not ask for a label", definition)
	}
	var values []string
	if err := s.ask(ctx, "/api/v1/label/"+m[2]+"/values", url.Values{"match[]": {substituted(m[1])}}, &values); err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("%s has no values", definition)
	}
	return nil
}
