//go:build unix

package conn

import (
	"net"
	"syscall"
)

// rawConn is nc's own descriptor, if it has one that takes and gives bytes as
// they are.
func rawConn(nc net.Conn) syscall.RawConn {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// readNow reads what there is, and does not wait.
func readNow(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

// writeNow writes what fits, and does not wait.
func writeNow(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
