package main

import (
	"fmt"
	"strings"
	"testing"
)

const (
	setAnswer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Etcd-Cluster-Id: 31c6e9f19e0fb0d9\r\n" +
		"X-Etcd-Index: 4\r\nX-Raft-Index: 5\r\nX-Raft-Term: 2\r\nContent-Length: 12\r\n\r\n" + `{"action":1}`
	listAnswer = "HTTP/1.1 200 OK\r\nx-etcd-index: 1003\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"a\r\n0123456789\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: t\r\n\r\n"
	missAnswer = "HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\n" + `{"errorCode":100}   `
	noContent  = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
)

// The same answers come out whether the bytes arrive at once or one by one.
func TestParserReadsAnswersInPieces(t *testing.T) {
	all := setAnswer + listAnswer + missAnswer + noContent + setAnswer
	want := strings.Join([]string{
		"201 index=4 raft=5 body=12",
		"200 index=1003 raft=0 body=36",
		`404 index=0 raft=0 body=20 status 404: {"errorCode":100}`,
		"204 index=0 raft=0 body=0",
		"201 index=4 raft=5 body=12",
	}, "\n")
	for _, size := range []int{1, 2, 3, 7, 50, 100, len(all)} {
		var p parser
		var got []string
		for rest := all; rest != ""; {
			piece := []byte(rest[:min(size, len(rest))])
			rest = rest[len(piece):]
			for len(piece) > 0 {
				n, done, err := p.feed(piece)
				if err != nil {
					t.Fatalf("pieces of %d: %v", size, err)
				}
				piece = piece[n:]
				if !done {
					continue
				}
				line := fmt.Sprintf("%d index=%d raft=%d body=%d", p.status, p.etcdIndex, p.raftIndex, p.body)
				if p.status == 404 {
					line += " " + p.refused().Error()
				}
				got = append(got, line)
			}
		}
		if got := strings.Join(got, "\n"); got != want {
			t.Errorf("pieces of %d:\n%s\nwant:\n%s", size, got, want)
		}
	}
}

func TestParserCountsTheEventsOfAStream(t *testing.T) {
	p := parser{countLines: true}
	stream := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"4\r\n{\"a\"\r\n" + "2\r\n}\n\r\n" + "8\r\n{\"b\"}\n{}\r\n" + "1\r\n\n\r\n"
	n, done, err := p.feed([]byte(stream))
	if n != len(stream) || done || err != nil {
		t.Fatalf("feed = %d, %v, %v", n, done, err)
	}
	if p.lines != 3 {
		t.Errorf("%d events, want 3", p.lines)
	}
}

func TestParserRefusesWhatIsNotHTTP(t *testing.T) {
	for _, b := range []string{
		"SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHead),
	} {
		var p parser
		var err error
		for rest := b; rest != "" && err == nil; {
			piece := rest[:min(1000, len(rest))]
			rest = rest[len(piece):]
			_, _, err = p.feed([]byte(piece))
		}
		if err == nil {
			t.Errorf("%.40q was read without an error", b)
		}
	}
}

func TestParserDoesNotAllocate(t *testing.T) {
	var p parser
	one, many := []byte(setAnswer), []byte(listAnswer)
	if n := testing.AllocsPerRun(100, func() {
		p.feed(one)
		p.feed(many)
	}); n != 0 {
		t.Errorf("%v allocations for two answers", n)
	}
}

func BenchmarkParser(b *testing.B) {
	b.ReportAllocs()
	var p parser
	one := []byte(setAnswer)
	for b.Loop() {
		if _, done, err := p.feed(one); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}
