package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheDiskIsTimedAndNothingIsLeftBehind(t *testing.T) {
	dir := privateDir(t)
	times, err := timeSyncs(t.Context(), dir)
	if err != nil || len(times) == 0 || len(times) > appends {
		t.Errorf("%d times: %v", len(times), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := timeSyncs(ended, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("when told to stop: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTheDiskUnderTheLogIsTimed(t *testing.T) {
	data, log := privateDir(t), privateDir(t)
	e := examOf(Subject{DataDir: data, LogDir: filepath.Join(log, "wal"), Election: time.Hour, Heartbeat: time.Hour})
	if all := e.latency(t.Context()); len(all) != 1 || !strings.Contains(all[0].Text, "syncs in "+log+":") {
		t.Errorf("got %s", shown(all))
	}
	mustFind(t, examOf(Subject{Proxy: true}).latency(t.Context()), Unchecked, "proxy")
	file := mustWrite(t, data, "file")
	mustFind(t, examOf(Subject{DataDir: file}).latency(t.Context()), Unchecked, "no file can be written")
}

func TestSlowDisksAreJudgedByWhatMembersWaitForEachOther(t *testing.T) {
	judge := func(most time.Duration) []Finding {
		times := make([]time.Duration, 100)
		for i := range times {
			times[i] = time.Millisecond
		}
		times[42], times[7] = most, most
		n := &notes{area: "disk latency"}
		examOf(Subject{Heartbeat: 100 * time.Millisecond, Election: time.Second}).judgeSyncs(n, "/d", times)
		return n.all
	}
	mustFind(t, judge(9*time.Millisecond), OK, "half within 1ms, 99 of 100 within 9ms")
	mustFind(t, judge(10*time.Millisecond), Warning, "below 10ms is good", "-> --wal-dir")
	mustFind(t, judge(101*time.Millisecond), Warning, "heartbeat interval of 100ms", "-> --heartbeat-interval 210 --election-timeout 2100")
	mustFind(t, judge(time.Second), Wrong, "election timeout of 1s", "-> --heartbeat-interval 2000 --election-timeout 20000")
	mustFind(t, judge(time.Minute), Wrong, "--election-timeout 50000") // more is refused
}
