package httpapi

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/stats"
)

func TestTrendsAreShownToWhoeverAsks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var trends *stats.Trends
		b := newBench(t, func(c *Config) {
			trends = stats.NewTrends(c.Stats)
			c.Trends = trends
		})
		b.get("/keytree/v1/trends").want(t, 200, `{"every":5,"samples":[]}`)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- trends.Run(ctx) }()
		defer func() { stop(); <-ended }()
		synctest.Wait()
		b.put("/v2/keys/a", "value=1")
		b.get("/v2/keys/a")
		b.get("/v2/keys/none")
		time.Sleep(6 * time.Second)

		b.enableAuth()
		b.closeToGuests()
		a := b.get("/keytree/v1/trends")
		if a.status != 200 || a.headers.Get("Content-Type") != "application/json" || strings.Count(a.body, `"time":"2026-11-21T07:4`) != 2 {
			t.Errorf("got %v", a)
		}
		for _, want := range []string{
			`"requests":{"GET":2,"QGET":0,"HEAD":0,"PUT":1,"POST":0,"DELETE":0}`, `"failed":1,"watchers":0,"pending":0,"rss":`, `"events":4}]}`,
		} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s is not in %s", want, a.body)
			}
		}
		if a := b.post("/keytree/v1/trends", ""); a.status != 405 || a.headers.Get("Allow") != "GET" {
			t.Errorf("a POST: %v", a)
		}
	})
}
