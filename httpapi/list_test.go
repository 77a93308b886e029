package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keytree/store"
)

// listedPage is a page as its reader has it.
type listedPage struct {
	Index    uint64            `json:"index"`
	Nodes    []json.RawMessage `json:"nodes"`
	Continue *string           `json:"continue"`
}

// list asks for a page, with parameters in pairs.
func (b *bench) list(parameters ...string) *listedPage {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	a := b.get(listPath + "?" + q.Encode())
	p := &listedPage{}
	if err := json.Unmarshal([]byte(a.body), p); err != nil || a.status != 200 || !strings.HasSuffix(a.body, "}\n") {
		b.t.Fatalf("%q: %v, %v", parameters, a, err)
	}
	if index := a.headers.Get("X-Etcd-Index"); index != fmt.Sprint(p.Index) || a.headers.Get("Content-Type") != "application/json" || p.Nodes == nil {
		b.t.Fatalf("%q: %v", parameters, a)
	}
	return p
}

// listAll reads page after page.
func (b *bench) listAll(parameters ...string) (nodes []json.RawMessage) {
	b.t.Helper()
	for next := parameters; ; {
		p := b.list(next...)
		nodes = append(nodes, p.Nodes...)
		if p.Continue == nil {
			return nodes
		}
		next = append(slices.Clip(parameters), "continue", *p.Continue)
	}
}

// keys are the names of nodes, directories with a slash at their end.
func keys(nodes []json.RawMessage) (names []string) {
	for _, text := range nodes {
		var n treeNode
		if err := json.Unmarshal(text, &n); err != nil {
			panic(err) // it was decoded before
		}
		if n.Dir {
			n.Key += "/"
		}
		names = append(names, n.Key)
	}
	return names
}

// flat is what a listing of the dialect has beneath its top node, each node as
// it stands there, but for the nodes in it.
func flat(t *testing.T, listing string) (nodes []json.RawMessage) {
	t.Helper()
	var all struct{ Node *treeNode }
	if err := json.Unmarshal([]byte(listing), &all); err != nil {
		t.Fatal(err)
	}
	var walk func(n *treeNode)
	walk = func(n *treeNode) {
		for _, child := range n.Nodes {
			alone := *child
			alone.Nodes = nil
			text, err := json.Marshal(alone)
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, text)
			walk(child)
		}
	}
	walk(all.Node)
	return nodes
}

func TestPagesHaveTheNodesOfTheDialect(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(300, 40)
		for _, dir := range []string{"/", "/t", "/t/00", "/t/empty", "/t/00/_hidden0"} {
			for _, recursive := range []string{"false", "true"} {
				want := flat(t, b.get("/v2/keys"+dir+"?recursive="+recursive).body)
				prefix := strings.TrimSuffix(dir, "/") + "/"
				for _, limit := range []string{"1000", "7"} {
					got := b.listAll("prefix", prefix, "recursive", recursive, "limit", limit)
					if !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
						t.Errorf("%s, recursive %s, by %s: got %d nodes, want %d\n%.300s\n%.300s", dir, recursive, limit, len(got), len(want), got, want)
					}
				}
			}
		}
	})
}

// A page, byte by byte.
func TestAPageIsOneLineOfJSON(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/d/a", "value=<1>&ttl=10")
		b.put("/v2/keys/d/b", "dir=true")
		b.put("/v2/keys/d/b/c", "value=2")
		const a = `{"key":"/d/a","value":"\u003c1\u003e","expiration":"2026-11-21T07:45:10.123456789Z","ttl":10,"modifiedIndex":4,"createdIndex":4}`
		const dir = `{"key":"/d/b","dir":true,"modifiedIndex":5,"createdIndex":5}`
		const c = `{"key":"/d/b/c","value":"2","modifiedIndex":6,"createdIndex":6}`
		b.get(listPath+"?prefix=/d/").want(t, 200, `{"index":6,"nodes":[`+a+`,`+dir+`]}`)
		b.get(listPath+"?prefix=/d/&recursive=true&quorum=true").want(t, 200, `{"index":6,"nodes":[`+a+`,`+dir+`,`+c+`]}`)
		b.get(listPath+"?prefix=/d/&keysOnly=true&recursive=1").want(t, 200, `{"index":6,"nodes":[`+strings.Replace(a, `"value":"\u003c1\u003e",`, "", 1)+`,`+dir+`,`+strings.Replace(c, `"value":"2",`, "", 1)+`]}`)
		b.get(listPath+"?prefix=/d/x").want(t, 200, `{"index":6,"nodes":[]}`)
		b.get(listPath).want(t, 200, `{"index":6,"nodes":[{"key":"/d","dir":true,"modifiedIndex":4,"createdIndex":4}]}`)
		b.get(listPath+"?prefix=/d/&limit=1&keysOnly=true").want(t, 200, `{"index":6,"nodes":[`+strings.Replace(a, `"value":"\u003c1\u003e",`, "", 1)+`],"continue":"AfEL75gLepYtYQ"}`)
		h := b.get(listPath).headers
		want := b.get("/v2/keys").headers
		for _, name := range []string{headerClusterID, headerPosition, headerTerm} {
			if h.Get(name) == "" || h.Get(name) != want.Get(name) {
				t.Errorf("%s: got %q, want %q", name, h.Get(name), want.Get(name))
			}
		}
	})
}

