package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// distribution is all archives of one version.
type distribution struct {
	out       string // directory
	platforms []platform
	stdout    io.Writer // for progress

	version string
	beside  []file // what is in every archive
}

// The programs, which are named after the packages they are made of.
func programs() []string { return []string{"keytree", "etcdctl2"} }

// make makes all archives, and the sums.
func (d *distribution) make(ctx context.Context) error {
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "keytree-dist")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) // what is left is in a place for it
	d.sayf("building what the programs say of themselves")
	if err := d.collect(ctx, filepath.Join(work, "own")); err != nil {
		return err
	}
	var sums []string
	for _, p := range d.platforms {
		begin := time.Now()
		name, sum, size, err := d.makeOne(ctx, p, filepath.Join(work, p.os+"-"+p.arch))
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		sums = append(sums, fmt.Sprintf("%x  %s\n", sum, name))
		d.sayf("%s: %.1f MB, %.0f s", filepath.Join(d.out, name), float64(size)/1e6, time.Since(begin).Seconds())
	}
	slices.SortFunc(sums, func(a, b string) int { return strings.Compare(a[2*sha256.Size:], b[2*sha256.Size:]) })
	return os.WriteFile(filepath.Join(d.out, "SHA256SUMS"), []byte(strings.Join(sums, "")), 0o644)
}

func (d *distribution) sayf(format string, args ...any) {
	fmt.Fprintf(d.stdout, format+"\n", args...)
}

// makeOne makes the archive of one platform, in the directory dir.
func (d *distribution) makeOne(ctx context.Context, p platform, dir string) (name string, sum [sha256.Size]byte, size int, err error) {
	if err := d.build(ctx, p, dir); err != nil {
		return "", sum, 0, err
	}
	files := slices.Clone(d.beside)
	for _, program := range programs() {
		text, err := os.ReadFile(filepath.Join(dir, program+p.suffix()))
		if err != nil {
			return "", sum, 0, err
		}
		files = append(files, file{program + p.suffix(), text, true})
	}
	folder := fmt.Sprintf("keytree-%s-%s-%s", d.version, p.os, p.arch)
	var archive bytes.Buffer
	if p.os == "windows" {
		name, err = folder+".zip", writeZip(&archive, folder, files)
	} else {
		name, err = folder+".tar.gz", writeTar(&archive, folder, files)
	}
	if err != nil {
		return "", sum, 0, fmt.Errorf("packing %s: %w", name, err)
	}
	return name, sha256.Sum256(archive.Bytes()), archive.Len(), os.WriteFile(filepath.Join(d.out, name), archive.Bytes(), 0o644)
}

// build puts the programs for p into dir.
func (d *distribution) build(ctx context.Context, p platform, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	into, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", into+string(filepath.Separator), ".", "./etcdctl2")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

var versionLine = regexp.MustCompile(`(?m)^keytree Version: (\S+)$`)

// collect learns the version, and gathers what stands beside the programs in
// every archive. The programs of this machine, built in dir, say most of it.
func (d *distribution) collect(ctx context.Context, dir string) error {
	own := platform{runtime.GOOS, runtime.GOARCH}
	if err := d.build(ctx, own, dir); err != nil {
		return err
	}
	says := func(program string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, program+own.suffix()), args...)
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
		}
		return text, nil
	}
	text, err := says("keytree", "--version")
	if err != nil {
		return err
	}
	found := versionLine.FindSubmatch(text)
	if found == nil {
		return fmt.Errorf("keytree --version says no version:\n%s", text)
	}
	d.version = string(found[1])
	for _, program := range programs() {
		for _, said := range []struct{ name, args string }{
			{"man/" + program + ".1", "man"},
			{"completions/bash/" + program, "completion bash"},
			{"completions/zsh/_" + program, "completion zsh"},
			{"completions/fish/" + program + ".fish", "completion fish"},
		} {
			text, err := says(program, strings.Fields(said.args)...)
			if err != nil {
				return err
			}
			d.beside = append(d.beside, file{said.name, text, false})
		}
	}
	return d.collectFiles()
}

// collectFiles gathers the files of the repository that are handed out. The
// Dockerfile is not among them: it wants the source.
func (d *distribution) collectFiles() error {
	for _, f := range []struct{ name, from string }{
		{"LICENSE", "LICENSE"},
		{"README.md", "README.md"},
		{"deploy/keytree.service", "scripts/deploy/keytree.service"},
		{"deploy/keytree.env", "scripts/deploy/keytree.env"},
		{"deploy/docker-compose.yml", "scripts/deploy/docker-compose.yml"},
		{"deploy/kubernetes.yaml", "scripts/deploy/kubernetes.yaml"},
	} {
		text, err := os.ReadFile(filepath.FromSlash(f.from))
		if err != nil {
			return err
		}
		d.beside = append(d.beside, file{f.name, text, false})
	}
	return nil
}
