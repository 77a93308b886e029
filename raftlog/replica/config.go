package replica

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
)

// Config says who the member is and where it lives. Fields without a default
// must be set.
type Config struct {
	Name       string
	Dir        string              // of this member alone; made if it is not there
	LogDir     string              // holds the log; default: in Dir
	Founders   map[string][]string // name -> peer URLs of the first members; looked at when Dir is empty
	Token      string              // enters the identities made from Founders
	Join       *Join               // in place of Founders: the cluster exists already
	ForceNew   bool                // the other members are lost: go on alone with the data in Dir
	ClientURLs []string            // published to the cluster at every start
	Role       member.Role         // published too; default: what the member was, and a voter if it is new
	Version    string              // the cluster version the first leader sets, such as "3.4.0"
	Compatible string              // the version of etcd this program behaves like, such as "3.4.23"

	Transport      Transport     // default: none, for a member without peers
	Tick           time.Duration // heartbeat interval; default 100 ms
	Elections      int           // ticks without a leader until an election; default 10
	StrictReconfig bool          // refuse changes of members after which too few could agree

	RequestTimeout time.Duration // of Do and Barrier; default 5 s and two elections
	HistoryLength  int           // events kept; default 1000
	KeepHistory    bool          // keep all events that are found, if they are more
	CountBytes     bool          // answer Bytes
	CacheBytes     int64         // block cache of tree and log together, their memtables included; default 26 MiB
	CacheMost      int64         // to which it may grow with what is on disk; default: not at all
	NodeCacheBytes int64         // default: the tree's own
	NodeCacheMost  int64         // to which that may grow; default: not at all

	FS     vfs.FS           // default: the operating system's
	Now    func() time.Time // default: time.Now
	Logger *slog.Logger     // default: silent
}

func (c Config) withDefaults() Config {
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.Elections == 0 {
		c.Elections = 10
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 5*time.Second + 2*time.Duration(c.Elections)*c.Tick
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = PlentyOfCache
	}
	c.CacheMost = max(c.CacheMost, c.CacheBytes)
	if c.Transport == nil {
		c.Transport = nowhere{}
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// PlentyOfCache is as much as CacheBytes need be: its memtables are as large as
// is of use then.
const PlentyOfCache = 26 << 20

const plentyOfMemtable = 8 << 20

// memtables are the sizes of the memtables of tree and log. The cache pays for
// them, and for one more of each that waits to be used again: nine tenths of
// it. The log's is smaller, as most of what falls out of it has been truncated.
func (c Config) memtables() (tree, log int64) {
	tree = min(c.CacheBytes/13*4, plentyOfMemtable)
	return tree, tree / 2
}
