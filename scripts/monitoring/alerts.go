package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A rule is an alert.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// readRules reads the alerts of a file of rules.
func readRules(path string) ([]rule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no rule", path)
	}
	return all, nil
}

// ofThisMachine are alerts that are about the machine, not the cluster: here
// they may be right to fire.
var ofThisMachine = []string{"KeytreeDiskAlmostFull", "KeytreeDiskFilling"}

// comparison is an operator that drops series; in matchers there is no blank
// before it.
var comparison = regexp.MustCompile(` (==|!=|>=|<=|>|<) `)

// judged is expr with its comparisons made numbers, so that there are series
// also while nothing is wrong.
func judged(expr string) string { return comparison.ReplaceAllString(expr, " $1 bool ") }

// judgeAlerts finds alerts that have nothing to judge, or that fire although
// all is well.
func (s *server) judgeAlerts(ctx context.Context, rules []rule) (err error) {
	for _, r := range rules {
		if e := s.judgeAlert(ctx, r); e != nil {
			err = errors.Join(err, fmt.Errorf("alert %s: %w", r.Alert, e))
		}
	}
	if err = errors.Join(err, s.judgeLoaded(ctx, rules)); err == nil {
		fmt.Printf("%d alerts have something to judge, and keep silent\n", len(rules))
	}
	return err
}

func (s *server) judgeAlert(ctx context.Context, r rule) error {
	found, err := s.query(ctx, judged(r.Expr))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("there are no series for %s", r.Expr)
	}
	fires, err := s.query(ctx, r.Expr)
	if err != nil || len(fires) == 0 {
		return err
	}
	if slices.Contains(ofThisMachine, r.Alert) {
		fmt.Printf("alert %s fires, which is about this machine\n", r.Alert)
		return nil
	}
	return fmt.Errorf("it fires on a cluster that is well: %v", fires)
}

// judgeLoaded looks whether Prometheus itself evaluates all the rules.
func (s *server) judgeLoaded(ctx context.Context, rules []rule) (err error) {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := s.ask(ctx, "/api/v1/rules", nil, &data); err != nil {
		return err
	}
	var loaded []string
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			loaded = append(loaded, r.Name)
			if r.Health != "ok" {
				err = errors.Join(err, fmt.Errorf("alert %s is %s: %s", r.Name, r.Health, r.LastError))
			}
		}
	}
	for _, r := range rules {
		if !slices.Contains(loaded, r.Alert) {
			err = errors.Join(err, fmt.Errorf("alert %s is not among %s", r.Alert, strings.Join(loaded, " ")))
		}
	}
	return err
}
