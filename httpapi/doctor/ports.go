package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// What Windows says has numbers of its own.
const (
	inUseOnWindows     = syscall.Errno(10048)
	noAddressOnWindows = syscall.Errno(10049)
	deniedOnWindows    = syscall.Errno(10013)
	refusedOnWindows   = syscall.Errno(10061)
)

// opening is a URL to listen on.
type opening struct{ raw, flag, of string }

// who is what answers at a port.
type who struct {
	name    string // of the member; empty: it does not say
	server  string // and its version
	keytree bool
}

// ports tries to listen where the member would. If it runs already, e.self
// says where it can be asked.
func (e *exam) ports(ctx context.Context) []Finding {
	var all []opening
	for _, raw := range e.ListenClient {
		all = append(all, opening{raw, "--listen-client-urls", "clients"})
	}
	for _, raw := range e.ListenMetrics {
		all = append(all, opening{raw, "--listen-metrics-urls", "monitors"})
	}
	if !e.Proxy {
		for _, raw := range e.ListenPeer {
			all = append(all, opening{raw, "--listen-peer-urls", "other members"})
		}
	}
	own := make([]bool, len(all))
	findings := each(all, func(i int, o opening) []Finding {
		n := notes{area: "ports"}
		own[i] = e.port(ctx, &n, o)
		return n.all
	})
	for i, o := range all {
		if own[i] && e.self == "" && o.of == "clients" {
			e.self = o.raw
		}
	}
	return findings
}

// port says one thing about one of them, and whether this member is there already.
func (e *exam) port(ctx context.Context, n *notes, o opening) (own bool) {
	p := placeOf(o.raw)
	var err error
	if p.file != "" {
		err = tryFile(p.file)
	} else {
		var l net.Listener
		bounded, cancel := context.WithTimeout(ctx, patience) // a name may have to be looked up
		l, err = new(net.ListenConfig).Listen(bounded, "tcp", net.JoinHostPort(p.host, p.port))
		cancel()
		if err == nil {
			_ = l.Close() // it had no purpose but to be opened
		}
	}
	elsewhere := o.flag + " " + quoted(p.at("0.0.0.0"))
	var unknown *net.DNSError
	switch {
	case err == nil:
		n.ok("%s is free, for %s", o.raw, o.of)
	case errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, inUseOnWindows):
		return e.taken(ctx, n, o, p)
	case p.file != "":
		n.wrong(fmt.Sprintf("cannot listen on %s: %v", o.raw, err), "mkdir -p "+quoted(filepath.Dir(p.file)), "sudo chown \"$USER\" "+quoted(filepath.Dir(p.file)))
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, deniedOnWindows):
		n.wrong(fmt.Sprintf("no right to listen on %s: ports below 1024 need one", o.raw),
			"sudo setcap cap_net_bind_service=+ep \"$(command -v keytree)\"", "AmbientCapabilities=CAP_NET_BIND_SERVICE", o.flag+" with a port above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, noAddressOnWindows):
		n.wrong(fmt.Sprintf("%s is at an address that this machine does not have", o.raw), elsewhere, o.flag+" "+quoted(p.at(e.outward())))
	case errors.As(err, &unknown):
		n.wrong(fmt.Sprintf("%s is at a name that is not known: %v", o.raw, err), elsewhere)
	default:
		n.wrong(fmt.Sprintf("cannot listen on %s: %v", o.raw, err), elsewhere)
	}
	return false
}

