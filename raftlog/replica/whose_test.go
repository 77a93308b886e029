package replica

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestWhoseDataADirectoryHoldsIsReadWithoutTouchingIt(t *testing.T) {
	dir := t.TempDir()
	if _, _, found, err := Whose(dir); found || err != nil {
		t.Errorf("in an empty directory: %t %v", found, err)
	}
	id := identity{Format: format, Member: "a1", Cluster: "c2", Founding: true}
	for _, founding := range []bool{true, false} {
		id.Founding = founding
		if err := writeIdentity(vfs.Default, dir, id); err != nil {
			t.Fatal(err)
		}
		self, cluster, found, err := Whose(dir)
		if found == founding || err != nil {
			t.Errorf("founding %t: found %t: %v", founding, found, err)
		}
		if found && (self != 0xa1 || cluster != 0xc2) {
			t.Errorf("got %v of %v", self, cluster)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(`{"format":1,"member":"a2","cluster":"c2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, found, err := Whose(dir); found || err == nil {
		t.Error("a damaged identity is believed")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v: %v", entries, err)
	}
}
