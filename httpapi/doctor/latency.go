package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	scratchName = ".keytree-doctor-"
	appends     = 100  // to be timed
	appendSize  = 2304 // bytes, about as many as a few writes take in the log
	goodSync    = 10 * time.Millisecond
)

// latency times what every write waits for: the disk under the log.
func (e *exam) latency(ctx context.Context) []Finding {
	n := &notes{area: "disk latency"}
	if e.Proxy {
		n.unchecked("a proxy keeps nothing")
		return n.all
	}
	dir := e.DataDir
	if e.LogDir != "" {
		dir = e.LogDir
	}
	dir = existing(dir)
	times, err := timeSyncs(ctx, dir)
	if err != nil {
		n.unchecked("no file can be written in %s: %v", dir, err)
		return n.all
	}
	e.judgeSyncs(n, dir, times)
	return n.all
}

// timeSyncs writes a file as the log is written - it has its size from the
// start - and returns how long each sync took. The file is removed.
func timeSyncs(ctx context.Context, dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, scratchName)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, appends*appendSize)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	block := make([]byte, appendSize)
	for i := range block {
		block[i] = byte(i)
	}
	end := time.Now().Add(patience)
	for i := range appends {
		if ctx.Err() != nil || i > 0 && time.Now().After(end) {
			break
		}
		began := time.Now()
		if _, err := f.WriteAt(block, int64(i*appendSize)); err != nil {
			return nil, err
		}
		if err := syncData(f); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	if len(times) == 0 {
		return nil, ctx.Err()
	}
	return times, nil
}

// judgeSyncs compares the times with what members wait for each other.
func (e *exam) judgeSyncs(n *notes, dir string, times []time.Duration) {
	slices.Sort(times)
	half, most := times[len(times)/2], times[min(len(times)-1, len(times)*99/100)]
	text := fmt.Sprintf("%d syncs in %s: half within %v, 99 of 100 within %v", len(times), dir, rounded(half), rounded(most))
	heartbeat := roundUp(2 * most)
	slower := fmt.Sprintf("--heartbeat-interval %d --election-timeout %d", heartbeat.Milliseconds(), min(10*heartbeat, 50*time.Second).Milliseconds())
	switch {
	case e.Election > 0 && most >= e.Election:
		n.wrong(fmt.Sprintf("%s, longer than the election timeout of %v: leaders will be lost to the disk", text, e.Election), "--wal-dir on a faster disk", slower)
	case e.Heartbeat > 0 && most >= e.Heartbeat:
		n.warn(fmt.Sprintf("%s, longer than the heartbeat interval of %v", text, e.Heartbeat), "--wal-dir on a faster disk", slower)
	case most >= goodSync:
		n.warn(fmt.Sprintf("%s; below %v is good, and every write waits for it", text, goodSync), "--wal-dir on a faster disk", "iostat -x 1")
	default:
		n.ok("%s", text)
	}
}

func rounded(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// roundUp is d as a setting that people write: whole tens of milliseconds.
func roundUp(d time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return max((d+step-1)/step, 1) * step
}
