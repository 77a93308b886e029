package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// tableRows is about how many samples of each member are printed.
const tableRows = 24

// A progress says how far the run is: a bar on a terminal, otherwise a line
// now and then.
type progress struct {
	total time.Duration
	bar   *progressbar.ProgressBar // nil: no terminal
	lines int
}

func newProgress(total time.Duration) *progress {
	p := &progress{total: total}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		p.bar = progressbar.NewOptions64(int64(total/time.Second),
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionSetDescription("soak"),
			progressbar.OptionClearOnFinish())
	}
	return p
}

// at tells of the time that has passed.
func (p *progress) at(passed time.Duration, j *journal) {
	if p.bar != nil {
		_ = p.bar.Set64(int64(min(passed, p.total) / time.Second)) // only for the eye
		return
	}
	if due := int(passed * tableRows / p.total); due > p.lines {
		p.lines = due
		fmt.Printf("%7s  %v\n", passed.Round(time.Second), j)
	}
}

// say prints a line beside the bar.
func (p *progress) say(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear() // as above
	}
	fmt.Printf(format+"\n", args...)
}

// printSamples prints a table of some samples, evenly chosen.
func printSamples(w io.Writer, who string, all []sample) {
	fmt.Fprintf(w, "\n%-8s", who)
	for _, f := range figures() {
		fmt.Fprintf(w, "%12s", f.name)
	}
	fmt.Fprintln(w)
	step := max(1, len(all)/tableRows)
	for i := 0; i < len(all); i += step {
		fmt.Fprintf(w, "%-8s", all[i].at.Round(time.Second))
		for _, f := range figures() {
			fmt.Fprintf(w, "%12.1f", f.of(all[i]))
		}
		fmt.Fprintln(w)
	}
}
