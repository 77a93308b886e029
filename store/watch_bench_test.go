package store

import (
	"fmt"
	"testing"
	"time"
)

// taker is a sink that takes everything.
type taker struct{}

func (taker) Push(*Run) Pushed { return PushedAll }

// BenchmarkPublish is an event for many streams: "publish" is what holds up
// the writer, the rest is done beside it.
func BenchmarkPublish(b *testing.B) {
	for _, bb := range []struct {
		name            string
		watchers, paths int
	}{
		{"none", 0, 1},
		{"1 watcher", 1, 1},
		{"1k watchers", 1000, 1},
		{"10k watchers", 10_000, 1},
		{"50k watchers", 50_000, 1},
		{"10k watchers on 1k paths", 10_000, 1000},
		{"10k watchers on 10k paths", 10_000, 10_000},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := mustOpenWith(b, Options{})
			for i := range bb.watchers {
				o := WatchOptions{Recursive: true, Stream: true, Sink: taker{}}
				mustWatch(b, s, fmt.Sprintf("/d/%d", i%bb.paths), o).Take()
			}
			b.ReportAllocs()
			var spent time.Duration
			events := make([]*Event, 1)
			for i := 0; b.Loop(); i++ {
				events[0] = &Event{Action: ActionSet, Index: Index(i + 1), Node: Node{Path: ParsePath(Keys, fmt.Sprintf("/d/%d/k", i%bb.paths))}}
				start := time.Now()
				s.hub.publish(events)
				spent += time.Since(start)
				s.hub.deliverers.Wait()
			}
			b.ReportMetric(float64(spent)/float64(b.N), "ns/publish")
		})
	}
}

// BenchmarkWake is an event for many readers without a sink: each of them is
// woken, takes it and rests again.
func BenchmarkWake(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mustOpenWith(b, Options{})
			took := make(chan struct{}, n)
			for range n {
				w := mustWatch(b, s, "/d", WatchOptions{Stream: true})
				go func() {
					for live := true; live; {
						<-w.Ready()
						var events []*Event
						if events, live = w.Take(); len(events) > 0 {
							took <- struct{}{}
						}
					}
				}()
			}
			b.ReportAllocs()
			events := make([]*Event, 1)
			for i := 0; b.Loop(); i++ {
				events[0] = &Event{Action: ActionSet, Index: Index(i + 1), Node: Node{Path: ParsePath(Keys, "/d")}}
				s.hub.publish(events)
				for range n {
					<-took
				}
			}
		})
	}
}
