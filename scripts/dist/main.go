// Command dist makes the archives that Keytree is handed out in: for each
// system and architecture the two programs, and beside them what belongs to
// them. The same tree gives the same bytes.
//
//	go run ./scripts/dist -o dist
//
// It is run at the top of the repository.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// platforms are those that archives are made for, if no others are asked for.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("dist", flag.ContinueOnError)
	fs.SetOutput(stderr)
	out := fs.String("o", "dist", "`directory` for the archives")
	chosen := fs.String("platforms", platforms, "which to make, as OS/ARCH,...")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("there is nothing to do with %q", fs.Args())
	}
	d := &distribution{out: *out, stdout: stdout}
	for one := range strings.SplitSeq(*chosen, ",") {
		p, err := parsePlatform(one)
		if err != nil {
			return err
		}
		d.platforms = append(d.platforms, p)
	}
	return d.make(ctx)
}

// platform is what a program is built for.
type platform struct{ os, arch string }

func parsePlatform(text string) (platform, error) {
	system, arch, ok := strings.Cut(text, "/")
	if !ok || system == "" || arch == "" || strings.Contains(arch, "/") {
		return platform{}, fmt.Errorf("%q is not of the form OS/ARCH", text)
	}
	return platform{system, arch}, nil
}

// String is as Go has it.
func (p platform) String() string { return p.os + "/" + p.arch }

// suffix is what the names of programs end in.
func (p platform) suffix() string {
	if p.os == "windows" {
		return ".exe"
	}
	return ""
}
