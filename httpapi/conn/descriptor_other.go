//go:build !unix

package conn

import (
	"errors"
	"net"
	"syscall"
)

// rawConn is nil: on this system nothing can be asked of a descriptor without
// waiting for the answer.
func rawConn(net.Conn) syscall.RawConn { return nil }

// readNow and writeNow are for systems that have descriptors.
func readNow(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func writeNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
