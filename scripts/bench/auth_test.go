package main

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"testing"
)

// offered reads the request of a stranger as a server does.
func offered(t *testing.T, s *stranger) login {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(s.next())))
	if err != nil {
		t.Fatal(err)
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		t.Fatalf("no credentials in %q", r.Header)
	}
	return login{user, password}
}

func TestStrangersOfferWhatTheirFloodSays(t *testing.T) {
	for n, f := range floods() {
		t.Run(f.name, func(t *testing.T) {
			s := newStranger("127.0.0.1:2379", f.offer, f.varied, 1)
			first, second := offered(t, s), offered(t, s)
			if changed := first != second; changed != (f.varied != "") {
				t.Errorf("offered %v, then %v", first, second)
			}
			attacked := attackedBy(n)
			if sameUser := first.user == attacked.user; sameUser != (f.offer.user == attacked.user) {
				t.Errorf("got user %q", first.user)
			}
			if first == attacked {
				t.Error("offered the right password")
			}
		})
	}
}

func TestStrangersDoNotOfferTheSame(t *testing.T) {
	f := floods()[0]
	a, b := newStranger("h", f.offer, f.varied, 1), newStranger("h", f.offer, f.varied, 2)
	if x, y := offered(t, a), offered(t, b); x == y {
		t.Errorf("both offered %v", x)
	}
}

func TestARequestOfAUserIsOtherwiseTheSame(t *testing.T) {
	s := &server{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2379}}
	r := s.putRequestWith(reader.authorization())
	r.setKey(1234567)
	q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.raw)))
	if err != nil {
		t.Fatal(err)
	}
	if user, password, _ := q.BasicAuth(); (login{user, password}) != reader {
		t.Errorf("got %s and %s", user, password)
	}
	if got, want := q.URL.Path, "/v2/keys/bench/1234/567"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := q.FormValue("value"); len(got) != valueSize {
		t.Errorf("got a value of %d bytes, want %d", len(got), valueSize)
	}
}
