package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readFile reads what the command line and the environment have left open from
// a file in YAML, or JSON. Keys are the names of the flags; those of TLS may
// also stand in etcd's sections.
func (r *reading) readFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return verification("%w", err)
	}
	r.info("Loading server configuration from %q", path)
	return r.newFile(path).read(text)
}

// read reads the text of the file.
func (f *file) read(text []byte) error {
	var document yaml.Node
	err := yaml.Unmarshal(text, &document)
	if line := environmentLine.FindString(string(text)); line != "" && (err != nil || !f.knows(&document)) {
		return verification(`%s looks like an environment file (it has a line %s...), and --config-file wants YAML. `+
			`Put it into the environment instead: with EnvironmentFile=%s in a systemd unit, docker run --env-file, or set -a; . %s in a shell`,
			f.path, strings.TrimSpace(line), f.path, f.path)
	}
	if err != nil {
		return verification("%s: %w", f.path, err)
	}
	if len(document.Content) == 0 || isNothing(document.Content[0]) {
		return nil
	}
	if err := f.walk(document.Content[0], ""); err != nil {
		return err
	}
	return f.use()
}

// environmentLine finds a line of a file for systemd, docker or a shell.
var environmentLine = regexp.MustCompile(`(?m)^[ \t]*(export[ \t]+)?(ETCD|KEYTREE)_[A-Z0-9_]+=`)

// file is a configuration file while it is read.
type file struct {
	*reading
	path    string
	places  map[string]setting // by key, with its section in front
	entries []entry            // one for each setting that is there
}

// entry is where a setting stands in a file, and what stands there.
type entry struct {
	setting
	line  int
	value *yaml.Node
}

func (r *reading) newFile(path string) *file {
	f := &file{reading: r, path: path, places: map[string]setting{}}
	for _, s := range r.settings {
		if s.flagOnly || s.notInFile {
			continue
		}
		f.places[s.name] = s
		if s.section != "" {
			f.places[s.section+"."+s.key] = s
			f.places[s.section+"."+s.name] = s
		}
	}
	return f
}

// knows reports whether a document has a key that means something.
func (f *file) knows(document *yaml.Node) bool {
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return false
	}
	for i, n := range document.Content[0].Content {
		_, setting := f.places[n.Value]
		if i%2 == 0 && (setting || n.Value == clientSection || n.Value == peerSection) {
			return true
		}
	}
	return false
}

// walk collects what stands in a mapping. Of two entries the last one counts,
// as in etcd.
func (f *file) walk(n *yaml.Node, section string) error {
	if n.Kind != yaml.MappingNode {
		what := "it"
		if section != "" {
			what = section
		}
		return verification("%s:%d: %s is %s, but should be a mapping of keys to values", f.path, n.Line, what, found(n))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		name := key.Value
		if section != "" {
			name = section + "." + name
		}
		if name == clientSection || name == peerSection {
			if isNothing(value) {
				continue
			}
			if err := f.refuse(f.walk(value, name)); err != nil {
				return err
			}
			continue
		}
		f.add(name, key.Line, value)
	}
	return nil
}

func (f *file) add(name string, line int, value *yaml.Node) {
	s, known := f.places[name]
	if !known {
		hint := ""
		if like := closest(name, slices.Collect(maps.Keys(f.places))); like != "" {
			hint = fmt.Sprintf(", did you mean %q?", like)
		}
		f.warnMending(f.without(line, value), "%s:%d: unknown key %q%s", f.path, line, name, hint)
		return
	}
	e := entry{s, line, value}
	if i := slices.IndexFunc(f.entries, func(e entry) bool { return e.name == s.name }); i >= 0 {
		f.warnMending(f.without(f.entries[i].line, f.entries[i].value), "%s:%d: %s was set in line %d already: the last one counts", f.path, line, s.name, f.entries[i].line)
		f.entries[i] = e
		return
	}
	f.entries = append(f.entries, e)
}

// without is the command that removes an entry, if it stands in a line.
func (f *file) without(line int, value *yaml.Node) string {
	if value.Kind != yaml.ScalarNode || strings.Contains(value.Value, "\n") || strings.Contains(f.path, "'") {
		return ""
	}
	return fmt.Sprintf("sed -i %dd '%s'", line, f.path)
}

// use takes what nothing before the file has said.
func (f *file) use() error {
	for _, e := range f.entries {
		if isNothing(e.value) {
			continue
		}
		if by := f.by[e.name]; by != "" {
			f.info("%s:%d: %s is overridden by %s", f.path, e.line, e.name, by)
			continue
		}
		if err := f.refuse(f.take(e)); err != nil {
			return err
		}
	}
	return nil
}

// take has one entry set what it is of.
func (f *file) take(e entry) error {
	text, ok := e.text()
	if !ok {
		return verification("%s:%d: %s is %s, but should be %s%s", f.path, e.line, e.name, found(e.value), e.setting.value.kind().what, e.hint())
	}
	switch err := e.setting.value.Set(text); {
	case errors.Is(err, errParse) || errors.Is(err, errChoice):
		return verification("%s:%d: unexpected error setting up %s: %w: %q is not %s", f.path, e.line, e.name, err, text, e.setting.value.kind().what)
	case err != nil:
		return verification("%s:%d: unexpected error setting up %s: %w", f.path, e.line, e.name, err)
	}
	f.set(e.setting, text, byFile)
	return nil
}

// text is the value as a flag would have it, if it is of the right kind.
func (e entry) text() (text string, ok bool) {
	k, n := e.setting.value.kind(), e.value
	switch n.Kind {
	case yaml.ScalarNode:
		if _, truth := e.setting.value.(*truth); truth && n.Style == 0 {
			switch strings.ToLower(n.Value) {
			case "yes", "on": // as etcd's YAML has it
				return "true", true
			case "no", "off":
				return "false", true
			}
		}
		text = n.Value
		if _, duration := e.setting.value.(*span); duration && n.ShortTag() == "!!int" {
			text += "ns"
		}
		return text, slices.Contains(k.tags, n.ShortTag())
	case yaml.SequenceNode:
		var all []string
		for _, one := range n.Content {
			if one = resolved(one); one.Kind != yaml.ScalarNode || one.ShortTag() != "!!str" {
				return "", false
			}
			all = append(all, one.Value)
		}
		return strings.Join(all, ","), k.list
	}
	return "", false
}

// hint says how to write what was probably meant.
func (e entry) hint() string {
	k, n := e.setting.value.kind(), e.value
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle
	switch {
	case n.Kind != yaml.ScalarNode:
	case k.tags[0] == "!!str":
		return ": put it in quotes"
	case n.Style&quoted != 0:
		return ": leave out the quotes"
	}
	return ""
}

// resolved is what an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!null" || n.Value == "") || n.Kind == yaml.SequenceNode && len(n.Content) == 0
}

// found is n in words.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!str":
		return fmt.Sprintf("the string %q", n.Value)
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "the number " + n.Value
	}
	return n.Value
}
