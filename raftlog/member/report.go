package member

// State is what a member is to raft at a moment.
type State string

// The states there are. A member that asks whether it could stand for election
// is a candidate, too.
const (
	Leading     State = "leader"
	Following   State = "follower"
	Campaigning State = "candidate"
	Learning    State = "learner"
)

// Report is how a member stands.
type Report struct {
	State              State
	Term               uint64
	Committed, Applied uint64 // positions
	Pending            int    // proposals that wait for their outcome
	Followers          []Follower

	Watchers                 int
	KeysBytes                int64  // what the keys take; 0 where nobody counts
	OldestEvent, NewestEvent uint64 // indices; OldestEvent is 0 if the history holds none
	HistoryCapacity          int    // events

	TreeBytes, LogBytes  uint64 // on disk
	FreeBytes, DiskBytes uint64 // of the file system the tree is on; 0 if that does not say
}

// Progress is how a leader sends its log to a follower.
type Progress string

// The ways there are.
const (
	Probing     Progress = "probe"     // it finds out what the follower has
	Replicating Progress = "replicate" // entry after entry
	Restoring   Progress = "snapshot"  // what the follower lacks is in the log no more
)

// Follower is another member as the leader sees it.
type Follower struct {
	ID       ID
	Match    uint64 // the position up to which it has the leader's log
	Lag      uint64 // committed entries it does not have
	Progress Progress
	Learner  bool // it does not vote, as yet or for good
	Active   bool // messages pass both ways
}
