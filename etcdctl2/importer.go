package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"keytree/httpapi/client"
)

// underWay is how many entries an import holds at a time, if no directory has
// more.
const underWay = 20_000

// importer writes entries and reads them again. Everything it does can be done
// twice, so it tries again what may not have arrived.
type importer struct {
	c     *call
	cl    *client.Client
	tell  func(entries int) // of progress
	dry   bool
	slots chan struct{} // one for each request under way

	mu struct {
		sync.Mutex
		idle sync.Cond
		load int // entries of groups under way
		outcomes
	}
	outcomes // of mu, once all is over
}

// outcomes are what an import comes to.
type outcomes struct {
	done      tally    // written, or to be written
	wanted    tally    // compared, as they should be
	found     tally    // compared, as they are
	written   int      // requests that wrote
	kept      int      // were there already
	ended     int      // were over before they could be written
	different []string // keys
}

func newImporter(c *call, cl *client.Client, tell func(int)) *importer {
	i := &importer{c: c, cl: cl, tell: tell, dry: c.Bool("dry-run"), slots: make(chan struct{}, c.Int("writers"))}
	i.mu.idle.L = &i.mu
	return i
}

// run imports all that from has. What it does ends before it returns.
func (i *importer) run(ctx context.Context, from source) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var groups sync.WaitGroup
	ends := directoryEnds{}
	err := from(ctx, func(g group) error {
		i.take(len(g.entries))
		carry := func() {
			defer i.giveBack(len(g.entries))
			if err := i.carry(ctx, g); err != nil {
				stop(err)
			}
		}
		if ends.limit(&g) {
			carry() // before what is in the directories that end: else that could outlive them
		} else {
			groups.Go(carry)
		}
		return context.Cause(ctx)
	})
	if err != nil {
		stop(err)
	}
	groups.Wait()
	i.outcomes = i.mu.outcomes
	return context.Cause(ctx)
}

// take waits until n more entries may be held.
func (i *importer) take(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.mu.load > 0 && i.mu.load+n > underWay {
		i.mu.idle.Wait()
	}
	i.mu.load += n
}

func (i *importer) giveBack(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mu.load -= n
	i.mu.idle.Broadcast()
}

// carry writes what is missing of g, and compares.
func (i *importer) carry(ctx context.Context, g group) error {
	missing := g.entries
	if i.dry || i.c.Bool("resume") {
		there, now, err := i.there(ctx, g)
		if err != nil {
			return err
		}
		missing = nil
		for _, e := range g.entries {
			if !e.is(there[e.Key], now) {
				missing = append(missing, e)
			}
		}
		i.note(func(o *outcomes) { o.kept += len(g.entries) - len(missing) })
	}
	if err := i.writeAll(ctx, missing, g.end); err != nil {
		return err
	}
	i.tell(len(g.entries))
	if i.dry {
		return nil
	}
	return i.compare(ctx, g)
}

func (i *importer) note(what func(*outcomes)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	what(&i.mu.outcomes)
}

// writeAll writes entries until end, as many at a time as there are slots. It
// stops at the first that cannot be written.
func (i *importer) writeAll(ctx context.Context, entries []entry, end time.Time) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writes sync.WaitGroup
	for _, e := range entries {
		if !i.takeSlot(ctx) {
			break
		}
		writes.Go(func() {
			defer func() { <-i.slots }()
			if err := i.write(ctx, e, end); err != nil {
				stop(fmt.Errorf("import %s: %w", onOneLine(e.Key), err))
			}
		})
	}
	writes.Wait()
	return context.Cause(ctx)
}

