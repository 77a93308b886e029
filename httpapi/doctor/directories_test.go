package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"keytree/raftlog/member"
)

// privateDir is a directory for its owner alone.
func privateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustWrite(t *testing.T, parts ...string) string {
	t.Helper()
	name := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestADirectoryOfItsOwnerAloneIsFine(t *testing.T) {
	dir := privateDir(t)
	e := examOf(Subject{DataDir: dir})
	n := &notes{}
	if !e.directory(n, dir) {
		t.Error("it is not there")
	}
	e.contents(n)
	e.whose(n)
	mustBeFine(t, n.all)
	mustFind(t, n.all, OK, "no member lives there")
}

func TestADirectoryThatIsNotThereIsMadeIfItCanBe(t *testing.T) {
	dir := filepath.Join(privateDir(t), "a", "b")
	mustFind(t, examOf(Subject{DataDir: dir}).directories(t.Context()), OK, "can be made")
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("it was made")
	}
	file := mustWrite(t, privateDir(t), "file")
	mustFind(t, examOf(Subject{DataDir: filepath.Join(file, "d")}).directories(t.Context()), Wrong, "file")
	mustFind(t, examOf(Subject{DataDir: file}).directories(t.Context()), Wrong, "is no directory")
}

func TestADirectoryOthersCanReadIsTold(t *testing.T) {
	dir := privateDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustFind(t, examOf(Subject{DataDir: dir}).directories(t.Context()), Warning, "0755", "-> chmod 700 "+dir)
}

func TestADirectoryOfSomebodyElseIsTold(t *testing.T) {
	dir := privateDir(t)
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Skip("only root can give it away: ", err)
	}
	mustFind(t, examOf(Subject{DataDir: dir}).directories(t.Context()), Warning, "user 12345's", "chown -R")
}

func TestWhatDoesNotBelongInADataDirectoryIsTold(t *testing.T) {
	dir := privateDir(t)
	mustWrite(t, dir, "member", "identity")
	mustBeFine(t, contentsOf(dir))
	mustWrite(t, dir, "lost+found")
	mustFind(t, contentsOf(dir), Warning, "lost+found")
	mustWrite(t, dir, "proxy", "cluster")
	mustFind(t, contentsOf(dir), Wrong, "member and of a proxy")
}

// contentsOf adds a line that is fine to what is said of the contents.
func contentsOf(dir string) []Finding {
	n := &notes{}
	n.ok("there")
	examOf(Subject{DataDir: dir}).contents(n)
	return n.all
}

func TestDataMustBeThoseOfThisMember(t *testing.T) {
	one, two := []string{"http://192.0.2.1:2380"}, []string{"http://192.0.2.2:2380"}
	cluster := "n1=" + one[0] + ",n2=" + two[0]
	whose := func(d Data) []Finding {
		n := &notes{}
		examOf(Subject{Name: "n1", DataDir: "/d", InitialCluster: cluster, Token: "t", Data: d}).whose(n)
		return n.all
	}
	mustFind(t, whose(Data{Found: true, Member: member.NewID(one, "t"), Cluster: 7}), OK, "of cluster 7")
	mustFind(t, whose(Data{Found: true, Member: 99}), OK, "member 63") // it was added later
	mustFind(t, whose(Data{Found: true, Member: member.NewID(two, "t")}), Wrong, "data of member n2", "-> --name n2")
	mustFind(t, whose(Data{Err: errors.New("/d holds data of etcd")}), Wrong, "of etcd", "-> --data-dir")
}

func TestLittleRoomIsTold(t *testing.T) {
	n := &notes{}
	const gib = 1 << 30
	for _, tt := range []struct {
		disk  disk
		quota uint64
		state State
		words []string
	}{
		{disk{free: 50 * gib, total: 100 * gib}, 0, OK, []string{"50.0 GiB of 100.0 GiB"}},
		{disk{free: 50 * gib, total: 100 * gib, kind: "ext4"}, 40 * gib, OK, nil},
		{disk{free: 50 * gib, total: 100 * gib}, 60 * gib, Warning, []string{"--quota-bytes"}},
		{disk{free: 4 * gib, total: 100 * gib}, 0, Warning, []string{"df -h"}},
		{disk{free: 1 << 20, total: 100 * gib}, 0, Wrong, []string{"full"}},
		{disk{free: 50 * gib, total: 100 * gib, kind: "nfs"}, 0, Warning, []string{"is on nfs"}},
		{disk{free: 50 * gib, total: 100 * gib, kind: "tmpfs"}, 0, Warning, []string{"memory"}},
		{disk{free: 50 * gib, total: 100 * gib, kind: "overlay"}, 0, Warning, []string{"container"}},
	} {
		n.all = nil
		judgeRoom(n, "/d", tt.disk, tt.quota)
		mustFind(t, n.all, tt.state, tt.words...)
	}
}
