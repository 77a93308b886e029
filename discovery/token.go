package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"keytree/httpapi/client"
	"keytree/raftlog/member"
)

const (
	// An answer must be there within this time, unless it is to an event
	// that has yet to happen.
	answerTime = 5 * time.Second

	// Pauses before a server is asked again: each is twice the one before,
	// until things went well for a while. A wait that some gateway ends every
	// minute counts as that.
	firstPause   = 2 * time.Second
	longestPause = 256 * time.Second
	aWhile       = 30 * time.Second

	checking = "cluster status check"
	entering = "registration"
	waiting  = "waiting for other nodes"
)

// token is a place at a keys server where members register, as one of them
// sees it. It belongs to one goroutine.
type token struct {
	config Config
	server *client.Client
	path   string // of the token there; clean
	log    *slog.Logger
	shown  map[string]bool // members the log has told of
}

func open(c Config) (*token, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidURL, withoutURL(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: it needs http:// or https:// and a host", ErrInvalidURL)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	transport := &http.Transport{DialContext: c.dial, TLSHandshakeTimeout: answerTime, MaxResponseHeaderBytes: maxHeader}
	if c.dial == nil {
		transport.DialContext = (&net.Dialer{Timeout: answerTime}).DialContext
	}
	if c.Proxy != "" {
		proxy, err := parseProxy(c.Proxy)
		if err != nil {
			return nil, err
		}
		c.Logger.Info("discovery: using proxy " + quote(proxy.Redacted()))
		transport.Proxy = http.ProxyURL(proxy)
	}
	host := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}
	server, err := client.New(client.Config{
		Endpoints: []string{host.String()},
		KeysPath:  "/", // the token's path is all there is
		Transport: transport,
		MaxBody:   maxAnswer,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidURL, withoutURL(err))
	}
	return &token{
		config: c,
		server: server,
		path:   path.Join("/", u.Path),
		log:    c.Logger,
		shown:  map[string]bool{},
	}, nil
}

func (t *token) close() { t.server.Close() }

// withoutURL is the error behind one of net/url, which names the whole URL:
// that says little and may hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// parseProxy reads the address of a proxy. HOST:PORT alone will do.
func parseProxy(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: the proxy's: %w", ErrInvalidURL, withoutURL(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: the proxy's needs http:// or https:// and a host", ErrInvalidURL)
	}
	return u, nil
}

// check reads the roll, as often as it takes.
func (t *token) check(ctx context.Context) (r roll, err error) {
	err = t.persist(ctx, checking, func() error {
		r, err = t.read(ctx)
		return err
	})
	return r, err
}

// read asks how many members there are to be and who they are so far.
func (t *token) read(ctx context.Context) (roll, error) {
	told, err := t.get(ctx, configDir+"/size")
	if client.HasCode(err, client.CodeKeyNotFound) {
		return roll{}, fmt.Errorf("%w: %w", ErrSizeNotFound, err)
	}
	if err != nil {
		return roll{}, err
	}
	size, err := parseSize(told.Node.Value)
	if err != nil {
		return roll{}, err
	}
	listing, err := t.get(ctx, "")
	if err != nil {
		return roll{}, err
	}
	return newRoll(size, listing), nil
}

// register enters the member under the token. Known says that an entry of its
// ID was there before.
func (t *token) register(ctx context.Context, known bool) error {
	var created uint64
	unsure := false // an earlier try may have come through after all
	err := t.persist(ctx, entering, func() error {
		entered, err := t.enter(ctx)
		if err == nil {
			created = entered.Node.CreatedIndex
		}
		var f *failure
		unsure = unsure || errors.As(err, &f)
		return err
	})
	if client.HasCode(err, client.CodeKeyExists) {
		if unsure && !known {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrAlreadyRegistered, err)
	}
	if err != nil {
		return err
	}
	return t.seeSelf(ctx, created)
}

// seeSelf waits until the server that answers, which may be a follower, knows
// what was registered at the index created. It is there to make the next
// listing the right one at once; whatever else happens, wait copes with.
func (t *token) seeSelf(ctx context.Context, created uint64) error {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, _ = t.await(limited, t.config.Self.String(), created, false)
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return nil
}

// wait follows what happens under the token until r is complete, and returns
// the complete roll.
func (t *token) wait(ctx context.Context, r roll) (roll, error) {
	stale := false
	err := t.persist(ctx, waiting, func() error {
		for {
			var err error
			if stale {
				if r, err = t.read(ctx); err != nil {
					return err
				}
			}
			stale = true // unless it becomes complete
			t.show(r.entries)
			if err := t.follow(ctx, &r); err != nil || r.complete() {
				return err
			}
			if !sleep(ctx, firstPause) {
				return ended(ctx)
			}
		}
	})
	if err == nil {
		t.log.Info(fmt.Sprintf("discovery: found %d needed peer(s)", len(r.entries)))
	}
	return r, err
}

// follow takes event after event into r, until r is complete or must be read
// anew.
func (t *token) follow(ctx context.Context, r *roll) error {
	for !r.complete() {
		t.log.Info(fmt.Sprintf("discovery: found %d peer(s), waiting for %d more", len(r.entries), r.size-len(r.entries)))
		event, err := t.await(ctx, "", r.next, true)
		if client.HasCode(err, client.CodeEventIndexCleared) {
			return nil
		}
		if err != nil {
			return err
		}
		if !r.follow(event) {
			return nil
		}
		t.show(r.entries)
	}
	return nil
}

// show logs the members that are new.
func (t *token) show(entries []entry) {
	for _, e := range entries {
		if t.shown[e.id] {
			continue
		}
		t.shown[e.id] = true
		who := "peer"
		if e.id == t.config.Self.String() {
			who = "self"
		}
		id := quote(e.id)
		if parsed, err := member.ParseID(e.id); err == nil {
			id = parsed.String()
		}
		t.log.Info(fmt.Sprintf("discovery: found %s %s in the cluster", who, id))
	}
}

// persist tries until the server could be asked. What it then answered, or
// that ctx is done, is the error.
func (t *token) persist(ctx context.Context, step string, try func() error) error {
	host := t.server.Endpoints()[0] // without a user
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		begun := time.Now()
		err := try()
		if err != nil && ctx.Err() != nil {
			return ended(ctx)
		}
		var f *failure
		if !errors.As(err, &f) {
			return err
		}
		if time.Since(begun) > aWhile {
			pause = firstPause
		}
		t.log.Error("discovery: error #0: " + f.Error())
		t.log.Info(fmt.Sprintf("discovery: %s: error connecting to %s, retrying in %v", step, host, pause))
		if !sleep(ctx, pause) {
			return ended(ctx)
		}
	}
}

// sleep reports whether d went by before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
