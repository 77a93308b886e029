package httpapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/store"
)

// Quota keeps the keys from growing beyond a limit. It looks at a write before
// that is proposed, at what this member holds by then: writes that are under
// way together may pass the limit by what they bring, and members with
// different limits, or one that lags, differ in what they let pass. It never
// stands in the way of a delete, of expiry, of a lifetime, or of a value that
// is no longer than the one it replaces. Users, roles and the roster are not
// counted.
type Quota struct {
	limit   int64
	used    func() int64
	refused prometheus.Counter
}

// NewQuota limits the keys to as many bytes, by store.Bytes's way of
// counting; used tells how many there are, from any goroutine.
func NewQuota(limit int64, used func() int64) *Quota {
	return &Quota{limit: limit, used: used, refused: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "keytree_quota_refused_total",
		Help: "Writes refused because the keys had reached the quota; a count.",
	})}
}

// Register shows the quota in r.
func (q *Quota) Register(r prometheus.Registerer) error {
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	for _, c := range []prometheus.Collector{
		gauge("keytree_quota_limit_bytes", "Size, in bytes, that the keys may have.", func() int64 { return q.limit }),
		gauge("keytree_quota_used_bytes", "Size, in bytes, that the keys have.", q.used),
		q.refused,
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// check refuses c if the keys would be over the limit with it. What the tree
// is going to refuse anyway passes, and gets its answer there.
func (q *Quota) check(keys Keyspace, c *store.Command) error {
	used := q.used()
	if used+mostGrowth(c) <= q.limit {
		return nil
	}
	more, index, err := growthOn(keys, c)
	if err != nil {
		return err
	}
	if more <= 0 || used+more <= q.limit {
		return nil
	}
	q.refused.Inc()
	return &store.Error{Code: store.CodeQuota, Index: index, Cause: fmt.Sprintf(
		"the keys take %d of %d bytes, and this takes %d more: delete some, or raise --quota-bytes", used, q.limit, more)}
}

// growthOn is what c adds to keys as they are at index. Of a transaction it is
// at least that: an operation on what one before it concerns counts as much as
// it can, whatever they have left of the keys by then.
func growthOn(keys Keyspace, c *store.Command) (more int64, index store.Index, err error) {
	if c.Op == store.Transact {
		operations := c.Transaction.Operations
		for i := range operations {
			one := mostGrowth(&operations[i])
			if !slices.ContainsFunc(operations[:i], concerns(operations[i].Path)) {
				one, index, err = growthOn(keys, &operations[i])
			}
			if err != nil {
				return 0, 0, err
			}
			more += one
		}
		return more, index, nil
	}
	n, index, err := keys.Get(c.Path)
	var missing *store.Error
	switch {
	case errors.As(err, &missing):
		index = missing.Index
	case err != nil:
		return 0, 0, err
	}
	return growth(c, &n, missing), index, nil
}

// concerns tells of which commands it can depend what is at p.
func concerns(p store.Path) func(store.Command) bool {
	return func(c store.Command) bool { return c.Path == p || c.Path.Under(p) || p.Under(c.Path) }
}

// orderedName is how long the name is that CreateInOrder gives a node, with
// its slash.
const orderedName = 21

// mostGrowth is what c adds to the keys at most, whatever they are: all
// directories down to its node, and the node.
func mostGrowth(c *store.Command) (bytes int64) {
	switch c.Op {
	case store.Delete, store.CompareAndDelete, store.Sweep:
		return 0
	case store.Transact:
		for i := range c.Transaction.Operations {
			bytes += mostGrowth(&c.Transaction.Operations[i])
		}
		return bytes
	}
	return int64(len(c.Value)) + nodes(c, 0)
}

// nodes is what the nodes on the way to that of c take, itself included,
// whose paths are at least as long as from. Values are left out.
func nodes(c *store.Command, from int) (bytes int64) {
	path := c.Path.String()
	add := func(length int) {
		if length >= from {
			bytes += store.NodeBytes + int64(length)
		}
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			add(i)
		}
	}
	if !c.Path.IsRoot() {
		add(len(path))
	}
	if c.Op == store.CreateInOrder {
		add(len(strings.TrimSuffix(path, "/")) + orderedName)
	}
	return bytes
}

// growth is what c adds to the keys, where n stands at its path, or nothing
// does for the reason in missing. It is negative if c takes something away,
// and zero if the tree is going to refuse it.
func growth(c *store.Command, n *store.Node, missing *store.Error) int64 {
	value := int64(len(c.Value))
	makes := c.Op == store.Set || c.Op == store.Create || c.Op == store.CreateInOrder
	switch {
	case makes && c.Dir:
		value = 0
	case c.Refresh:
		value = int64(len(n.Value))
	}
	switch {
	case missing != nil && (missing.Code != store.CodeKeyNotFound || !makes || c.Refresh):
		return 0
	case missing != nil: // its cause is the first directory that has to be made
		return value + nodes(c, len(missing.Cause))
	case c.Op == store.CreateInOrder && n.Dir:
		return value + nodes(c, len(c.Path.String())+1)
	case n.Dir, c.Op == store.Create, c.Op == store.CreateInOrder,
		c.PrevValue != "" && c.PrevValue != n.Value,
		c.PrevIndex != 0 && c.PrevIndex != n.Modified:
		return 0
	case c.Op == store.Delete, c.Op == store.CompareAndDelete:
		value -= store.NodeBytes + int64(len(c.Path.String()))
	}
	return value - int64(len(n.Value))
}
