//go:build !unix

package peer

import (
	"errors"
	"net"
	"syscall"
)

// rawConn is nil: on this system nothing can be asked of a descriptor without
// waiting for the answer. The writer sends everything.
func rawConn(net.Conn) syscall.RawConn { return nil }

// writeNow is for systems that have descriptors.
func writeNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
