package main

import (
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// A focus is what has the keyboard.
type focus struct {
	What    string `json:"what"`
	Name    string `json:"name"` // what a screen reader calls it
	Text    string `json:"text"`
	Test    string `json:"test"`    // the data-test it has, or lies in
	Visible bool   `json:"visible"` // one can see that it has the focus
}

func (f focus) String() string { return fmt.Sprintf("%s (%q)", f.What, f.Name) }

// focused says what has the keyboard. It is a complaint if one cannot see that
// or it has no name.
func (t *trial) focused() (focus, error) {
	if err := t.settle(); err != nil {
		return focus{}, err
	}
	f, err := ask[focus](t.visitor, "probe.focus()")
	if err != nil || f.What == "" {
		return f, err
	}
	if !f.Visible {
		t.complain("one does not see that %s has the focus", f)
	}
	if f.Name == "" {
		t.complain("%s has the focus and no name", f.What)
	}
	return f, nil
}

// tabTo presses Tab until something of that hook has the focus.
func (t *trial) tabTo(test string, limit int) error {
	var passed []string
	for range limit {
		if err := t.press(kb.Tab); err != nil {
			return err
		}
		f, err := t.focused()
		if err != nil || f.Test == test {
			return err
		}
		passed = append(passed, f.What)
	}
	return fmt.Errorf("%d times Tab does not lead to %s, but to %q", limit, test, passed)
}
