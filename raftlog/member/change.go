package member

import "errors"

// Op is what is to become of a member.
type Op int

const (
	Add    Op = iota + 1 // a new member, by its peer URLs
	Remove               // for ever: its ID is not used again
	Update               // other peer URLs
)

// Change is a wish to change who is in the cluster. The ID of a member to be
// added is chosen by who carries the wish out.
type Change struct {
	Op       Op
	ID       ID
	PeerURLs []string // of Add and Update; sorted
}

// Why a change is refused. The first four follow from the roster alone, so
// every member refuses the same; the others are a member's own caution.
var (
	ErrIDExists      = errors.New("membership: ID exists")
	ErrPeerURLExists = errors.New("membership: peerURL exists")
	ErrNotFound      = errors.New("membership: ID not found")
	ErrRemoved       = errors.New("membership: ID removed")

	// ErrLastVoter refuses a member that wants to learn when nobody else votes.
	ErrLastVoter = errors.New("membership: no other member votes")

	ErrNotEnoughStarted = errors.New("re-configuration failed due to not enough started members")
	ErrUnhealthy        = errors.New("unhealthy cluster")
)
