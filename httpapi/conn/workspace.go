package conn

// A workspace is the buffers of one connection while it has something to read
// or to write. A connection that waits has none.
type workspace struct {
	in   []byte // as long as what may be read into it
	out  []byte // encoded and not sent
	body []byte // of an answer whose head is not decided on; at most holdBody
}

const (
	inSize  = 4 << 10
	outSize = 4 << 10

	// A request head may be this long; longer ones are for net/http.
	maxHead = 16 << 10

	// An answer of up to this size is told its length even if the handler did
	// not say it; net/http has the same figure.
	holdBody = 2048
)

func newWorkspace() *workspace {
	return &workspace{
		in:   make([]byte, inSize),
		out:  make([]byte, 0, outSize),
		body: make([]byte, 0, holdBody),
	}
}

// space makes sure that c has a workspace.
func (c *conn) space() *workspace {
	if c.work == nil {
		c.work = c.server.spaces.Get().(*workspace)
	}
	return c.work
}

// rest gives the workspace back if nothing is in it.
func (c *conn) rest() {
	w := c.work
	if w == nil || c.from != c.to || len(w.out) > 0 || len(w.body) > 0 {
		return
	}
	c.from, c.to, c.work = 0, 0, nil
	if len(w.in) == inSize && cap(w.out) <= 2*outSize {
		c.server.spaces.Put(w)
	}
}
