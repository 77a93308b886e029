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
	p := page{w: w, listing: l, turns: a.turns, yield: a.yield, head: r.Method == http.MethodHead, now: a.Keyspace.Now()}
	defer p.endTurn()
	a.setKeyHeaders(w.Header(), l.Index())
	body := getBuffer()
	defer putBuffer(body)
	*body, err = p.write((*body)[:0])
	if closed := l.Close(); closed != nil && err == nil {
		a.Logger.Error("closing a listing failed", "path", r.URL.Path, "error", closed) // the answer is out and whole
	}
	switch {
	case err == nil:
		return nil
	case p.sent == 0: // the error answer replaces the headers
		delete(w.Header(), headerPosition)
		delete(w.Header(), headerTerm)
		return err
	}
	if !p.gone {
		a.Logger.Error("listing ended early", "path", r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler) // too late for a status: the client must see that the body is torn
}

// page is a listing on its way to a client.
type page struct {
	w       http.ResponseWriter
	listing *store.Listing
	now     int64
	head    bool // only the headers are wanted

	// What the names of all leaves begin with until a directory begins or
	// ends: a brace, the field's name and their directory, escaped.
	opening []byte

	turns chan struct{} // see API
	turn  bool          // it holds one of them
	yield func()        // see API
	sent  int           // so many bytes of the body are out

	empty bool // the innermost directory has shown no child yet
	gone  bool // the client does not take it
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
		p.listing.Pause()
		rest, err := p.flush(b)
		if err != nil {
			return b, err
		}
		b = b[:copy(b, rest)]
	}
	if err := p.listing.Err(); err != nil {
		return b, err
	}
	b = append(b, "}\n"...)
	if p.sent > 0 {
		_ = sendPiece(p.w, b) // nobody left to tell
	} else {
		_ = send(p.w, b)
	}
	return b, nil
}

// flush sends the whole pieces in b and returns the rest. A long listing then
// waits for its turn to walk on.
func (p *page) flush(b []byte) (rest []byte, err error) {
	p.endTurn()
	for ; len(b) >= pieceBytes; b = b[pieceBytes:] {
		p.sent += pieceBytes
		if err := sendPiece(p.w, b[:pieceBytes]); err != nil {
			p.gone = true
			return nil, err
		}
		if p.sent%yieldBytes == 0 {
			// Where all else waits, only a goroutine that becomes runnable has
			// Go look at the network again before 10 ms are over.
			p.yield()
		}
	}
	if p.sent >= longListing {
		p.turns <- struct{}{}
		p.turn = true
	}
	return b, nil
}

// endTurn lets another long listing walk on.
func (p *page) endTurn() {
	if p.turn {
		<-p.turns
		p.turn = false
	}
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
