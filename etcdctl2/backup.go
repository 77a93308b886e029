package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"keytree/httpapi/client"
	"keytree/raftlog/block"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

func (s *shell) backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "backup an etcd directory",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data-dir", Usage: "Path to the etcd data dir"},
			&cli.StringFlag{Name: "wal-dir", Usage: "Path to the etcd wal dir"},
			&cli.StringFlag{Name: "backup-dir", Usage: "Path to the backup dir"},
			&cli.StringFlag{Name: "backup-wal-dir", Usage: "Path to the backup wal dir"},
			&cli.BoolFlag{Name: "with-v3", Usage: "Backup v3 backend data"},
			&cli.StringFlag{Name: "verify", Category: added, Usage: "only say whether the backup in this `dir` is whole"},
		},
		Action: s.action(backup),
	}
}

// backup copies a member, or has a server send what it has if no directory is
// named.
func backup(ctx context.Context, c *call) error {
	data, target := c.String("data-dir"), c.String("backup-dir")
	switch {
	case c.String("verify") != "":
		return verifyBackup(c)
	case data == "" && target == "":
		return logged("open member/wal: no such file or directory")
	case data == "":
		return backupFromServer(ctx, c)
	}
	_, err := replica.Backup(c.backupConfig(), memberDir(data), sourceLog(data, c.String("wal-dir")))
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Stat(memberDir(data)); there != nil {
			return logged("open " + filepath.Join(memberDir(data), "snap") + ": no such file or directory")
		}
	}
	return loggedError(err)
}

func memberDir(dataDir string) string { return filepath.Join(dataDir, "member") }

// backupConfig says where the backup goes.
func (c *call) backupConfig() replica.Config {
	return replica.Config{Dir: memberDir(c.String("backup-dir")), LogDir: c.String("backup-wal-dir")}
}

// sourceLog is where the log of the member in data is, if not there. Scripts
// name the place where etcd has it when nobody says otherwise.
func sourceLog(data, walDir string) string {
	if walDir != "" && filepath.Clean(walDir) == filepath.Join(memberDir(data), "wal") {
		return ""
	}
	return walDir
}

// logged ends the program with a line such as etcd's logs have.
func logged(text string) error {
	return plainly(exitBadArgs, time.Now().Format("2006-01-02 15:04:05.000000")+" I | "+text)
}

// loggedError is logged with what err says, if that is not nil.
func loggedError(err error) error {
	if err == nil {
		return nil
	}
	if full, ok := errors.AsType[*replica.NotEmptyError](err); ok {
		return logged(fmt.Sprintf("failed creating backup snapshot dir %s: %v", full.Dir, full))
	}
	return logged(err.Error())
}

// verifyBackup says whether a backup is what was written.
func verifyBackup(c *call) error {
	dir := c.String("verify")
	m, err := replica.VerifyBackup(nil, memberDir(dir), c.String("backup-wal-dir"))
	if err != nil {
		return err
	}
	if m.LogApart && c.String("backup-wal-dir") == "" {
		return errors.New("the log of this backup is in a directory of its own: name it with --backup-wal-dir")
	}
	return c.sayf("The backup of cluster %s at index %d, made at %s, is whole.\n", m.Cluster, m.Index, m.Time.Format(time.RFC3339))
}

// stalled is how long a server may send nothing.
const stalled = time.Minute

// backupFromServer makes a backup of what a server sends.
func backupFromServer(ctx context.Context, c *call) error {
	cl, err := c.client(ctx) // who interrupts this has nothing to clear away
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, release := c.interruptible(ctx)
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(stalled, func() { cancel(fmt.Errorf("the server sent nothing for %v", stalled)) })
	defer patience.Stop()
	snapshot, err := cl.Snapshot(ctx)
	if refused, ok := errors.AsType[*client.StatusError](err); ok && refused.Status == http.StatusNotFound {
		return failed(exitRefused, errors.New("the server is no keytree that gives out backups: name its directory with --data-dir"))
	}
	if err != nil {
		return failed(exitRefused, causeOf(ctx, err))
	}
	defer snapshot.Body.Close()
	cluster, err := member.ParseID(snapshot.Cluster)
	if err != nil {
		return failed(exitRefused, err)
	}
	in := &incoming{body: snapshot.Body, patience: patience, show: c.showBytes(snapshot.Size)}
	m, err := replica.BackupFrom(c.backupConfig(), cluster, block.NewReader(in))
	in.show.end()
	if err != nil {
		return loggedError(causeOf(ctx, err))
	}
	return c.sayf("Cluster %s at index %d was backed up to %s.\n", m.Cluster, m.Index, c.String("backup-dir"))
}

// causeOf is why ctx ended, if it did, and else err.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// incoming is what a server sends, while somebody looks on.
type incoming struct {
	body     io.Reader
	patience *time.Timer
	show     *byteCount
}

func (in *incoming) Read(b []byte) (int, error) {
	in.patience.Reset(stalled)
	n, err := in.body.Read(b)
	in.patience.Stop() // what is done with it is not the server's affair
	in.show.add(int64(n))
	return n, err
}

// byteCount shows how many bytes have come: as a bar on a terminal, else with
// a line now and then. It belongs to one goroutine.
type byteCount struct {
	out         io.Writer
	bar         *progressbar.ProgressBar // nil: no terminal
	done, about int64
	told        time.Time
}

// showBytes shows the coming of about as many bytes; 0: nobody knows.
func (c *call) showBytes(about int64) *byteCount {
	n := &byteCount{out: c.stderr, about: about, told: time.Now()}
	if f, ok := c.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		n.bar = progressbar.NewOptions64(max(about, 1),
			progressbar.OptionSetWriter(c.stderr),
			progressbar.OptionSetDescription("backup"),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return n
}

func (n *byteCount) add(bytes int64) {
	n.done += bytes
	n.about = max(n.about, n.done+1) // it is an estimate
	switch {
	case n.bar != nil:
		n.bar.ChangeMax64(n.about)
		_ = n.bar.Set64(n.done) // it is only for looks
	case time.Since(n.told) >= toldEvery:
		n.told = time.Now()
		fmt.Fprintf(n.out, "%d of about %d bytes so far\n", n.done, n.about)
	}
}

// end takes away what is in place.
func (n *byteCount) end() {
	if n.bar != nil {
		_ = n.bar.Finish() // it is only for looks
	}
}
