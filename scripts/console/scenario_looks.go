package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// A scene is a state of the console that is looked at in every width and
// theme.
type scene struct {
	name    string
	hash    string
	arrange func() error // what is done there first
	picture bool         // one for the documents
	counts  bool         // it asks for more than a page, to say how much is to be deleted
}

// Widths of a telephone, a tablet and a desk's screen.
var widths = [...]int64{360, 800, 1440}

// look goes through all scenes and holds each against the rules.
func look(ctx context.Context, t *trial) error {
	t.seen.expect(http.StatusNotFound, http.StatusPreconditionFailed)
	if err := errors.Join(t.tidy(ctx), t.decorate(ctx)); err != nil {
		return err
	}
	defer t.clear(ctx)
	found := findings{}
	defer func() { t.wrong = append(t.wrong, found.told()...) }()
	for _, s := range t.scenes(ctx) {
		mark := t.seen.mark()
		if err := inOrder(func() error { return t.open(s.hash) }, s.arrange); err != nil {
			return step(s.name, err)
		}
		if _, err := t.keysAsked(mark); err != nil && !s.counts {
			t.complain("%s: %v", s.name, err)
		}
		if err := t.lookAround(s, found); err != nil {
			return step(s.name, err)
		}
	}
	return nil
}

// scenes are what there is to see while nobody has to sign in.
func (t *trial) scenes(ctx context.Context) []scene {
	on := func(actions ...func() error) func() error { return func() error { return inOrder(actions...) } }
	click := func(name string) func() error { return func() error { return t.click(hook(name)) } }
	see := func(at thing) func() error { return func() error { return t.waitFor(at) } }
	database, services, config := "#/keys/config/app/database", "#/keys/services", "#/keys/config"
	return []scene{
		{name: "keys", hash: database, arrange: see(hook("value")), picture: true},
		{name: "watch", hash: "#/watch/services", arrange: on(t.startWatch, func() error { return t.makeEvents(ctx) }), picture: true},
		{name: "cluster", hash: "#/cluster", arrange: see(row("node3").with("data-reachable", "true")), picture: true},
		{name: "charts", hash: "#/charts", arrange: see(hook("charts-state").with("data-state", "live")), picture: true},
		{name: "auth", hash: "#/auth", arrange: see(hook("user")), picture: true},
		{name: "keys-directory", hash: "#/keys", arrange: on(func() error { return t.click(keyRow(largeDirectory)) }, see(loadRow(0)))},
		{name: "keys-missing", hash: "#/keys/config/none", arrange: see(hook("node").with("data-state", "missing"))},
		{name: "keys-search", hash: services, arrange: on(see(hook("node")), func() error { return t.enter(hook("search"), "mail") }, see(keyRow("/services/mail")))},
		{name: "keys-editor", hash: database, arrange: on(t.unlock, click("edit"), see(hook("edit-value")))},
		{name: "keys-create", hash: config, arrange: on(t.unlock, click("create"), see(hook("create-dialog")))},
		{name: "keys-lifetime", hash: database, arrange: on(t.unlock, click("lifetime"), see(hook("lifetime-dialog")))},
		{name: "keys-delete", hash: services, arrange: on(t.unlock, click("delete"), see(hook("confirm"))), counts: true},
		{name: "cluster-add", hash: "#/cluster", arrange: on(t.unlock, click("cluster-add"), see(hook("add-form")))},
		{name: "charts-table", hash: "#/charts", arrange: on(click("chart-table-open"), see(hook("chart-table")))},
	}
}

// lookAround takes in a scene in all widths and themes.
func (t *trial) lookAround(s scene, found findings) error {
	for _, width := range widths {
		for _, theme := range []string{"light", "dark"} {
			if err := t.lookAt(s, width, theme, found); err != nil {
				return err
			}
		}
	}
	return t.resize(1440, "light")
}

// lookOver takes in what is there now, and complains of it.
func (t *trial) lookOver(name string) error {
	found := findings{}
	err := t.lookAround(scene{name: name}, found)
	t.wrong = append(t.wrong, found.told()...)
	return err
}

