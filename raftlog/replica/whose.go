package replica

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
)

// Whose says which member of which cluster lives in dir, if one does. It only
// reads, and may while that member runs.
func Whose(dir string) (self, cluster member.ID, found bool, err error) {
	id, err := readIdentity(vfs.Default, dir)
	if errors.Is(err, errNoIdentity) || err == nil && id.Founding {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	self, cluster, err = id.ids()
	return self, cluster, err == nil, err
}
