package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Manifest says what a backup holds. It is written last: without it there is
// no backup. It lies beside the identity, and is gone once a member has been
// started on the backup, whose files then change.
type Manifest struct {
	Format   int       `json:"format"`
	Cluster  string    `json:"cluster"`  // that was backed up
	Index    uint64    `json:"index"`    // of its tree
	Position uint64    `json:"position"` // of its log
	Time     time.Time `json:"time"`     // when the backup was written
	Clock    time.Time `json:"clock"`    // what the log's clock showed last

	LogApart bool           `json:"logApart,omitempty"` // the log is in a directory of its own
	Files    []ManifestFile `json:"files"`

	// Sum is the SHA-256, in hex, of this object without it.
	Sum string `json:"sum"`
}

// ManifestFile is one file of a backup. Its name is relative to the member's
// directory, and begins with log/ for the log's files, wherever they are.
type ManifestFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

const (
	manifestFile   = "backup.json"
	manifestFormat = 1
	maxManifest    = 256 << 20 // some hundred bytes for each file
	logPrefix      = "log/"
)

// sum is what Sum should be.
func (m Manifest) sum() string {
	m.Sum = ""
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // plain values always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// readManifest reads the manifest in dir; os.ErrNotExist if there is none.
func readManifest(fs vfs.FS, dir string) (*Manifest, error) {
	path := fs.PathJoin(dir, manifestFile)
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if m.Format > manifestFormat {
		return nil, fmt.Errorf("%s says format %d, this program reads up to %d: take the newer one that wrote it", path, m.Format, manifestFormat)
	}
	if m.Sum != m.sum() || !bytes.Equal(text, m.text()) {
		return nil, fmt.Errorf("%s is damaged: its sum does not fit", path)
	}
	return m, nil
}

// write makes m durable in dir, all or nothing.
func (m *Manifest) write(fs vfs.FS, dir string) error {
	m.Format = manifestFormat
	m.Sum = m.sum()
	return writeWhole(fs, dir, manifestFile, m.text())
}

// text is what the file holds.
func (m *Manifest) text() []byte {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		panic(err) // plain values always marshal
	}
	return append(text, '\n')
}

// list fills in the files of the backup in dir.
func (m *Manifest) list(fs vfs.FS, dir, logDir string) error {
	names, err := backupFiles(fs, dir, logDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		size, sum, err := hashFile(fs, pathOf(fs, dir, logDir, name))
		if err != nil {
			return err
		}
		m.Files = append(m.Files, ManifestFile{name, size, sum})
	}
	return nil
}

// check holds the files in dir against m. The log's are left out if they lie
// apart and logDir does not say where.
func (m *Manifest) check(fs vfs.FS, dir, logDir string) error {
	without := m.LogApart && logDir == ""
	for _, want := range m.Files {
		if without && strings.HasPrefix(want.Name, logPrefix) {
			continue
		}
		path := pathOf(fs, dir, logDir, want.Name)
		size, sum, err := hashFile(fs, path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("the backup is damaged: %s is missing", path)
		case err != nil:
			return fmt.Errorf("the backup is damaged: %s cannot be read: %w", path, err)
		case size != want.Bytes:
			return fmt.Errorf("the backup is damaged: %s has %d bytes and not %d", path, size, want.Bytes)
		case sum != want.SHA256:
			return fmt.Errorf("the backup is damaged: %s was changed, its SHA-256 is %s and not %s", path, sum, want.SHA256)
		}
	}
	names, err := backupFiles(fs, dir, logDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(m.Files, func(f ManifestFile) bool { return f.Name == name }) {
			return fmt.Errorf("the backup was changed: %s is not of it", pathOf(fs, dir, logDir, name))
		}
	}
	return nil
}

// pathOf is where a file of a backup lies.
func pathOf(fs vfs.FS, dir, logDir, name string) string {
	if logDir != "" && strings.HasPrefix(name, logPrefix) {
		dir = logDir
	}
	return fs.PathJoin(dir, name)
}

// backupFiles are the names of the files in the backup in dir, in order. What
// only keeps others out holds nothing, and does not count.
func backupFiles(fs vfs.FS, dir, logDir string) ([]string, error) {
	var names []string
	for _, part := range []string{identityFile, "tree", "log"} {
		root := dir
		if part == "log" && logDir != "" {
			root = logDir
		}
		var err error
		if names, err = appendFiles(names, fs, root, part); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}

func appendFiles(names []string, fs vfs.FS, root, name string) ([]string, error) {
	path := fs.PathJoin(root, name)
	info, err := fs.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return names, nil
	case err != nil:
		return names, err
	case !info.IsDir():
		return append(names, name), nil
	}
	entries, err := fs.List(path)
	for _, entry := range entries {
		if entry == "LOCK" || err != nil {
			continue
		}
		names, err = appendFiles(names, fs, root, name+"/"+entry)
	}
	return names, err
}

func hashFile(fs vfs.FS, path string) (size int64, sum string, err error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}
