package peer

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of streams are encoded and decoded here and not by package
// proto, which takes two to five times as long (BenchmarkEncode,
// BenchmarkDecode) and sets no bound to what a few bytes become in memory. The
// format is the same: what one writes, the other reads. Snapshots and
// responses, which no message in a stream has, are left out.

// The numbers of the fields, as in raft.proto.
const (
	fieldType       = 1
	fieldTo         = 2
	fieldFrom       = 3
	fieldTerm       = 4
	fieldLogTerm    = 5
	fieldIndex      = 6
	fieldEntries    = 7
	fieldCommit     = 8
	fieldReject     = 10
	fieldRejectHint = 11
	fieldContext    = 12
	fieldVote       = 13

	fieldEntryType  = 1
	fieldEntryTerm  = 2
	fieldEntryIndex = 3
	fieldEntryData  = 4
)

// maxEntries bounds the entries of a message. Those of the log are bounded by
// their bytes, and far fewer.
const maxEntries = 1 << 17

var errJunk = errors.New("a frame holds no message")

// appendMessage appends m to b.
func appendMessage(b []byte, m *raftpb.Message) []byte {
	if m.Type != nil {
		b = appendVarint(b, fieldType, uint64(*m.Type))
	}
	b = appendOptional(b, fieldTo, m.To)
	b = appendOptional(b, fieldFrom, m.From)
	b = appendOptional(b, fieldTerm, m.Term)
	b = appendOptional(b, fieldLogTerm, m.LogTerm)
	b = appendOptional(b, fieldIndex, m.Index)
	for _, e := range m.Entries {
		b = protowire.AppendTag(b, fieldEntries, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeEntry(e)))
		b = appendEntry(b, e)
	}
	b = appendOptional(b, fieldCommit, m.Commit)
	if m.Reject != nil {
		b = appendVarint(b, fieldReject, protowire.EncodeBool(*m.Reject))
	}
	b = appendOptional(b, fieldRejectHint, m.RejectHint)
	if m.Context != nil {
		b = protowire.AppendTag(b, fieldContext, protowire.BytesType)
		b = protowire.AppendBytes(b, m.Context)
	}
	return appendOptional(b, fieldVote, m.Vote)
}

func appendOptional(b []byte, field protowire.Number, v *uint64) []byte {
	if v == nil {
		return b
	}
	return appendVarint(b, field, *v)
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(append(b, byte(field<<3)), v) // the tags of numbers below 16 have one byte
}

func appendEntry(b []byte, e *raftpb.Entry) []byte {
	if e.Type != nil {
		b = appendVarint(b, fieldEntryType, uint64(*e.Type))
	}
	b = appendOptional(b, fieldEntryTerm, e.Term)
	b = appendOptional(b, fieldEntryIndex, e.Index)
	if e.Data != nil {
		b = protowire.AppendTag(b, fieldEntryData, protowire.BytesType)
		b = protowire.AppendBytes(b, e.Data)
	}
	return b
}

// sizeEntry is how many bytes appendEntry appends.
func sizeEntry(e *raftpb.Entry) int {
	n := 0
	if e.Type != nil {
		n += 1 + protowire.SizeVarint(uint64(*e.Type))
	}
	if e.Term != nil {
		n += 1 + protowire.SizeVarint(*e.Term)
	}
	if e.Index != nil {
		n += 1 + protowire.SizeVarint(*e.Index)
	}
	if e.Data != nil {
		n += 1 + protowire.SizeBytes(len(e.Data))
	}
	return n
}

// A cell is a message with room for its numbers, so that it is one allocation.
type cell struct {
	m       raftpb.Message
	kind    raftpb.MessageType
	reject  bool
	numbers [fieldVote + 1]uint64 // by field
}

// An entryCell is the same for an entry. Those of one message lie together.
type entryCell struct {
	e           raftpb.Entry
	kind        raftpb.EntryType
	term, index uint64
}

// decode reads a message. It keeps nothing of b.
func decode(b []byte) (*raftpb.Message, error) {
	c := &cell{}
	entries := 0
	for rest := b; len(rest) > 0; {
		field, kind, n := protowire.ConsumeTag(rest)
		if n < 0 || field > protowire.MaxValidNumber {
			return nil, errJunk
		}
		rest = rest[n:]
		var v uint64
		var bytes []byte
		switch {
		case kind == protowire.VarintType:
			v, n = protowire.ConsumeVarint(rest)
		case kind == protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(rest)
		default:
			n = protowire.ConsumeFieldValue(field, kind, rest)
		}
		if n < 0 {
			return nil, errJunk
		}
		rest = rest[n:]
		switch {
		case kind == protowire.VarintType:
			c.set(field, v)
		case kind == protowire.BytesType && field == fieldEntries:
			entries++
		case kind == protowire.BytesType && field == fieldContext:
			c.m.Context = append([]byte{}, bytes...)
		}
	}
	if entries > maxEntries {
		return nil, errJunk
	}
	if entries > 0 && !c.decodeEntries(b, entries) {
		return nil, errJunk
	}
	return &c.m, nil
}

// set sets a field that is a number. Fields that are not known do not count.
func (c *cell) set(field protowire.Number, v uint64) {
	m := &c.m
	if field > fieldVote {
		return
	}
	c.numbers[field] = v
	p := &c.numbers[field]
	switch field {
	case fieldType:
		c.kind = raftpb.MessageType(v)
		m.Type = &c.kind
	case fieldTo:
		m.To = p
	case fieldFrom:
		m.From = p
	case fieldTerm:
		m.Term = p
	case fieldLogTerm:
		m.LogTerm = p
	case fieldIndex:
		m.Index = p
	case fieldCommit:
		m.Commit = p
	case fieldReject:
		c.reject = protowire.DecodeBool(v)
		m.Reject = &c.reject
	case fieldRejectHint:
		m.RejectHint = p
	case fieldVote:
		m.Vote = p
	}
}

// decodeEntries reads the entries of b, of which there are n. What surrounds
// them is known to be well formed.
func (c *cell) decodeEntries(b []byte, n int) bool {
	cells := make([]entryCell, n)
	c.m.Entries = make([]*raftpb.Entry, n)
	for i := 0; i < n; {
		field, kind, k := protowire.ConsumeTag(b)
		b = b[k:]
		if field != fieldEntries || kind != protowire.BytesType {
			b = b[protowire.ConsumeFieldValue(field, kind, b):]
			continue
		}
		bytes, k := protowire.ConsumeBytes(b)
		b = b[k:]
		if !cells[i].decode(bytes) {
			return false
		}
		c.m.Entries[i] = &cells[i].e
		i++
	}
	return true
}

// decode reads an entry. Its data gets memory of its own: it may live on when
// the others are forgotten.
func (c *entryCell) decode(b []byte) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 || field > protowire.MaxValidNumber {
			return false
		}
		b = b[n:]
		switch {
		case field == fieldEntryData && kind == protowire.BytesType:
			var bytes []byte
			if bytes, n = protowire.ConsumeBytes(b); n >= 0 {
				c.e.Data = append([]byte{}, bytes...)
			}
		case kind == protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(b); n >= 0 {
				c.set(field, v)
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

func (c *entryCell) set(field protowire.Number, v uint64) {
	switch field {
	case fieldEntryType:
		c.kind = raftpb.EntryType(v)
		c.e.Type = &c.kind
	case fieldEntryTerm:
		c.term = v
		c.e.Term = &c.term
	case fieldEntryIndex:
		c.index = v
		c.e.Index = &c.index
	}
}
