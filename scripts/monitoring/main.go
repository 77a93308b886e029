// Monitoring holds what docs/monitoring offers against a cluster that runs: its
// rules, their tests, its dashboard and its configuration of Prometheus.
//
// It starts three members under some load and Debian's Prometheus to read
// their metrics. Every alert must have something to judge and must keep
// silent, every query of the dashboard must show something, and promtool must
// find nothing wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"keytree/scripts/process"
)

type options struct {
	keytree    string
	prometheus string
	promtool   string
	docs       string
	watched    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.keytree, "keytree", "bin/keytree", "server `binary`")
	flag.StringVar(&o.prometheus, "prometheus", "prometheus", "`binary` of Prometheus")
	flag.StringVar(&o.promtool, "promtool", "promtool", "`binary` of its tool")
	flag.StringVar(&o.docs, "docs", "docs/monitoring", "`directory` with rules, dashboard and configuration")
	flag.DurationVar(&o.watched, "watched", 12*time.Second, "how long the cluster is watched before it is judged")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	for _, binary := range []string{o.prometheus, o.promtool} {
		if _, err := exec.LookPath(binary); err != nil {
			return fmt.Errorf("%w: scripts/install.sh prometheus", err)
		}
	}
	dir, err := os.MkdirTemp("", "keytree-monitoring-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, stop := context.WithTimeout(ctx, o.watched+time.Minute)
	defer stop()
	tool := tool{o.promtool}
	if err := tool.checkFiles(ctx, o.docs); err != nil {
		return err
	}
	var ports process.Ports
	members, err := startCluster(ctx, o.keytree, dir, &ports)
	defer func() { err = errors.Join(err, members.stop()) }()
	if err != nil {
		return err
	}
	loading, rest := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer rest()
	for _, m := range members {
		l := newLoad(m)
		wg.Go(func() { l.run(loading) })
	}
	p, err := startPrometheus(ctx, o, dir, members, &ports)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.awaitScrapes(ctx, len(members), o.watched); err != nil {
		return err
	}
	return judge(ctx, o, tool, p, members)
}

// judge looks at everything, and tells of all that is wrong.
func judge(ctx context.Context, o options, tool tool, p *server, members cluster) error {
	rules, err := readRules(filepath.Join(o.docs, "rules.yml"))
	if err != nil {
		return err
	}
	board, err := readDashboard(filepath.Join(o.docs, "grafana.json"))
	if err != nil {
		return err
	}
	return errors.Join(
		tool.checkMetrics(ctx, members),
		p.judgeAlerts(ctx, rules),
		p.judgeDashboard(ctx, board),
	)
}
