package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"keytree/raftlog/member"
)

// Free bytes below which a disk is about to be full, and soon will be.
const (
	tooLittle = 100 << 20
	little    = 1 << 30
)

// directories looks at where the data lie, or would.
func (e *exam) directories(context.Context) []Finding {
	n := &notes{area: "data directory"}
	if e.directory(n, e.DataDir) && !e.Proxy {
		e.contents(n)
		e.whose(n)
		e.locked(n)
	}
	room(n, e.DataDir, e.QuotaBytes)
	if e.LogDir != "" && !e.Proxy {
		n.area = "log directory"
		e.directory(n, e.LogDir)
		room(n, e.LogDir, 0)
	}
	return n.all
}

// directory looks whether dir can be used, or made. It reports whether it is there.
func (e *exam) directory(n *notes, dir string) (there bool) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(dir)
		if err := writable(parent); err != nil {
			n.wrong(fmt.Sprintf("%s is not there and cannot be made in %s: %v", dir, parent, err),
				fmt.Sprintf("sudo install -d -m 700 -o \"$USER\" %s", quoted(dir)))
			return false
		}
		n.ok("%s is not there yet, and can be made", dir)
		return false
	case err != nil:
		n.wrong(fmt.Sprintf("%s cannot be looked at: %v", dir, err), "ls -ld "+quoted(dir))
		return false
	case !info.IsDir():
		n.wrong(dir+" is no directory", "--data-dir with the path of a directory")
		return false
	}
	before := len(n.all)
	uid, known := owner(info)
	if err := writable(dir); err != nil {
		n.wrong(fmt.Sprintf("no right to write in %s: %v", dir, err), "sudo chown -R \"$USER\" "+quoted(dir))
	} else if known && uid != os.Geteuid() {
		n.warn(fmt.Sprintf("%s is user %d's, and this is user %d: a member started so leaves files the other cannot use", dir, uid, os.Geteuid()),
			fmt.Sprintf("sudo -u '#%d' keytree doctor ...", uid), fmt.Sprintf("sudo chown -R %d %s", os.Geteuid(), quoted(dir)))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		n.warn(fmt.Sprintf("%s is open to others (mode %04o): whoever can read it can read all keys", dir, mode), "chmod 700 "+quoted(dir))
	}
	if len(n.all) == before {
		n.ok("%s is there, for its owner alone", dir)
	}
	return true
}

// existing is dir, or the nearest directory above it that is there.
func existing(dir string) string {
	dir = filepath.Clean(dir)
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir
		}
		dir = parent
	}
}

// contents looks for what does not belong into a data directory.
func (e *exam) contents(n *notes) {
	entries, err := os.ReadDir(e.DataDir)
	if err != nil {
		n.wrong(fmt.Sprintf("%s cannot be listed: %v", e.DataDir, err), "ls -la "+quoted(e.DataDir))
		return
	}
	var strange []string
	has := map[string]bool{}
	for _, entry := range entries {
		has[entry.Name()] = true
		if name := entry.Name(); !slices.Contains([]string{"member", "proxy", "fixtures"}, name) && !strings.HasPrefix(name, scratchName) {
			strange = append(strange, name)
		}
	}
	if has["member"] && has["proxy"] {
		n.wrong(fmt.Sprintf("%s is that of a member and of a proxy at once", e.DataDir), "mv "+quoted(filepath.Join(e.DataDir, "proxy"))+" /var/tmp/", "--data-dir with another path")
	}
	if len(strange) > 0 {
		n.warn(fmt.Sprintf("%s has what is not keytree's: %s", e.DataDir, strings.Join(strange[:min(len(strange), 5)], ", ")), "--data-dir with a path of its own")
	}
}

// whose looks at who lives there.
func (e *exam) whose(n *notes) {
	switch d := e.Data; {
	case d.Err != nil:
		n.wrong(d.Err.Error(), "--data-dir with another path")
	case !d.Found:
		n.ok("no member lives there yet")
	default:
		if name, is := e.founderWith(d.Member); is && name != e.Name {
			n.wrong(fmt.Sprintf("%s has the data of member %s (%v), and this one is %s", e.DataDir, name, d.Member, e.Name), "--data-dir with the path of its own", "--name "+quoted(name))
			return
		}
		n.ok("it has the data of member %v of cluster %v", d.Member, d.Cluster)
	}
}

// founderWith is the member of the initial cluster that would have an ID.
func (e *exam) founderWith(id member.ID) (name string, is bool) {
	for name, urls := range e.cluster {
		if member.NewID(urls, e.Token) == id {
			return name, true
		}
	}
	return "", false
}

// locked looks whether a server has the data.
func (e *exam) locked(n *notes) {
	switch pid, held, known := holder(filepath.Join(e.DataDir, "member", "lock")); {
	case !known:
		n.unchecked("whether a server has the data cannot be found out on this system")
	case held:
		n.ok("the server with process id %d has the data", pid)
	}
}

// room looks at the file system that dir is on, or would be.
func room(n *notes, dir string, quota uint64) {
	at := existing(dir)
	disk, err := diskAt(at)
	if err != nil {
		n.unchecked("the space of %s: %v", at, err)
		return
	}
	judgeRoom(n, dir, disk, quota)
}

func judgeRoom(n *notes, dir string, disk disk, quota uint64) {
	at := existing(dir)
	switch text := fmt.Sprintf("%s of %s are free for %s", size(disk.free), size(disk.total), dir); {
	case disk.free < tooLittle:
		n.wrong(text+": a member whose disk is full ends", "df -h "+quoted(at), "du -xhd1 "+quoted(at)+" | sort -h")
	case disk.free < little || disk.free < disk.total/20:
		n.warn(text, "df -h "+quoted(at), "du -xhd1 "+quoted(at)+" | sort -h")
	case disk.free < quota:
		n.warn(fmt.Sprintf("%s, less than --quota-bytes allows", text), fmt.Sprintf("--quota-bytes %d", disk.free/2))
	default:
		n.ok("%s", text)
	}
	if why := unfit(disk.kind); why != "" {
		n.warn(fmt.Sprintf("%s is on %s: %s", dir, disk.kind, why), "--data-dir on a disk of this machine, with ext4 or xfs", "docker run -v keytree:/data ...")
	}
}

// disk is a file system.
type disk struct {
	free, total uint64
	kind        string // empty: none to speak of
}

// unfit says why a kind of file system is none for data.
func unfit(kind string) string {
	switch kind {
	case "nfs", "smbfs", "cifs", "webdav", "9p", "fuse":
		return "the network or another program stands between the member and its disk, with locks and syncs that may not hold"
	case "overlay":
		return "it goes with the container"
	case "tmpfs", "ramfs":
		return "it is memory, gone with the next start of the machine"
	}
	return ""
}
