package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"keytree/httpapi"
	"keytree/httpapi/apitest"
	"keytree/httpapi/auth"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/stats"
	"keytree/store"
)

// described is a member whose answers are held against docs/openapi.yaml.
type described struct {
	*replica.Replica
	t       *testing.T
	handler http.Handler
	router  routers.Router

	ill  atomic.Bool     // it has no quorum, and its loop hangs
	seen map[string]bool // METHOD path status, of the document
}

// document is the description, found to be sound with all of its examples.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // they are anywhere
	for _, schema := range doc.Components.Schemas {
		complete(schema.Value)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// complete makes s refuse fields that it does not tell of. To others the
// document leaves it open, because answers may get further ones.
func complete(s *openapi3.Schema) {
	if len(s.Properties) > 0 {
		s.AdditionalProperties = openapi3.AdditionalProperties{Has: openapi3.Ptr(false)}
	}
	for _, property := range s.Properties {
		if property.Ref == "" {
			complete(property.Value)
		}
	}
	if s.Items != nil && s.Items.Ref == "" {
		complete(s.Items.Value)
	}
}

// withDocument runs test against a member and the description of it.
func withDocument(t *testing.T, test func(d *described, doc *openapi3.T)) {
	t.Helper()
	doc := document(t)
	synctest.Test(t, func(t *testing.T) {
		d := &described{t: t, Replica: apitest.Open(t, 1, nil).Members[0].Replica, seen: map[string]bool{}}
		var err error
		if d.router, err = legacy.NewRouter(doc); err != nil {
			t.Fatal(err)
		}
		authority := auth.Open(auth.Config{Tree: d, Hasher: auth.Bcrypt{Cost: 4}})
		trends := stats.NewTrends(d.Stats())
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		for _, run := range []func(context.Context) error{authority.Run, trends.Run} {
			running.Go(func() {
				if err := run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		defer running.Wait()
		defer stop()
		d.handler = httpapi.New(httpapi.Config{
			Keyspace: d, Cluster: d, Progress: d, Snapshots: d, Pages: d, Reporter: d, Auth: authority, Stats: d.Stats(), Trends: trends,
			Quota: httpapi.NewQuota(100_000, d.Bytes), Version: "0.1.0",
		})
		synctest.Wait()
		test(d, doc)
	})
}

var errIll = &store.Error{Code: store.CodeRaft, Cause: "etcdserver: request timed out"}

func (d *described) Do(ctx context.Context, c store.Command) (store.Result, error) {
	if d.ill.Load() {
		return store.Result{}, errIll
	}
	return d.Replica.Do(ctx, c)
}

func (d *described) Barrier(ctx context.Context) error {
	if d.ill.Load() {
		return errIll
	}
	return d.Replica.Barrier(ctx)
}

func (d *described) Snapshot(ctx context.Context) (*store.Capture, error) {
	if d.ill.Load() {
		return nil, errIll
	}
	return d.Replica.Snapshot(ctx)
}

func (d *described) Report(ctx context.Context) (member.Report, error) {
	if d.ill.Load() {
		return member.Report{}, errors.New("it hangs")
	}
	return d.Replica.Report(ctx)
}

func (d *described) Alive(ctx context.Context) error {
	if d.ill.Load() {
		return errors.New("it hangs")
	}
	return d.Replica.Alive(ctx)
}

// ask sends a request, which may be malformed, and returns the answer.
func (d *described) ask(method, target, body string, headers ...string) (*http.Request, *http.Response) {
	d.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return r, w.Result()
}

// must sends a request that has to succeed.
func (d *described) must(method, target, body string, headers ...string) {
	d.t.Helper()
	_, a := d.ask(method, target, body, headers...)
	if text, err := io.ReadAll(a.Body); a.StatusCode/100 != 2 || err != nil {
		d.t.Fatalf("%s %s: %s %s, %v", method, target, a.Status, text, err)
	}
}

// check sends a request whose answer must have the status and be as the
// document says. The document must let the request itself pass, unless it is
// wrong in a way that a schema can tell.
func (d *described) check(status int, wrong bool, method, target, body string, headers ...string) {
	d.t.Helper()
	r, a := d.ask(method, target, body, headers...)
	text, err := io.ReadAll(a.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if a.StatusCode != status {
		d.t.Errorf("%s %s: got %d %.300s, want %d", method, target, a.StatusCode, text, status)
		return
	}
	question := httptest.NewRequest(method, target, strings.NewReader(body))
	question.Header = r.Header
	if body == "" {
		question.Body = nil
	}
	route, path, err := d.router.FindRoute(question)
	if err != nil {
		d.t.Errorf("%s %s: the document does not know it: %v", method, target, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: question, PathParams: path, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(d.t.Context(), in); (err != nil) != wrong {
		d.t.Errorf("%s %s %.200s: the document says of the request: %v", method, target, body, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.StatusCode, Header: a.Header, Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(text)),
	}
	if err := openapi3filter.ValidateResponse(d.t.Context(), out); err != nil {
		d.t.Errorf("%s %s: the answer is not as documented: %v\n%.500s", method, target, err, text)
	}
	if method == http.MethodHead && route.Operation.Responses.Status(status) == nil {
		d.t.Errorf("%s %s: the document does not know a %d", method, target, status)
	}
	d.seen[fmt.Sprint(method, " ", route.Path, " ", status)] = true
}

const (
	jsonType = "Content-Type: application/json"
	formType = "Content-Type: application/x-www-form-urlencoded"
	asRoot   = "Authorization: Basic cm9vdDpyb290cHc=" // root:rootpw
	asNobody = "Authorization: Basic bm9ib2R5OngK"

	list, txn, status, trends    = "/keytree/v1/list", "/keytree/v1/txn", "/keytree/v1/status", "/keytree/v1/trends"
	snapshot, token, live, ready = "/keytree/v1/snapshot", "/keytree/v1/discovery/new", "/livez", "/readyz"
)

// The document says what there is, and nothing else.
func TestTheDocumentHasEveryRoute(t *testing.T) {
	withDocument(t, func(d *described, doc *openapi3.T) {
		var routes []string
		for _, path := range httpapi.Routes(d.handler) {
			if strings.HasPrefix(path, "/keytree/") || path == live || path == ready {
				routes = append(routes, path)
			}
		}
		if documented := slices.Sorted(maps.Keys(doc.Paths.Map())); !slices.Equal(routes, documented) {
			d.t.Errorf("the routes are     %q\nthe document knows %q", routes, documented)
		}
		for path, item := range doc.Paths.Map() {
			known := slices.Sorted(maps.Keys(item.Operations()))
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"} {
				_, a := d.ask(method, path, "")
				allowed := strings.Split(a.Header.Get("Allow"), ",")
				slices.Sort(allowed)
				switch documented := slices.Contains(known, method); {
				case documented != (a.StatusCode != http.StatusMethodNotAllowed):
					d.t.Errorf("%s %s: documented %t, and the answer is %s", method, path, documented, a.Status)
				case !documented && !slices.Equal(allowed, known):
					d.t.Errorf("%s %s: the document knows %q, allowed are %q", method, path, known, allowed)
				}
			}
		}
	})
}

// Every answer there is in the document is got, and is as the document has it.
func TestAnswersAreAsDocumented(t *testing.T) {
	withDocument(t, func(d *described, doc *openapi3.T) {
		good, bad := false, true
		d.must("PUT", "/v2/keys/d/a", "value=1", formType)
		d.must("PUT", "/v2/keys/d/b?ttl=100", "value=%3C2%3E", formType)
		d.must("PUT", "/v2/keys/d/dir/c", "value=3", formType)
		d.must("PUT", "/v2/keys/d/old?ttl=0", "dir=true", formType)
		for _, query := range []string{
			"", "?prefix=/d/", "?prefix=/d/&recursive=true", "?prefix=/d/&limit=1", "?prefix=/d/b&keysOnly=true&quorum=true", "?contains=a&recursive=true",
			"?prefix=/d/&limit=2&contains=x", "?prefix=/none", "?unknown=1",
		} {
			d.check(200, good, "GET", list+query, "")
			d.check(200, good, "HEAD", list+query, "")
		}
		for _, query := range []string{"?prefix=d", "?limit=0", "?limit=10001", "?limit=x", "?recursive=maybe", "?continue=***"} {
			d.check(400, bad, "GET", list+query, "")
			d.check(400, bad, "HEAD", list+query, "")
		}
		d.check(400, good, "GET", list+"?prefix=/d/a/", "")
		d.check(400, good, "GET", list+"?continue=AQ", "")
		d.check(400, good, "GET", list+"?prefix=/d/../d/", "")
		d.check(404, good, "GET", list+"?prefix=/none/", "")
		d.check(404, good, "HEAD", list+"?prefix=/none/", "")
		d.checkTxn()
		for _, method := range []string{"GET", "HEAD"} {
			d.check(200, good, method, status, "")
			d.check(200, good, method, status+"?members=true", "")
			d.check(400, bad, method, status+"?members=some", "")
			for _, path := range []string{live, ready} {
				d.check(200, good, method, path, "")
				d.check(200, good, method, path+"?verbose", "")
			}
		}
		time.Sleep(16 * time.Minute) // until no more samples are kept
		d.check(200, good, "GET", trends, "")
		d.check(200, good, "GET", snapshot, "")
		d.check(200, good, "GET", token, "")
		d.check(200, good, "POST", token+"?size=5", "")
		d.check(200, good, "POST", token, "size=5", formType)
		d.check(400, bad, "GET", token+"?size=65", "")
		d.check(400, bad, "POST", token, "size=x", formType)
		d.checkClosed()
		d.checkIll()
		for path, item := range doc.Paths.Map() {
			for method, o := range item.Operations() {
				for status := range o.Responses.Map() {
					if text := method + " " + path + " " + status; !d.seen[text] {
						t.Errorf("the document has %s, and it was not seen", text)
					}
				}
			}
		}
	})
}

// checkTxn tries transactions.
func (d *described) checkTxn() {
	d.t.Helper()
	good, bad := false, true
	d.check(200, good, "POST", txn, `{"compare":[{"key":"/d/a","prevValue":"1"},{"key":"/no","prevExist":false}],"operations":[]}`, jsonType)
	d.check(200, good, "POST", txn, `{"operations":[
		{"action":"set","key":"/t/a","value":"1","ttl":100},{"action":"create","key":"/t/b","dir":true},{"action":"update","key":"/t/a","value":"2"},
		{"action":"createInOrder","key":"/t/b","value":"3"},{"action":"compareAndSwap","key":"/t/a","prevValue":"2","value":"4"},
		{"action":"update","key":"/t/a","ttl":50,"refresh":true},
		{"action":"compareAndDelete","key":"/t/a","prevValue":"4"},{"action":"delete","key":"/t","recursive":true}]}`, jsonType)
	for _, body := range []string{
		`{}`, `[]`, `{`, `{"compares":[]}`, `{"compare":[{"key":"/a"}]}`, `{"compare":[{"key":"a","prevExist":true}]}`, `{"compare":null}`,
		`{"operations":[{"key":"/a"}]}`, `{"operations":[{"action":"get","key":"/a"}]}`, `{"operations":[{"action":"set","key":"/a","value":1}]}`,
		`{"operations":[{"action":"set","key":"/a","ttl":-1}]}`, `{"operations":[{"action":"set","key":"/a","ttl":4294967296}]}`,
		`{"operations":[{"action":"delete","key":"/a","more":1}]}`, `{"compare":[{"key":"/a","prevIndex":0}]}`,
		`{"operations":[` + strings.Repeat(`{"action":"delete","key":"/a"},`, 128) + `{"action":"delete","key":"/a"}]}`,
	} {
		d.check(400, bad, "POST", txn, body, jsonType)
	}
	d.check(400, good, "POST", txn, `{"operations":[{"action":"delete","key":"/a","value":"1"}]}`, jsonType)
	d.check(400, good, "POST", txn, `{"operations":[{"action":"set","key":"/d/a/x","value":"1"}]}`, jsonType)
	d.check(403, good, "POST", txn, `{"operations":[{"action":"delete","key":"/d"}]}`, jsonType)
	d.check(403, good, "POST", txn, `{"operations":[{"action":"set","key":"/big","value":"`+strings.Repeat("x", 200_000)+`"}]}`, jsonType)
	d.check(404, good, "POST", txn, `{"operations":[{"action":"delete","key":"/no"}]}`, jsonType)
	d.check(412, good, "POST", txn, `{"compare":[{"key":"/d/a","prevValue":"x"}]}`, jsonType)
	d.check(412, good, "POST", txn, `{"operations":[{"action":"create","key":"/d/a"}]}`, jsonType)
}

// checkClosed tries what is not everybody's.
func (d *described) checkClosed() {
	d.t.Helper()
	good := false
	d.must("PUT", "/v2/auth/users/root", `{"user":"root","password":"rootpw"}`)
	d.must("PUT", "/v2/auth/enable", "")
	d.must("DELETE", "/v2/auth/roles/guest", "", asRoot)
	change := `{"operations":[{"action":"set","key":"/a","value":"1"}]}`
	for _, who := range []string{"X-Nobody: x", asNobody} {
		for _, method := range []string{"GET", "HEAD"} {
			d.check(401, good, method, list, "", who)
			d.check(200, good, method, status, "", who)
			d.check(200, good, method, live, "", who)
			d.check(200, good, method, ready, "", who)
		}
		d.check(401, good, "POST", txn, change, jsonType, who)
		d.check(401, good, "GET", snapshot, "", who)
		d.check(401, good, "GET", token, "", who)
		d.check(401, good, "POST", token, "", who)
		d.check(200, good, "GET", trends, "", who)
	}
	d.check(200, good, "GET", list, "", asRoot)
	d.check(200, good, "POST", txn, change, jsonType, asRoot)
	d.check(200, good, "GET", snapshot, "", asRoot)
	d.must("DELETE", "/v2/auth/enable", "", asRoot)
}

// checkIll tries what a member answers that cannot do its work.
func (d *described) checkIll() {
	d.t.Helper()
	good := false
	d.must("PUT", "/v2/keys/fill", "value="+strings.Repeat("x", 95_000), formType)
	for full := 0; full < 20; full++ {
		if _, a := d.ask("GET", token, ""); a.StatusCode != http.StatusOK {
			break
		}
	}
	d.check(403, good, "GET", token, "")
	d.check(403, good, "POST", token, "")
	d.must("DELETE", "/v2/keys/fill", "")
	d.ill.Store(true)
	for _, method := range []string{"GET", "HEAD"} {
		d.check(500, good, method, list+"?quorum=true", "")
		d.check(503, good, method, status, "")
		d.check(503, good, method, live, "")
		d.check(503, good, method, ready+"?verbose=", "")
	}
	d.check(500, good, "POST", txn, `{"operations":[{"action":"delete","key":"/a"}]}`, jsonType)
	d.check(500, good, "GET", token, "")
	d.check(500, good, "POST", token, "")
	d.check(503, good, "GET", snapshot, "")
}
