package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"keytree/store"
)

// txnRequest is a request for a transaction after its body was checked. The
// keys are as they came, perhaps with a trailing slash: those of the compares
// and of the operations.
type txnRequest struct {
	store.Transaction
	compared, changed []string
}

// txnField is a name in the body of a transaction, or several of them.
type txnField uint16

const (
	txnCompares txnField = 1 << iota
	txnOperations
	txnKey
	txnAction
	txnValue
	txnTTL
	txnRefresh
	txnDir
	txnRecursive
	txnPrevValue
	txnPrevIndex
	txnPrevExist
)

var txnFields = map[string]txnField{
	"compare": txnCompares, "operations": txnOperations,
	"key": txnKey, "action": txnAction, "value": txnValue, "ttl": txnTTL, "refresh": txnRefresh, "dir": txnDir, "recursive": txnRecursive,
	"prevValue": txnPrevValue, "prevIndex": txnPrevIndex, "prevExist": txnPrevExist,
}

func (f txnField) String() string {
	for name, one := range txnFields {
		if f == one {
			return name
		}
	}
	return fmt.Sprintf("fields %b", uint16(f))
}

// txnActions are the operations by the dialect's words for them, and what they
// take beside their key.
var txnActions = map[string]struct {
	op    store.Op
	takes txnField
}{
	"set":              {store.Set, txnValue | txnTTL | txnRefresh | txnDir},
	"create":           {store.Create, txnValue | txnTTL | txnDir},
	"update":           {store.Update, txnValue | txnTTL | txnRefresh | txnDir},
	"createInOrder":    {store.CreateInOrder, txnValue | txnTTL | txnDir},
	"delete":           {store.Delete, txnDir | txnRecursive},
	"compareAndSwap":   {store.CompareAndSwap, txnValue | txnTTL | txnRefresh | txnPrevValue | txnPrevIndex},
	"compareAndDelete": {store.CompareAndDelete, txnPrevValue | txnPrevIndex},
}

// maxTxnTTL is the longest lifetime in seconds, some 136 years: no sum of it
// and a date wraps.
const maxTxnTTL = 1<<32 - 1

// txnReader reads the body of a transaction. Nothing in it is passed over: what
// it does not know, or was given twice, is an error that names the place, and
// so is a null.
type txnReader struct {
	tokens *json.Decoder
	txnRequest
}

// parseTxn reads body. The error is a *problem.
func parseTxn(body []byte) (*txnRequest, error) {
	if !utf8.Valid(body) {
		return nil, misplaced("body", "is not UTF-8")
	}
	if err := json.Unmarshal(body, &ignored{}); err != nil {
		return nil, misplaced("body", err.Error())
	}
	r := &txnReader{tokens: json.NewDecoder(bytes.NewReader(body))}
	r.tokens.UseNumber()
	_, err := r.object("body", txnCompares|txnOperations, func(f txnField, at string) error {
		if f == txnCompares {
			return r.array(at, store.MaxCompares, r.compare)
		}
		return r.array(at, store.MaxOperations, r.operation)
	})
	if err != nil {
		return nil, err
	}
	if len(r.Compares)+len(r.Operations) == 0 {
		return nil, misplaced("body", "there is neither a compare nor an operation")
	}
	return &r.txnRequest, nil
}

// ignored is any JSON. To unmarshal it checks the syntax, to the end.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

// misplaced says what is wrong at a place of the body.
func misplaced(at, what string) error { return &problem{http.StatusBadRequest, at + ": " + what} }

// object reads an object at the place called at: take is called for each of
// its fields, which must be among those allowed.
func (r *txnReader) object(at string, allowed txnField, take func(f txnField, at string) error) (given txnField, err error) {
	if !r.begins('{') {
		return 0, misplaced(at, "must be an object")
	}
	for r.tokens.More() {
		name, err := r.text(at)
		if err != nil {
			return 0, err
		}
		f := txnFields[name]
		switch {
		case f&allowed == 0:
			return 0, misplaced(at, fmt.Sprintf("unknown field %.40q", name))
		case f&given != 0:
			return 0, misplaced(place(at, name), "is given twice")
		}
		given |= f
		if err := take(f, place(at, name)); err != nil {
			return 0, err
		}
	}
	_, err = r.tokens.Token()
	return given, err
}

// place is where the field called name of what is at a place is. The fields of
// the body itself go without its name.
func place(at, name string) string {
	if at == "body" {
		return name
	}
	return at + "." + name
}

// array reads an array of at most so many objects.
func (r *txnReader) array(at string, most int, item func(at string) error) error {
	if !r.begins('[') {
		return misplaced(at, "must be an array")
	}
	for i := 0; r.tokens.More(); i++ {
		if i == most {
			return misplaced(at, fmt.Sprintf("there are more than %d", most))
		}
		if err := item(at + "[" + strconv.Itoa(i) + "]"); err != nil {
			return err
		}
	}
	_, err := r.tokens.Token()
	return err
}

// begins takes a token and reports whether it is d.
func (r *txnReader) begins(d json.Delim) bool {
	token, err := r.tokens.Token()
	return err == nil && token == d
}

func (r *txnReader) text(at string) (string, error) {
	token, err := r.tokens.Token()
	if s, ok := token.(string); ok && err == nil {
		return s, nil
	}
	return "", misplaced(at, "must be a string")
}

