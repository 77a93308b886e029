package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"keytree/store"
)

// keyRequest is a request on /v2/keys after its parameters were checked.
type keyRequest struct {
	raw  string // the key as it came, perhaps with a trailing slash
	path store.Path

	value, prevValue     string
	prevIndex, waitIndex store.Index
	ttl                  uint64 // seconds
	prevExist            bool
	hasTTL, hasPrevExist bool

	recursive, wait, dir, quorum, stream, refresh bool
	quiet                                         bool // noValueOnSuccess
}

// parse sets q to what r asks of the key called raw. A body may have limit
// bytes.
func (q *keyRequest) parse(w http.ResponseWriter, r *http.Request, raw string, limit int64) error {
	if r.URL.RawQuery != "" || hasForm(r.Method) {
		var f form
		if err := f.read(w, r, limit); err != nil {
			return &store.Error{Code: store.CodeInvalidForm, Cause: err.Error()}
		}
		if err := q.check(&f, r.Method); err != nil {
			return err
		}
	}
	return q.locate(raw)
}

// locate sets the key, within the limits on its size.
func (q *keyRequest) locate(raw string) error {
	switch {
	case len(raw) > maxKeyBytes:
		return &store.Error{Code: store.CodeInvalidField, Cause: "key is too long"}
	case len(raw) > maxKeyDepth && strings.Count(strings.TrimSuffix(raw, "/"), "/") > maxKeyDepth:
		return &store.Error{Code: store.CodeInvalidField, Cause: "key is too deep"}
	}
	q.raw = raw
	if len(raw) > 1 && raw[len(raw)-1] == '/' {
		raw = raw[:len(raw)-1]
	}
	if raw == "" {
		raw = "/"
	}
	q.path = store.ParsePath(store.Keys, raw)
	return nil
}

// check takes the parameters from f, in the order the dialect checks them:
// the first that is wrong names the error.
func (q *keyRequest) check(f *form, method string) error {
	q.prevIndex = store.Index(f.number(pPrevIndex, store.CodeIndexNaN))
	q.waitIndex = store.Index(f.number(pWaitIndex, store.CodeIndexNaN))
	q.recursive = f.flag(pRecursive, true)
	f.flag(pSorted, true) // answers are always sorted
	q.wait = f.flag(pWait, true)
	q.dir = f.flag(pDir, true)
	q.quorum = f.flag(pQuorum, true) && method == http.MethodGet
	q.stream = f.flag(pStream, true)
	if q.wait && method != http.MethodGet {
		f.refuse(store.CodeInvalidField, `"wait" can only be used with GET requests`)
	}
	q.wait = q.wait && !q.quorum
	if f.has(pPrevValue) && f.values[pPrevValue] == "" {
		f.refuse(store.CodePrevValueMissing, `"prevValue" cannot be empty`)
	}
	q.prevValue = f.values[pPrevValue]
	q.quiet = f.flag(pNoValueOnSuccess, true)
	if f.values[pTTL] != "" {
		q.hasTTL = true
		q.ttl = f.number(pTTL, store.CodeTTLNaN)
	}
	q.hasPrevExist = f.has(pPrevExist)
	q.prevExist = f.flag(pPrevExist, false)
	q.refresh = f.flag(pRefresh, false)
	q.value = f.values[pValue]
	if q.refresh && q.value != "" {
		f.refuse(store.CodeRefreshValue, "A value was provided on a refresh")
	}
	if q.refresh && !q.hasTTL {
		f.refuse(store.CodeRefreshTTL, "No TTL value set")
	}
	if f.wrong != nil {
		return f.wrong
	}
	return nil
}

// refuse notes that a parameter is wrong, unless one was before.
func (f *form) refuse(code store.Code, cause string) {
	if f.wrong == nil {
		f.wrong = &store.Error{Code: code, Cause: cause}
	}
}

// number is the decimal number in p, or zero if p was not given.
func (f *form) number(p param, code store.Code) uint64 {
	if !f.has(p) {
		return 0
	}
	n, err := strconv.ParseUint(f.values[p], 10, 64)
	if err != nil {
		f.refuse(code, `invalid value for "`+names[p]+`"`)
	}
	return n
}

// flag is the truth of p, or false if p was not given. The dialect puts most
// names in quotes when it complains, but not all.
func (f *form) flag(p param, quoted bool) bool {
	if !f.has(p) {
		return false
	}
	v, err := strconv.ParseBool(f.values[p])
	if err != nil {
		name := names[p]
		if quoted {
			name = `"` + name + `"`
		}
		f.refuse(store.CodeInvalidField, "invalid value for "+name)
	}
	return v
}

// command is the mutation that q asks for with the given method.
func (q *keyRequest) command(method string) store.Command {
	c := store.Command{
		Path:    q.path,
		Value:   q.value,
		Dir:     q.dir,
		Expires: q.hasTTL,
		TTL:     time.Duration(q.ttl * uint64(time.Second)), // wraps, as in etcd
	}
	compares := q.prevValue != "" || q.prevIndex != 0
	switch {
	case method == http.MethodDelete:
		c = store.Command{Op: store.Delete, Path: q.path, Dir: q.dir, Recursive: q.recursive}
		if compares {
			c.Op = store.CompareAndDelete
		}
	case method == http.MethodPost:
		c.Op = store.CreateInOrder
		return c
	case q.hasPrevExist && !q.prevExist:
		c.Op = store.Create
		return c
	case compares:
		c.Op, c.Refresh = store.CompareAndSwap, q.refresh
	case q.hasPrevExist:
		c.Op, c.Refresh = store.Update, q.refresh
	default:
		c.Op, c.Refresh = store.Set, q.refresh
	}
	if compares {
		c.PrevValue, c.PrevIndex = q.prevValue, q.prevIndex
	}
	return c
}
