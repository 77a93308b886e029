package stats

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// shownTrends are trends as who asks for them gets them.
type shownTrends struct {
	Every   int
	Samples []struct {
		Time              time.Time
		Requests, Seconds map[string]float64
		Failed, Events    uint64
		Watchers, Pending int
		RSS               uint64
	}
}

func mustShowTrends(t *testing.T, trends *Trends) (shown shownTrends) {
	t.Helper()
	text := string(trends.AppendJSON(nil))
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "}\n") {
		t.Errorf("not one line: %q", text)
	}
	return shown
}

// inBubble runs trends of m beside a test, where time passes as it sleeps.
func inBubble(t *testing.T, m *Member, test func(*testing.T, *Trends)) {
	synctest.Test(t, func(t *testing.T) {
		trends := NewTrends(m)
		if got, want := string(trends.AppendJSON(nil)), `{"every":5,"samples":[]}`+"\n"; got != want {
			t.Errorf("before the start: %q, want %q", got, want)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- trends.Run(ctx) }()
		synctest.Wait()
		test(t, trends)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestTrendsShowWhatWasCountedSoFar(t *testing.T) {
	m := New(Config{Sources: Sources{
		Watchers: func() int { return 3 }, Pending: func() int { return 2 }, Events: func() uint64 { return 17 },
	}})
	inBubble(t, m, func(t *testing.T, trends *Trends) {
		m.HTTP.Received(GET)
		m.HTTP.Received(GET)
		m.HTTP.Received(QGET)
		m.HTTP.Succeeded(GET, 250*time.Millisecond)
		m.HTTP.Succeeded(GET, 500*time.Millisecond)
		m.HTTP.Failed(QGET, 404)
		m.HTTP.Failed(PUT, 403)
		time.Sleep(trendEvery)
		synctest.Wait()
		shown := mustShowTrends(t, trends)
		if shown.Every != 5 || len(shown.Samples) != 2 {
			t.Fatalf("got %+v, want two samples, 5 s apart", shown)
		}
		first, last := shown.Samples[0], shown.Samples[1]
		if first.Requests["GET"] != 0 || first.Failed != 0 || !last.Time.Equal(time.Now()) || last.Time.Sub(first.Time) != trendEvery {
			t.Errorf("got %+v, then %+v", first, last)
		}
		if last.Requests["GET"] != 2 || last.Requests["QGET"] != 1 || last.Seconds["GET"] != 0.75 || last.Failed != 2 {
			t.Errorf("of requests: %+v", last)
		}
		if last.Watchers != 3 || last.Pending != 2 || last.Events != 17 {
			t.Errorf("of the rest: %+v", last)
		}
		for _, method := range []string{"GET", "QGET", "HEAD", "PUT", "POST", "DELETE"} {
			_, counted := first.Requests[method]
			if _, timed := first.Seconds[method]; !counted || !timed {
				t.Errorf("%s is missing: %+v", method, first)
			}
		}
		if runtime.GOOS == "linux" && last.RSS < 1<<20 {
			t.Errorf("the process takes %d bytes", last.RSS)
		}
	})
}

func TestTrendsKeepAQuarterOfAnHour(t *testing.T) {
	inBubble(t, New(Config{}), func(t *testing.T, trends *Trends) {
		time.Sleep(2*time.Hour + 7*trendEvery)
		synctest.Wait()
		samples := mustShowTrends(t, trends).Samples
		if len(samples) != trendSamples || trendSamples != 181 {
			t.Fatalf("got %d samples, want 181", len(samples))
		}
		for i, s := range samples {
			if ago := time.Duration(len(samples)-1-i) * trendEvery; !s.Time.Equal(time.Now().Add(-ago)) {
				t.Fatalf("sample %d is of %v, want of %v ago", i, s.Time, ago)
			}
		}
	})
}
