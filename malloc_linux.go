//go:build cgo

package main

// The engines take the memory of their blocks and memtables from C's allocator,
// which divides it among several arenas: what one thread has freed is of no use
// to another. Where blocks come and go that makes them take twice their room.
// The arenas are made as soon as a thread asks for memory, so this has to be
// said before Go's first line runs. What it costs is one lock for all who take
// or give back a block.

// #include <malloc.h>
//
// __attribute__((constructor)) static void one_arena(void) {
// #ifdef M_ARENA_MAX
// 	mallopt(M_ARENA_MAX, 1);
// #endif
// }
import "C"
