package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"keytree/httpapi/client"
	"keytree/raftlog/member"
)

// roll is who has registered under a token.
type roll struct {
	key     string  // of the token at the server, which is not the path of its URL
	size    int     // of the cluster to be
	entries []entry // in the order they registered; at most size
	next    uint64  // the first index whose events are not in here
}

// entry is what one member registered.
type entry struct {
	id      string
	value   string // NAME=URL[,NAME=URL]
	created uint64
}

// configDir is the child of a token that is no member.
const configDir = "_config"

// newRoll is the roll in a listing of the token. Who registered too late is
// not in it.
func newRoll(size int, listing *client.Response) roll {
	r := roll{key: listing.Node.Key, size: size, next: listing.Index}
	for _, n := range listing.Node.Nodes {
		r.next = max(r.next, n.ModifiedIndex) // for servers that do not tell theirs
		if id := path.Base(n.Key); id != configDir && !n.Dir {
			r.entries = append(r.entries, entry{id, n.Value, n.CreatedIndex})
		}
	}
	r.next++
	slices.SortFunc(r.entries, func(a, b entry) int { return cmp.Compare(a.created, b.created) })
	r.entries = r.entries[:min(len(r.entries), size)]
	return r
}

func parseSize(text string) (int, error) {
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 {
		return 0, fmt.Errorf("%w: %s is not a number of members", ErrBadSize, quote(text))
	}
	return size, nil
}

func (r *roll) complete() bool { return len(r.entries) >= r.size }

func (r *roll) has(id member.ID) bool { return r.find(id.String()) }

func (r *roll) find(id string) bool {
	return slices.ContainsFunc(r.entries, func(e entry) bool { return e.id == id })
}

// follow takes the event of a watch into the roll and reports whether that is
// all there is to it: false means that the roll must be read anew. An event
// below an entry changes nothing.
func (r *roll) follow(e *client.Response) bool {
	if e.Node.ModifiedIndex < r.next {
		return false
	}
	dir, id := path.Split(e.Node.Key)
	below, inside := strings.CutPrefix(dir, r.key+"/")
	switch {
	case inside && (below != "" || id == configDir):
	case inside && !e.Node.Dir && !r.find(id) && (e.Action == "create" || e.Action == "set"):
		r.entries = append(r.entries, entry{id, e.Node.Value, e.Node.CreatedIndex})
	default:
		return false
	}
	r.next = e.Node.ModifiedIndex + 1
	return true
}

// initialCluster is what all members registered, checked: each has a name of
// its own and URLs it can be reached at.
func (r *roll) initialCluster() (string, error) {
	names := map[string]bool{}
	var values []string
	for _, e := range r.entries {
		name, err := parseRegistration(e.value)
		if err != nil {
			return "", fmt.Errorf("%w: member %s registered %s: %w", ErrInvalidURL, quote(e.id), quote(e.value), err)
		}
		if names[name] {
			return "", fmt.Errorf("%w: %s", ErrDuplicateName, quote(name))
		}
		names[name] = true
		values = append(values, e.value)
	}
	return strings.Join(values, ","), nil
}

// parseRegistration checks NAME=URL[,NAME=URL] and returns the name.
func parseRegistration(value string) (name string, err error) {
	for piece := range strings.SplitSeq(value, ",") {
		n, raw, _ := strings.Cut(piece, "=")
		if _, err := member.ParseURL(raw); err != nil {
			return "", err
		}
		if n == "" || name != "" && n != name {
			return "", errors.New("it must have one name")
		}
		name = n
	}
	return name, nil
}

// quote makes text of others fit for a log line.
func quote(s string) string {
	const longest = 200
	if len(s) > longest {
		return strconv.Quote(s[:longest]) + "..."
	}
	return strconv.Quote(s)
}
