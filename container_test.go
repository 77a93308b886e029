//go:build !race

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keytree/scripts/process"
)

// A container's limit is not there for tests to set. What it is found by is a
// file, and a process can be shown another one. The race detector takes more
// memory than the member.
func TestASmallContainerIsEnough(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const limit = 64 * mebibyte
	p := newPlace(t, "n0")
	member := p.command()
	file := filepath.Join(t.TempDir(), "limit")
	if err := os.WriteFile(file, fmt.Appendln(nil, limit), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := ""
	for _, g := range controlGroups(os.DirFS("/")) {
		for _, name := range g.files {
			if f := filepath.Join("/", g.dir, name); shown == "" && exec.Command("unshare", "-m", "mount", "--bind", file, f).Run() == nil {
				shown = f
			}
		}
	}
	if shown == "" {
		t.Skip("there is no control group here, or files cannot be put in its place")
	}
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", `mount --bind "$0" "$1" && shift && exec "$@"`, file, shown}, member.Args...)...)
	cmd.Env, cmd.Dir = member.Env, member.Dir
	s := p.mustRun(cmd)
	s.mustSay("ready to serve client requests")
	s.mustSay("memory: 64 MiB (control group)")

	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			c := process.NewConn(strings.TrimPrefix(s.client, "http://"))
			defer c.Close()
			for n := i; n < 30_000; n += 16 {
				a, err := c.Do(t.Context(), process.Request{Method: "PUT", Target: fmt.Sprintf("/v2/keys/%d/%d", n%100, n), Header: process.Form(), Body: []byte("value=" + strings.Repeat("v", 500))})
				if err != nil || a.Status != 201 {
					t.Errorf("PUT: %v %v", a, err)
					return
				}
			}
		})
	}
	clients.Wait()
	own := fieldAfter(os.DirFS("/"), fmt.Sprintf("proc/%d/status", cmd.Process.Pid), "RssAnon:") * 1024
	if own == 0 || own > limit {
		t.Errorf("it takes %d MiB", own/mebibyte)
	}
}
