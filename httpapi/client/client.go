// Package client speaks the etcd v2 dialect to a cluster of Keytree or etcd.
//
// A Client knows the endpoints of a cluster, asks one after the other until
// one answers, and stays with that. It reads and writes keys, follows what
// happens to them across restarts and changes of leader, and looks after
// members, users and roles. What a server refuses comes back as an error with
// a type: *Error for keys, *StatusError for the rest; *ClusterError says that
// no endpoint could be asked. The texts of errors are those of etcd's own
// client, so that programs which print them print the same.
//
// It stands on the standard library alone.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"
)

// Config says which cluster to speak to, and how. Only Endpoints is required.
type Config struct {
	// Endpoints are URLs of members: http, https, or a unix socket as in
	// unix:///run/keytree.sock (unixs with TLS). Without a scheme http is
	// meant. A path is put before those of the dialect. A user in a URL is for
	// that endpoint, if there is no Username.
	Endpoints []string

	// KeysPath is where the keys are on an endpoint. Default: /v2/keys. With /
	// a key is the whole path, as where a discovery URL leads.
	KeysPath string

	Username, Password string // sent to all endpoints; no Username: nothing is sent

	TLS *tls.Config // of https and unixs endpoints; default: the system's authorities

	// Proxy says through which proxy a request goes. Default:
	// http.ProxyFromEnvironment. Unix sockets need none.
	Proxy func(*http.Request) (*url.URL, error)

	// Transport replaces what sends the requests; TLS, Proxy and DialTimeout
	// are then its own affair, and there are no unix sockets. It must not follow
	// redirects, and not send a request twice that may have arrived.
	Transport http.RoundTripper

	DialTimeout   time.Duration // of one connection; default 30 s
	HeaderTimeout time.Duration // until an endpoint begins to answer, unless it is told to wait; 0: none

	// MaxBody is how long an answer may be, in bytes. Default: 1 GiB.
	MaxBody int64

	// Trace, if set, is told of every request before it is sent. It may be
	// called from several goroutines at once.
	Trace func(Attempt)

	// Shuffle brings n endpoints into the order they are tried in. Default:
	// math/rand/v2.Shuffle, so that clients spread over the members.
	Shuffle func(n int, swap func(i, j int))
}

// Attempt is one request to one endpoint, as Trace is told of it. Credentials
// are not shown, but a body that sets a password is.
type Attempt struct {
	Method string
	URL    string
	Body   []byte // nil: none; not to be changed
}

const (
	defaultDialTimeout = 30 * time.Second
	defaultMaxBody     = 1 << 30
)

// Client asks a cluster. Its methods may be called from any goroutine. They
// end with their context at the latest, and the error is then that of the
// context.
type Client struct {
	config Config
	tcp    http.RoundTripper
	socket http.RoundTripper // nil: there is none for sockets

	mu struct { // everything inside is guarded
		sync.Mutex
		endpoints []*endpoint // in the order they are tried; never changed, only replaced
		pinned    int         // the one to try first
	}
}

// New makes a client of the cluster at c.Endpoints. Nothing is sent yet. The
// error for an endpoint that cannot be read is that of net/url.
func New(c Config) (*Client, error) {
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Shuffle == nil {
		c.Shuffle = rand.Shuffle
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	if c.KeysPath == "" {
		c.KeysPath = "/v2/keys"
	}
	c.KeysPath = path.Join("/", c.KeysPath)
	cl := &Client{config: c, tcp: c.Transport}
	if c.Transport == nil {
		cl.tcp, cl.socket = newTransport(c), newSocketTransport(c)
	}
	if err := cl.SetEndpoints(c.Endpoints); err != nil {
		return nil, err
	}
	return cl, nil
}

// Close gives back the connections nobody uses. Requests under way go on, and
// the client may be used again.
func (c *Client) Close() {
	for _, t := range []http.RoundTripper{c.tcp, c.socket} {
		if idle, ok := t.(interface{ CloseIdleConnections() }); ok {
			idle.CloseIdleConnections()
		}
	}
}

// Endpoints are the endpoints in the order they are tried in, the one that
// answered last not moved to the front.
func (c *Client) Endpoints() []string {
	list, _ := c.turn()
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.text
	}
	return texts
}

// SetEndpoints replaces the endpoints. If one of the new ones answered last,
// it stays the first to be asked. On an error the old ones stay.
func (c *Client) SetEndpoints(urls []string) error {
	if len(urls) == 0 {
		return ErrNoEndpoints
	}
	list := make([]*endpoint, len(urls))
	for i, raw := range urls {
		e, err := c.parseEndpoint(raw)
		if err != nil {
			return err
		}
		list[i] = e
	}
	c.config.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	c.mu.Lock()
	defer c.mu.Unlock()
	pinned := 0
	if len(c.mu.endpoints) > 0 {
		last := c.mu.endpoints[c.mu.pinned].text
		pinned = max(0, slices.IndexFunc(list, func(e *endpoint) bool { return e.text == last }))
	}
	c.mu.endpoints, c.mu.pinned = list, pinned
	return nil
}

// parseEndpoint reads a URL that c can reach.
func (c *Client) parseEndpoint(raw string) (*endpoint, error) {
	e, err := parseEndpoint(raw)
	if err == nil && e.socket && c.socket == nil {
		return nil, fmt.Errorf("client: %s: a Transport of one's own knows no unix sockets", e.text)
	}
	return e, err
}

// turn is the list of endpoints and the place in it of the first to try.
func (c *Client) turn() ([]*endpoint, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.endpoints, c.mu.pinned
}

// pin makes e the first to try, if it is still an endpoint.
func (c *Client) pin(e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.mu.endpoints, e); i >= 0 {
		c.mu.pinned = i
	}
}

// Sync asks the cluster for its members and makes all their client URLs the
// endpoints. It fails with ErrNoEndpoints if they have none; on any error the
// endpoints stay as they are.
func (c *Client) Sync(ctx context.Context) error {
	members, err := c.Members(ctx)
	if err != nil {
		return err
	}
	var urls []string
	for _, m := range members {
		urls = append(urls, m.ClientURLs...)
	}
	if sameURLs(urls, c.Endpoints()) {
		return nil
	}
	return c.SetEndpoints(urls)
}

func sameURLs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// AutoSync calls Sync at once and then once every interval until ctx is done,
// whose error it returns. Before that it returns only if the members publish
// no URLs, with ErrNoEndpoints; when the cluster cannot be asked it goes on
// with the endpoints there are.
func (c *Client) AutoSync(ctx context.Context, interval time.Duration) error {
	for {
		if err := c.Sync(ctx); errors.Is(err, ErrNoEndpoints) {
			return err
		}
		if err := pause(ctx, interval); err != nil {
			return err
		}
	}
}

// pause waits for d, or for the end of ctx, whose error it then returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
