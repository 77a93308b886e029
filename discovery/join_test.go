package discovery

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// begin are the steps of a member that registers at index 10 where the given
// keys are already.
func begin(n string, before ...string) []step {
	after := append(before, me(10))
	return []step{size(n), list(9, before...), registers(10), seesSelf(10), size(n), list(10, after...)}
}

func TestMembersAreFoundInTheOrderTheyRegistered(t *testing.T) {
	told(t, func(t *testing.T) {
		var log bytes.Buffer
		steps := append(begin("3", m(2, 7), key("_config", "", 4)), event(11, "create", m(1, 12)))
		got, err := join(t, newConfig(script(t, steps...), &log))
		if want := "m2=http://m2:2380,m0=http://m0:2380,m1=http://m1:2380"; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		want := `level=INFO msg="discovery: found peer 2 in the cluster"
level=INFO msg="discovery: found self abc in the cluster"
level=INFO msg="discovery: found 2 peer(s), waiting for 1 more"
level=INFO msg="discovery: found peer 1 in the cluster"
level=INFO msg="discovery: found 3 needed peer(s)"
`
		if log.String() != want {
			t.Errorf("log:\n%swant:\n%s", &log, want)
		}
	})
}

func TestAListingInAnyOrderIsSortedByCreation(t *testing.T) {
	told(t, func(t *testing.T) {
		l := script(t, size("3"), list(9), registers(10), seesSelf(10), size("3"), list(14, m(4, 14), m(2, 13), m(3, 12), me(10)))
		got, err := join(t, newConfig(l, new(bytes.Buffer)))
		if want := "m0=http://m0:2380,m3=http://m3:2380,m2=http://m2:2380"; err != nil || got != want {
			t.Errorf("got %q, %v, want %q: who came too late is left out", got, err, want)
		}
	})
}

