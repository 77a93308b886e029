package httpapi

import (
	"net/http"

	"keytree/stats"
	"keytree/store"
)

// list answers a GET or HEAD of a directory. What is small goes out in one
// write; a larger listing is sent while it is walked, a piece at a time, so
// that it needs no more memory than its largest value.
func (a *API) list(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	op := stats.Get
	if q.recursive {
		op = stats.GetRecursive
	}
	l, err := a.Keyspace.List(q.path, q.recursive)
	a.Stats.Store.Count(op, err == nil)
	if err != nil {
		return err
	}
	p := page{delivery: a.delivery(w, r), listing: l, now: a.Keyspace.Now()}
	return a.deliver(r, &p.delivery, l, p.write)
}

// walk is what a delivery is made of: a *store.Listing or a *store.Page.
type walk interface {
	Index() store.Index
	Pause()
	Close() error
}

// deliver answers with what write makes of a walk, and ends the walk.
func (a *API) deliver(r *http.Request, d *delivery, from walk, write func([]byte) ([]byte, error)) error {
	defer d.endTurn()
	h := d.w.Header()
	a.setKeyHeaders(h, from.Index())
	body := getBuffer()
	defer putBuffer(body)
	var err error
	*body, err = write((*body)[:0])
	if closed := from.Close(); closed != nil && err == nil {
		a.Logger.Error("closing a listing failed", "path", r.URL.Path, "error", closed) // the answer is out and whole
	}
	switch {
	case err == nil:
		return nil
	case d.sent == 0: // the error answer replaces the headers
		delete(h, headerPosition)
		delete(h, headerTerm)
		return err
	}
	if !d.gone {
		a.Logger.Error("listing ended early", "path", r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler) // too late for a status: the client must see that the body is torn
}

// delivery is an answer of any length on its way to a client.
type delivery struct {
	w     http.ResponseWriter
	head  bool          // only the headers are wanted
	turns chan struct{} // see API
	turn  bool          // it holds one of them
	yield func()        // see API
	sent  int           // so many bytes of the body are out
	gone  bool          // the client does not take it
}

func (a *API) delivery(w http.ResponseWriter, r *http.Request) delivery {
	return delivery{w: w, head: r.Method == http.MethodHead, turns: a.turns, yield: a.yield}
}

// ship sends the whole pieces in b while the walk pauses, and returns the
// buffer with the rest. A long listing then waits for its turn to walk on.
func (d *delivery) ship(b []byte, from walk) ([]byte, error) {
	from.Pause()
	d.endTurn()
	rest := b
	for ; len(rest) >= pieceBytes; rest = rest[pieceBytes:] {
		d.sent += pieceBytes
		if err := sendPiece(d.w, rest[:pieceBytes]); err != nil {
			d.gone = true
			return b, err
		}
		if d.sent%yieldBytes == 0 {
			// Where all else waits, only a goroutine that becomes runnable has
			// Go look at the network again before 10 ms are over.
			d.yield()
		}
	}
	if d.sent >= longListing {
		d.turns <- struct{}{}
		d.turn = true
	}
	return b[:copy(b, rest)], nil
}

// end sends the last of the body.
func (d *delivery) end(b []byte) {
	if d.sent > 0 {
		_ = sendPiece(d.w, b) // nobody left to tell
	} else {
		_ = send(d.w, b)
	}
}

// endTurn lets another long listing walk on.
func (d *delivery) endTurn() {
	if d.turn {
		<-d.turns
		d.turn = false
	}
}

// page is a listing in the words of the dialect.
type page struct {
	delivery
	listing *store.Listing
	now     int64

	// What the names of all leaves begin with until a directory begins or
	// ends: a brace, the field's name and their directory, escaped.
	opening []byte

	empty bool // the innermost directory has shown no child yet
}

// write walks the listing and sends it. It returns the buffer it used.
func (p *page) write(b []byte) ([]byte, error) {
	b = append(b, `{"action":"get","node":`...)
	p.empty = true
	for first := true; p.listing.Next(); first = false {
		b = p.append(b, p.listing.Item(), first)
		if len(b) < pieceBytes {
			continue
		}
		if p.head { // it is clear by now that the length is not going to be told
			break
		}
		var err error
		if b, err = p.ship(b, p.listing); err != nil {
			return b, err
		}
	}
	if err := p.listing.Err(); err != nil {
		return b, err
	}
	b = append(b, "}\n"...)
	p.end(b)
	return b, nil
}

// append appends one item.
func (p *page) append(b []byte, i *store.Item, first bool) []byte {
	if i.Kind == store.Leave {
		if !p.empty {
			b = append(b, ']')
		}
		p.empty = false // its parent has at least this child
		p.opening = p.opening[:0]
		return appendIndices(b, i.Modified, i.Created)
	}
	switch {
	case first:
	case p.empty:
		b = append(b, `,"nodes":[`...)
	default:
		b = append(b, ',')
	}
	p.empty = i.Dir
	if i.Dir {
		p.opening = p.opening[:0]
		b = appendName(b, i.Path, true)
		return appendExpiry(b, i.Expiry, p.now)
	}
	if len(p.opening) == 0 {
		p.opening = appendEscaped(append(p.opening, `{"key":"`...), i.Path[:i.Base])
	}
	b = append(b, p.opening...)
	b = appendEscaped(b, i.Path[i.Base:])
	b = append(b, `","value":"`...)
	b = appendEscaped(b, i.Value)
	b = append(b, '"')
	b = appendExpiry(b, i.Expiry, p.now)
	return appendIndices(b, i.Modified, i.Created)
}
