package conn

import (
	"os"
	"sync"
	"syscall"
)

// hangups notices that clients go away while nobody reads from them: one
// goroutine for all connections, where net/http needs one for each. The zero
// value is ready for use.
//
// A connection is made known to epoll with its first streamed answer, for the
// rest of its life. What epoll tells is the one moment in which the client
// ends its side; data waits for whoever reads it.
type hangups struct {
	mu      sync.Mutex
	epoll   *os.File // nil: not needed yet
	control syscall.RawConn
	stopped bool
	seats   []seat
	free    []int32
	running sync.WaitGroup
}

// seat is what the number in an event stands for. The age tells a connection
// from those that had the number before.
type seat struct {
	conn *conn
	age  int32
}

// edge is the client's end of a connection, and ends of any other kind.
const edge = syscall.EPOLLRDHUP | 1<<31 // EPOLLET, which package syscall has as a negative number

// watch has c told, by hungUp, when its client goes away, from now on. It
// reports whether it can do that.
func (h *hangups) watch(c *conn) bool {
	if c.raw == nil {
		return false
	}
	number, age, ok := h.sit(c)
	if !ok {
		return false
	}
	known := false
	_ = c.raw.Control(func(fd uintptr) { // closed: known stays false
		event := syscall.EpollEvent{Events: edge, Fd: number, Pad: age}
		_ = h.control.Control(func(epoll uintptr) { // closed: as above
			known = syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd), &event) == nil
		})
	})
	if known {
		c.seat = number
	} else {
		h.stand(number)
	}
	return known
}

// sit gives c a number.
func (h *hangups) sit(c *conn) (number, age int32, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open() {
		return 0, 0, false
	}
	if len(h.free) == 0 {
		h.seats = append(h.seats, seat{})
		h.free = append(h.free, int32(len(h.seats)-1))
	}
	last := len(h.free) - 1
	number, h.free = h.free[last], h.free[:last]
	s := &h.seats[number]
	s.conn = c
	return number, s.age, true
}

func (h *hangups) stand(number int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seats[number] = seat{age: h.seats[number].age + 1}
	h.free = append(h.free, number)
}

// forget ends the effect of watch. Closing the connection does the rest; one
// that lives on elsewhere may cause an event nobody listens to.
func (h *hangups) forget(c *conn) { h.stand(c.seat) }

// open begins to wait for events. h.mu must be held.
func (h *hangups) open() bool {
	if h.epoll != nil || h.stopped {
		return !h.stopped
	}
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd) // there is nothing in it
		return false
	}
	f := os.NewFile(uintptr(fd), "epoll")
	control, err := f.SyscallConn()
	if err != nil {
		_ = f.Close() // as above
		return false
	}
	h.epoll, h.control = f, control
	h.running.Go(h.run)
	return true
}

// run tells connections of events until stop. It waits in the runtime's own
// poller and costs no thread.
func (h *hangups) run() {
	var events [128]syscall.EpollEvent
	for {
		n := 0
		err := h.control.Read(func(epoll uintptr) bool {
			var err error
			n, err = syscall.EpollWait(int(epoll), events[:], 0)
			return n > 0 || err != nil && err != syscall.EINTR
		})
		if err != nil {
			return
		}
		for _, e := range events[:max(n, 0)] {
			if c := h.at(e.Fd, e.Pad); c != nil {
				c.hungUp()
			}
		}
	}
}

// at is the connection with this number and age, or nil.
func (h *hangups) at(number, age int32) *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.seats[number]; s.age == age {
		return s.conn
	}
	return nil
}

// stop ends run and waits for it.
func (h *hangups) stop() {
	h.mu.Lock()
	h.stopped = true
	f := h.epoll
	h.mu.Unlock()
	if f != nil {
		_ = f.Close() // nothing was written to it
		h.running.Wait()
	}
}
