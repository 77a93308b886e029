//go:build unix

package peer

import (
	"net"
	"syscall"
)

// rawConn is conn's own descriptor, if it has one that takes bytes as they are.
func rawConn(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(*net.TCPConn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// writeNow writes what fits, and does not wait.
func writeNow(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