// takeSlot waits until one more request may be under way, unless it is of no
// use any more.
func (i *importer) takeSlot(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case i.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// write writes e, if neither that has ended nor end has come.
func (i *importer) write(ctx context.Context, e entry, end time.Time) error {
	until := ctx
	if !end.IsZero() {
		var cancel context.CancelFunc
		until, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	err := until.Err()
	if left, ends := e.left(time.Now()); err == nil && ends && left <= 0 {
		err = errOver
	}
	if err == nil && !i.dry {
		err = i.put(until, e)
	}
	switch {
	case err == nil:
		i.note(func(o *outcomes) {
			o.done.add(&e)
			if !i.dry {
				o.written++
			}
		})
	case errors.Is(err, errOver), ctx.Err() == nil && until.Err() != nil:
		i.note(func(o *outcomes) { o.ended++ })
	default:
		return err
	}
	return nil
}

// errOver says that an entry has ended.
var errOver = errors.New("it has ended")

func (i *importer) put(ctx context.Context, e entry) error {
	if e.Dir {
		return i.makeDirectory(ctx, e)
	}
	return i.set(ctx, e, client.SetOptions{})
}

// makeDirectory makes e. The directory may be there: because it was, or because
// a key in it came first.
func (i *importer) makeDirectory(ctx context.Context, e entry) error {
	err := i.set(ctx, e, client.SetOptions{Dir: true, PrevExist: client.PrevMissing})
	if !client.HasCode(err, client.CodeKeyExists) {
		return err
	}
	r, readErr := i.read(ctx, e.Key)
	now := time.Now()
	switch {
	case readErr != nil:
		return readErr
	case !r.Node.Dir:
		return err // making a directory of a key would lose its value
	case e.is(r.Node, now):
		return nil
	}
	return i.set(ctx, e, client.SetOptions{Dir: true, PrevExist: client.PrevExists})
}

// set writes e with the time that it still has: to the nearest second, so that
// it ends at most half a second late, but for what the request takes.
func (i *importer) set(ctx context.Context, e entry, o client.SetOptions) error {
	o.NoValueOnSuccess = true
	_, err := persistently(ctx, i.c, func(ctx context.Context) (*client.Response, error) {
		if left, ends := e.left(time.Now()); ends {
			o.TTL = max(left.Round(time.Second), time.Second)
		}
		return i.cl.Set(ctx, e.Key, e.Value, o)
	})
	return err
}

func (i *importer) read(ctx context.Context, key string) (*client.Response, error) {
	r, err := persistently(ctx, i.c, func(ctx context.Context) (*client.Response, error) {
		return i.cl.Get(ctx, key, client.GetOptions{Quorum: true})
	})
	if err == nil && r.Node == nil {
		err = client.ErrInvalidJSON
	}
	return r, err
}

// there is what the server has of the keys in g, as it was at now.
func (i *importer) there(ctx context.Context, g group) (nodes map[string]*client.Node, now time.Time, err error) {
	nodes = make(map[string]*client.Node, len(g.entries))
	if one := g.entries[0]; len(g.entries) == 1 && (hidden(one.Key) || !one.Dir) {
		now, err = i.find(ctx, one.Key, func(n *client.Node) { nodes[one.Key] = n })
		return nodes, now, err
	}
	now, err = i.find(ctx, g.parent, func(dir *client.Node) {
		for _, n := range dir.Nodes {
			nodes[n.Key] = n
		}
	})
	for _, e := range g.entries {
		if err == nil && hidden(e.Key) { // it is not listed
			now, err = i.find(ctx, e.Key, func(n *client.Node) { nodes[e.Key] = n })
		}
	}
	return nodes, now, err
}

// find hands over what is at key, if anything is, once there is a slot for the
// request. It says when that was.
func (i *importer) find(ctx context.Context, key string, found func(*client.Node)) (now time.Time, err error) {
	if !i.takeSlot(ctx) {
		return now, context.Cause(ctx)
	}
	defer func() { <-i.slots }()
	r, err := i.read(ctx, key)
	now = time.Now()
	if absent(err) {
		return now, nil
	}
	if err == nil {
		found(r.Node)
	}
	return now, err
}

// hidden reports whether directories do not list a key.
func hidden(key string) bool { return baseName(key)[:1] == "_" }

// absent reports whether err says that there is no such key.
func absent(err error) bool {
	return client.HasCode(err, client.CodeKeyNotFound) || client.HasCode(err, client.CodeNotADirectory)
}

// compare reads g again. What has ended meanwhile may be gone.
func (i *importer) compare(ctx context.Context, g group) error {
	there, now, err := i.there(ctx, g)
	if err != nil {
		return err
	}
	var o outcomes
	for _, e := range g.entries {
		n := there[e.Key]
		if left, ends := e.left(now); ends && (left <= 0 || left <= tolerance && (n == nil || e.Dir)) {
			continue
		}
		if !g.end.IsZero() && g.end.Sub(now) <= tolerance {
			continue // it goes with its directory
		}
		o.wanted.add(&e)
		if n != nil {
			found := entryOf(n, now)
			o.found.add(&found)
		}
		if !e.is(n, now) {
			o.different = append(o.different, e.Key)
		}
	}
	i.note(func(all *outcomes) {
		all.wanted.merge(o.wanted)
		all.found.merge(o.found)
		all.different = append(all.different, o.different...)
	})
	return nil
}

// directoryEnds are the directories that end, and when they do, or what they
// are in does.
type directoryEnds map[string]time.Time

// lastMoment is how long before the end of its directory the last entry may
// be written. One that came later would make the directory anew, and stay.
const lastMoment = time.Second

// limit says until when g may be written, and reports whether there are
// directories in it that end.
func (d directoryEnds) limit(g *group) (ending bool) {
	for dir := g.parent; len(d) > 0 && dir != "/" && dir != "."; dir = path.Dir(dir) {
		if end, found := d[dir]; found {
			g.end = end
			break
		}
	}
	for _, e := range g.entries {
		if !e.Dir || e.Expiration == nil {
			continue
		}
		ending = true
		d[e.Key] = e.Expiration.Add(-lastMoment)
		if !g.end.IsZero() && g.end.Before(d[e.Key]) {
			d[e.Key] = g.end
		}
	}
	return ending
}
