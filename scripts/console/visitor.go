package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A thing is what can be seen on a page: the first element that a selector
// finds and that says text, if that is given.
type thing struct{ css, text string }

// hook is the thing that the console marks for tests with data-test.
func hook(name string) thing { return thing{css: fmt.Sprintf("[data-test=%q]", name)} }

// in is the thing within another that a selector finds.
func (t thing) in(outer thing) thing { return thing{outer.css + " " + t.css, t.text} }

// with narrows a thing to those with an attribute.
func (t thing) with(attribute, value string) thing {
	return thing{fmt.Sprintf("%s[%s=%q]", t.css, attribute, value), t.text}
}

// saying narrows a thing to those with a text, or a name for screen readers.
func (t thing) saying(text string) thing { return thing{t.css, text} }

func (t thing) String() string {
	if t.text == "" {
		return t.css
	}
	return fmt.Sprintf("%s saying %q", t.css, t.text)
}

// js is a call of one of the probe's functions for t.
func (t thing) js(function string, more ...any) string {
	list := fmt.Sprintf("%s, %s", quoted(t.css), quoted(t.text))
	for _, m := range more {
		list += ", " + quoted(m)
	}
	return fmt.Sprintf("probe.%s(%s)", function, list)
}

// quoted is v as JavaScript has it.
func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("console: " + err.Error()) // only strings and numbers come here
	}
	return string(text)
}

// do runs actions, which may take as long as patience has it.
func (v *visitor) do(actions ...chromedp.Action[chromedp.Void]) error {
	_, err := eval(v, chromedp.Steps(actions...))
	return err
}

// eval runs an action in the visitor's tab and returns its value.
func eval[T any](v *visitor, a chromedp.Action[T]) (T, error) {
	if chromedp.FromContext(v.tab).Target == nil {
		return chromedp.Run(v.tab, a) // the first makes the tab, which would end with a shorter context
	}
	ctx, stop := context.WithTimeout(v.tab, patience)
	defer stop()
	return chromedp.Run(ctx, a)
}

// ask reads something off the page. It changes nothing there.
func ask[T any](v *visitor, expression string) (T, error) {
	got, err := eval(v, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return got, fmt.Errorf("%.100s: %w", expression, err)
	}
	return got, nil
}

// open goes to a view, by the address line.
func (v *visitor) open(hash string) error {
	err := v.do(chromedp.Navigate("about:blank"), chromedp.Navigate(v.origin+"/ui/"+hash))
	if err != nil {
		return fmt.Errorf("open %s: %w", hash, err)
	}
	return v.waitFor(thing{css: "main h1, h1"})
}

// wait asks the page again and again until an expression is true.
func (v *visitor) wait(what, expression string) error {
	return v.waitWithin(patience, what, expression)
}

func (v *visitor) waitWithin(limit time.Duration, what, expression string) error {
	return within(v.tab, limit, what, func() (bool, error) {
		return ask[bool](v, "Boolean("+expression+")")
	})
}

// waitFor waits until a thing can be seen.
func (v *visitor) waitFor(t thing) error { return v.wait(t.String(), t.js("find")) }

// waitGone waits until a thing can be seen no more.
func (v *visitor) waitGone(t thing) error { return v.wait("no "+t.String(), "!"+t.js("find")) }

// waitText waits until a thing can be seen that says text.
func (v *visitor) waitText(t thing, text string) error { return v.waitFor(t.saying(text)) }

// text is what a thing says, once it can be seen.
func (v *visitor) text(t thing) (string, error) {
	if err := v.waitFor(t); err != nil {
		return "", err
	}
	return ask[string](v, "probe.words("+t.js("find")+")")
}

// attribute is an attribute of a thing, "" if it has none.
func (v *visitor) attribute(t thing, name string) (string, error) {
	if err := v.waitFor(t); err != nil {
		return "", err
	}
	return ask[string](v, fmt.Sprintf("%s.getAttribute(%s) ?? ''", t.js("find"), quoted(name)))
}

// count is how many of a thing can be seen.
func (v *visitor) count(t thing) (int, error) { return ask[int](v, t.js("all")+".length") }

// A spot is where a click on something goes.
type spot struct {
	Found   bool    `json:"found"`
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Arrives bool    `json:"arrives"` // nothing lies over it
	Enabled bool    `json:"enabled"`
	Under   string  `json:"under"` // what is there
}

// spot waits until a thing can be clicked and says where: it stands still, and
// nothing covers it.
func (v *visitor) spot(t thing) (spot, error) {
	var last, now spot
	err := within(v.tab, patience, t.String()+" to click on", func() (bool, error) {
		var err error
		last = now
		now, err = ask[spot](v, t.js("place"))
		return now.Found && now.Arrives && now.Enabled && now == last, err
	})
	if err != nil && now.Found && !now.Enabled {
		err = fmt.Errorf("%w: it is disabled", err)
	}
	if err != nil && now.Found && !now.Arrives {
		err = fmt.Errorf("%w: %s lies over it", err, now.Under)
	}
	return now, err
}

// click moves the mouse to a thing and clicks.
func (v *visitor) click(t thing) error {
	at, err := v.spot(t)
	if err != nil {
		return err
	}
	return v.do(chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y), chromedp.MouseClickXY(at.X, at.Y))
}

// press presses keys one after the other.
func (v *visitor) press(keys ...string) error {
	for _, k := range keys {
		if err := v.do(chromedp.KeyEvent(k)); err != nil {
			return err
		}
	}
	return nil
}

// chord presses a key with Ctrl, which means an editing command.
func (v *visitor) chord(key, command string) error {
	return v.do(chromedp.KeyEvent(key, chromedp.KeyModifiers(chromedp.ModifierCtrl), func(p *input.DispatchKeyEventParams) {
		if p.Type == kb.KeyDown {
			p.Commands = []string{command}
		}
	}))
}

// enter clicks into a field and types over what it has.
func (v *visitor) enter(field thing, text string) error {
	return inOrder(
		func() error { return v.click(field) },
		func() error { return v.chord("a", "selectAll") },
		func() error { return v.press(kb.Delete) },
		func() error { return v.press(text) },
	)
}

// choose picks an entry of a list by its value, with the keyboard.
func (v *visitor) choose(list thing, value string) error {
	steps, err := ask[int](v, fmt.Sprintf("(() => { const s = %s; s.focus(); return [...s.options].findIndex((o) => o.value === %s) - s.selectedIndex; })()", list.js("find"), quoted(value)))
	if err != nil {
		return err
	}
	key := kb.ArrowDown
	if steps < 0 {
		key, steps = kb.ArrowUp, -steps
	}
	for range steps {
		if err := v.press(key); err != nil {
			return err
		}
	}
	return v.wait(fmt.Sprintf("%s at %q", list, value), fmt.Sprintf("%s.value === %s", list.js("find"), quoted(value)))
}

// where says where the visitor is, for a report.
func (v *visitor) where() error {
	at, err := ask[string](v, "location.hash + ' ' + [...document.querySelectorAll('[role=alert], dialog[open]')].filter(probe.seen).map(probe.words).join(' | ')")
	if err != nil {
		return err
	}
	return fmt.Errorf("at %.300s", at)
}
