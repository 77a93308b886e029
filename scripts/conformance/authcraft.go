package main

import (
	"slices"

	"keytree/scripts/process"
)

// Users that break etcd or mislead it: one with a role of which a pattern is
// empty, one with a role without a name, one with a role that is a path.
const (
	emptyPattern = "emptypattern"
	emptyRole    = "emptyrole"
	pathRole     = "pathrole"
)

// pathNames are names for a user that there is, were they paths.
var pathNames = []string{emptyPattern + "/", "./" + emptyPattern, "../users/" + emptyPattern, "/" + emptyPattern, emptyPattern + "/.", "../roles/r"}

// craftedAuth is a scenario of what breaks etcd or misleads it.
func craftedAuth() scenario {
	put := func(path, json string) step { return step{Method: "PUT", Path: path, Body: &json} }
	as := func(user, method, path string) step {
		return step{Method: method, Path: path, Headers: map[string]string{"Authorization": basic(user, "p")[0].Value}}
	}
	s := scenario{name: "craft_auth", steps: []step{
		put("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/a",""]}}}`),
		put("/v2/auth/users/"+emptyPattern, `{"user":"`+emptyPattern+`","password":"p","roles":["r"]}`),
		put("/v2/auth/users/"+emptyRole, `{"user":"`+emptyRole+`","password":"p","roles":["",".."]}`),
		put("/v2/auth/users/"+pathRole, `{"user":"`+pathRole+`","password":"p","roles":["../roles/r2"]}`),
		put("/v2/auth/roles/r2", `{"role":"r2","permissions":{"kv":{"read":["/b"]}}}`),
		{Method: "GET", Path: "/v2/auth/users/" + pathRole},
		put("/v2/auth/users/root", `{"user":"root","password":"p"}`),
		put("/v2/auth/enable", ""),
		as(emptyPattern, "GET", "/v2/keys/a"),
		as(emptyPattern, "GET", "/v2/keys"),
		as(emptyPattern, "GET", "/v2/keys/b"),
		as(emptyPattern, "GET", "/v2/keys/b?recursive=true"),
		as(emptyPattern, "DELETE", "/v2/keys/a"),
		as(emptyPattern, "GET", "/v2/auth/users"),
		as(emptyRole, "GET", "/v2/keys/a"),
		as(pathRole, "GET", "/v2/keys/a"),
		as(pathRole, "GET", "/v2/keys/b"),
		as("", "GET", "/v2/keys/a"),
		as("", "PUT", "/v2/keys/a"),
		as("", "GET", "/v2/auth/users"),
		as("", "DELETE", "/v2/members/1234"),
	}}
	for _, name := range pathNames {
		s.steps = append(s.steps, as(name, "GET", "/v2/keys/a"), as(name, "GET", "/v2/auth/roles"))
	}
	return s
}

// offers reports whether a request has the header of that user.
func offers(q process.Request, user string) bool {
	return slices.Contains(q.Header, basic(user, "p")[0])
}

// takenForPath reports whether a request by or about a user makes etcd take a
// name for a path.
func takenForPath(q process.Request) bool {
	return offers(q, pathRole) || isPath(q, "/v2/auth/users/"+pathRole) ||
		slices.ContainsFunc(pathNames, func(name string) bool { return offers(q, name) })
}
