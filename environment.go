package main

import (
	"maps"
	"slices"
	"strings"
)

// Variables with either prefix mean the same. Ours goes before etcd's.
const (
	ownPrefix  = "KEYTREE_"
	etcdPrefix = "ETCD_"
)

// readEnvironment reads what the command line has left open. An empty variable
// is as good as none. What is said about them, and in which order, is as in
// etcd (spec: server.md 1).
func (r *reading) readEnvironment(environ []string) error {
	found := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value != "" && (strings.HasPrefix(name, etcdPrefix) || strings.HasPrefix(name, ownPrefix)) {
			found[name] = value
		}
	}
	byName := slices.SortedFunc(slices.Values(r.settings), func(a, b setting) int { return strings.Compare(a.name, b.name) })
	for _, s := range byName {
		if s.flagOnly {
			continue
		}
		if err := r.refuse(r.readVariable(s, found)); err != nil {
			return err
		}
	}
	r.noticeUnrecognized(found)
	return nil
}

// noticeUnrecognized tells of variables that nobody knows.
func (r *reading) noticeUnrecognized(found map[string]string) {
	var names []string
	for _, s := range r.settings {
		if !s.flagOnly && s.usage != "" {
			names = append(names, etcdPrefix+s.variable(), ownPrefix+s.variable())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if name == "ETCD_UNSUPPORTED_ARCH" {
			continue // etcd wants it on some machines
		}
		hint := ""
		if like := closest(name, names); like != "" {
			hint = ", did you mean " + like + "?"
		}
		r.warnMending("unset "+name, "unrecognized environment variable %s=%s%s", name, shown(name, found[name]), hint)
	}
}

// readVariable takes the variable of s out of what was found.
func (r *reading) readVariable(s setting, found map[string]string) error {
	name, other := ownPrefix+s.variable(), etcdPrefix+s.variable()
	value, set := found[name]
	if otherValue, both := found[other]; !set {
		name, value, set = other, otherValue, both
	} else if both && value != otherValue {
		r.warnMending("unset "+other, "%s and %s differ: %s is used", name, other, name)
	}
	delete(found, ownPrefix+s.variable())
	delete(found, etcdPrefix+s.variable())
	bare, quoted := unquoted(value)
	if !set || bare == "" {
		return nil
	}
	if r.by[s.name] != "" {
		r.warnMending("unset "+name, "recognized environment variable %s, but unused: shadowed by corresponding flag", name)
		return nil
	}
	if quoted {
		r.warnMending(name+" with its value and no quotes", "environment variable %s has quotes around its value, which are left out", name)
		value = bare
	}
	if err := s.value.Set(value); err != nil {
		return mended{verification("invalid value %q for %s: %w", value, name, err), name + " with " + s.value.kind().what}
	}
	r.set(s, value, name)
	r.info("recognized and used environment variable %s=%s", name, value)
	return nil
}

// unquoted is value without the quotes around it. Shells and systemd take them
// away; docker --env-file does not.
func unquoted(value string) (bare string, quoted bool) {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[0] == value[n-1] {
		return value[1 : n-1], true
	}
	return value, false
}

// shown is value as the log may show it: whoever sets a variable that nobody
// asks for may mean it to be a password.
func shown(name, value string) string {
	for _, secret := range []string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "PRIVATE"} {
		if strings.Contains(name, secret) {
			return "..."
		}
	}
	return value
}
