package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// probe is what runs in each page beside its own scripts; see there.
//
//go:embed probe.js
var probe string

// A chromium is the running browser.
type chromium struct {
	tab     context.Context // chromedp knows the browser by it
	close   func()          // ends all of its processes and waits for that
	version string
}

// launch starts a browser without a window. It ends with ctx.
func launch(ctx context.Context, program string) (*chromium, error) {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // a container may have none, and the only pages are our own
		chromedp.WindowSize(1440, 900),
		chromedp.Flag("hide-scrollbars", false),
	)
	processes, end := chromedp.NewExecAllocator(ctx, options...)
	tab, leave := chromedp.NewContext(processes)
	b := &chromium{tab: tab, close: func() { leave(); end() }}
	v, err := chromedp.CallBrowser(tab, browser.GetVersion, cdp.Empty{})
	if err == nil {
		err = chromedp.Do(tab) // opens the first tab, which the others are made of
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	b.version = strings.Replace(v.Product, "/", " ", 1)
	return b, nil
}

// A visitor is somebody at the console: a tab that shares nothing with others,
// with a mouse and a keyboard.
type visitor struct {
	tab    context.Context // chromedp knows the tab by it
	leave  func()          // closes the tab
	origin string
	seen   *recorder
}

// visit opens a tab. Where it is to go is an origin like http://127.0.0.1:2379.
func (b *chromium) visit(ctx context.Context, origin string) (*visitor, error) {
	seen := &recorder{origin: origin, inFlight: map[string]*request{}}
	tab, leave := chromedp.NewContext(b.tab, chromedp.WithNewBrowserContext(), chromedp.WithListener(seen.note))
	v := &visitor{tab: tab, leave: leave, origin: origin, seen: seen}
	err := v.do(
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: probe}),
		call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	)
	if err == nil {
		err = v.resize(1440, "light")
	}
	if err != nil {
		leave()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return v, ctx.Err()
}

// call is a command of the browser's protocol as an action.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// resize makes the window as wide as a telephone, a tablet or a desk's screen,
// and the system's theme light or dark.
func (v *visitor) resize(width int64, theme string) error {
	height, small := int64(900), width < 600
	if small {
		height = 740
	}
	return v.do(
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: small}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
	)
}
