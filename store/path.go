package store

import (
	"path"
	"strings"
)

// Space says in which of the three trees of a store a path lies. They share
// one index and one history; users reach Keys only.
type Space byte

const (
	Keys    Space = 'k' // what /v2/keys shows
	Cluster Space = 'c' // the roster of members and the cluster's version
	Auth    Space = 'u' // users, roles and the switch
)

// Path is the cleaned, absolute name of a node in a space. It is comparable;
// only ParsePath and Child make one. The zero Path names nothing.
type Path struct {
	space Space
	name  string
}

// ParsePath cleans raw into a Path of space s: slashes are collapsed, "." and
// ".." resolved, a trailing slash dropped, a missing leading one supplied.
// Every raw string has a Path; names may hold any byte but the slash.
func ParsePath(s Space, raw string) Path {
	if isClean(raw) {
		return Path{s, raw}
	}
	return Path{s, path.Clean("/" + raw)}
}

// isClean reports whether raw is already what path.Clean would make of it.
func isClean(raw string) bool {
	if len(raw) < 2 || raw[0] != '/' {
		return raw == "/"
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '/' {
			continue
		}
		rest := raw[i+1:]
		if rest == "" || rest[0] == '/' || rest[0] == '.' {
			return false // perhaps only a name with a leading dot: let path.Clean see
		}
	}
	return true
}

// Root is the top directory of space s.
func Root(s Space) Path { return Path{s, "/"} }

// Space tells which tree p lies in.
func (p Path) Space() Space { return p.space }

// String is the cleaned name, such as "/a/b", or "/" for the root.
func (p Path) String() string { return p.name }

// IsRoot reports whether p is the top directory of its space.
func (p Path) IsRoot() bool { return len(p.name) == 1 }

// Base is the last element of p; the root has the empty one.
func (p Path) Base() string { return p.name[strings.LastIndexByte(p.name, '/')+1:] }

// Parent is the directory p is filed under. The root is its own parent.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(p.name, '/')
	if i <= 0 {
		return Path{p.space, "/"}
	}
	return Path{p.space, p.name[:i]}
}

// Child is the path of the entry called name in directory p. The name must
// be one element: not empty, ".", ".." and without a slash.
func (p Path) Child(name string) Path {
	if p.IsRoot() {
		return Path{p.space, "/" + name}
	}
	return Path{p.space, p.name + "/" + name}
}

// Under reports whether p lies somewhere beneath dir.
func (p Path) Under(dir Path) bool {
	if p.space != dir.space || len(p.name) <= len(dir.name) {
		return false
	}
	if dir.IsRoot() {
		return true
	}
	return p.name[len(dir.name)] == '/' && strings.HasPrefix(p.name, dir.name)
}

// upTo is the prefix of p that ends before byte i, which must be a slash or
// the end of the name.
func (p Path) upTo(i int) Path {
	if i == 0 {
		i = 1
	}
	return Path{p.space, p.name[:i]}
}

// next is the end of the element that begins after the slash at i.
func (p Path) next(i int) int {
	j := strings.IndexByte(p.name[i+1:], '/')
	if j < 0 {
		return len(p.name)
	}
	return i + 1 + j
}
