package peer

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// BenchmarkStream sends appends from one member to another over loopback. No
// more wait than raft would have on their way.
func BenchmarkStream(b *testing.B) {
	for _, entries := range []int{1, 64} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			x, y := startPair(b, Config{})
			var got atomic.Int64
			room := make(chan struct{}, 256)
			y.receiver.step = func(*raftpb.Message) {
				got.Add(1)
				<-room
			}
			list := []*raftpb.Message{newAppend(x.id, y.id, 10, entries, 200)}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				room <- struct{}{}
				x.Send(list)
			}
			for got.Load() < int64(b.N) {
				time.Sleep(10 * time.Microsecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkEncode and BenchmarkDecode compare the codec with package proto's.
func BenchmarkEncode(b *testing.B) {
	for _, entries := range []int{0, 1, 64} {
		m := newAppend(1, 2, 10, entries, 200)
		var buf []byte
		b.Run(fmt.Sprintf("by=codec/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = appendMessage(buf[:0], m)
			}
		})
		b.Run(fmt.Sprintf("by=proto/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = proto.MarshalOptions{}.MarshalAppend(buf[:0], m)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, entries := range []int{0, 1, 64} {
		frame := appendMessage(nil, newAppend(1, 2, 10, entries, 200))
		b.Run(fmt.Sprintf("by=codec/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("by=proto/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := proto.Unmarshal(frame, &raftpb.Message{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
