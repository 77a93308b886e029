package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// A page of a listing, and how long a directory may take to open.
const (
	pageKeys = 200
	openTime = time.Second
)

// openLargeDirectory opens a directory of a hundred thousand children, scrolls
// in it and searches it.
func openLargeDirectory(_ context.Context, t *trial) error {
	return inOrder(
		func() error { return t.open("#/keys") },
		func() error { return step("open", t.timeOpening()) },
		func() error { return step("scroll", t.scrollLarge()) },
		func() error { return step("search", t.searchLarge()) },
		func() error { return step("all of it", t.loadAll()) },
	)
}

func loadRow(n int) thing { return keyRow(largeDirectory + "/" + loadName(n)) }

// timeOpening measures in the page how long it takes from the click to the
// first rows, and counts what that costs the server.
func (t *trial) timeOpening() error {
	if err := t.waitFor(keyRow(largeDirectory)); err != nil {
		return err
	}
	mark := t.seen.mark()
	if _, err := ask[bool](t.visitor, fmt.Sprintf("(%s, true)", loadRow(0).js("stopwatch"))); err != nil {
		return err
	}
	err := inOrder(
		func() error { return t.click(keyRow(largeDirectory)) },
		func() error { return t.wait("the first rows", "probe.watch.took >= 0") },
		func() error {
			return t.waitFor(hook("node").with("data-key", largeDirectory).with("data-state", "dir"))
		},
		t.settle,
	)
	if err != nil {
		return err
	}
	took, err := ask[float64](t.visitor, "probe.watch.took")
	if err != nil {
		return err
	}
	fmt.Printf("  open: %.0f ms from the click to the first rows\n", took)
	if took > float64(openTime.Milliseconds()) {
		t.complain("opening takes %.0f ms, want %d at most", took, openTime.Milliseconds())
	}
	keys, err := t.keysAsked(mark)
	if err == nil && keys > pageKeys {
		t.complain("opening asks for %d keys, want a page of %d at most", keys, pageKeys)
	}
	return err
}

// keysAsked is how many children of the large directory the page has asked for
// since a mark. It asks for no directory as a whole, and for no more than a
// page at once.
func (t *trial) keysAsked(mark int) (keys int, err error) {
	for _, q := range t.seen.since(mark, "/keytree/v1/list") {
		limit, err := strconv.Atoi(q.url.Query().Get("limit"))
		if err != nil || limit > pageKeys {
			return 0, fmt.Errorf("it asks for more than a page: %s", q.url)
		}
		if strings.HasPrefix(q.url.Query().Get("prefix"), largeDirectory+"/") {
			keys += limit
		}
	}
	for _, q := range t.seen.since(mark, "/v2/keys"+largeDirectory) {
		if q.url.Path == "/v2/keys"+largeDirectory && q.method == "GET" && q.url.Query().Get("wait") == "" {
			return 0, fmt.Errorf("it asks for the whole directory: %s, %.0f bytes", q.url, q.bytes)
		}
	}
	return keys, nil
}

// scrollLarge turns the wheel: frames are in time, the document stays small,
// and each page is asked for once.
func (t *trial) scrollLarge() error {
	mark := t.seen.mark()
	f, err := t.scroll(hook("tree"), hook("tree-row"), 240, 3*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("  scroll: 95%% of %d frames within %.0f ms, %d rows\n", len(f.Times), quantile(f.Times, smoothShare), f.Rows)
	if err := f.faults(); err != nil {
		t.complain("%v", err)
	}
	asked := map[string]bool{}
	for _, q := range t.seen.since(mark, "/keytree/v1/list") {
		if asked[q.url.RawQuery] {
			t.complain("a page is asked for twice: %s", q.url.RawQuery)
		}
		asked[q.url.RawQuery] = true
	}
	if _, err := t.keysAsked(mark); err != nil {
		return err
	}
	return t.wait("rows far down", fmt.Sprintf("%s.some((r) => r.dataset.key > %s)", hook("tree-row").js("all"), quoted(largeDirectory+"/"+loadName(2*pageKeys))))
}

// searchLarge finds keys by the beginning of their names and by a part.
func (t *trial) searchLarge() error {
	mark := t.seen.mark()
	err := inOrder(
		func() error { return t.jump(largeDirectory, "dir") },
		func() error { return t.choose(hook("search-mode"), "prefix") },
		func() error { return t.enter(hook("search"), "key-0500") },
		func() error { return t.waitFor(loadRow(50_000)) },
		func() error { return t.waitGone(loadRow(0)) },
		func() error { return t.choose(hook("search-mode"), "contains") },
		func() error { return t.enter(hook("search"), "99990") },
		func() error { return t.waitFor(loadRow(99_990)) },
		func() error { return t.waitGone(loadRow(50_000)) },
		func() error { return t.click(loadRow(99_990)) },
		func() error { return t.waitText(hook("value"), "value of "+loadName(99_990)) },
		func() error { return t.click(hook("search-clear")) },
	)
	if err != nil {
		return err
	}
	_, err = t.keysAsked(mark)
	return err
}

// loadAll has the whole directory loaded, and goes to its end and back.
func (t *trial) loadAll() error {
	last := loadRow(99_999)
	began := time.Now()
	err := inOrder(
		func() error { return t.open("#/keys") },
		func() error { return t.click(keyRow(largeDirectory)) },
		func() error { return t.click(hook("load-all")) },
		func() error { return t.waitText(hook("load-all"), "Stop") },
		func() error { return t.waitWithin(4*patience, "all of it loaded", "!"+hook("load-all").js("find")) },
		func() error { return t.waitText(hook("tree-count"), "100,000") },
		func() error { return t.click(loadRow(0)) },
		func() error { return t.press(kb.End) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("  all of it loaded in %.1f s\n", time.Since(began).Seconds())
	if err := t.waitFor(last); err != nil {
		return err
	}
	f, err := t.scroll(hook("tree"), hook("tree-row"), -1200, 2*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("  scroll: 95%% of %d frames within %.0f ms, %d rows\n", len(f.Times), quantile(f.Times, smoothShare), f.Rows)
	if err := f.faults(); err != nil {
		t.complain("with all of it loaded: %v", err)
	}
	return nil
}
