package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func mustOpen(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // what counts was read before
	return l
}

// lines are the lines of the file at path, each of which must be a record.
func lines(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var one map[string]any
		if err := json.Unmarshal(line, &one); err != nil || line[len(line)-1] != '\n' {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestAFileIsMadeForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	mustOpen(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestWhatIsThereIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	for range 2 {
		l := mustOpen(t, path)
		l.Write(Record{Name: "a"})
		l.Write(Record{Name: "b"})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, path); len(got) != 4 || got[3]["name"] != "b" {
		t.Errorf("got %v", got)
	}
}

func TestALineThatACrashCutOffIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	if err := os.WriteFile(path, []byte(`{"time":"20`), 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path).Write(Record{Name: "a"})
	text, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(text, []byte("{\"time\":\"20\n{\"time\":\"0001-")) {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestOnlyFilesAndTerminalsAreWrittenTo(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, filepath.Join(dir, "missing", "audit")} {
		if l, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, %v", path, l, err)
		}
	}
	mustOpen(t, "/dev/null").Write(Record{})
}

// A record is written to the file that was, or to the one that is: many
// writers and a rotation lose nothing and repeat nothing.
func TestRotationLosesNothing(t *testing.T) {
	const writers, records, rotations = 4, 500, 20
	dir := t.TempDir()
	path := filepath.Join(dir, "audit")
	l := mustOpen(t, path)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range records {
				l.Write(Record{Name: fmt.Sprintf("%d/%d", w, i)})
			}
		})
	}
	for i := range rotations {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	l.Write(Record{Name: "last"})
	seen := map[any]int{}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != rotations+1 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, file := range files {
		for _, line := range lines(t, file) {
			seen[line["name"]]++
		}
	}
	for w := range writers {
		for i := range records {
			if n := seen[fmt.Sprintf("%d/%d", w, i)]; n != 1 {
				t.Errorf("record %d/%d is there %d times", w, i, n)
			}
		}
	}
	if got := lines(t, path); l.Failures() != 0 || got[len(got)-1]["name"] != "last" {
		t.Errorf("%d failures; the new file: %v", l.Failures(), got)
	}
}

func TestAFileThatCannotBeReopenedIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit")
	l := mustOpen(t, path)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	l.Write(Record{Name: "a"})
	if got := lines(t, filepath.Join(dir+"2", "audit")); len(got) != 1 || l.Failures() != 0 {
		t.Errorf("got %v and %d failures", got, l.Failures())
	}
}

// full is a file whose disk is full: Linux has one.
const full = "/dev/full"

func TestFailuresAreCountedAndToldOnceAMinute(t *testing.T) {
	if _, err := os.Stat(full); err != nil {
		t.Skip("there is no " + full)
	}
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		l, err := Open(full, slog.New(slog.NewTextHandler(&told, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			for range 5 {
				l.Write(Record{User: "hidden"})
			}
			if got := strings.Count(told.String(), "writing the audit log failed"); got != i+1 {
				t.Errorf("told %d times in %d minutes", got, i+1)
			}
			time.Sleep(time.Minute)
		}
		if l.Failures() != 15 || !strings.Contains(told.String(), "lost=11") || strings.Contains(told.String(), "hidden") {
			t.Errorf("%d failures, told %s", l.Failures(), &told)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A disk that takes half a line spoils that one only.
func TestALineThatWasTakenInPartIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	l := mustOpen(t, path)
	l.Write(Record{Name: "first"})
	l.mu.Lock()
	if _, err := l.mu.file.WriteString(`{"half`); err != nil {
		t.Fatal(err)
	}
	l.mu.torn = true
	l.mu.Unlock()
	l.Write(Record{Name: "second"})
	l.Write(Record{Name: "third"})
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 4 || !bytes.Contains(text, []byte("\n{\"half\n{")) {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestAfterItsCloseALogTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	l := mustOpen(t, path)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l.Write(Record{})
	if err := l.Reopen(); !errors.Is(err, fs.ErrClosed) || l.Failures() != 1 || len(lines(t, path)) != 0 {
		t.Errorf("reopened: %v, %d failures", err, l.Failures())
	}
}

func BenchmarkWrite(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "audit"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := Record{Time: time.Now(), Client: "127.0.0.1:50000", User: "root", By: Basic, Method: "PUT", Path: "/v2/keys/a/b",
		Kind: "key", Name: "/a/b", Outcome: Done, Status: 201, Index: 12345, Duration: 1234 * time.Microsecond}
	b.ReportAllocs()
	for b.Loop() {
		l.Write(r)
	}
	if l.Failures() > 0 {
		b.Fatal(l.Failures())
	}
}
