package deploy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/scripts/process"
)

// network stands in for one in which members have names: it puts loopback
// addresses in the place of theirs.
type network struct {
	t      *testing.T
	ports  process.Ports
	given  map[string]string        // addresses, by name and port
	nameOf func(host string) string // of a member
}

func newNetwork(t *testing.T, nameOf func(host string) string) *network {
	return &network{t: t, given: map[string]string{}, nameOf: nameOf}
}

// firstLabel is the name of a member whose host is called by it.
func firstLabel(host string) string {
	name, _, _ := strings.Cut(host, ".")
	return name
}

// address is where a port of a member is.
func (n *network) address(name, port string) string {
	n.t.Helper()
	key := name + ":" + port
	if n.given[key] == "" {
		free, err := n.ports.Take()
		if err != nil {
			n.t.Fatal(err)
		}
		n.given[key] = fmt.Sprintf("127.0.0.1:%d", free)
	}
	return n.given[key]
}

var addressed = regexp.MustCompile(`(https?)://([A-Za-z0-9.-]+):([0-9]+)`)

// translated is text as the member self is to read it.
func (n *network) translated(text, self string) string {
	n.t.Helper()
	return addressed.ReplaceAllStringFunc(text, func(u string) string {
		parts := addressed.FindStringSubmatch(u)
		name := self
		if host := parts[2]; host != "0.0.0.0" && host != "localhost" {
			name = n.nameOf(host)
		}
		return parts[1] + "://" + n.address(name, parts[3])
	})
}

// member is a process of the image, elsewhere than in a container.
type member struct {
	*child
	image  *image
	env    []string
	client string // address
}

// mustRunImage starts the image's program with arguments and variables, which
// have been translated, and its directory of data in one of the test.
func mustRunImage(t *testing.T, m *image, args, env []string, client string) *member {
	t.Helper()
	data := t.TempDir()
	inside := func(text string) string { return strings.ReplaceAll(text, "/data", data) }
	file, err := os.ReadFile(filepath.Join(m.root, "etc/keytree/keytree.yml"))
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "keytree.yml")
	if err := os.WriteFile(moved, []byte(inside(string(file))), 0o600); err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, v := range m.env {
		own = append(own, strings.ReplaceAll(v, "/etc/keytree/keytree.yml", moved))
	}
	own = append(own, env...)
	args = slices.Clone(args)
	for i, a := range args {
		if flag, value, ok := strings.Cut(a, "="); ok {
			args[i] = flag + "=" + inside(value)
		}
	}
	return &member{
		child: mustStart(t, filepath.Join(m.root, m.entrypoint[0]), append(slices.Clone(m.entrypoint[1:]), args...), own),
		image: m, env: own, client: client,
	}
}

// answer is what is answered to a request, and 0 without an answer.
func (m *member) answer(method, path, body string) (status int, text string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, "http://"+m.client+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return 0, err.Error()
	}
	return a.StatusCode, string(b)
}

// mustAnswer waits until path is answered with a status.
func (m *member) mustAnswer(path string, want int) {
	m.t.Helper()
	m.mustCome(fmt.Sprintf("%s is answered with %d", path, want), func() bool {
		status, _ := m.answer("GET", path, "")
		return status == want
	})
}

// mustAgree waits until all members are healthy, writes a key at one and reads
// it at the others.
func mustAgree(t *testing.T, members []*member) {
	t.Helper()
	for _, m := range members {
		m.mustAnswer("/health", 200)
	}
	if status, text := members[len(members)-1].answer("PUT", "/v2/keys/message", "value=hello"); status != 201 {
		t.Fatalf("PUT: %d %s", status, text)
	}
	for _, m := range members {
		m.mustCome("it has the key", func() bool {
			_, text := m.answer("GET", "/v2/keys/message", "")
			return strings.Contains(text, `"value":"hello"`)
		})
	}
}

// flags are all that keytree has, as --help shows them.
func mustListFlags(t *testing.T, m *image) (all []string) {
	t.Helper()
	help, err := exec.Command(m.binary("keytree"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^  --([a-z0-9-]+)`).FindAllStringSubmatch(string(help), -1) {
		all = append(all, found[1])
	}
	if len(all) < 50 {
		t.Fatalf("help shows %d flags:\n%s", len(all), help)
	}
	return all
}

// mustBeKnown looks whether variables are settings.
func mustBeKnown(t *testing.T, m *image, variables []string) {
	t.Helper()
	known := []string{"GOMEMLIMIT", "GOTRACEBACK"}
	for _, f := range mustListFlags(t, m) {
		name := strings.ToUpper(strings.ReplaceAll(f, "-", "_"))
		known = append(known, "KEYTREE_"+name, "ETCD_"+name)
	}
	for _, v := range variables {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(known, name) {
			t.Errorf("%s is no setting", name)
		}
	}
}
