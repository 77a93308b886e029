package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Transaction is several changes of which all are made, or none. Keytree only.
type Transaction struct {
	Compares   []Compare   // what must be so before; at most 128
	Operations []Operation // made in this order, each on what those before it left; at most 128
}

// Compare is what must be so of a key. One of the others must be given.
type Compare struct {
	Key       string
	PrevValue string // the value it must have; empty: any
	PrevIndex uint64 // the ModifiedIndex it must have, a directory too; 0: any
	PrevExist PrevExist
}

// Operation is one change of a transaction. What it does not take must be left
// out.
type Operation struct {
	Action string // one of those below
	Key    string // of CreateInOrder, the directory
	Value  string
	TTL    time.Duration // rounded up to whole seconds; 0 or less: it stays

	PrevValue string // the value it must have; empty: any
	PrevIndex uint64 // the ModifiedIndex it must have; 0: any

	Dir       bool // a directory; to delete one, an empty one
	Recursive bool // delete a directory with all that is in it
	Refresh   bool // a new TTL alone: there is no value, and nobody who watches is told
}

// What an Operation does.
const (
	ActionSet              = "set"
	ActionCreate           = "create"           // it must not be there
	ActionUpdate           = "update"           // it must be there
	ActionCreateInOrder    = "createInOrder"    // with a name greater than those of all made so before
	ActionDelete           = "delete"           // with Dir or Recursive also a directory
	ActionCompareAndSwap   = "compareAndSwap"   // takes PrevValue or PrevIndex, or both
	ActionCompareAndDelete = "compareAndDelete" // likewise
)

// Done is what came of a transaction.
type Done struct {
	Events []*Response // one for each operation, in their order
	Index  uint64      // of the tree after it
}

// ErrNotText says that a key or a value of a transaction is not UTF-8, in which
// it is sent.
var ErrNotText = errors.New("client: not UTF-8")

// Txn makes the changes of t if all compares hold and no operation is
// refused, and otherwise none. The error is then an *Error whose Cause says
// which it was, counted from 0, as in "compare 1: [a != b]"; for a transaction
// that is no sound one, and of etcd, which knows nothing like it, a
// *StatusError. It is sent to one endpoint only, and other errors are that
// endpoint's own.
func (c *Client) Txn(ctx context.Context, t Transaction) (*Done, error) {
	sent, err := c.transaction(t)
	if err != nil {
		return nil, err
	}
	a, err := c.ask(ctx, withJSON(request{method: http.MethodPost, path: "/keytree/v1/txn", once: true}, sent))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		if e := parseRefusal(a.status, a.body); e != nil {
			return nil, e
		}
		return nil, status().refusal(a)
	}
	var marks Response
	var said struct {
		Events []*Response `json:"events"`
	}
	if json.Unmarshal(a.body, &said) != nil || len(said.Events) != len(t.Operations) || !readMarks(&marks, a.header) {
		return nil, &InvalidAnswerError{Status: a.status}
	}
	for _, e := range said.Events {
		if e == nil || e.Action == "" || e.Node == nil || !readMarks(e, a.header) {
			return nil, &InvalidAnswerError{Status: a.status}
		}
	}
	return &Done{Events: said.Events, Index: marks.Index}, nil
}

// sentTransaction is a Transaction as it is sent.
type sentTransaction struct {
	Compares   []sentCompare   `json:"compare,omitempty"`
	Operations []sentOperation `json:"operations,omitempty"`
}

type sentCompare struct {
	Key       string `json:"key"`
	PrevValue string `json:"prevValue,omitempty"`
	PrevIndex uint64 `json:"prevIndex,omitempty"`
	PrevExist *bool  `json:"prevExist,omitempty"`
}

type sentOperation struct {
	Action    string `json:"action"`
	Key       string `json:"key"`
	Value     string `json:"value,omitempty"`
	TTL       int64  `json:"ttl,omitempty"`
	PrevValue string `json:"prevValue,omitempty"`
	PrevIndex uint64 `json:"prevIndex,omitempty"`
	Dir       bool   `json:"dir,omitempty"`
	Recursive bool   `json:"recursive,omitempty"`
	Refresh   bool   `json:"refresh,omitempty"`
}

// transaction is t as it is sent.
func (c *Client) transaction(t Transaction) (sent sentTransaction, err error) {
	for i, one := range t.Compares {
		key, err := c.sentKey(one.Key, one.PrevValue)
		if err != nil {
			return sent, fmt.Errorf("compare %d: %w", i, err)
		}
		s := sentCompare{Key: key, PrevValue: one.PrevValue, PrevIndex: one.PrevIndex}
		if one.PrevExist != PrevIgnore {
			s.PrevExist = new(one.PrevExist == PrevExists)
		}
		sent.Compares = append(sent.Compares, s)
	}
	for i, one := range t.Operations {
		key, err := c.sentKey(one.Key, one.Value, one.PrevValue)
		if err != nil {
			return sent, fmt.Errorf("operation %d: %w", i, err)
		}
		sent.Operations = append(sent.Operations, sentOperation{
			Action: one.Action, Key: key, Value: one.Value, TTL: seconds(one.TTL),
			PrevValue: one.PrevValue, PrevIndex: one.PrevIndex,
			Dir: one.Dir, Recursive: one.Recursive, Refresh: one.Refresh,
		})
	}
	return sent, nil
}

// sentKey is the whole name of key, if it and the texts that are sent with it
// can be sent.
func (c *Client) sentKey(key string, texts ...string) (string, error) {
	p, err := c.keyPath(key)
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(p, "/v2/keys")
	if !ok || name != "" && name[0] != '/' {
		return "", fmt.Errorf("client: %s is no key of a transaction", p)
	}
	for _, text := range append(texts, name) {
		if !utf8.ValidString(text) {
			return "", ErrNotText
		}
	}
	if name == "" {
		name = "/"
	}
	return name, nil
}
