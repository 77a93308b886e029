package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// login is a user and the right password. The zero login is nobody.
type login struct{ user, password string }

func (l login) authorization() string {
	return authorizationPrefix + base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.password)) + "\r\n"
}

const authorizationPrefix = "Authorization: Basic "

var (
	root   = login{"root", "root's password"}
	reader = login{"reader", "the reader's password"}
)

// newLogin is one of many users.
func newLogin(kind string, n int) login {
	return login{fmt.Sprintf("%s%d", kind, n), fmt.Sprintf("password %d", n)}
}

// admit makes root and users that may read and write the keys of the
// scenarios. Auth stays off.
func (s *server) admit(ctx context.Context, users ...login) error {
	role := fmt.Sprintf(`{"role":"bench","permissions":{"kv":{"read":["/%s/*"],"write":["/%s/*"]}}}`, dir, dir)
	if err := s.secure(ctx, http.MethodPut, "roles/bench", role); err != nil {
		return err
	}
	if err := s.secure(ctx, http.MethodPut, "users/root", fmt.Sprintf(`{"user":%q,"password":%q}`, root.user, root.password)); err != nil {
		return err
	}
	for _, u := range users {
		if err := s.secure(ctx, http.MethodPut, "users/"+u.user, fmt.Sprintf(`{"user":%q,"password":%q,"roles":["bench"]}`, u.user, u.password)); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) enableAuth(ctx context.Context) error {
	if err := s.secure(ctx, http.MethodPut, "enable", ""); err != nil {
		return err
	}
	// Guests may do everything unless they are kept out.
	return s.secure(ctx, http.MethodDelete, "roles/guest", "")
}

func (s *server) disableAuth(ctx context.Context) error {
	return s.secure(ctx, http.MethodDelete, "enable", "")
}

// secure sends a request on security as root.
func (s *server) secure(ctx context.Context, method, target, body string) error {
	a, err := s.ask(ctx, root, method, "/v2/auth/"+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	if a.status/100 != 2 {
		return fmt.Errorf("%s of %s: status %d: %s", method, target, a.status, a.body)
	}
	return nil
}

// A stranger gets a key for ever and offers a user and password of which some
// letters change from one request to the next, unless vary is empty.
type stranger struct {
	heedless
	request *request
	token   []byte // within the request: plain in base64
	plain   []byte
	vary    []byte // within plain
	rnd     random
}

// newStranger offers a user and password; the letters of varied are drawn anew
// each time.
func newStranger(host string, l login, varied string, seed int) *stranger {
	r := newRequestWith(l.authorization(), "GET", host, "/"+dir+"/0000/000", 0)
	s := &stranger{request: r, plain: []byte(l.user + ":" + l.password), rnd: random(seed)}
	start := strings.Index(string(r.raw), authorizationPrefix) + len(authorizationPrefix)
	s.token = r.raw[start : start+base64.StdEncoding.EncodedLen(len(s.plain))]
	at := strings.Index(string(s.plain), varied)
	s.vary = s.plain[at : at+len(varied)]
	return s
}

func (s *stranger) next() []byte {
	for i := range s.vary {
		s.vary[i] = alphabet[s.rnd.next()&63]
	}
	base64.StdEncoding.Encode(s.token, s.plain)
	return s.request.raw
}
