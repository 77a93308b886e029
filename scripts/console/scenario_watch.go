package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/chromedp/chromedp/kb"
)

// event is the line of an event in the watch view.
func event(key string) thing { return hook("watch-event").with("data-key", key) }

// startWatch starts the watch of the form and waits until it is live.
func (t *trial) startWatch() error {
	return inOrder(
		func() error { return t.click(hook("watch-start")) },
		func() error { return t.waitFor(hook("watch-state").with("data-state", "live")) },
	)
}

// watchLive sees events come, pauses, filters, and begins again from an index.
func watchLive(ctx context.Context, t *trial) error {
	if err := t.open("#/watch/watched"); err != nil {
		return err
	}
	err := inOrder(
		func() error { return t.waitText(hook("watch-path"), "/watched") },
		func() error { return step("start", t.startWatch()) },
		func() error { return step("an event", t.seeEvent(ctx, "/watched/a", "one")) },
		func() error { return step("pause", t.pauseWatch(ctx)) },
		func() error { return step("filter", t.filterWatch(ctx)) },
	)
	if err != nil {
		return err
	}
	return step("resume", t.resumeWatch(ctx))
}

// seeEvent makes an event and reads it.
func (t *trial) seeEvent(ctx context.Context, key, value string) error {
	if err := t.http.set(ctx, key, value); err != nil {
		return err
	}
	if err := t.click(thing{css: "summary"}.in(event(key))); err != nil {
		return err
	}
	return t.waitText(hook("watch-event-value").in(event(key)), value)
}

// pauseWatch has events wait and shows them afterwards.
func (t *trial) pauseWatch(ctx context.Context) error {
	if err := t.click(hook("watch-pause")); err != nil {
		return err
	}
	if err := t.waitFor(hook("watch-pause").with("aria-pressed", "true")); err != nil {
		return err
	}
	if err := t.http.set(ctx, "/watched/b", "two"); err != nil {
		return err
	}
	if err := t.waitText(hook("watch-held"), "1"); err != nil {
		return err
	}
	n, err := t.count(event("/watched/b"))
	if err := unless(n == 0, err, "%d events are shown while it is paused", n); err != nil {
		return err
	}
	if err := t.click(hook("watch-pause")); err != nil {
		return err
	}
	return t.waitFor(event("/watched/b"))
}

// filterWatch hides what was not asked for, by words and by action.
func (t *trial) filterWatch(ctx context.Context) error {
	if err := t.http.set(ctx, "/watched/c", "something else"); err != nil {
		return err
	}
	if err := t.http.send(ctx, http.MethodDelete, "/v2/keys/watched/a", nil); err != nil {
		return err
	}
	shows := func(want int) func() error {
		return func() error {
			return t.wait(fmt.Sprintf("%d events", want), fmt.Sprintf("%s.length === %d", hook("watch-event").js("all"), want))
		}
	}
	return inOrder(
		shows(4),
		func() error { return t.enter(hook("watch-filter"), "else") },
		shows(1),
		func() error { return t.waitFor(event("/watched/c")) },
		func() error { return t.waitText(hook("watch-count"), "1 of 4") },
		func() error { return t.enter(hook("watch-filter"), kb.Backspace) },
		shows(4),
		func() error { return t.choose(hook("watch-action"), "delete") },
		shows(1),
		func() error { return t.waitFor(event("/watched/a").with("data-action", "delete")) },
		func() error { return t.choose(hook("watch-action"), "") },
		shows(4),
	)
}

// resumeWatch begins again at the index of an earlier event and gets what
// followed.
func (t *trial) resumeWatch(ctx context.Context) error {
	index, err := t.attribute(event("/watched/b"), "data-index")
	if err != nil {
		return err
	}
	n, err := t.http.get(ctx, "/watched/b")
	if err != nil {
		return err
	}
	if n == nil || strconv.FormatUint(n.ModifiedIndex, 10) != index {
		return fmt.Errorf("the event has index %s, the key is %v", index, n)
	}
	err = inOrder(
		func() error { return t.click(hook("watch-stop")) },
		func() error { return t.waitFor(hook("watch-state").with("data-state", "idle")) },
		func() error { return t.click(hook("watch-clear")) },
		func() error { return t.waitGone(hook("watch-event")) },
		func() error { return t.enter(hook("watch-from"), index) },
		t.startWatch,
		func() error { return t.waitFor(event("/watched/b")) },
		func() error { return t.waitFor(event("/watched/c")) },
		func() error { return t.waitFor(event("/watched/a")) },
	)
	if err != nil {
		return err
	}
	order, err := ask[[]string](t.visitor, hook("watch-event").js("all")+".map((e) => e.dataset.key)")
	return unless(fmt.Sprint(order) == "[/watched/a /watched/c /watched/b]", err, "the events are shown in the order %v, want the newest first", order)
}

// capacity is how many events the history keeps.
const capacity = 1000

// loseHistory begins at an index that the history has forgotten: the gap is
// marked, and the watch goes on.
func loseHistory(ctx context.Context, t *trial) error {
	t.seen.expect(http.StatusBadRequest) // the answer is code 401
	if err := t.http.set(ctx, "/lost/a", "long ago"); err != nil {
		return err
	}
	old, err := t.http.get(ctx, "/lost/a")
	if err := unless(old != nil, err, "/lost/a is not there"); err != nil {
		return err
	}
	if err := t.makeNoise(ctx, capacity+100); err != nil {
		return err
	}
	mark := hook("watch-mark").with("data-kind", "lost")
	err = inOrder(
		func() error { return t.open("#/watch/lost") },
		func() error { return t.enter(hook("watch-from"), strconv.FormatUint(old.ModifiedIndex, 10)) },
		t.startWatch,
		func() error { return t.waitText(mark, "History was lost") },
		func() error { return t.seeEvent(ctx, "/lost/b", "now") },
	)
	if err != nil {
		return err
	}
	from, err := t.attribute(mark, "data-from")
	return unless(from == strconv.FormatUint(old.ModifiedIndex, 10), err, "the gap begins at %s, want %d", from, old.ModifiedIndex)
}

// makeNoise makes events elsewhere.
func (t *trial) makeNoise(ctx context.Context, events int) error {
	const writers = 16
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := i; n < events && errs[i] == nil; n += writers {
				errs[i] = t.http.set(ctx, fmt.Sprintf("/noise/%d", n%10), strconv.Itoa(n))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
