package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"net/http"
	"strings"
)

// A continue token says where a page has ended, in base64 for URLs:
//
//	version(1)=1  sum(8)  path of the node looked at last, relative to the directory
//
// The sum is FNV-1a, big endian, over what the page was asked for and the path:
// it tells a token of another listing, and one that was cut. It keeps nobody
// from making tokens, who gets no further with them than without. Tokens are
// the same on all members. Another layout takes another version.
const (
	tokenVersion = 1
	tokenHead    = 1 + 8

	// A node may have a name longer than those of requests, by what
	// in-order keys are called; nothing longer is decoded.
	maxToken = (tokenHead + maxKeyBytes + 64) / 3 * 4
)

var badToken = &problem{http.StatusBadRequest, "continue is not from a page with the same prefix, recursive and contains"}

// token is the continue token of a page that ended after a node.
func (q *listRequest) token(after string) string {
	b := make([]byte, 0, tokenHead+len(after))
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, q.sum(after))
	return base64.RawURLEncoding.EncodeToString(append(b, after...))
}

func (q *listRequest) sum(after string) uint64 {
	h := fnv.New64a()
	mode := "children"
	if q.recursive {
		mode = "recursive"
	}
	for _, part := range []string{q.prefix, mode, q.options.Contains, after} {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(part)))) // a hash does not fail
		_, _ = h.Write([]byte(part))
	}
	return h.Sum64()
}

// after is where a token leads. One that no page of q's could have given leads
// nowhere.
func (q *listRequest) after(token string) (string, error) {
	if len(token) > maxToken {
		return "", badToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= tokenHead || b[0] != tokenVersion {
		return "", badToken
	}
	after := string(b[tokenHead:])
	if binary.BigEndian.Uint64(b[1:]) != q.sum(after) || !q.leadsTo(after) {
		return "", badToken
	}
	return after, nil
}

// leadsTo reports whether a page of q's shows a node with that relative path,
// if there is one.
func (q *listRequest) leadsTo(after string) bool {
	if !isClean("/"+after) || strings.HasSuffix(after, "/") || !strings.HasPrefix(after, q.options.Beginning) {
		return false
	}
	first, rest, deep := strings.Cut(after, "/")
	if deep && !q.recursive || strings.Count(after, "/") > maxKeyDepth {
		return false
	}
	if strings.HasPrefix(first, "_") && !strings.HasPrefix(q.options.Beginning, "_") {
		return false
	}
	return !strings.HasPrefix(rest, "_") && !strings.Contains(rest, "/_")
}
