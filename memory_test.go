package main

import (
	"fmt"
	"testing"
	"testing/fstest"
)

// machine is a file system with the given files, and 16 GiB of memory.
func machine(files ...string) fstest.MapFS {
	m := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:       16777216 kB\nMemFree:          100000 kB\n")}}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

func TestTheLeastOfAllLimitsCounts(t *testing.T) {
	const (
		groups = "proc/self/cgroup"
		second = "0::/system.slice/keytree.service\n"
		first  = "12:cpu,cpuacct:/\n4:hugetlb,memory:/docker/abc\n3:memoryless:/x\n1:name=systemd:/docker/abc\n0::/\n"
		v2, v1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
		whole  = 16384
	)
	for name, tt := range map[string]struct {
		files  fstest.MapFS
		want   int64 // MiB
		source string
	}{
		"no limit":            {machine(), whole, "physical memory"},
		"version 2":           {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "134217728\n"), 128, "control group"},
		"of a parent":         {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "max\n", v2+"system.slice/memory.max", "268435456\n"), 256, "control group"},
		"of both":             {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "536870912\n", v2+"system.slice/memory.max", "268435456\n"), 256, "control group"},
		"from where it slows": {machine(groups, second, v2+"system.slice/keytree.service/memory.high", "67108864\n", v2+"system.slice/keytree.service/memory.max", "134217728\n"), 64, "control group"},
		"in a container":      {machine(groups, "0::/../../kubepods/pod1/c2\n", v2+"memory.max", "100663296\n"), 96, "control group"},
		"of a container":      {machine(groups, "0::/\n", v2+"memory.max", "100663296\n"), 96, "control group"},
		"max":                 {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "max\n"), whole, "physical memory"},
		"more than there is":  {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "1099511627776\n"), whole, "physical memory"},
		"version 1":           {machine(groups, first, v1+"docker/abc/memory.limit_in_bytes", "67108864\n"), 64, "control group"},
		"version 1, none":     {machine(groups, first, v1+"docker/abc/memory.limit_in_bytes", "9223372036854771712\n"), whole, "physical memory"},
		"version 1, inside":   {machine(groups, first, v1+"memory.limit_in_bytes", "67108864\n"), 64, "control group"},
		"another controller":  {machine(groups, "3:memoryless:/x\n", v1+"x/memory.limit_in_bytes", "67108864\n"), whole, "physical memory"},
		"garbage":             {machine(groups, "::\n\x00:\nmemory\n0:memory\n0::\n", v2+"memory.max", "much\n", v1+"memory.limit_in_bytes", "-1\n"), whole, "physical memory"},
		"an empty file":       {machine(groups, second, v2+"system.slice/keytree.service/memory.max", ""), whole, "physical memory"},
		"a large number":      {machine(groups, second, v2+"system.slice/keytree.service/memory.max", "99999999999999999999\n"), whole, "physical memory"},
		"ulimit -v":           {machine("proc/self/limits", "Max cpu time unlimited unlimited seconds\nMax address space         1073741824           unlimited            bytes\n"), 1024, "address space limit"},
		"no ulimit":           {machine("proc/self/limits", "Max address space         unlimited            unlimited            bytes\n"), whole, "physical memory"},
		"another system":      {fstest.MapFS{}, 0, ""},
		"nonsense of memory":  {fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:\nMemTotal: -3 kB\n")}}, 0, ""},
	} {
		if limit, source := memoryLimit(tt.files); limit/mebibyte != tt.want || source != tt.source {
			t.Errorf("%s: %d MiB (%s), want %d MiB (%s)", name, limit/mebibyte, source, tt.want, tt.source)
		}
	}
}

func TestWhatThereIsIsDividedWithSomethingLeft(t *testing.T) {
	for limit, want := range map[int64]string{
		16:    "6 4 4 4 4", // nothing fits in this, and Go must have something
		64:    "35 4 4 4 6",
		96:    "57 4 4 5 9",
		128:   "76 6 6 7 12",
		512:   "307 25 25 30 51",
		1024:  "715 26 26 56 102",
		65536: "50712 26 1638 56 6553",
	} {
		b := budgetFor(limit * mebibyte)
		if got := fmt.Sprint(b.runtime/mebibyte, b.cache/mebibyte, b.cacheMost/mebibyte, b.nodeCache/mebibyte, b.nodesMost/mebibyte); got != want {
			t.Errorf("of %d MiB: %s, want %s", limit, got, want)
		}
		if all := b.runtime + 3*b.cache + b.cacheMost + b.nodesMost; limit >= 64 && all > limit*mebibyte {
			t.Errorf("of %d MiB it spends %d", limit, all)
		}
	}
}
