package process

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports hands out loopback ports that nobody listens on, each once. They lie
// below the range from which the kernel takes the near end of outgoing
// connections, so that a server which is down for a moment finds its port
// free when it comes back. The zero value is ready; it may be shared.
type Ports struct {
	Host string // address to look on; 127.0.0.1 when empty

	mu    sync.Mutex
	taken map[int]bool
}

const (
	lowestPort  = 12000
	highestPort = 32000
)

// Take returns a free port.
func (p *Ports) Take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		p.taken = make(map[int]bool)
	}
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if p.taken[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(p.Host, loopback), strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			continue
		}
		p.taken[port] = true
		return port, nil
	}
	return 0, errors.New("no free loopback port")
}
