package deploy

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// top is the root of the repository.
const top = "../.."

// image is what the Dockerfile makes, and how it is run.
type image struct {
	root       string // directory with its files
	env        []string
	user       string
	volumes    []string
	ports      []string
	health     []string
	entrypoint []string
}

// built is the image once one test has made it.
var built struct {
	sync.Mutex
	dir   string
	image *image
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // what is left is in a place for it
	}
	os.Exit(code)
}

// mustBuild makes the image, without an engine: the commands of its stages are
// run here, with their paths in a directory of the test.
func mustBuild(t *testing.T) *image {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.image != nil {
		return built.image
	}
	dir, err := os.MkdirTemp("", "keytree-image")
	if err != nil {
		t.Fatal(err)
	}
	built.dir = dir
	if err := os.Chmod(dir, 0o755); err != nil { // the image's user goes through it
		t.Fatal(err)
	}
	b := &builder{t: t, dir: dir, ignored: mustReadIgnored(t), image: &image{root: filepath.Join(dir, "root")}}
	stages := mustReadDockerfile(t)
	if len(stages) != 2 || stages[0].name != "build" || stages[1].from != "scratch" {
		t.Fatalf("there are stages %+v, want one that builds and one from scratch", stages)
	}
	b.compile(stages[0])
	b.assemble(stages[1])
	built.image = b.image
	return b.image
}

// builder stands in for an engine.
type builder struct {
	t       *testing.T
	dir     string // with a directory for each path that the first stage works in
	ignored ignored
	image   *image
}

// inBuild is where a path of the first stage is. What that stage did not make is
// of its base, and taken from this machine.
func (b *builder) inBuild(path string) string {
	for _, own := range []string{"/src", "/out"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return b.dir + path
		}
	}
	return path
}

// compile does what the first stage says.
func (b *builder) compile(s stage) {
	b.t.Helper()
	if err := os.MkdirAll(b.dir+"/out", 0o755); err != nil {
		b.t.Fatal(err)
	}
	at := "/"
	for _, i := range s.instructions {
		switch i.name {
		case "ARG":
		case "WORKDIR":
			at = i.args[0]
		case "COPY":
			for _, from := range i.args[:len(i.args)-1] {
				b.copyContext(from, filepath.Join(b.inBuild(at), i.args[len(i.args)-1], map[bool]string{true: "", false: from}[from == "."]))
			}
		case "RUN":
			if i.args[0] != "go mod download" { // modules are those of this machine
				b.run(b.inBuild(at), strings.ReplaceAll(i.args[0], "/out/", b.dir+"/out/"))
			}
		default:
			b.t.Fatalf("the first stage has %s, which this test does not know", i.name)
		}
	}
}

func (b *builder) run(dir, command string) {
	b.t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// copyContext copies what an engine is sent.
func (b *builder) copyContext(from, to string) {
	b.t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(top, from), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inTop, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "bin" {
				return fs.SkipDir // large, and left out
			}
			return nil
		}
		if !d.Type().IsRegular() || b.ignored.holds(inTop) {
			return nil
		}
		n++
		inFrom, err := filepath.Rel(filepath.Join(top, from), path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, inFrom))
	})
	if err != nil || n == 0 {
		b.t.Fatalf("COPY %s: %d files, %v", from, n, err)
	}
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// assemble does what the last stage says.
func (b *builder) assemble(s stage) {
	b.t.Helper()
	for _, i := range s.instructions {
		switch i.name {
		case "COPY":
			b.copyIn(i)
		case "ENV":
			b.image.env = append(b.image.env, i.args...)
		case "USER":
			b.image.user = i.args[0]
		case "VOLUME":
			b.image.volumes = append(b.image.volumes, i.args...)
		case "EXPOSE":
			b.image.ports = append(b.image.ports, i.args...)
		case "HEALTHCHECK":
			b.image.health = i.args
		case "ENTRYPOINT":
			b.image.entrypoint = i.args
		default:
			b.t.Fatalf("the last stage has %s, which this test does not know", i.name)
		}
		if (i.name == "HEALTHCHECK" || i.name == "ENTRYPOINT") && !i.exec {
			b.t.Errorf("%s wants a shell, and the image has none", i.name)
		}
	}
}

// copyIn copies a file or a directory into the image.
func (b *builder) copyIn(i instruction) {
	b.t.Helper()
	from, to := i.args[0], filepath.Join(b.image.root, i.args[1])
	if i.flag("from") == "" {
		if b.ignored.holds(from) {
			b.t.Fatalf("COPY %s: an engine is not sent it", from)
		}
		if err := copyFile(filepath.Join(top, from), to); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	source := b.inBuild(from)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) && source == from {
		return // this machine lacks what the base has
	}
	b.run(b.dir, fmt.Sprintf("cp -rT '%s' '%s'", source, to))
	if owner := i.flag("chown"); owner != "" && os.Getuid() == 0 {
		b.run(b.dir, fmt.Sprintf("chown -R %s '%s'", owner, to))
	}
}

// binary is a program of the image.
func (m *image) binary(name string) string { return filepath.Join(m.root, "usr/local/bin", name) }

func TestTheImageHasStaticProgramsAndAUserWithoutRights(t *testing.T) {
	m := mustBuild(t)
	for _, name := range []string{"keytree", "etcdctl2"} {
		f, err := elf.Open(m.binary(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if needed, err := f.ImportedLibraries(); err != nil || len(needed) > 0 {
			t.Errorf("%s needs %v (%v), of which the image has none", name, needed, err)
		}
		if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			t.Errorf("%s needs a loader, and the image has none", name)
		}
	}
	if !regexp.MustCompile(`^[1-9][0-9]+:[1-9][0-9]+$`).MatchString(m.user) {
		t.Errorf("the user is %q: runAsNonRoot of Kubernetes wants numbers, and not that of root", m.user)
	}
	if !slices.Equal(m.volumes, []string{"/data"}) || !slices.Equal(m.ports, []string{"2379", "2380"}) {
		t.Errorf("volumes %v, ports %v", m.volumes, m.ports)
	}
	for _, command := range [][]string{m.entrypoint, m.health} {
		if _, err := os.Stat(filepath.Join(m.root, command[0])); err != nil || !filepath.IsAbs(command[0]) {
			t.Errorf("%v cannot be run: %v", command, err)
		}
	}
	if _, err := os.Stat(filepath.Join(m.root, "LICENSE")); err != nil {
		t.Error(err)
	}
}

func TestTheDirectoryOfDataIsTheUsersOwn(t *testing.T) {
	var chown string
	for _, i := range mustReadDockerfile(t)[1].all("COPY") {
		if i.args[1] == "/data" {
			chown = i.flag("chown")
		}
	}
	if want := mustBuild(t).user; chown != want {
		t.Errorf("/data belongs to %q, and the user is %q", chown, want)
	}
}
