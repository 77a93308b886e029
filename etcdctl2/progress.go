package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress tells the user how far a long command is: in place on a terminal,
// else with a line now and then. Its methods may be called from any goroutine.
type progress struct {
	out io.Writer
	bar *progressbar.ProgressBar // nil: no terminal

	mu   sync.Mutex
	done int
	told time.Time
}

// toldEvery is how often a line tells of progress.
const toldEvery = 10 * time.Second

func (c *call) newProgress() *progress {
	p := &progress{out: c.stderr, told: time.Now()}
	if f, ok := c.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(c.stderr),
			progressbar.OptionSetDescription("keys"),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// add tells that n more are done.
func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // it is only for looks
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if time.Since(p.told) >= toldEvery {
		p.told = time.Now()
		fmt.Fprintf(p.out, "%d keys so far\n", p.done)
	}
}

// end takes away what is in place.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // it is only for looks
	}
}
