package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// registry is the directory of all tokens, where etcd's own discovery
	// service has them.
	registry = "/_etcd/registry/"

	// A token is for so many members unless its maker says otherwise, and for
	// so many at most: nobody founds a raft cluster with more.
	usualFounders = 3
	mostFounders  = 64

	// A request for a token has at most this much of a form.
	maxTokenForm = 4096
)

// newToken answers /keytree/v1/discovery/new: it makes a token, under which
// the first members of another cluster find each other, and tells its URL.
// All there is to a token is a key with the size of that cluster, so whoever
// may write that key may make it.
func (a *API) newToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		methodNotAllowed(w, "GET,POST")
		return
	}
	w.Header().Set("Cache-Control", "no-store") // every GET makes another
	answer, err := a.makeToken(w, r)
	var bad *problem
	if err != nil && !errors.As(err, &bad) {
		a.fail(w, r, err)
		return
	}
	a.serve(w, r, func(*http.Request) (reply, error) { return answer, err })
}

func (a *API) makeToken(w http.ResponseWriter, r *http.Request) (reply, error) {
	size, err := founders(w, r)
	if err != nil {
		return reply{}, err
	}
	if !isHost(r.Host) {
		return reply{}, &problem{http.StatusBadRequest, "the Host header must be the host to reach this server at"}
	}
	token := registry + randomToken()
	noteName(w, token)
	if err := a.createKey(w, r, token+"/_config/size", strconv.Itoa(size)); err != nil {
		return reply{}, err
	}
	u := url.URL{Scheme: "http", Host: r.Host, Path: keysPrefix + token}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return reply{content: []string{"text/plain; charset=utf-8"}, body: []byte(u.String() + "\n")}, nil
}

// createKey makes a key in the name of who sent r, as a PUT of it would.
func (a *API) createKey(w http.ResponseWriter, r *http.Request, raw, value string) error {
	q := keyRequest{value: value, hasPrevExist: true}
	if err := q.locate(raw); err != nil {
		return err
	}
	put := r.WithContext(r.Context())
	put.Method = http.MethodPut
	if err := a.permit(w, put, &q); err != nil {
		return err
	}
	ctx, cancel := a.within(r.Context())
	defer cancel()
	_, err := a.change(ctx, q.command(put.Method))
	return err
}

// founders is the number of members that r wants a token for.
func founders(w http.ResponseWriter, r *http.Request) (int, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
			abandonBody(w, r)
		}
		return 0, &problem{http.StatusBadRequest, err.Error()}
	}
	given := r.Form["size"]
	if len(given) == 0 {
		return usualFounders, nil
	}
	size, err := strconv.ParseUint(given[0], 10, 64)
	if err != nil || len(given) > 1 || size < 1 || size > mostFounders {
		return 0, &problem{http.StatusBadRequest, fmt.Sprintf("size must be a whole number from 1 to %d", mostFounders)}
	}
	return int(size), nil
}

func randomToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// isHost reports whether s, from a client, can stand in a URL as NAME,
// ADDRESS, or one of them with a port.
func isHost(s string) bool {
	const longest = 255
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
	u, err := url.Parse("http://" + s)
	if err != nil || u.Host != s || len(s) > longest || strings.HasSuffix(s, ":") {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	name := u.Hostname()
	if strings.HasPrefix(s, "[") {
		_, err := netip.ParseAddr(name)
		return err == nil
	}
	return name != "" && strings.Trim(name, letters) == ""
}
