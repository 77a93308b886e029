package main

import (
	"strings"
	"testing"
)

func TestALongCellIsCutShort(t *testing.T) {
	table := drawTable([]string{"KEY", "VALUE"}, [][]string{{"/a", strings.Repeat("é", 200)}, {"/b", "1"}})
	if want := "| " + strings.Repeat("é", widest/2) + "... |\n"; !strings.Contains(table, want) {
		t.Errorf("no %q in\n%s", want, table)
	}
	for line := range strings.Lines(table) {
		if n := columns(line); n > widest {
			t.Errorf("a line of %d columns", n)
		}
	}
}
