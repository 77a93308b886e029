package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"keytree/scripts/process"
)

// direct is the mark of this program's own questions to the server.
const direct = "direct"

// try makes all attempts through p, and says what went wrong.
func (p *proxy) try(ctx context.Context, all []attempt, b *backend) (found []string) {
	for i, a := range all {
		if ctx.Err() != nil {
			return found
		}
		if why := p.attack(ctx, a, i, b); why != "" {
			found = append(found, fmt.Sprintf("%s, %s: %s\n  %q", p.name, a.name, why, a.text))
		} else {
			fmt.Printf("ok %s, %s\n", p.name, a.name)
		}
	}
	return found
}

// patience is for how long an attacker waits for more of an answer.
const patience = 20 * time.Millisecond

// attack makes an attempt, and asks as two innocent clients while its
// connection is open, and once more when it is closed.
func (p *proxy) attack(ctx context.Context, a attempt, number int, b *backend) (why string) {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // a connection has deadlines
	_, _ = io.WriteString(c, a.text)                   // a proxy that has heard enough closes
	for answer := make([]byte, 64<<10); err == nil; {
		_ = c.SetReadDeadline(time.Now().Add(patience)) // as above
		_, err = c.Read(answer)
	}
	for i := range 3 {
		if i == 2 {
			_ = c.Close() // perhaps it was closed
		}
		if why := p.askInnocently(ctx, fmt.Sprintf("/innocent-%s-%d-%d", p.name, number, i)); why != "" {
			return why
		}
	}
	return b.isUntouched(ctx)
}

// askInnocently asks for a key that is not there, and wants to be told that.
func (p *proxy) askInnocently(ctx context.Context, key string) (why string) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	c := process.NewConn(p.addr)
	defer c.Close()
	a, err := c.Do(ctx, process.Request{Method: "GET", Target: "/v2/keys" + key})
	switch {
	case err != nil:
		return fmt.Sprintf("an innocent client got no answer: %v", err)
	case a.Status == http.StatusBadGateway:
		return "" // the proxy says that the server has closed a connection: no answer, and no wrong one
	case a.Status != http.StatusNotFound || !bytes.Contains(a.Body, []byte(`"cause":"`+key+`"`)):
		return fmt.Sprintf("an innocent client that asked for %s got %d %q", key, a.Status, a.Body)
	}
	return ""
}

// isUntouched looks for the key that nobody may touch.
func (b *backend) isUntouched(ctx context.Context) (why string) {
	c := process.NewConn(b.server.Addr)
	defer c.Close()
	a, err := c.Do(ctx, process.Request{Method: "GET", Target: forbidden, Header: []process.Field{{Name: "X-Forwarded-For", Value: direct}}})
	if err != nil {
		return err.Error()
	}
	if a.Status != http.StatusNotFound {
		return fmt.Sprintf("the key was touched: %d %q", a.Status, a.Body)
	}
	return ""
}

// sent is a request as a proxy has sent it on, or the server has got it.
type sent struct{ method, path string }

// compareLogs looks in the server's log for what no proxy has sent.
func compareLogs(b *backend, proxies []*proxy) (found []string, err error) {
	known := map[string]sent{}
	for _, p := range proxies {
		if err := p.readLog(known); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(b.audit)
	if err != nil {
		return nil, err
	}
	n := 0
	for d := json.NewDecoder(bytes.NewReader(text)); ; n++ {
		var r struct{ Forwarded, Method, Path string }
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		got, mark := sent{r.Method, r.Path}, r.Forwarded
		if want, ok := known[mark]; mark != direct && mark != "" && (!ok || want != got) {
			found = append(found, fmt.Sprintf("the server got %v as %q, which the proxy sent as %v", got, mark, want))
		}
		if mark == "" && r.Method != http.MethodGet { // the first questions, whether the server is ready, have no mark
			found = append(found, fmt.Sprintf("the server got %v, which no proxy sent", got))
		}
	}
	fmt.Printf("%d requests of %d in the server's log\n", n, len(known))
	if n == 0 || len(known) == 0 {
		return found, errors.New("a log is empty")
	}
	return found, nil
}

// readLog adds what p has sent.
func (p *proxy) readLog(known map[string]sent) error {
	f, err := os.Open(p.log)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		mark, rest, _ := strings.Cut(lines.Text(), " ")
		method, target, ok := strings.Cut(rest, " ")
		if ok && strings.HasPrefix(mark, p.name+"-") {
			known[mark] = sent{method, pathOf(hashed.ReplaceAllString(target, "%$1"))}
		}
	}
	return lines.Err()
}

// hashed is how HAProxy writes a byte that has no place in a log, and the hash
// itself.
var hashed = regexp.MustCompile(`#([0-9A-F]{2})`)

// pathOf is the path of a target, as the server writes it.
func pathOf(target string) string {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return target
	}
	return u.EscapedPath()
}
