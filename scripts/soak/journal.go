package main

import (
	"fmt"
	"sync"
)

// mostFaults ends a list that would only repeat itself.
const mostFaults = 20

// A journal collects what went right and what did not. It may be shared.
type journal struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		requests, unclear   int
		events, gaps, begun int
		faults              []string
		more                int
	}
}

// count counts a request of a worker.
func (j *journal) count(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.requests++
	if err != nil {
		j.mu.unclear++
	}
}

// watched counts what a watch has brought: events, and gaps that the server
// announced.
func (j *journal) watched(events, gaps int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.begun++
	j.mu.events += events
	j.mu.gaps += gaps
}

func (j *journal) fault(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.mu.faults) == mostFaults {
		j.mu.more++
		return
	}
	j.mu.faults = append(j.mu.faults, fmt.Sprintf(format, args...))
}

// faults are all that is wrong.
func (j *journal) faults() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := j.mu.faults[:len(j.mu.faults):len(j.mu.faults)]
	if j.mu.more > 0 {
		list = append(list, fmt.Sprintf("and %d more", j.mu.more))
	}
	return list
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprintf("%d requests, %d of unknown outcome; %d watches with %d events, %d gaps announced; %d faults",
		j.mu.requests, j.mu.unclear, j.mu.begun, j.mu.events, j.mu.gaps, len(j.mu.faults)+j.mu.more)
}