func TestAMemberWithSeveralURLsIsOneMember(t *testing.T) {
	told(t, func(t *testing.T) {
		two := key("2", "m2=http://a:1,m2=http://b:2", 7)
		got, err := join(t, newConfig(script(t, begin("2", two)...), new(bytes.Buffer)))
		if want := "m2=http://a:1,m2=http://b:2,m0=http://m0:2380"; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

// A host that does not tell its index is followed from the newest entry.
func TestAHostWithoutAnIndexIsFollowed(t *testing.T) {
	told(t, func(t *testing.T) {
		steps := append(begin("2"), event(11, "create", m(1, 12)))
		for i := range steps {
			steps[i].index = 0
		}
		if got, err := join(t, newConfig(script(t, steps...), new(bytes.Buffer))); err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestProblemsAreNamed(t *testing.T) {
	page := "<html>404 page not found</html>"
	generic := []Line{
		{slog.LevelError, "failed to join discovery cluster (*)"},
		{slog.LevelInfo, "discovery token http://host:2379/tok was used, but failed to bootstrap the cluster."},
		{slog.LevelInfo, "please generate a new discovery token and try to bootstrap again."},
	}
	alreadyRegistered := []Line{
		{slog.LevelError, `member "m0" has previously registered with discovery service token (http://host:2379/tok).`},
		{slog.LevelError, "But etcd could not find valid cluster configuration in the given data dir (m0.etcd)."},
		{slog.LevelInfo, "Please check the given data dir path if the previous bootstrap succeeded"},
		{slog.LevelInfo, "or use a new discovery token if the previous bootstrap failed."},
	}
	tests := []struct {
		name    string
		steps   []step
		err     error
		text    string // in the error
		explain []Line
	}{
		{"full", []step{size("2"), list(9, m(1, 5), m(2, 6))}, ErrFull, "discovery: cluster is full", generic},
		{"full before us", []step{size("1"), list(9), registers(11), seesSelf(11), size("1"), list(11, m(1, 10), me(11))},
			ErrFull, "discovery: cluster is full", generic},
		{"no size", []step{refuses("size", 404, 100, "Key not found")}, ErrSizeNotFound, "100: Key not found (/reg/tok) [9]", generic},
		{"size not a number", []step{size("three")}, ErrBadSize, "discovery: size key is bad", generic},
		{"size empty", []step{size("")}, ErrBadSize, "discovery: size key is bad", generic},
		{"size zero", []step{size("0")}, ErrBadSize, "discovery: size key is bad", generic},
		{"size negative", []step{size("-1")}, ErrBadSize, "discovery: size key is bad", generic},
		{"size beyond numbers", []step{size("99999999999999999999")}, ErrBadSize, "discovery: size key is bad", generic},
		{"size gone later", []step{size("2"), list(9), registers(10), seesSelf(10), refuses("size", 404, 100, "Key not found")},
			ErrSizeNotFound, "discovery: size key not found", generic},
		{"registered before", []step{size("2"), list(9, me(7)), refuses("register m0=http://m0:2380", 412, 105, "Key already exists")},
			ErrAlreadyRegistered, "105: Key already exists (/reg/tok) [9]", alreadyRegistered},
		{"registered by somebody else meanwhile", []step{size("2"), list(9), refuses("register m0=http://m0:2380", 412, 105, "Key already exists")},
			ErrAlreadyRegistered, "105: Key already exists (/reg/tok) [9]", alreadyRegistered},
		{"name taken", begin("2", key("1", "m0=http://m1:2380", 5)), ErrDuplicateName, `"m0"`, []Line{
			{slog.LevelError, "member with duplicated name has registered with discovery service token(http://host:2379/tok)."},
			{slog.LevelError, "please check (cURL) the discovery token for more information."},
			{slog.LevelError, "please do not reuse the discovery token and generate a new one to bootstrap the cluster."},
		}},
		{"value without URL", begin("2", key("1", "m1", 5)), ErrInvalidURL, "discovery: invalid URL", generic},
		{"value without port", begin("2", key("1", "m1=http://m1", 5)), ErrInvalidURL, "discovery: invalid URL", generic},
		{"value without name", begin("2", key("1", "=http://m1:2380", 5)), ErrInvalidURL, "discovery: invalid URL", generic},
		{"two members in one value", begin("2", key("1", "m1=http://a:1,m2=http://b:1", 5)), ErrInvalidURL, "one name", generic},
		{"empty value", begin("2", key("1", "", 5)), ErrInvalidURL, "discovery: invalid URL", generic},
		{"a 404 page", []step{{"size", 404, page, 0}}, ErrBadEndpoint, "discovery: bad discovery endpoint", generic},
		{"a page", []step{{"size", 200, page, 0}}, ErrBadEndpoint, "discovery: bad discovery endpoint", generic},
		{"nothing", []step{{"size", 200, "", 0}}, ErrBadEndpoint, "discovery: bad discovery endpoint", generic},
		{"other JSON", []step{{"size", 200, `{"version":1}`, 0}}, ErrBadEndpoint, "discovery: bad discovery endpoint", generic},
		{"JSON of another shape", []step{{"size", 200, `[]`, 0}}, ErrBadEndpoint, "discovery: bad discovery endpoint", generic},
		{"another service's refusal", []step{{"size", 404, `{"message":"Not found"}`, 0}}, ErrBadEndpoint, "404 Not Found", generic},
		{"a listing with a hole", []step{size("2"), list(9, "null")}, ErrBadEndpoint, "200 OK and nothing about a key", generic},
		{"too much", []step{{"size", 200, `{"node":{"value":"` + strings.Repeat("3", maxAnswer) + `"}}`, 0}}, ErrBadEndpoint, "more than 1 MiB", generic},
		{"a token that may not be read", []step{refuses("size", 401, 110, "The request requires user authentication")},
			nil, "110: The request requires user authentication (/reg/tok) [9]", generic},
		{"a registration that is refused", []step{size("1"), list(9), refuses("register m0=http://m0:2380", 403, 102, "Not a file")},
			nil, "102: Not a file (/reg/tok) [9]", generic},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			told(t, func(t *testing.T) {
				c := newConfig(script(t, tt.steps...), new(bytes.Buffer))
				got, err := join(t, c)
				if err == nil || got != "" || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("got %q, error %v, want %v with %q", got, err, tt.err, tt.text)
				}
				lines := c.Explain(err)
				if len(lines) != len(tt.explain) {
					t.Fatalf("explained by %v, want %v", lines, tt.explain)
				}
				for i, want := range tt.explain {
					want.Text = strings.Replace(want.Text, "*", err.Error(), 1)
					if lines[i] != want {
						t.Errorf("explained by %v, want %v", lines[i], want)
					}
				}
			})
		})
	}
}

func TestAddressesThatAreNoneAreRefusedUnasked(t *testing.T) {
	for _, c := range []Config{
		{URL: ""}, {URL: "host:2379/tok"}, {URL: "ftp://host/tok"}, {URL: "http:///tok"}, {URL: "http://host:port/tok"}, {URL: "://"},
		{URL: "http://host/tok", Proxy: "socks5://proxy:1"}, {URL: "http://host/tok", Proxy: ":8080"}, {URL: "http://host/tok", Proxy: "proxy:x"},
	} {
		for _, ask := range []func(context.Context, Config) (string, error){Join, Cluster} {
			if got, err := ask(t.Context(), c); !errors.Is(err, ErrInvalidURL) {
				t.Errorf("%+v: got %q, %v", c, got, err)
			}
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	told(t, func(t *testing.T) {
		var log bytes.Buffer
		l := script(t, step{"size", 503, "", 0}, refuses("size", 404, 100, "Key not found"))
		l.refuse = 1
		c := newConfig(l, &log)
		c.URL = "http://root:secret@host:2379/tok"
		_, err := join(t, c)
		for _, text := range []string{log.String(), err.Error(), c.Explain(ErrAlreadyRegistered)[0].Text, c.Explain(ErrDuplicateName)[0].Text} {
			if strings.Contains(text, "secret") {
				t.Errorf("shown: %s", text)
			}
		}
		_, err = Join(t.Context(), Config{URL: "http://root:secret@host:port/"})
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}

func TestTheUserInTheURLIsSent(t *testing.T) {
	told(t, func(t *testing.T) {
		l := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, sent := r.BasicAuth(); !sent || user != "root" || password != "p@ss:word" {
				t.Errorf("got %q, %q, %v", user, password, sent)
			}
			refuses("size", 404, 100, "Key not found").answer(w, r)
		}))
		c := newConfig(l, new(bytes.Buffer))
		c.URL = "http://root:p%40ss:word@host:2379/tok"
		if got, err := join(t, c); !errors.Is(err, ErrSizeNotFound) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestAProxyIsAskedInstead(t *testing.T) {
	for proxy, want := range map[string]string{"proxy:8080": "proxy:8080", "http://proxy": "proxy:80"} {
		t.Run(want, func(t *testing.T) {
			told(t, func(t *testing.T) {
				var asked string
				l := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked = r.RequestURI
					list(9, me(5)).answer(w, r) // no size
				}))
				c := newConfig(l, new(bytes.Buffer))
				c.Proxy = proxy
				if _, err := join(t, c); !errors.Is(err, ErrBadSize) {
					t.Error(err)
				}
				if l.dialled[0] != want || !strings.HasPrefix(asked, "http://host:2379/tok/_config/size?") {
					t.Errorf("asked %s for %s, want %s", l.dialled[0], asked, want)
				}
			})
		})
	}
}

func TestARedirectedRegistrationIsNotTakenForOne(t *testing.T) {
	told(t, func(t *testing.T) {
		l := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch shortForm(r) {
			case "size":
				size("2").answer(w, r)
			case "list":
				list(9).answer(w, r)
			case "register m0=http://m0:2380":
				http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
			default:
				step{"", 200, `{"action":"get","node":` + me(7) + `}`, 9}.answer(w, r)
			}
		}))
		if got, err := join(t, newConfig(l, new(bytes.Buffer))); !errors.Is(err, ErrBadEndpoint) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A host that lives elsewhere gets the registration itself, not a question
// about it.
func TestARedirectedRegistrationStaysOne(t *testing.T) {
	told(t, func(t *testing.T) {
		registered := false
		l := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch asked := shortForm(r); {
			case asked == "size":
				size("1").answer(w, r)
			case asked == "list" && !registered:
				list(9).answer(w, r)
			case asked == "list":
				list(10, me(10)).answer(w, r)
			case asked == "register m0=http://m0:2380":
				http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
			case r.Method == http.MethodPut && r.URL.Path == "/elsewhere" && r.PostFormValue("value") == "m0=http://m0:2380":
				registered = true
				registers(10).answer(w, r)
			default:
				seesSelf(10).answer(w, r)
			}
		}))
		if got, err := join(t, newConfig(l, new(bytes.Buffer))); err != nil || got != "m0=http://m0:2380" || !registered {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestAnOutsiderLearnsTheMembersWithoutRegistering(t *testing.T) {
	const want = "m1=http://m1:2380,m2=http://m2:2380"
	for name, steps := range map[string][]step{
		"complete":   {size("2"), list(9, m(1, 5), m(2, 6), m(3, 7))},
		"incomplete": {size("2"), list(9, m(1, 5)), event(10, "create", m(2, 12))},
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T) {
				c := newConfig(script(t, steps...), new(bytes.Buffer))
				c.Self, c.Registration = 0, ""
				if got, err := Cluster(t.Context(), c); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			})
		})
	}
}

func TestJoiningEndsWithItsContext(t *testing.T) {
	waits := append(begin("2"), step{"wait 11", hang, "", 0})
	for name, steps := range map[string][]step{
		"in a request": {{"size", hang, "", 0}},
		"in a pause":   {{"size", 503, "", 0}},
		"in a wait":    waits,
	} {
		t.Run(name, func(t *testing.T) {
			told(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer time.AfterFunc(1500*time.Millisecond, cancel).Stop()
				start := time.Now()
				c := newConfig(script(t, steps...), new(bytes.Buffer))
				got, err := Join(ctx, c)
				if !errors.Is(err, context.Canceled) || time.Since(start) != 1500*time.Millisecond {
					t.Errorf("got %q, %v after %v", got, err, time.Since(start))
				}
				if lines := c.Explain(err); lines != nil {
					t.Errorf("explained by %v", lines)
				}
			})
		})
	}
}
