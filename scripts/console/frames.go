package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// frames are how long pictures stood while something moved, in milliseconds,
// and how many rows there were in the document at most.
type frames struct {
	Times []float64 `json:"times"`
	Rows  int       `json:"rows"`
}

// What counts as smooth: nineteen of twenty frames within this many
// milliseconds, on a machine without a graphics processor.
const (
	smoothShare = 0.95
	smoothFrame = 50
)

// mostRows bounds the rows in the document, however many there are to scroll
// through.
const mostRows = 150

// faults says what is not smooth.
func (f frames) faults() error {
	if len(f.Times) < 30 {
		return fmt.Errorf("only %d frames were drawn", len(f.Times))
	}
	if got := quantile(f.Times, smoothShare); got > smoothFrame {
		return fmt.Errorf("a frame in twenty takes more than %.0f ms, want %d at most (%d frames)", got, smoothFrame, len(f.Times))
	}
	if f.Rows > mostRows {
		return fmt.Errorf("there are %d rows in the document, want %d at most", f.Rows, mostRows)
	}
	return nil
}

// quantile is the value that a share of list does not exceed.
func quantile(list []float64, share float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// scroll turns the wheel over a thing for a while and returns what frames
// there were.
func (v *visitor) scroll(t, rows thing, pixels float64, length time.Duration) (f frames, err error) {
	at, err := v.spot(t)
	if err != nil {
		return f, err
	}
	if _, err := ask[bool](v, fmt.Sprintf("(probe.record(%s), true)", quoted(rows.css))); err != nil {
		return f, err
	}
	wheel := func(p *input.DispatchMouseEventParams) {
		p.DeltaX, p.DeltaY = 0.01, pixels // both must be given, and nought counts as not given
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		err := v.do(
			chromedp.MouseEvent(chromedp.MouseWheel, at.X, at.Y, wheel),
			chromedp.Sleep(30*time.Millisecond),
		)
		if err != nil {
			return f, err
		}
	}
	return ask[frames](v, "probe.recorded()")
}
