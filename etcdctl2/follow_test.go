package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing/synctest"

	"keytree/httpapi/client"
)

// tape is what several write to at once.
type tape struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// following is a run that does not end by itself.
type following struct {
	stdout, stderr tape
	interrupt      func()
	code           chan int
}

// follow starts s and returns when it waits for something.
func follow(s *shell) *following {
	ctx, interrupt := context.WithCancel(context.Background())
	f := &following{interrupt: interrupt, code: make(chan int, 1)}
	s.stdout, s.stderr = &f.stdout, &f.stderr
	go func() { f.code <- s.run(ctx) }()
	synctest.Wait()
	return f
}

// follow runs words, which wait for something.
func (w *world) follow(words ...string) *following {
	s, _, _ := w.newShell(words...)
	return follow(s)
}

// end is what becomes of f, which ends by itself.
func (f *following) end() outcome {
	defer f.interrupt()
	code := <-f.code
	synctest.Wait() // for what it has started
	return outcome{f.stdout.String(), f.stderr.String(), code}
}

// interrupted is what becomes of f when the user interrupts.
func (f *following) interrupted() outcome {
	synctest.Wait()
	f.interrupt()
	return f.end()
}

// ended reports whether f has ended.
func (f *following) ended() bool {
	synctest.Wait()
	return len(f.code) > 0
}

// lines are those of text.
func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// mustClient is a client of all members.
func (w *world) mustClient() *client.Client {
	w.t.Helper()
	var urls []string
	for _, m := range w.members.Members {
		urls = append(urls, m.ClientURL)
	}
	cl, err := client.New(client.Config{Endpoints: urls, Transport: w.members.Client().Transport, Shuffle: func(int, func(i, j int)) {}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}
