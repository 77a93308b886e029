package auth

import "strings"

// covers reports whether a pattern covers key: as it stands, or, when it ends
// in "*", as the beginning of key. The empty pattern covers nothing; it must
// not, because the empty key is the root directory without its slash.
func covers(pattern, key string) bool {
	if pattern == "" {
		return false
	}
	if beginning, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(key, beginning)
	}
	return key == pattern
}

// coversAll reports whether a pattern covers key and all beneath it.
func coversAll(pattern, key string) bool {
	return strings.HasSuffix(pattern, "*") && covers(pattern, key)
}

// allow reports whether one of the patterns of p lets somebody in.
func (p *Patterns) allow(key string, write, recursive bool) bool {
	list, match := p.Read, covers
	if write {
		list = p.Write
	}
	if recursive {
		match = coversAll
	}
	for _, pattern := range list {
		if match(pattern, key) {
			return true
		}
	}
	return false
}
