package doctor

import (
	"context"
	"fmt"
)

// What is too little for any member, and what a busy one should have.
const (
	leastFiles  = 512
	enoughFiles = 8192
	leastMemory = 64 << 20
)

// limits looks at what the process may take.
func (e *exam) limits(context.Context) []Finding {
	n := &notes{area: "limits"}
	if most, known := openFiles(); known {
		judgeFiles(n, most)
	} else {
		n.unchecked("how many files may be open cannot be found out on this system")
	}
	switch memory := e.MemoryBytes; {
	case memory <= 0:
		n.unchecked("how much memory there is cannot be found out")
	case memory < leastMemory:
		n.warn(fmt.Sprintf("%s of memory (%s): a member wants %s", size(uint64(memory)), e.MemorySource, size(leastMemory)), "MemoryMax=256M", "docker run --memory 256m ...")
	default:
		n.ok("%s of memory (%s)", size(uint64(memory)), e.MemorySource)
	}
	return n.all
}

// judgeFiles is about connections, most of all: each takes a file.
func judgeFiles(n *notes, most uint64) {
	text := fmt.Sprintf("%d files may be open, one for each connection and some hundreds for the data", most)
	mend := []string{"LimitNOFILE=65536", "ulimit -n 65536", "docker run --ulimit nofile=65536:65536 ..."}
	switch {
	case most < leastFiles:
		n.wrong(text, mend...)
	case most < enoughFiles:
		n.warn(text, mend...)
	default:
		n.ok("%s", text)
	}
}
