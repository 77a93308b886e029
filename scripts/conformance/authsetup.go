package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"keytree/scripts/process"
)

// A role is what a body on /v2/auth/roles says of one.
type role struct {
	Name        string      `json:"role"`
	Permissions permissions `json:"permissions"`
}

type permissions struct {
	KV patterns `json:"kv"`
}

type patterns struct {
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

// An account is a user of the matrix.
type account struct {
	Name     string   `json:"user"`
	Password string   `json:"password"`
	Roles    []string `json:"roles,omitempty"`
}

const rootPassword = "r:o o t"

// longPassword is longer than what bcrypt looks at, which is 72 bytes.
var longPassword = strings.Repeat("long pass", 9)

func both(patterns ...string) role { return newRole(patterns, patterns) }

func newRole(read, write []string) role {
	return role{Permissions: permissions{KV: patterns{Read: read, Write: write}}}
}

// roles are those of the matrix, one for each kind of pattern.
func roles() []role {
	named := func(name string, r role) role { r.Name = name; return r }
	return []role{
		named("exact", both("/a")),
		named("exactkey", both("/a/b", "/app/x")),
		named("slash", both("/a/", "/app/", "/ap/")),
		named("prefix", both("/ap*")),
		named("under", both("/a/*")),
		named("all", both("/*")),
		named("star", both("*")),
		named("top", both("/")),
		named("inner", both("/a*b", "/*/b")),
		named("stars", both("/a**", "/app/**")),
		named("encoded", both("/a b", "/é*", "/%61*", "/**")),
		named("hidden", both("/_x", "/a/_h*")),
		named("reader", newRole([]string{"/a/*", "/app"}, nil)),
		named("writer", newRole(nil, []string{"/a/*", "/app"})),
		named("crossed", newRole([]string{"/a*"}, []string{"/app/*"})),
		named("nothing", newRole(nil, nil)),
		named("_odd", both("/ap")),
	}
}

// accounts are the users of the matrix.
func accounts() []account {
	all := []account{
		{Name: "root", Password: rootPassword},
		{Name: "rootish", Password: "p", Roles: []string{"root"}},
		{Name: "rooted", Password: "p", Roles: []string{"nothing", "root", "reader"}},
		{Name: "several", Password: "p", Roles: []string{"writer", "missing", "exact", "prefix"}},
		{Name: "ghost", Password: "p", Roles: []string{"missing"}},
		{Name: "roleless", Password: "p"},
		{Name: "guest", Password: "p"},
		{Name: "guestrole", Password: "p", Roles: []string{"guest"}},
		{Name: "na me é", Password: "pä:ss wörd", Roles: []string{"under"}},
		{Name: "long", Password: longPassword, Roles: []string{"all"}},
		{Name: "_hid", Password: "p", Roles: []string{"_odd"}},
	}
	for _, r := range roles() {
		all = append(all, account{Name: r.Name, Password: "p", Roles: []string{r.Name}})
	}
	return all
}

// A person is somebody who asks: a user, or one who gets the Authorization
// header wrong.
type person struct {
	name   string
	header []process.Field
	dear   bool // etcd runs bcrypt when this one asks with auth on
}

func authorization(value string) []process.Field {
	return []process.Field{{Name: "Authorization", Value: value}}
}

func basic(user, password string) []process.Field {
	return authorization("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func rootHeader() []process.Field { return basic("root", rootPassword) }

// nobody asks without a header.
var nobody = person{name: "nobody"}

// people are all that ask in the matrix, but for nobody.
func people() []person {
	var all []person
	for _, a := range accounts() {
		all = append(all, person{a.Name, basic(a.Name, a.Password), true})
	}
	encoded := base64.StdEncoding.EncodeToString
	right := encoded([]byte("all:p"))
	return append(all,
		person{"all, wrong password", basic("all", "q"), true},
		person{"all, no password", basic("all", ""), true},
		person{"all, blank after the password", basic("all", "p "), true},
		person{"root, wrong password", basic("root", "p"), true},
		person{"long, differs after 72 bytes", basic("long", longPassword[:72]+"x"), true},
		person{"long, differs at 72 bytes", basic("long", longPassword[:71]+"x"), true},
		person{"lower case scheme", authorization("basic " + right), true},
		person{"upper case scheme", authorization("BASIC " + right), true},
		person{"unknown", basic("unknown", "p"), false},
		person{"other case", basic("ALL", "p"), false},
		person{"a name with a slash", basic("a/b", "p"), false},
		person{"empty header", authorization(""), false},
		person{"scheme alone", authorization("Basic"), false},
		person{"scheme and blank", authorization("Basic "), false},
		person{"not base64", authorization("Basic !!!"), false},
		person{"no colon", authorization("Basic " + encoded([]byte("all"))), false},
		person{"two blanks", authorization("Basic  " + right), false},
		person{"no padding", authorization("Basic " + strings.TrimRight(right, "=")), false},
		person{"other scheme", authorization("Bearer " + right), false},
		person{"two headers, the wrong one first", append(authorization("Basic !"), authorization("Basic "+right)...), false},
	)
}

// A standing is what guests may while a part of the matrix is asked.
type standing struct {
	name  string
	off   bool  // auth is off
	guest *role // nil where there is no guest role
}

func standings() []standing {
	made := both("/*")
	narrow := newRole([]string{"/a/*", "/ap", "/app/", "/_x"}, []string{"/app/*", "/a/b"})
	wide := newRole([]string{"*"}, []string{"/a*"})
	return []standing{
		{name: "guest as made by enabling", guest: &made},
		{name: "guest narrowed", guest: &narrow},
		{name: "guest widened", guest: &wide},
		{name: "guest deleted"},
		{name: "auth off", off: true, guest: &made},
	}
}

// planted are the keys that stand when a question is asked.
var planted = []string{"/a/b", "/a/_h", "/a/c/d", "/ap", "/app/x", "/app/y/z", "/_x", "/a%20b", "/%C3%A9", "/%2A"}

// hiddenTops are the names at the root that a listing does not show.
var hiddenTops = []string{"/_x"}

// jsonRequest is a write with a JSON body.
func jsonRequest(method, target string, body any) process.Request {
	b, err := json.Marshal(body)
	if err != nil {
		panic("a body of ours is no JSON: " + err.Error())
	}
	return process.Request{Method: method, Target: target, Body: b, Header: []process.Field{{Name: "Content-Type", Value: "application/json"}}}
}

// with returns q with more header lines.
func with(q process.Request, header []process.Field) process.Request {
	q.Header = append(q.Header[:len(q.Header):len(q.Header)], header...)
	return q
}

// introduce makes the roles and users of the matrix on both sides.
func (m *matrix) introduce(ctx context.Context) error {
	for _, r := range roles() {
		if err := m.prepare(ctx, jsonRequest("PUT", "/v2/auth/roles/"+r.Name, r)); err != nil {
			return err
		}
	}
	for _, a := range accounts() {
		name := strings.NewReplacer(" ", "%20", "é", "%C3%A9").Replace(a.Name)
		if err := m.prepare(ctx, jsonRequest("PUT", "/v2/auth/users/"+name, a)); err != nil {
			return err
		}
	}
	return nil
}