func (r *txnReader) truth(at string) (bool, error) {
	token, err := r.tokens.Token()
	if b, ok := token.(bool); ok && err == nil {
		return b, nil
	}
	return false, misplaced(at, "must be true or false")
}

func (r *txnReader) number(at string, least, most uint64) (uint64, error) {
	token, err := r.tokens.Token()
	if text, ok := token.(json.Number); ok && err == nil {
		if n, err := strconv.ParseUint(text.String(), 10, 64); err == nil && least <= n && n <= most {
			return n, nil
		}
	}
	return 0, misplaced(at, fmt.Sprintf("must be a whole number from %d to %d", least, most))
}

// key reads the key of a compare or an operation.
func (r *txnReader) key(at string) (q keyRequest, err error) {
	raw, err := r.text(at)
	switch {
	case err != nil:
		return q, err
	case raw == "" || raw[0] != '/':
		return q, misplaced(at, "must begin with a slash")
	case !isClean(raw):
		return q, misplaced(at, `must have no empty element, no "." and no ".."`)
	}
	var refused *store.Error
	if errors.As(q.locate(raw), &refused) {
		return q, misplaced(at, refused.Cause)
	}
	return q, nil
}

// compare reads the compare at a place.
func (r *txnReader) compare(at string) error {
	var c store.Compare
	var q keyRequest
	given, err := r.object(at, txnKey|txnPrevValue|txnPrevIndex|txnPrevExist, func(f txnField, at string) (err error) {
		switch f {
		case txnKey:
			q, err = r.key(at)
		case txnPrevExist:
			var exists bool
			exists, err = r.truth(at)
			c.Missing = !exists
		default:
			err = r.condition(f, at, &c.PrevValue, &c.PrevIndex)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case given&txnKey == 0:
		return misplaced(at, "key is missing")
	case given == txnKey:
		return misplaced(at, "there is none of prevValue, prevIndex and prevExist")
	case c.Missing && given&(txnPrevValue|txnPrevIndex) != 0:
		return misplaced(at, "what is not there has neither prevValue nor prevIndex")
	}
	c.Path = q.path
	r.Compares, r.compared = append(r.Compares, c), append(r.compared, q.raw)
	return nil
}

// condition reads what a node is compared with.
func (r *txnReader) condition(f txnField, at string, value *string, index *store.Index) error {
	if f == txnPrevIndex {
		n, err := r.number(at, 1, 1<<64-1)
		*index = store.Index(n)
		return err
	}
	text, err := r.text(at)
	if err == nil && text == "" {
		return misplaced(at, "must not be empty")
	}
	*value = text
	return err
}

// operation reads the operation at a place.
func (r *txnReader) operation(at string) error {
	var c store.Command
	var q keyRequest
	var action string
	given, err := r.object(at, ^(txnCompares | txnOperations | txnPrevExist), func(f txnField, at string) (err error) {
		switch f {
		case txnKey:
			q, err = r.key(at)
		case txnAction:
			action, err = r.text(at)
		default:
			err = r.parameter(f, at, &c)
		}
		return err
	})
	if err != nil {
		return err
	}
	for f, on := range map[txnField]bool{txnRefresh: c.Refresh, txnDir: c.Dir, txnRecursive: c.Recursive} {
		if !on { // as if it were not there
			given &^= f
		}
	}
	if err := checkOperation(at, action, given, &c); err != nil {
		return err
	}
	c.Op, c.Path = txnActions[action].op, q.path
	r.Operations, r.changed = append(r.Operations, c), append(r.changed, q.raw)
	return nil
}

// parameter reads what an operation has beside action and key.
func (r *txnReader) parameter(f txnField, at string, c *store.Command) (err error) {
	switch f {
	case txnValue:
		c.Value, err = r.text(at)
	case txnTTL:
		var seconds uint64
		seconds, err = r.number(at, 0, maxTxnTTL)
		c.Expires, c.TTL = true, time.Duration(seconds)*time.Second
	case txnRefresh:
		c.Refresh, err = r.truth(at)
	case txnDir:
		c.Dir, err = r.truth(at)
	case txnRecursive:
		c.Recursive, err = r.truth(at)
	default:
		err = r.condition(f, at, &c.PrevValue, &c.PrevIndex)
	}
	return err
}

// checkOperation refuses what does not go together in an operation.
func checkOperation(at, action string, given txnField, c *store.Command) error {
	known, ok := txnActions[action]
	switch {
	case given&txnAction == 0:
		return misplaced(at, "action is missing")
	case !ok:
		return misplaced(place(at, "action"), fmt.Sprintf("unknown action %.40q", action))
	case given&txnKey == 0:
		return misplaced(at, "key is missing")
	}
	if extra := given &^ (txnAction | txnKey | known.takes); extra != 0 {
		return misplaced(place(at, (extra&-extra).String()), action+" does not take it")
	}
	const compares = txnPrevValue | txnPrevIndex
	switch {
	case known.takes&compares != 0 && given&compares == 0:
		return misplaced(at, action+" needs prevValue or prevIndex")
	case c.Dir && c.Value != "":
		return misplaced(place(at, "value"), "a directory has none")
	case c.Refresh && c.Value != "":
		return misplaced(place(at, "value"), "cannot stand beside refresh")
	case c.Refresh && !c.Expires:
		return misplaced(place(at, "refresh"), "needs a ttl")
	case c.Refresh && c.Dir && known.op == store.Set:
		return misplaced(place(at, "dir"), "cannot stand beside refresh in a set")
	}
	return nil
}
