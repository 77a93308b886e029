package raftlog

import (
	"encoding/binary"
	"fmt"
)

// Headroom is the number of bytes a proposer leaves free at the front of its
// buffer. The log writes its envelope there, so that a proposal is not copied:
//
//	version(1) stamp(8, big endian) id(8, big endian) data
//
// The version changes when the layout does; a member meets only versions it
// knows, because the cluster version is raised after the last member.
const Headroom = 17

const envelopeVersion = 1

type envelope struct {
	stamp int64
	id    uint64
	data  []byte
}

// seal writes the envelope without its stamp, which only a leader knows.
func seal(buf []byte, id uint64) {
	buf[0] = envelopeVersion
	setStamp(buf, 0)
	binary.BigEndian.PutUint64(buf[9:Headroom], id)
}

func setStamp(buf []byte, stamp int64) {
	binary.BigEndian.PutUint64(buf[1:9], uint64(stamp))
}

func openEnvelope(buf []byte) (envelope, error) {
	if len(buf) < Headroom {
		return envelope{}, fmt.Errorf("envelope of %d bytes is too short", len(buf))
	}
	if buf[0] != envelopeVersion {
		return envelope{}, fmt.Errorf("envelope has unknown version %d", buf[0])
	}
	return envelope{
		stamp: int64(binary.BigEndian.Uint64(buf[1:9])),
		id:    binary.BigEndian.Uint64(buf[9:Headroom]),
		data:  buf[Headroom:],
	}, nil
}