// lookAt takes in a scene in one width and theme.
func (t *trial) lookAt(s scene, width int64, theme string, found findings) error {
	if err := inOrder(func() error { return t.resize(width, theme) }, t.settle); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d-%s", s.name, width, theme)
	f, err := ask[facts](t.visitor, "probe.facts()")
	if err != nil {
		return step(name, err)
	}
	for _, fault := range f.faults() {
		found[fault] = append(found[fault], name)
	}
	if t.screenshots == "" || !s.picture {
		return nil
	}
	return step(name, t.shoot(filepath.Join(t.screenshots, "console-"+name+".png")))
}

// findings are faults, each with where it was found.
type findings map[string][]string

// told is a line for each fault.
func (f findings) told() (lines []string) {
	for _, fault := range slices.Sorted(maps.Keys(f)) {
		places := f[fault]
		more := ""
		if n := len(places) - 3; n > 0 {
			places, more = places[:3], fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, fmt.Sprintf("%s (in %s%s)", fault, strings.Join(places, ", "), more))
	}
	return lines
}

// settle waits until what was changed is drawn.
func (t *trial) settle() error {
	still, err := ask[bool](t.visitor, "probe.settled()")
	return unless(still, err, "the page does not come to rest")
}

// shoot leaves a picture.
func (t *trial) shoot(file string) error {
	picture, err := eval(t.visitor, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	if picture, err = shrink(picture); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, picture, 0o644)
}

// makeEvents makes events for the watch to show.
func (t *trial) makeEvents(ctx context.Context) error {
	for n := range 6 {
		if err := t.http.set(ctx, fmt.Sprintf("/services/api/api-%d", n%4+1), fmt.Sprintf("10.0.3.%d:8080", 21+n), "ttl", "600"); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // their times differ
	}
	if err := t.http.send(ctx, http.MethodDelete, "/v2/keys/services/web/web-4", nil); err != nil {
		return err
	}
	if err := t.http.set(ctx, "/services/web/web-4", "10.0.3.14:8080"); err != nil {
		return err
	}
	return t.click(thing{css: "summary"}.in(event("/services/web/web-4").with("data-action", "delete")))
}

// tidy removes what other scenarios have left.
func (t *trial) tidy(ctx context.Context) error {
	root, err := t.http.get(ctx, "/")
	if err != nil {
		return err
	}
	known := []string{largeDirectory}
	for _, one := range samples() {
		known = append(known, "/"+strings.Split(one[0], "/")[1])
	}
	for _, n := range root.Nodes {
		if !slices.Contains(known, n.Key) {
			err = errors.Join(err, t.http.send(ctx, http.MethodDelete, "/v2/keys"+n.Key+"?recursive=true", nil))
		}
	}
	return err
}

// decorate makes users and roles to look at, while nobody has to sign in.
func (t *trial) decorate(ctx context.Context) error {
	type grants struct {
		Read  []string `json:"read"`
		Write []string `json:"write"`
	}
	for _, r := range []struct {
		name        string
		read, write []string
	}{
		{"deployer", []string{"/config/*", "/locks/*"}, []string{"/locks/*"}},
		{"reader", []string{"/config/*", "/services/*"}, []string{}},
	} {
		body := map[string]any{"role": r.name, "permissions": map[string]any{"kv": grants{r.read, r.write}}}
		if err := t.http.send(ctx, http.MethodPut, "/v2/auth/roles/"+r.name, body); err != nil {
			return err
		}
	}
	for _, u := range []struct {
		name  string
		roles []string
	}{{"alice", []string{"deployer", "reader"}}, {"bob", []string{"reader"}}} {
		body := map[string]any{"user": u.name, "password": "secret", "roles": u.roles}
		if err := t.http.send(ctx, http.MethodPut, "/v2/auth/users/"+u.name, body); err != nil {
			return err
		}
	}
	return nil
}

// clear takes away what decorate made.
func (t *trial) clear(ctx context.Context) {
	for _, what := range []string{"users/alice", "users/bob", "roles/deployer", "roles/reader"} {
		if err := t.http.send(ctx, http.MethodDelete, "/v2/auth/"+what, nil); err != nil {
			t.complain("%v", err)
		}
	}
}