func TestAPrefixChoosesNames(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, name := range []string{"/a", "/ab/x", "/ab/_y", "/abc", "/b", "/_h/x", "/_i", "/.dot", "/%25", "/ab/abx"} {
			b.put("/v2/keys"+name, "value=1")
		}
		for query, want := range map[string]string{
			"":                               "/% /.dot /a /ab/ /abc /b",
			"prefix=/":                       "/% /.dot /a /ab/ /abc /b",
			"prefix=/a":                      "/a /ab/ /abc",
			"prefix=/ab":                     "/ab/ /abc",
			"prefix=/ab&recursive=true":      "/ab/ /ab/abx /ab/x /abc",
			"prefix=/ab/":                    "/ab/abx /ab/x",
			"prefix=/_":                      "/_h/ /_i",
			"prefix=/_h&recursive=true":      "/_h/ /_h/x",
			"prefix=/ab/_":                   "/ab/_y",
			"prefix=/.":                      "/.dot",
			"prefix=/%25":                    "/%",
			"contains=b":                     "/ab/ /abc /b",
			"contains=b&recursive=true":      "/ab/ /ab/abx /abc /b",
			"contains=bx&recursive=true":     "/ab/abx",
			"contains=none":                  "",
			"prefix=/z":                      "",
			"prefix=/ab/&contains=_y":        "",
			"prefix=/&recursive=true&limit=": "400",
			"prefix=/a&recursive=false":      "/a /ab/ /abc",
		} {
			a := b.get(listPath + "?" + query)
			if want == "400" {
				a.wantMessage(t, 400, "limit must be a whole number from 1 to 10000")
				continue
			}
			if got := strings.Join(keys(b.listAll(pairs(query)...)), " "); a.status != 200 || got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
	})
}

// pairs are the parameters in a query.
func pairs(query string) (all []string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		panic(err) // it is ours
	}
	for name, value := range values {
		all = append(all, name, value[0])
	}
	return all
}

func TestAPageThatCannotBeIsRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/d/a", "value=1")
		b.get(listPath+"?prefix=/none/").want(t, 404, `{"errorCode":100,"message":"Key not found","cause":"/none","index":4}`)
		b.get(listPath+"?prefix=/d/no/such/").want(t, 404, `{"errorCode":100,"message":"Key not found","cause":"/d/no","index":4}`)
		b.get(listPath+"?prefix=/d/a/x").want(t, 400, `{"errorCode":104,"message":"Not a directory","cause":"/d/a","index":4}`)
		const unclean = `prefix must begin with a slash and have no empty, \".\" or \"..\" element`
		for query, message := range map[string]string{
			"prefix=d":                     unclean,
			"prefix=//":                    unclean,
			"prefix=/d/../d/":              unclean,
			"prefix=/./":                   unclean,
			"limit=0":                      "limit must be a whole number from 1 to 10000",
			"limit=10001":                  "limit must be a whole number from 1 to 10000",
			"limit=x":                      "limit must be a whole number from 1 to 10000",
			"recursive=yes":                "recursive must be true or false",
			"keysOnly=":                    "keysOnly must be true or false",
			"quorum=2":                     "quorum must be true or false",
			"continue=":                    badToken.message,
			"continue=%2B%2B":              badToken.message,
			"continue=" + "AfEL75gLepYtYQ": badToken.message,
			"a;b":                          "invalid semicolon separator in query",
			"prefix=%zz":                   `invalid URL escape \"%zz\"`,
		} {
			a := b.get(listPath + "?" + query)
			if want := `{"message":"` + message + `"}`; a.status != 400 || a.body != want || a.headers.Get("Content-Type") != "application/json" {
				t.Errorf("%s: got %v, want %s", query, a, want)
			}
		}
		long := strings.Repeat("x", maxKeyBytes)
		b.get(listPath+"?prefix=/"+long).wantRefused(t, store.CodeInvalidField, "key is too long")
		b.get(listPath+"?prefix="+strings.Repeat("/x", maxKeyDepth+1)).wantRefused(t, store.CodeInvalidField, "key is too deep")
		for _, method := range []string{"PUT", "POST", "DELETE", "PATCH"} {
			if a := b.do(method, listPath, ""); a.status != 405 || a.headers.Get("Allow") != "GET,HEAD" {
				t.Errorf("%s: %v", method, a)
			}
		}
		if a := b.do("HEAD", listPath+"?prefix=/d/", ""); a.status != 200 || a.headers.Get("X-Etcd-Index") != "4" || a.body != "" {
			t.Errorf("HEAD: %v", a)
		}
		if a := b.do("HEAD", listPath+"?limit=0", ""); a.status != 400 || a.body != "" {
			t.Errorf("HEAD of what is refused: %v", a)
		}
	})
}

