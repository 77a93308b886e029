package store

import "syscall"

// mapMemory is n bytes outside Go's heap, which take memory only where they
// are written to, and how to give them back. There may be nothing to give back.
func mapMemory(n int) ([]byte, func([]byte)) {
	room, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n), nil // such as an address space with a limit: the heap may still have room
	}
	// Large pages would make little use take much memory.
	_ = syscall.Madvise(room, syscall.MADV_NOHUGEPAGE)          // a kernel without them has nothing to refuse
	return room, func(room []byte) { _ = syscall.Munmap(room) } // what was mapped can be unmapped
}
