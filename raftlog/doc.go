// Package raftlog is the replicated log of a Keytree cluster.
//
// It puts proposals into one order that all members agree on, keeps that order
// on disk, and hands every entry to the member's Machine exactly once per
// process. It knows raft, Pebble, opaque bytes and positions; it does not know
// what an entry means or where the other members live.
//
// A proposal that a caller saw applied survives the loss of any minority of
// the members and a power cut of all of them.
package raftlog