// tryFile looks whether a socket can be made in the file system, without making it.
func tryFile(name string) error {
	info, err := os.Lstat(name)
	switch {
	case err == nil && info.Mode()&os.ModeSocket == 0:
		return &fs.PathError{Op: "listen", Path: name, Err: errors.New("there is a file which is no socket")}
	case err == nil:
		c, err := net.DialTimeout("unix", name, patience)
		if err == nil {
			_ = c.Close() // somebody is there
			return syscall.EADDRINUSE
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, refusedOnWindows) {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return writable(filepath.Dir(name))
}

// taken finds out who listens there.
func (e *exam) taken(ctx context.Context, n *notes, o opening, p place) (own bool) {
	mend := []string{fmt.Sprintf("sudo ss -ltnp 'sport = :%s'", p.port), o.flag + " with another port"}
	if p.file != "" {
		mend = []string{"sudo ss -lxp src " + quoted(p.file), o.flag + " with another file"}
	}
	is, err := e.ask(ctx, o)
	switch {
	case err == nil && is.keytree && (is.name == e.Name || o.of == "monitors" || e.Proxy):
		n.ok("%s: %s runs there", o.raw, is)
		return true
	case o.raw == e.Spare:
		n.warn(fmt.Sprintf("%s is taken; it is for clients of etcd 0.4 only, and the member does without", o.raw), "--listen-client-urls http://localhost:2379 --advertise-client-urls http://localhost:2379")
	case err != nil:
		n.wrong(fmt.Sprintf("%s is taken by something that is no member (%v)", o.raw, err), mend...)
	case !is.keytree:
		n.wrong(fmt.Sprintf("%s is taken by %s", o.raw, is), append([]string{"sudo systemctl stop etcd"}, mend...)...)
	default:
		n.wrong(fmt.Sprintf("%s is taken by %s, and this one is %s", o.raw, is, e.Name), append(mend, "--name "+quoted(is.name))...)
	}
	return false
}

func (w who) String() string {
	if w.name == "" {
		return w.server
	}
	return fmt.Sprintf("member %s (%s)", w.name, w.server)
}

// ask asks what listens at a place on this machine who it is.
func (e *exam) ask(ctx context.Context, o opening) (w who, err error) {
	client, target, err := e.toSelf(o.raw)
	if err != nil {
		return w, err
	}
	defer client.CloseIdleConnections()
	if o.of == "monitors" {
		var health struct{ Health *string }
		if _, err := e.decode(ctx, client, target+"/health", &health); err != nil || health.Health == nil {
			return w, errors.Join(errors.New("it says nothing about its health"), err)
		}
		return who{server: "something that tells of its health", keytree: true}, nil
	}
	var version struct {
		Etcd    string  `json:"etcdserver"`
		Keytree *string `json:"keytree"`
	}
	if _, err := e.decode(ctx, client, target+"/version", &version); err != nil {
		return w, err
	}
	if version.Keytree == nil {
		if version.Etcd == "" {
			return w, errors.New("it tells no version")
		}
		var self struct{ Name string }
		_, _ = e.decode(ctx, client, target+"/v2/stats/self", &self) // peers' ports do not tell
		return who{name: self.Name, server: "etcd " + version.Etcd}, nil
	}
	w = who{server: "keytree " + *version.Keytree, keytree: true}
	var s status
	if _, err := e.decode(ctx, client, target+statusPath, &s); err != nil {
		return w, fmt.Errorf("keytree %s does not say how it stands: %w", *version.Keytree, err)
	}
	w.name = s.Member.Name
	return w, nil
}

// toSelf is a client for what listens at raw on this machine, and what to put
// before a path.
func (e *exam) toSelf(raw string) (client *http.Client, target string, err error) {
	t, err := e.Own(raw)
	if err != nil {
		return nil, "", err
	}
	target = "http://localhost"
	if placeOf(raw).secure() {
		target = "https://localhost"
	}
	return &http.Client{Transport: t, CheckRedirect: stay}, target, nil
}

// stay follows nobody.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// decode asks for JSON. What is no JSON is an error that says what came instead.
func (e *exam) decode(ctx context.Context, client *http.Client, target string, into any) (http.Header, error) {
	status, body, header, err := fetch(ctx, client, target, e.Host)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]int{http.StatusOK, http.StatusServiceUnavailable}, status) {
		return nil, fmt.Errorf("it answers %d %s", status, http.StatusText(status))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return nil, errors.New("it answers with something else than expected")
	}
	return header, nil
}
