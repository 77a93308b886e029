package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// mustBuild builds this program, as `go run` does: packing under the race
// detector takes minutes.
func mustBuild(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "pack")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// mustDistribute makes archives and returns the directory and the progress.
func mustDistribute(t *testing.T, program, platforms string) (dir, said string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dist")
	cmd := exec.CommandContext(t.Context(), program, "-o", dir, "-platforms", platforms)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir, string(out)
}

// packed is what an archive has, by name.
type packed map[string]struct {
	text []byte
	mode int64
}

func mustUnpack(t *testing.T, archive string) packed {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	compressed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, before := packed{}, ""
	for r := tar.NewReader(compressed); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if head.Name <= before || !head.ModTime.Equal(then()) || head.Uid != 0 || head.Gid != 0 {
			t.Errorf("%s: %+v", head.Name, head)
		}
		before = head.Name
		all[head.Name] = struct {
			text []byte
			mode int64
		}{text, head.Mode}
	}
}

// They are of the same bytes, too, when they are made again.
func TestAnArchiveHasTheProgramsAndAllThatBelongsToThem(t *testing.T) {
	asked := []string{"linux/amd64"}
	if own := runtime.GOOS + "/" + runtime.GOARCH; own != asked[0] && runtime.GOOS != "windows" {
		asked = append(asked, own)
	}
	dist := mustBuild(t)
	dir, said := mustDistribute(t, dist, strings.Join(asked, ","))
	for _, one := range asked {
		p, err := parsePlatform(one)
		if err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(dir, "keytree-[0-9]*.[0-9]*-"+p.os+"-"+p.arch+".tar.gz"))
		if err != nil || len(found) != 1 {
			t.Fatalf("the archives are %v (%v)", found, err)
		}
		archive := found[0]
		folder := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		if !strings.Contains(said, archive+": ") {
			t.Errorf("it does not say that it has made %s:\n%s", archive, said)
		}
		all := mustUnpack(t, archive)
		for _, name := range []string{
			"LICENSE", "README.md", "man/keytree.1", "man/etcdctl2.1",
			"completions/bash/keytree", "completions/zsh/_keytree", "completions/fish/keytree.fish",
			"completions/bash/etcdctl2", "completions/zsh/_etcdctl2", "completions/fish/etcdctl2.fish",
			"deploy/keytree.service", "deploy/keytree.env", "deploy/docker-compose.yml", "deploy/kubernetes.yaml",
		} {
			if f := all[folder+"/"+name]; len(f.text) == 0 || f.mode != 0o644 {
				t.Errorf("%s: %d bytes, mode %o", name, len(f.text), f.mode)
			}
		}
		for _, name := range programs() {
			f := all[folder+"/"+name]
			info, err := buildinfo.Read(bytes.NewReader(f.text))
			if err != nil || f.mode != 0o755 {
				t.Fatalf("%s: %v, mode %o", name, err, f.mode)
			}
			settings := map[string]string{}
			for _, s := range info.Settings {
				settings[s.Key] = s.Value
			}
			if settings["GOOS"] != p.os || settings["GOARCH"] != p.arch || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
				t.Errorf("%s is built with %v", name, settings)
			}
		}
		if want := 14 + len(programs()); len(all) != want {
			t.Errorf("there are %d files, want %d", len(all), want)
		}
		if one == runtime.GOOS+"/"+runtime.GOARCH {
			mustWork(t, all, folder)
		}
	}
	mustAddUp(t, dir, len(asked))
	again, _ := mustDistribute(t, dist, asked[0])
	if first, second := mustSum(t, dir), mustSum(t, again)[0]; !slices.Contains(first, second) {
		t.Errorf("the same tree gives\n%s and then\n%s", strings.Join(first, ""), second)
	}
}

// mustSum are the sums of archives.
func mustSum(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(text)))
}

// mustWork runs the programs of an archive.
func mustWork(t *testing.T, all packed, folder string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs() {
		program := filepath.Join(dir, name)
		if err := os.WriteFile(program, all[folder+"/"+name].text, 0o755); err != nil {
			t.Fatal(err)
		}
		for beside, args := range map[string]string{"man/" + name + ".1": "man", "completions/zsh/_" + name: "completion zsh"} {
			said, err := exec.Command(program, strings.Fields(args)...).Output()
			if err != nil || !bytes.Equal(said, all[folder+"/"+beside].text) {
				t.Errorf("%s is not what %s %s says (%v)", beside, name, args, err)
			}
		}
	}
}

// mustAddUp looks at the sums of n archives, as sha256sum -c does.
func mustAddUp(t *testing.T, dir string, n int) {
	t.Helper()
	text := mustSum(t, dir)
	for _, line := range text {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		archive, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(archive)) != sum {
			t.Errorf("%s: wrong sum (%v)", name, err)
		}
		n--
	}
	if n != 0 {
		t.Errorf("%d archives have no sum:\n%s", n, strings.Join(text, ""))
	}
}

func TestTheOrderOfFilesIsNotLeftToChance(t *testing.T) {
	files := []file{{"b", []byte("2"), false}, {"a/x", []byte("1"), true}, {"a", []byte("3"), false}}
	for name, write := range map[string]func(io.Writer, string, []file) error{"tar": writeTar, "zip": writeZip} {
		var one, two bytes.Buffer
		if err := errors.Join(write(&one, "f", files), write(&two, "f", []file{files[2], files[0], files[1]})); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: the bytes depend on the order", name)
		}
	}
}

func TestWindowsGetsAZip(t *testing.T) {
	var b bytes.Buffer
	if err := writeZip(&b, "f", []file{{"keytree.exe", []byte("program"), true}, {"man/keytree.1", []byte("page"), false}}); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || !f.Modified.Equal(then()) {
			t.Errorf("%s: %v, of %v", f.Name, err, f.Modified)
		}
		got = append(got, fmt.Sprintf("%s %v %s", f.Name, f.Mode(), text))
	}
	if want := []string{"f/keytree.exe -rwxr-xr-x program", "f/man/keytree.1 -rw-r--r-- page"}; !slices.Equal(got, want) {
		t.Errorf("it has %q, want %q", got, want)
	}
}

func TestNonsenseIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	for _, args := range []string{"-platforms linux", "-platforms linux/amd64/v2", "-platforms /amd64", "word", "-bogus"} {
		if err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); err == nil {
			t.Errorf("dist %s is taken", args)
		}
	}
}
