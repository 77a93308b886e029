package conn_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"keytree/httpapi/conn"
)

// pusher is what an answer that can be pushed to is.
type pusher interface {
	Push([]byte) (taken, done bool)
}

// pushed serves one streamed answer on a socket, which h pushes to, and gives
// it to read. Its body ends when h has returned.
func pushed(t *testing.T, h func(w http.ResponseWriter, p pusher, r *http.Request), read func(net.Conn, io.Reader)) {
	t.Helper()
	over := make(chan struct{})
	s := conn.New(newStd(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		_ = http.NewResponseController(w).Flush() // the client reads the head
		h(w, w.(pusher), r)
	})))
	l := mustListen(t, "tcp")
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	defer func() {
		_ = s.Close()
		<-ended
	}()
	c := mustDial(t, l)
	defer c.Close()
	if _, err := io.WriteString(c, request("GET /a")); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	read(c, answer.Body)
	<-over
}

func TestWhatIsPushedIsAPartOfTheAnswer(t *testing.T) {
	t.Parallel()
	pushed(t, func(w http.ResponseWriter, p pusher, _ *http.Request) {
		for _, piece := range []string{"one\n", "two\n", xs(64 << 10)} {
			if taken, done := p.Push([]byte(piece)); !taken || !done {
				t.Errorf("a push of %d bytes: taken=%v done=%v", len(piece), taken, done)
			}
		}
		for _, piece := range []string{"", xs(64<<10 + 1)} {
			if taken, done := p.Push([]byte(piece)); taken || done {
				t.Errorf("a push of %d bytes: taken=%v done=%v", len(piece), taken, done)
			}
		}
		_, _ = io.WriteString(w, "three\n")
		if taken, _ := p.Push([]byte("overtakes")); taken {
			t.Error("a push went before what was written")
		}
	}, func(_ net.Conn, body io.Reader) {
		got, err := io.ReadAll(body)
		if want := "one\ntwo\n" + xs(64<<10) + "three\n"; err != nil || string(got) != want {
			t.Errorf("got %s: %v", clip(string(got)), err)
		}
	})
}

func TestWhatAPushLeavesGoesFirstWithTheNextFlush(t *testing.T) {
	t.Parallel()
	var sent bytes.Buffer
	slow := make(chan struct{})
	pushed(t, func(w http.ResponseWriter, p pusher, _ *http.Request) {
		for i := 0; ; i++ {
			piece := bytes.Repeat([]byte{'a' + byte(i%26)}, 30_000)
			taken, done := p.Push(piece)
			if !taken {
				t.Fatal("a push was not taken")
			}
			sent.Write(piece)
			if !done {
				break
			}
		}
		if taken, done := p.Push([]byte("x")); taken || done {
			t.Errorf("a push behind another that is not done: taken=%v done=%v", taken, done)
		}
		close(slow)
		_, _ = io.WriteString(w, "end")
		sent.WriteString("end")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		if taken, done := p.Push([]byte("again")); !taken || !done {
			t.Errorf("a push after the flush: taken=%v done=%v", taken, done)
		}
		sent.WriteString("again")
	}, func(_ net.Conn, body io.Reader) {
		<-slow
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, sent.Bytes()) {
			t.Errorf("got %d bytes of %d: %v", len(got), sent.Len(), err)
		}
	})
}

// A deadline that passed while there was nothing to send is no reason to fail.
func TestAPushNeedsNoTime(t *testing.T) {
	t.Parallel()
	pushed(t, func(w http.ResponseWriter, p pusher, _ *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.WriteString(w, "one ")
		if err := control.Flush(); err != nil {
			t.Error(err)
		}
		time.Sleep(40 * time.Millisecond)
		if taken, done := p.Push([]byte("two")); !taken || !done {
			t.Errorf("taken=%v done=%v", taken, done)
		}
		_ = control.SetWriteDeadline(time.Time{})
	}, func(_ net.Conn, body io.Reader) {
		if got, err := io.ReadAll(body); err != nil || string(got) != "one two" {
			t.Errorf("got %q: %v", got, err)
		}
	})
}

func TestAPushToAClientThatIsGoneEndsTheContext(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	pushed(t, func(w http.ResponseWriter, p pusher, r *http.Request) {
		<-gone
		for done := true; done; {
			_, done = p.Push([]byte("hello"))
		}
		if err := http.NewResponseController(w).Flush(); err == nil {
			t.Error("the flush after it does not fail")
		}
		<-r.Context().Done()
	}, func(c net.Conn, _ io.Reader) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		close(gone)
	})
}
