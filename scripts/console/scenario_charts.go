package main

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// readCharts makes requests, sees them in lines and numbers, and reads a chart
// with the keyboard.
func readCharts(ctx context.Context, t *trial) error {
	if err := t.makeTraffic(ctx); err != nil {
		return err
	}
	if err := t.open("#/charts"); err != nil {
		return err
	}
	if err := t.waitFor(hook("charts-state").with("data-state", "live")); err != nil {
		return err
	}
	for _, name := range []string{"requests", "latency", "watchers", "pending", "memory"} {
		chart := hook("chart").with("data-chart", name)
		lines := fmt.Sprintf("[...document.querySelectorAll(%s)].some((p) => /M[^M]*L/.test(p.getAttribute('d')) && p.getBBox().width > 0)", quoted(hook("chart-line").in(chart).css))
		if err := t.wait("a line of "+name, lines); err != nil {
			return err
		}
	}
	requests := hook("chart").with("data-chart", "requests")
	return inOrder(
		func() error { return t.waitText(hook("chart-legend").in(requests), "PUT") },
		func() error { return t.rises(hook("chart-line").in(requests).with("data-series", "PUT")) },
		func() error { return step("cursor", t.readCursor(requests)) },
		func() error { return step("table", t.readTable(requests)) },
	)
}

// rises wants a line to leave the lower half of its chart.
func (t *trial) rises(line thing) error {
	path := fmt.Sprintf("document.querySelector(%s)", quoted(line.css))
	return t.wait(line.String()+" to rise", fmt.Sprintf("%s && %s.getBBox().y < %s.ownerSVGElement.getBBox().height / 2", path, path, path))
}

// makeTraffic makes writes, between two samples of the member.
func (t *trial) makeTraffic(ctx context.Context) error {
	type trends struct {
		Samples []struct{ Requests map[string]int }
	}
	const writes = 200
	before := 0
	puts := func(least int) func() (bool, error) {
		return func() (bool, error) {
			var now trends
			if err := t.http.getJSON(ctx, "/keytree/v1/trends", &now); err != nil || len(now.Samples) == 0 {
				return false, err
			}
			before = now.Samples[len(now.Samples)-1].Requests["PUT"]
			return before >= least, nil
		}
	}
	if err := within(ctx, patience, "a sample", puts(0)); err != nil {
		return err
	}
	if err := t.makeNoise(ctx, writes); err != nil {
		return err
	}
	return within(ctx, patience, "a sample of the writes", puts(before+writes))
}

// readTable opens the table of a chart: it shows the writes that were made.
func (t *trial) readTable(chart thing) error {
	table := hook("chart-table").in(chart)
	if err := t.click(hook("chart-table-open").in(chart)); err != nil {
		return err
	}
	if err := t.waitFor(thing{css: "tbody tr"}.in(table)); err != nil {
		return err
	}
	return t.wait("writes in the table", fmt.Sprintf(`(() => {
		const table = %s.closest('table') ?? %s.querySelector('table') ?? %s;
		const column = [...table.querySelectorAll('thead th')].findIndex((th) => th.innerText.includes('PUT'));
		return column >= 0 && [...table.querySelectorAll('tbody tr')].some((tr) => parseFloat(tr.children[column].innerText) > 0);
	})()`, table.js("find"), table.js("find"), table.js("find")))
}

// readCursor goes along a chart with Tab and the arrow keys: a time is shown,
// and the figures of it.
func (t *trial) readCursor(chart thing) error {
	cursor := hook("chart-cursor").in(chart)
	if err := t.tabTo("chart-cursor", 40); err != nil {
		return err
	}
	var times []string
	for _, key := range []string{kb.End, kb.ArrowLeft} {
		if err := t.press(key); err != nil {
			return err
		}
		at, err := t.attribute(cursor, "data-at")
		if err != nil {
			return err
		}
		times = append(times, at)
	}
	if times[1] == "" || times[0] == times[1] {
		return fmt.Errorf("the times under the cursor are %q", times)
	}
	return t.waitText(hook("chart-readout").in(chart), times[1])
}
