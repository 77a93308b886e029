package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"keytree/raftlog/replica"
)

// budget is how a member spends the memory that it may take.
type budget struct {
	runtime   int64 // Go's heap and stacks; the caches of the engines come on top
	cache     int64 // blocks and memtables of tree and log
	cacheMost int64 // to which these grow where there is much on disk
	nodeCache int64 // nodes, most of them outside Go's heap
	nodesMost int64 // to which these grow where there are many
}

const mebibyte = 1 << 20

// A member that has plenty keeps to these all the same: what is read often
// fits, and the rest is the system's to cache.
const (
	plentyOfNodes = 56 * mebibyte
	leastCache    = 4 * mebibyte
)

// budgetFor divides limit bytes: a twentieth for the cache of the engines and a
// little more than that for nodes. Where there is much on disk, these grow, to a
// fortieth and to a tenth if that is more. A tenth is left for what nobody counts.
// While memtables wait for a slow disk they take twice the cache on top of it,
// and the gaps between blocks take their share. The rest is Go's, which collects
// more often as it comes near.
func budgetFor(limit int64) budget {
	cache := min(max(limit/20, leastCache), replica.PlentyOfCache)
	nodes := min(max(limit/17, leastCache), plentyOfNodes)
	cacheMost, nodesMost := max(cache, limit/40), max(nodes, limit/10)
	return budget{
		runtime:   max(limit/10*9-3*cache-cacheMost-nodesMost, limit*2/5),
		cache:     cache,
		cacheMost: cacheMost,
		nodeCache: nodes,
		nodesMost: nodesMost,
	}
}

// variableOfLimit is Go's own: who sets it has decided.
const variableOfLimit = "GOMEMLIMIT"

// useMemory finds out how much memory there is, has Go keep within it, and
// says how the rest is divided.
func useMemory(logger *slog.Logger) budget {
	limit, source := memoryLimit(os.DirFS("/"))
	set := os.Getenv(variableOfLimit) != ""
	if own := debug.SetMemoryLimit(-1); set && (limit == 0 || own < limit) {
		limit, source = own, variableOfLimit
	}
	if limit == 0 {
		logger.Info("memory: how much there is cannot be found out")
		return budget{}
	}
	b := budgetFor(limit)
	if set {
		b.runtime = debug.SetMemoryLimit(-1)
	} else {
		debug.SetMemoryLimit(b.runtime)
	}
	logger.Info(fmt.Sprintf("memory: %d MiB (%s), of which the caches take up to %d MiB and %d MiB", limit/mebibyte, source, b.cacheMost/mebibyte, b.nodesMost/mebibyte))
	return b
}

// memoryLimit is how many bytes this process may take, and who says so: the
// least of what its control groups, those above them and the machine have. It
// is 0 if none of them can be read. root is the root of the file system.
func memoryLimit(root fs.FS) (limit int64, source string) {
	consider := func(bytes int64, from string) {
		if bytes > 0 && (limit == 0 || bytes < limit) {
			limit, source = bytes, from
		}
	}
	consider(physicalMemory(root), "physical memory")
	consider(addressSpace(root), "address space limit")
	for _, g := range controlGroups(root) {
		for _, name := range g.files {
			consider(readBytes(root, path.Join(g.dir, name)), "control group")
		}
	}
	return limit, source
}

// controlGroup is a directory that may limit this process.
type controlGroup struct {
	dir   string
	files []string // in which it says so
}

// controlGroups are those the process is in, of either version, with all
// above them. In a container the path is often that of the machine outside,
// and only its end, or nothing of it, is to be seen.
func controlGroups(root fs.FS) (all []controlGroup) {
	const mounted = "sys/fs/cgroup"
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		g := controlGroup{mounted, []string{"memory.max", "memory.high"}}
		if fields[1] != "" {
			if !holds(fields[1], "memory") {
				continue
			}
			g = controlGroup{path.Join(mounted, "memory"), []string{"memory.limit_in_bytes"}}
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			all = append(all, controlGroup{path.Join(g.dir, dir), g.files})
			if dir == "/" {
				break
			}
		}
	}
	return all
}

// holds says whether word is in a list separated by commas.
func holds(list, word string) bool {
	return strings.Contains(","+list+",", ","+word+",")
}

// readBytes is the number in a file, or 0 if there is none: the file may say
// "max", or not be there.
func readBytes(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// physicalMemory is what the machine has.
func physicalMemory(root fs.FS) int64 {
	kilobytes := fieldAfter(root, "proc/meminfo", "MemTotal:")
	return kilobytes * 1024
}

// addressSpace is what ulimit -v allows.
func addressSpace(root fs.FS) int64 {
	return fieldAfter(root, "proc/self/limits", "Max address space")
}

// fieldAfter is the number that follows label in a file of lines, or 0.
func fieldAfter(root fs.FS, name, label string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, label)
		if fields := strings.Fields(rest); found && len(fields) > 0 {
			n, err := strconv.ParseInt(fields[0], 10, 53)
			if err != nil || n < 0 {
				return 0
			}
			return n
		}
	}
	return 0
}
