package member

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ParseURL is raw without blanks around it, if it is a URL that a member can
// listen on or be reached at: a scheme, a host and a port, nothing else. Its
// errors read as etcd's (spec: http.md 6).
func ParseURL(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	notHostPort := fmt.Errorf(`URL address does not have the form "host:port": %s`, raw)
	u, err := url.Parse(raw)
	if err != nil {
		if tooManyColons.MatchString(raw) {
			return "", notHostPort
		}
		return "", err
	}
	switch u.Scheme {
	case "http", "https":
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return "", notHostPort
		}
		if u.Path != "" {
			return "", fmt.Errorf("URL must not contain a path: %s", raw)
		}
	case "unix", "unixs":
	default:
		return "", fmt.Errorf("URL scheme must be http, https, unix, or unixs: %s", raw)
	}
	return u.String(), nil
}

// tooManyColons matches hosts like that of http://h:1:2 and http://::1:2380.
// Go no longer parses these; with etcd's it did, and the form was missed.
var tooManyColons = regexp.MustCompile(`^https?://[^/?#@\[]*:[^/?#@\[]*:[0-9]*([/?#]|$)`)

// ParseURLs checks each of list as ParseURL does and sorts them.
func ParseURLs(list []string) ([]string, error) {
	if len(list) == 0 {
		return nil, errors.New("no valid URLs given")
	}
	var all []string
	for _, raw := range list {
		one, err := ParseURL(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	slices.Sort(all)
	return all, nil
}
