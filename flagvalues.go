package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"keytree/raftlog/member"
)

// value is where a setting is kept. Set reads it from text, as the command line
// and the environment have it; its errors read as those of package flag.
type value interface {
	flag.Value
	kind() kind
}

// kind says what a file may have for a value.
type kind struct {
	what string   // in words, with an article
	tags []string // of YAML
	list bool     // a list of strings will do as well
}

// text, number, signed, count, truth and span are the plain values.
type (
	text   string
	number uint
	signed int64
	count  uint64
	truth  bool
	span   time.Duration
)

var (
	errParse  = errors.New("parse error")
	errChoice = errors.New("invalid value")
)

func (t *text) String() string     { return string(*t) }
func (t *text) Set(s string) error { *t = text(s); return nil }
func (t *text) kind() kind         { return kind{what: "a string", tags: []string{"!!str"}} }

func aNumber() kind { return kind{what: "a whole number", tags: []string{"!!int"}} }

func (n *number) String() string { return strconv.FormatUint(uint64(*n), 10) }
func (n *number) kind() kind     { return aNumber() }

func (n *number) Set(s string) error {
	v, err := strconv.ParseUint(s, 0, strconv.IntSize)
	if err != nil {
		return errParse
	}
	*n = number(v)
	return nil
}

func (n *signed) String() string { return strconv.FormatInt(int64(*n), 10) }
func (n *signed) kind() kind     { return aNumber() }

func (n *signed) Set(s string) error {
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return errParse
	}
	*n = signed(v)
	return nil
}

func (n *count) String() string { return strconv.FormatUint(uint64(*n), 10) }
func (n *count) kind() kind     { return aNumber() }

func (n *count) Set(s string) error {
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return errParse
	}
	*n = count(v)
	return nil
}

func (t *truth) String() string   { return strconv.FormatBool(bool(*t)) }
func (t *truth) IsBoolFlag() bool { return true }
func (t *truth) kind() kind       { return kind{what: "true or false", tags: []string{"!!bool"}} }

func (t *truth) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return errParse
	}
	*t = truth(v)
	return nil
}

func (d *span) String() string { return time.Duration(*d).String() }

func (d *span) kind() kind {
	return kind{what: "a duration such as 5s, or a number of nanoseconds", tags: []string{"!!str", "!!int"}}
}

func (d *span) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return errParse
	}
	*d = span(v)
	return nil
}

// choice is one of a few words.
type choice struct {
	chosen *string
	of     []string
}

const (
	stateNew      = "new"
	stateExisting = "existing"

	fallbackExit  = "exit"
	fallbackProxy = "proxy"

	proxyOff      = "off"
	proxyReadonly = "readonly"
	proxyOn       = "on"
)

func (c choice) String() string { return *c.chosen }

func (c choice) kind() kind {
	last := len(c.of) - 1
	return kind{what: strings.Join(c.of[:last], ", ") + " or " + c.of[last], tags: []string{"!!str"}}
}

func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return errChoice
	}
	*c.chosen = s
	return nil
}

// urls is a comma-separated list of URLs, kept sorted. Nothing is no URL.
type urls []string

func (u *urls) String() string { return strings.Join(*u, ",") }

func (u *urls) kind() kind {
	return kind{what: "one string of URLs with commas between them, or a list of URLs", tags: []string{"!!str"}, list: true}
}

func (u *urls) Set(s string) error {
	*u = nil
	if s == "" {
		return nil
	}
	all, err := member.ParseURLs(strings.Split(s, ","))
	if err != nil {
		return err
	}
	*u = all
	return nil
}

// words is a comma-separated list of them, without the blanks around them.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) kind() kind {
	return kind{what: "a list of strings, or one string with commas between them", tags: []string{"!!str"}, list: true}
}

func (w *words) Set(s string) error {
	*w = nil
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

// ipPort is an IP address with a port, as etcd 0.4 wanted them.
type ipPort string

func (a *ipPort) String() string { return string(*a) }
func (a *ipPort) kind() kind     { return kind{what: "a string IP:PORT", tags: []string{"!!str"}} }

func (a *ipPort) Set(s string) error {
	s = strings.TrimSpace(s)
	if s == "" {
		*a = ""
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return err
	}
	if net.ParseIP(host) == nil {
		return errors.New("bad IP in address specification")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("bad port in address specification")
	}
	*a = ipPort(s)
	return nil
}

// ignored stands for a flag that has meant nothing since etcd 0.4. It is taken
// whatever is said after it, and remembers that it was there.
type ignored struct{ there bool }

func (i *ignored) String() string   { return "" }
func (i *ignored) IsBoolFlag() bool { return true }
func (i *ignored) kind() kind {
	return kind{what: "anything", tags: []string{"!!str", "!!int", "!!float", "!!bool"}, list: true}
}

func (i *ignored) Set(string) error {
	i.there = true
	return nil
}

// withdrawn stands for a flag that etcd 2 refuses by name.
type withdrawn struct{ name string }

func (w withdrawn) String() string { return "" }
func (w withdrawn) kind() kind     { return (*ignored)(nil).kind() }

func (w withdrawn) Set(string) error {
	return fmt.Errorf("flag \"-%s\" is no longer supported.", w.name) //lint:ignore ST1005 etcd's words, for those who search for them
}
