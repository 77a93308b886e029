package main

import "fmt"

// A source makes the requests of one connection, one at a time.
type source interface {
	// next is the bytes of the next request, nil when there is none. They may
	// be overwritten by the following call.
	next() []byte

	// answered hears a successful answer to the last request. An error counts
	// against the scenario.
	answered(a *parser) error
}

// heedless is for sources that do not look at their answers.
type heedless struct{}

func (heedless) answered(*parser) error { return nil }

// fill puts keys first, first+step, first+2*step... once each.
type fill struct {
	heedless
	put       *request
	rnd       random
	key, step int
	keys      int // the first number not to put
}

func (s *fill) next() []byte {
	if s.key >= s.keys {
		return nil
	}
	s.put.setKey(s.key)
	s.put.setValue(&s.rnd)
	s.key += s.step
	return s.put.raw
}

// puts puts random keys for ever.
type puts struct {
	heedless
	put   *request
	rnd   random
	space int
}

func (s *puts) next() []byte {
	s.put.setKey(s.rnd.below(s.space))
	s.put.setValue(&s.rnd)
	return s.put.raw
}

// gets gets random keys for ever.
type gets struct {
	heedless
	get   *request
	rnd   random
	space int
}

func (s *gets) next() []byte {
	s.get.setKey(s.rnd.below(s.space))
	return s.get.raw
}

// mixed gets nine times out of ten, and puts otherwise.
type mixed struct {
	heedless
	gets gets
	puts puts
}

func (s *mixed) next() []byte {
	if s.gets.rnd.below(10) == 0 {
		return s.puts.next()
	}
	return s.gets.next()
}

// swaps owns the keys from first on, puts each of them once to learn its
// index, and then, once swapping is set, compares and swaps them in turn.
type swaps struct {
	put      *request
	swap     *request
	rnd      random
	first    int
	indexes  []uint64
	last     int // in indexes, the key of the last request
	swapping bool
}

func (s *swaps) next() []byte {
	s.last++
	r := s.put
	switch {
	case s.swapping:
		s.last %= len(s.indexes)
		r = s.swap
		r.setIndex(s.indexes[s.last])
	case s.last >= len(s.indexes):
		return nil
	}
	r.setKey(s.first + s.last)
	r.setValue(&s.rnd)
	return r.raw
}

func (s *swaps) answered(a *parser) error {
	if a.etcdIndex == 0 {
		return fmt.Errorf("no X-Etcd-Index in the answer")
	}
	s.indexes[s.last] = a.etcdIndex
	return nil
}

// posts creates keys in order for ever.
type posts struct {
	heedless
	post *request
	rnd  random
}

func (s *posts) next() []byte {
	s.post.setValue(&s.rnd)
	return s.post.raw
}

// lists gets one directory for ever; all answers have the same size.
type lists struct {
	get  *request
	size int64
}

func (s *lists) next() []byte { return s.get.raw }

func (s *lists) answered(a *parser) error {
	if a.body != s.size {
		return fmt.Errorf("listing of %d bytes, want %d", a.body, s.size)
	}
	return nil
}
