package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"keytree/scripts/process"
)

// scrapeEvery is how often the members are read: what takes minutes elsewhere
// shall be seen within seconds here.
const scrapeEvery = time.Second

// A server is a Prometheus that runs.
type server struct {
	url  string
	cmd  *exec.Cmd
	said *bytes.Buffer
	done chan struct{} // closed when it has ended
}

// startPrometheus starts Prometheus with the configuration of the documents,
// but for where the members are and how often they are read.
func startPrometheus(ctx context.Context, o options, dir string, members cluster, ports *process.Ports) (*server, error) {
	port, err := ports.Take()
	if err != nil {
		return nil, err
	}
	config, err := localConfig(filepath.Join(o.docs, "prometheus.yml"), members)
	if err != nil {
		return nil, err
	}
	rules, err := os.ReadFile(filepath.Join(o.docs, "rules.yml"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "prometheus.yml")
	if err := errors.Join(os.WriteFile(path, config, 0o600), os.WriteFile(filepath.Join(dir, "rules.yml"), rules, 0o600)); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	s := &server{url: "http://" + address, said: &bytes.Buffer{}, done: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, o.prometheus, "--config.file", path, "--storage.tsdb.path", filepath.Join(dir, "tsdb"),
		"--web.listen-address", address, "--log.level", "warn")
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.prometheus, err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended is told by what it said
	}()
	return s, nil
}

// localConfig is the configuration in a file, for members on this machine.
func localConfig(path string, members cluster) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	jobs, _ := config["scrape_configs"].([]any)
	if len(jobs) == 0 {
		return nil, fmt.Errorf("%s: there is no job", path)
	}
	job, ok := jobs[0].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: the first job is %T", path, jobs[0])
	}
	var targets []string
	for _, m := range members {
		targets = append(targets, m.metrics)
	}
	job["static_configs"] = []any{map[string]any{"targets": targets}}
	job["scheme"], job["tls_config"] = "https", map[string]any{"insecure_skip_verify": true}
	config["scrape_configs"] = []any{job}
	config["global"] = map[string]any{"scrape_interval": scrapeEvery.String(), "evaluation_interval": scrapeEvery.String()}
	delete(config, "alerting")
	return yaml.Marshal(config)
}

// stop ends Prometheus, whose data nobody needs.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-s.done
}

// awaitScrapes waits until every member has been read for so long.
func (s *server) awaitScrapes(ctx context.Context, members int, watched time.Duration) error {
	began := time.Now()
	query := fmt.Sprintf(`count(count_over_time((up{job=%q} == 1)[10m:%v]) >= %d)`, job, scrapeEvery, int(watched/scrapeEvery))
	for {
		found, err := s.query(ctx, query)
		if err == nil && len(found) == 1 && found[0].value == float64(members) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("prometheus ended:\n%s", s.said)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		if time.Since(began) > watched+readyTime {
			return errors.Join(fmt.Errorf("the members were not read for %v: %s gives %v", watched, query, found), err)
		}
	}
}

// job is what the members are together.
const job = "keytree"

// A sample is one series of an answer.
type sample struct {
	labels map[string]string
	value  float64
}

// query evaluates an expression now. A number alone is one sample.
func (s *server) query(ctx context.Context, expr string) ([]sample, error) {
	var data struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := s.ask(ctx, "/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		return nil, err
	}
	if data.ResultType == "scalar" {
		v, err := parseValue(data.Result)
		return []sample{{value: v}}, err
	}
	var vector []struct {
		Metric map[string]string
		Value  json.RawMessage
	}
	if err := json.Unmarshal(data.Result, &vector); err != nil {
		return nil, fmt.Errorf("a %s: %w", data.ResultType, err)
	}
	var all []sample
	for _, one := range vector {
		v, err := parseValue(one.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, sample{one.Metric, v})
	}
	return all, nil
}

// parseValue reads [time, "value"].
func parseValue(text json.RawMessage) (float64, error) {
	var at float64
	var value string
	if err := json.Unmarshal(text, &[2]any{&at, &value}); err != nil {
		return 0, err
	}
	if value == "NaN" {
		return math.NaN(), nil
	}
	return strconv.ParseFloat(value, 64)
}

// ask has Prometheus answer into data.
func (s *server) ask(ctx context.Context, path string, form url.Values, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path+"?"+form.Encode(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var said struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("prometheus answers %s: %w", answer.Status, err)
	}
	if said.Status != "success" {
		return fmt.Errorf("prometheus answers %s: %s", answer.Status, said.Error)
	}
	return json.Unmarshal(said.Data, data)
}
