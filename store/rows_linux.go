package store

import (
	"os"
	"syscall"
	"unsafe"
)

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

// forgetMemory gives the memory behind room back, but for what lies in a page
// with something else, and returns the length of room up to the last page that
// it has given back: to be called with what follows next time. Room must come
// from mapMemory, and is zeros afterwards, or as it was.
func forgetMemory(room []byte) int {
	if len(room) == 0 {
		return 0
	}
	page := os.Getpagesize()
	start := int(-uintptr(unsafe.Pointer(&room[0])) % uintptr(page))
	end := start + (len(room)-start)/page*page
	if start >= end {
		return 0
	}
	_ = syscall.Madvise(room[start:end], syscall.MADV_DONTNEED) // else it is given back with the rest
	return end
}
