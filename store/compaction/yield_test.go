package compaction

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestOnlyTablesYield(t *testing.T) {
	fs := Yielding(vfs.NewMem())
	for name, want := range map[string]bool{"000001.sst": true, "000002.log": false, "MANIFEST-000003": false} {
		f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := f.(yieldingFile); got != want {
			t.Errorf("%s yields: %t, want %t", name, got, want)
		}
		if n, err := f.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("%s took %d bytes (%v), want 3", name, n, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if info, err := fs.Stat(name); err != nil || info.Size() != 3 {
			t.Errorf("%s does not have what was written (%v)", name, err)
		}
	}
}
