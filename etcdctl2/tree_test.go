package main

import (
	"strings"
	"testing"
)

func TestATreeIsDrawn(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.fill()
		w.must(`/
├── a
├── dir/
│   ├── b
│   ├── empty/
│   └── short (100 s)
└── lease/ (1000 s)
    └── c

3 directories, 4 keys
`, "tree")
		w.must(`/dir
├── b = two\n<lines> & \"more\"
├── empty/
└── short = s (100 s)

1 directory, 2 keys
`, "tree", "--values", "/dir")
		w.must("/a\n\n0 directories, 1 key\n", "tree", "/a")
		w.must("/_hidden\n└── d\n\n0 directories, 1 key\n", "tree", "_hidden")
		w.mustFail(exitRefused, "Error:  100: Key not found (/none) [10]\n", "tree", "/none")
	})
}

func TestATreeIsDrawnAsDeepAsTheUserWants(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustRun("set", "/a/b/c/d", "1")
		for depth, want := range map[string]string{
			"1": "/\n└── a/\n\n1 directory, 0 keys\n",
			"2": "/\n└── a/\n    └── b/\n\n2 directories, 0 keys\n",
			"9": "/\n└── a/\n    └── b/\n        └── c/\n            └── d\n\n3 directories, 1 key\n",
		} {
			w.must(want, "tree", "-L", depth)
			w.must(want, "tree", "/", "--depth="+depth)
		}
	})
}

func TestKeysAreShownInATable(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustRun("set", "/k", "值\t")
		w.mustRun("mkdir", "--ttl", "50", "/d")
		w.must(`+-----+-------+-----+---------+----------+
| KEY | VALUE | TTL | CREATED | MODIFIED |
+-----+-------+-----+---------+----------+
| /k  | 值\t  |     | 4       | 4        |
+-----+-------+-----+---------+----------+
`, "-o", "table", "get", "/k")
		w.must(`+-----+-------+-----+---------+----------+
| KEY | VALUE | TTL | CREATED | MODIFIED |
+-----+-------+-----+---------+----------+
| /d/ |       | 50  | 5       | 5        |
| /k  | 值\t  |     | 4       | 4        |
+-----+-------+-----+---------+----------+
`, "-o", "table", "ls", "--sort")
		w.must(`+-----+-------+-----+---------+----------+
| KEY | VALUE | TTL | CREATED | MODIFIED |
+-----+-------+-----+---------+----------+
`, "-o", "table", "ls", "/d")
	})
}

func TestMembersAndUsersAreShownInTables(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		got := w.mustRun("-o", "table", "member", "list")
		if !strings.Contains(got, "| ID ") || strings.Count(got, "| started |") != 3 || strings.Count(got, "| true   |") != 1 {
			t.Error(got)
		}
		w.mustRun("user", "add", "ann:pw")
		w.mustRun("role", "add", "r")
		w.mustRun("user", "grant", "--roles", "r", "--roles", "root", "ann")
		w.must("+------+--------+\n| USER | ROLES  |\n+------+--------+\n| ann  | r,root |\n+------+--------+\n", "-o", "table", "user", "list")
	})
}
