package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"keytree/store"
)

// What is wrong with a transaction is told with its place, and nothing of it
// is done.
func TestWhatIsWrongWithATransactionIsTold(t *testing.T) {
	op := func(rest string) string { return `{"operations":[{"action":"set","key":"/x"},{` + rest + `}]}` }
	cmp := func(rest string) string { return `{"compare":[{` + rest + `}]}` }
	many := func(one string) string { return strings.TrimSuffix(strings.Repeat(one+",", 129), ",") }
	for _, c := range []struct{ body, want string }{
		{``, `body: unexpected end of JSON input`},
		{`{`, `body: unexpected end of JSON input`},
		{`{} x`, `body: invalid character 'x' after top-level value`},
		{`{"compare":[]}{}`, `body: invalid character '{' after top-level value`},
		{`{'a':1}`, `body: invalid character '\'' looking for beginning of object key string`},
		{"{\"operations\":[{\"action\":\"set\",\"key\":\"/x\",\"value\":\"\xff\"}]}", `body: is not UTF-8`},
		{`null`, `body: must be an object`},
		{`[]`, `body: must be an object`},
		{`7`, `body: must be an object`},
		{`{}`, `body: there is neither a compare nor an operation`},
		{`{"compare":[],"operations":[]}`, `body: there is neither a compare nor an operation`},
		{`{"compares":[]}`, `body: unknown field "compares"`},
		{`{"Compare":[]}`, `body: unknown field "Compare"`},
		{`{"key":[]}`, `body: unknown field "key"`},
		{`{"` + strings.Repeat("é", 1000) + `":1}`, `body: unknown field "` + strings.Repeat("é", 40) + `"`},
		{`{"compare":[],"compare":[]}`, `compare: is given twice`},
		{`{"compare":{}}`, `compare: must be an array`},
		{`{"operations":null}`, `operations: must be an array`},
		{`{"operations":[7]}`, `operations[0]: must be an object`},
		{`{"operations":[[]]}`, `operations[0]: must be an object`},
		{`{"operations":[` + many(`{"action":"set","key":"/x"}`) + `]}`, `operations: there are more than 128`},
		{`{"compare":[` + many(`{"prevExist":false,"key":"/x"}`) + `]}`, `compare: there are more than 128`},

		{cmp(``), `compare[0]: key is missing`},
		{cmp(`"prevExist":true`), `compare[0]: key is missing`},
		{cmp(`"key":"/a"`), `compare[0]: there is none of prevValue, prevIndex and prevExist`},
		{cmp(`"key":null,"prevExist":true`), `compare[0].key: must be a string`},
		{cmp(`"key":"","prevExist":true`), `compare[0].key: must begin with a slash`},
		{cmp(`"key":"a","prevExist":true`), `compare[0].key: must begin with a slash`},
		{cmp(`"key":"//a","prevExist":true`), `compare[0].key: must have no empty element, no "." and no ".."`},
		{cmp(`"key":"/a/../b","prevExist":true`), `compare[0].key: must have no empty element, no "." and no ".."`},
		{cmp(`"key":"/a/.","prevExist":true`), `compare[0].key: must have no empty element, no "." and no ".."`},
		{cmp(`"key":"/` + strings.Repeat("x", maxKeyBytes) + `"`), `compare[0].key: key is too long`},
		{cmp(`"key":"` + strings.Repeat("/x", maxKeyDepth+1) + `"`), `compare[0].key: key is too deep`},
		{cmp(`"key":"/a","prevExist":"true"`), `compare[0].prevExist: must be true or false`},
		{cmp(`"key":"/a","prevExist":null`), `compare[0].prevExist: must be true or false`},
		{cmp(`"key":"/a","prevValue":7`), `compare[0].prevValue: must be a string`},
		{cmp(`"key":"/a","prevValue":""`), `compare[0].prevValue: must not be empty`},
		{cmp(`"key":"/a","prevIndex":0`), `compare[0].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{cmp(`"key":"/a","prevIndex":-1`), `compare[0].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{cmp(`"key":"/a","prevIndex":7.0`), `compare[0].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{cmp(`"key":"/a","prevIndex":"7"`), `compare[0].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{cmp(`"key":"/a","prevIndex":18446744073709551616`), `compare[0].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{cmp(`"key":"/a","prevExist":false,"prevIndex":7`), `compare[0]: what is not there has neither prevValue nor prevIndex`},
		{cmp(`"key":"/a","prevExist":true,"prevExist":true`), `compare[0].prevExist: is given twice`},
		{cmp(`"key":"/a","ttl":1`), `compare[0]: unknown field "ttl"`},

		{op(``), `operations[1]: action is missing`},
		{op(`"key":"/a"`), `operations[1]: action is missing`},
		{op(`"action":"set"`), `operations[1]: key is missing`},
		{op(`"action":"get","key":"/a"`), `operations[1].action: unknown action "get"`},
		{op(`"action":"Set","key":"/a"`), `operations[1].action: unknown action "Set"`},
		{op(`"action":"transact","key":"/a"`), `operations[1].action: unknown action "transact"`},
		{op(`"action":["set"],"key":"/a"`), `operations[1].action: must be a string`},
		{op(`"action":"set","key":["/a"]`), `operations[1].key: must be a string`},
		{op(`"action":"set","key":"/a","value":1`), `operations[1].value: must be a string`},
		{op(`"action":"set","key":"/a","value":null`), `operations[1].value: must be a string`},
		{op(`"action":"set","key":"/a","value":{"a":[]}`), `operations[1].value: must be a string`},
		{op(`"action":"set","key":"/a","ttl":-1`), `operations[1].ttl: must be a whole number from 0 to 4294967295`},
		{op(`"action":"set","key":"/a","ttl":1e3`), `operations[1].ttl: must be a whole number from 0 to 4294967295`},
		{op(`"action":"set","key":"/a","ttl":4294967296`), `operations[1].ttl: must be a whole number from 0 to 4294967295`},
		{op(`"action":"set","key":"/a","ttl":""`), `operations[1].ttl: must be a whole number from 0 to 4294967295`},
		{op(`"action":"set","key":"/a","dir":1`), `operations[1].dir: must be true or false`},
		{op(`"action":"set","key":"/a","refresh":1,"ttl":1`), `operations[1].refresh: must be true or false`},
		{op(`"action":"delete","key":"/a","recursive":"x"`), `operations[1].recursive: must be true or false`},
		{op(`"action":"set","key":"/a","prevExist":true`), `operations[1]: unknown field "prevExist"`},
		{op(`"action":"set","key":"/a","prevIndex":7`), `operations[1].prevIndex: set does not take it`},
		{op(`"action":"set","key":"/a","recursive":true`), `operations[1].recursive: set does not take it`},
		{op(`"action":"create","key":"/a","refresh":true,"ttl":1`), `operations[1].refresh: create does not take it`},
		{op(`"action":"createInOrder","key":"/a","prevValue":"1"`), `operations[1].prevValue: createInOrder does not take it`},
		{op(`"action":"update","key":"/a","prevValue":"1"`), `operations[1].prevValue: update does not take it`},
		{op(`"action":"delete","key":"/a","value":""`), `operations[1].value: delete does not take it`},
		{op(`"action":"delete","key":"/a","ttl":0`), `operations[1].ttl: delete does not take it`},
		{op(`"action":"delete","key":"/a","prevIndex":7`), `operations[1].prevIndex: delete does not take it`},
		{op(`"action":"compareAndSwap","key":"/a","prevIndex":7,"dir":true`), `operations[1].dir: compareAndSwap does not take it`},
		{op(`"action":"compareAndDelete","key":"/a","prevIndex":7,"recursive":true`), `operations[1].recursive: compareAndDelete does not take it`},
		{op(`"action":"compareAndSwap","key":"/a","value":"1"`), `operations[1]: compareAndSwap needs prevValue or prevIndex`},
		{op(`"action":"compareAndDelete","key":"/a"`), `operations[1]: compareAndDelete needs prevValue or prevIndex`},
		{op(`"action":"compareAndSwap","key":"/a","prevIndex":0`), `operations[1].prevIndex: must be a whole number from 1 to 18446744073709551615`},
		{op(`"action":"set","key":"/a","dir":true,"value":"1"`), `operations[1].value: a directory has none`},
		{op(`"action":"set","key":"/a","refresh":true,"ttl":1,"value":"1"`), `operations[1].value: cannot stand beside refresh`},
		{op(`"action":"set","key":"/a","refresh":true`), `operations[1].refresh: needs a ttl`},
		{op(`"action":"set","key":"/a","refresh":true,"ttl":1,"dir":true`), `operations[1].dir: cannot stand beside refresh in a set`},
	} {
		_, err := parseTxn([]byte(c.body))
		var got *problem
		if !errors.As(err, &got) || got.status != http.StatusBadRequest || got.message != c.want {
			t.Errorf("%.200s:\n got %v\nwant %s", c.body, err, c.want)
		}
	}
}

func TestWhatIsWrongWithATransactionIsAnswered(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		a := b.txn(`{"operations":[{"action":"set","key":"/a","value":"1"},{"action":"set","key":"/b","ttl":-1}]}`)
		if a.status != 400 || a.body != `{"message":"operations[1].ttl: must be a whole number from 0 to 4294967295"}` ||
			a.headers.Get("Content-Type") != "application/json" || a.headers.Get("X-Etcd-Cluster-Id") != "31c6e9f19e0fb0d9" {
			t.Errorf("got %v", a)
		}
		if a := b.get("/v2/keys/a"); a.status != 404 {
			t.Errorf("a part was done: %v", a)
		}
	})
}

func TestATransactionThatIsTooLongIsRefused(t *testing.T) {
	withHandler(t, func(c *Config) { c.MaxRequestBytes = MinRequestBytes }, func(t *testing.T, b *bench, _ http.Handler) {
		body := func(length int) string {
			const frame = `{"operations":[{"action":"set","key":"/a","value":""}]}`
			return strings.Replace(frame, `""`, `"`+strings.Repeat("v", length-len(frame))+`"`, 1)
		}
		if a := b.txn(body(MinRequestBytes)); a.status != 200 {
			t.Errorf("as long as it may be: %v", a)
		}
		want := `{"message":"body: http: POST too large: the limit is 1024 bytes"}`
		if a := b.txn(body(MinRequestBytes + 1)); a.status != 400 || a.body != want {
			t.Errorf("too long: %v", a)
		}
		c := b.dial()
		defer c.Close()
		c.sendRaw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", txnPath, 2*MinRequestBytes, body(MinRequestBytes+1)))
		if a := c.receive("POST"); a.status != 400 || a.body != want {
			t.Errorf("too long, and its length not told: %v", a)
		}
	})
}

// A false flag is none, wherever it stands.
func TestFlagsThatAreOffMayStandAnywhere(t *testing.T) {
	for action := range txnActions {
		rest := ""
		if strings.HasPrefix(action, "compare") {
			rest = `,"prevIndex":7`
		}
		body := `{"operations":[{"recursive":false,"dir":false,"refresh":false,"key":"/a/","action":"` + action + `"` + rest + `}]}`
		q, err := parseTxn([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", action, err)
			continue
		}
		if c := q.Operations[0]; c.Op.String() != action || c.Path.String() != "/a" || q.changed[0] != "/a/" {
			t.Errorf("%s: got %+v of %q", action, c, q.changed)
		}
	}
}

// Whatever a body holds, it is a whole transaction that the log can carry, or
// it is refused.
func FuzzTransactionBody(f *testing.F) {
	f.Add(`{"compare":[{"key":"/a","prevValue":"x","prevIndex":7},{"key":"/b","prevExist":false}],"operations":[{"action":"set","key":"/a","value":"1","ttl":10}]}`)
	f.Add(`{"operations":[{"action":"delete","key":"/d/","recursive":true,"dir":false},{"action":"compareAndSwap","key":"/c","prevIndex":1,"refresh":true,"ttl":0}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parseTxn([]byte(body))
		var wrong *problem
		switch {
		case errors.As(err, &wrong) && !json.Valid([]byte(body)) && !strings.HasPrefix(wrong.message, "body: "):
			t.Fatalf("%q: %v, but it is no JSON", body, err)
		case errors.As(err, &wrong):
			return
		case err != nil:
			t.Fatalf("%q: %v", body, err)
		}
		c := store.Command{Op: store.Transact, Path: store.Root(store.Keys), Transaction: &q.Transaction}
		b, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var again store.Command
		if err := again.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q: %+v became %+v: %v", body, c.Transaction, again.Transaction, err)
		}
		if len(q.compared) != len(q.Compares) || len(q.changed) != len(q.Operations) {
			t.Fatalf("%q: %q and %q", body, q.compared, q.changed)
		}
	})
}
