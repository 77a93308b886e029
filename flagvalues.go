package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"keytree/raftlog/member"
)

// text, number, count and truth are flag values of the plain kinds. Their
// errors read as those of package flag.
type (
	text   string
	number uint
	count  uint64
	truth  bool
)

var errParse = errors.New("parse error")

func (t *text) String() string     { return string(*t) }
func (t *text) Set(s string) error { *t = text(s); return nil }

func (n *number) String() string { return strconv.FormatUint(uint64(*n), 10) }

func (n *number) Set(s string) error {
	v, err := strconv.ParseUint(s, 0, strconv.IntSize)
	if err != nil {
		return errParse
	}
	*n = number(v)
	return nil
}

func (n *count) String() string { return strconv.FormatUint(uint64(*n), 10) }

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

func (t *truth) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return errParse
	}
	*t = truth(v)
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

func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return errors.New("invalid value")
	}
	*c.chosen = s
	return nil
}

// urls is a comma-separated list of URLs, kept sorted. Nothing is no URL.
type urls []string

func (u *urls) String() string { return strings.Join(*u, ",") }

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
