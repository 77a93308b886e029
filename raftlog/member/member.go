// Package member says who is in a cluster: the identity of a server, the
// URLs it is reached at, how an identity follows from them, and how a member
// stands.
//
// It holds values only; how they are stored or sent is others' business.
package member

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ID names a member or a cluster. Its text is lower-case hex without leading
// zeros, as etcd prints it.
type ID uint64

func (id ID) String() string { return strconv.FormatUint(uint64(id), 16) }

// ParseID reads the text of an ID: hex in either case, at most 64 bits.
func ParseID(s string) (ID, error) {
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("member id %q is not a hexadecimal number of at most 64 bits", s)
	}
	return ID(v), nil
}

// Member is a server in the roster. One that was added but never started has
// no name and no client URLs.
type Member struct {
	ID         ID
	Name       string
	PeerURLs   []string // sorted
	ClientURLs []string // sorted
	Learner    bool     // it is to get the log and never to vote
}

// Role is what a member is to be to the cluster.
type Role string

const (
	Voter   Role = "voter"
	Learner Role = "learner" // reads and watches only make it work; it has no say
)

// NewID is the identity of a founding member: the first eight bytes of the
// SHA-1 over its sorted peer URLs and the cluster token (spec: etcd's rule,
// with worked examples in the tests).
func NewID(peerURLs []string, token string) ID {
	urls := slices.Sorted(slices.Values(peerURLs))
	return hash([]byte(strings.Join(urls, "") + token))
}

// NewAddedID is the identity of a member added to a running cluster at the
// given Unix time in seconds: as NewID, with the time in place of the token.
func NewAddedID(peerURLs []string, unix int64) ID {
	return NewID(peerURLs, strconv.FormatInt(unix, 10))
}

// NewClusterID is the identity of a cluster: the first eight bytes of the
// SHA-1 over the numerically sorted IDs of its founding members, eight bytes
// each, big endian. It never changes afterwards.
func NewClusterID(founders []ID) ID {
	var b []byte
	for _, id := range slices.Sorted(slices.Values(founders)) {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return hash(b)
}

func hash(b []byte) ID {
	sum := sha1.Sum(b)
	return ID(binary.BigEndian.Uint64(sum[:]))
}