func TestAPageNeedsTheRightToReadTheDirectory(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, name := range []string{"/open/a", "/open/_h", "/one/a", "/one/_h", "/closed/a"} {
			b.put("/v2/keys"+name, "value=1")
		}
		b.mustPut("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/open/*","/one"],"write":["*"]}}}`)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p","roles":["r"]}`)
		b.enableAuth()
		b.closeToGuests()
		const user = "Authorization: Basic dTpw" // u:p
		for target, status := range map[string]int{
			"prefix=/open/":                200,
			"prefix=/open/a":               200,
			"prefix=/open/_":               200,
			"prefix=/open/&recursive=true": 200,
			"prefix=/one/":                 200,
			"prefix=/one/&recursive=true":  401,
			"prefix=/one/_":                401,
			"prefix=/":                     401,
			"prefix=/open":                 401,
			"prefix=/closed/":              401,
			"prefix=/closed/&quorum=true":  401,
			"prefix=/nothing/":             401,
			"prefix=/open/&quorum=true":    200,
		} {
			a := b.do("GET", listPath+"?"+target, "", user)
			if a.status != status {
				t.Errorf("%s: got %v, want %d", target, a, status)
			}
			if a.status == 401 {
				a.wantDenied(t, listPath)
			}
			b.do("GET", listPath+"?"+target, "").wantDenied(t, listPath)
			if a := b.do("GET", listPath+"?"+target, "", asRoot); a.status != 200 && target != "prefix=/nothing/" {
				t.Errorf("%s as root: %v", target, a)
			}
		}
	})
}

func TestAPageWithQuorumNeedsOne(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.refuse.Store(&store.Error{Code: store.CodeRaft, Cause: timedOut})
		b.get(listPath+"?quorum=true").want(t, 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"`+timedOut+`","index":0}`)
		if a := b.get(listPath); a.status != 200 {
			t.Errorf("without: %v", a)
		}
	})
}

// A long page goes out in pieces like a listing, and lets others have the
// processor.
func TestALongPageIsSentInBoundedPieces(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(2000, 1000)
		a := New(Config{Keyspace: b.cluster, Cluster: b.cluster, Progress: b.cluster, Pages: b.cluster}).(*API)
		yields := 0
		a.yield = func() { yields++ }
		read := func(target string) []int {
			w := &pieces{sink: *newSink()}
			r, err := http.NewRequest("GET", target, nil)
			if err != nil {
				t.Fatal(err)
			}
			a.ServeHTTP(w, r)
			return w.sizes
		}
		sizes := read(listPath + "?recursive=true&limit=10000")
		for i, n := range sizes {
			if n > pieceBytes || n < pieceBytes && i < len(sizes)-1 {
				t.Errorf("piece %d of %d has %d bytes", i, len(sizes), n)
			}
		}
		if want := (len(sizes) - 1) * pieceBytes / yieldBytes; len(sizes) < longListing/pieceBytes || yields != want {
			t.Errorf("%d pieces with %d yields, want %d", len(sizes), yields, want)
		}
		if sizes := read(listPath + "?recursive=true&limit=10000&keysOnly=true"); len(sizes) > 8 {
			t.Errorf("without values there are %d pieces", len(sizes))
		}
		if len(a.turns) != 0 {
			t.Errorf("%d turns were not given back", len(a.turns))
		}
	})
}

// What reads a directory is in the audit like a GET of it.
func TestPagesAreInTheAudit(t *testing.T) {
	for path, want := range map[string]string{listPath: kindKey, listPath + "x": "", "/keytree/v1/status": ""} {
		if kind, _ := subject(path); kind != want {
			t.Errorf("%s is about %q, want %q", path, kind, want)
		}
	}
}
