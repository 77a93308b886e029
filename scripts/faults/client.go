package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"keytree/scripts/process"
)

// answerTime is how long a client waits. A server may take longer to say that
// it has no leader; what a client asked then is unknown to it.
const answerTime = time.Second

// A client asks one member, one request after the other, over a connection
// that it keeps. It belongs to one goroutine.
type client struct {
	id       int
	instance *instance
	conn     *process.Conn
	record   *record
	r        *rand.Rand
	round    *atomic.Int64 // keys are changed from round to round
	made     int           // values
	life     int           // of the process asked last
}

func newClient(id int, i *instance, r *record, seed uint64, round *atomic.Int64) *client {
	return &client{
		id: id, instance: i, conn: process.NewConn(i.addr()), record: r, round: round,
		r: rand.New(rand.NewPCG(seed, uint64(id)+1)),
	}
}

// keys is how many keys there are in a round: few, so that clients meet.
const keys = 4

// run asks until ctx is done, with a pause of up to twice pace in between.
func (c *client) run(ctx context.Context, pace time.Duration) {
	defer c.conn.Close()
	for ctx.Err() == nil {
		c.do(ctx, c.draw(), answerTime)
		pause(ctx, time.Duration(c.r.Int64N(int64(2*pace))))
	}
}

// draw makes up an operation.
func (c *client) draw() op {
	o := op{key: fmt.Sprintf("/r%d/k%d", c.round.Load(), c.r.IntN(keys))}
	o.expect, o.byIdx = c.record.expected(o.key), c.r.IntN(2) == 0
	conditional := o.expect.value != ""
	switch n := c.r.IntN(100); {
	case n < 20:
		o.kind, o.value = set, c.value()
	case n < 45 && conditional:
		o.kind, o.value = swap, c.value()
	case n < 55:
		o.kind, o.value = create, c.value()
	case n < 59:
		o.kind = remove
	case n < 65 && conditional:
		o.kind = removeIf
	case n < 75:
		o.kind, o.value, o.key = enqueue, c.value(), fmt.Sprintf("/q%d", c.round.Load())
	case n < 92:
		o.kind = read
	default:
		o.kind = glance
	}
	return o
}

func (c *client) value() string {
	c.made++
	return fmt.Sprintf("%d.%d", c.id, c.made)
}

// An answer is what the keys API says.
type answer struct {
	Action    string
	ErrorCode int
	Index     uint64
	Node      *answerNode
	PrevNode  *answerNode
}

type answerNode struct {
	Key           string
	Value         string
	Dir           bool
	Nodes         []*answerNode
	ModifiedIndex uint64
	CreatedIndex  uint64
}

// node is what a client knows of n, which may be nil.
func (n *answerNode) node() node {
	if n == nil {
		return node{}
	}
	return node{n.Value, n.CreatedIndex, n.ModifiedIndex}
}

// do asks and records what became of it. What was never sent is not recorded.
func (c *client) do(ctx context.Context, o op, patience time.Duration) op {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	o.client, o.member, o.life, o.call = c.id, c.instance.name, c.instance.life(), c.record.now()
	a, err := c.conn.Do(ctx, o.request())
	o.ret = c.record.now()
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		pause(ctx, 10*time.Millisecond) // the member is down
		return o
	}
	if err == nil {
		if got, want := a.Header.Get("X-Etcd-Cluster-Id"), c.instance.cluster.id; got != want {
			c.record.fault("{%v} is answered by cluster %q, want %q", o, got, want)
		}
		c.take(&o, a)
	}
	c.record.add(o)
	return o
}

// take reads an answer.
func (c *client) take(o *op, a *process.Answer) {
	var said answer
	o.status = a.Status
	malformed := json.Unmarshal(a.Body, &said) != nil
	o.code = said.ErrorCode
	if malformed || a.Status >= 500 || a.Status < 200 {
		return // nothing can be told from that
	}
	switch {
	case said.Node != nil && a.Status < 300:
		o.outcome, o.before = done, said.PrevNode.node()
		if o.kind != remove && o.kind != removeIf {
			o.found = said.Node.node()
		}
		if o.kind.writes() {
			o.index, o.name = said.Node.ModifiedIndex, said.Node.Key
		}
	case !o.kind.writes() && said.ErrorCode == codeNotFound:
		o.outcome = done
	case said.ErrorCode == codeNotFound || said.ErrorCode == codeCompare || said.ErrorCode == codeExists:
		o.outcome = refused
	default:
		c.record.fault("{%v}: status %d: %.300s", *o, a.Status, a.Body)
		return
	}
	o.header = a.Index("X-Etcd-Index")
	sameLife := o.life == c.life && c.instance.life() == o.life
	c.record.header(*o, sameLife, a.Index("X-Raft-Term"))
	c.life = o.life
	if o.index > o.header || o.found.modified > o.header {
		c.record.fault("{%v}: X-Etcd-Index is older than what it tells", *o)
	}
}

// request is what o looks like on the wire.
func (o op) request() process.Request {
	q := process.Request{Method: "GET", Target: "/v2/keys" + o.key}
	params := url.Values{}
	if o.kind == swap || o.kind == removeIf {
		if o.byIdx {
			params.Set("prevIndex", strconv.FormatUint(o.expect.modified, 10))
		} else {
			params.Set("prevValue", o.expect.value)
		}
	}
	switch o.kind {
	case set, swap:
		q.Method = "PUT"
	case create:
		q.Method = "PUT"
		params.Set("prevExist", "false")
	case remove, removeIf:
		q.Method = "DELETE"
	case enqueue:
		q.Method = "POST"
	case read:
		params.Set("quorum", "true")
	}
	if len(params) > 0 {
		q.Target += "?" + params.Encode()
	}
	if o.value != "" {
		q.Header, q.Body = process.Form(), []byte(url.Values{"value": {o.value}}.Encode())
	}
	return q
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
