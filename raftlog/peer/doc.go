// Package peer carries raft's messages and snapshots between the members of a
// cluster.
//
// Each member opens one long-lived stream to every other and writes messages
// into it; what it hears comes in the streams that the others opened. Messages
// may be lost, never changed, and not reordered but for those without entries,
// which overtake the others. Snapshots travel apart, each with a checksum.
//
// # A stream
//
// A stream begins as a request for /raft/stream that asks for an upgrade to
// keytree-raft, and says in its headers who calls whom in which cluster, and
// where the caller is reached. After the answer 101 the caller writes frames:
//
//	length   4 bytes, big endian; 0 is a pulse, written when nothing else is
//	message  length bytes, a raftpb.Message
//
// and the one called writes single bytes of any value, now and then while it
// reads. Either side takes long silence for death.
//
// # A snapshot
//
// A snapshot is the body of a POST to /raft/snapshot with the same headers. It
// is in blocks (package block), the first of which holds raft's message, the
// others what the machine wrote. The answer 204 says that the receiver has it
// all.
//
// The header X-Keytree-Protocol is raised when any of this changes; a member
// refuses a protocol that it does not speak.
package peer
