package client_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
)

// scissors cut half of the bodies short.
type scissors struct {
	http.RoundTripper
	mu     sync.Mutex
	random *rand.Rand
}

// newScissors makes scissors in front of TCP.
func newScissors(seed uint64) *scissors {
	return newScissorsBefore(&http.Transport{DisableKeepAlives: true}, seed)
}

func newScissorsBefore(t http.RoundTripper, seed uint64) *scissors {
	return &scissors{RoundTripper: t, random: rand.New(rand.NewPCG(seed, 0))}
}

func (s *scissors) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.random.IntN(2) == 0 {
		resp.Body = &cutBody{resp.Body, s.random.IntN(1000), s.random.IntN(2) == 0}
	}
	return resp, err
}

type cutBody struct {
	io.ReadCloser
	left  int
	quiet bool // as from a proxy that ends the body in good order
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.quiet {
			return 0, io.EOF
		}
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// telling tells once that an answer has begun.
type telling struct {
	http.RoundTripper
	begun chan<- struct{}
}

func (t *telling) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil && t.begun != nil {
		close(t.begun)
		t.begun = nil
	}
	return resp, err
}
