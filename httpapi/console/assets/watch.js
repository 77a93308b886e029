import { escapePath } from "./api.js";
import { debounce, h, number, replace } from "./dom.js";
import { eventRow, markRow } from "./events.js";
import { Tail, matcher } from "./tail.js";

export const title = "Watch";

const shownRows = 500;
const actions = ["set", "create", "update", "delete", "compareAndSwap", "compareAndDelete", "expire"];

// mount shows the events of a path as they happen.
export function mount(root, ctx) {
  const view = new Watch(ctx);
  root.append(view.element);
  const unmount = () => view.close();
  unmount.route = (parts) => view.suggest(parts);
  return unmount;
}

class Watch {
  constructor(ctx) {
    this.ctx = ctx;
    this.tail = new Tail();
    this.running = null; // what ends the watch under way
    this.next = 0; // the index to resume with
    this.broken = false;
    this.timer = 0;
    this.build();
    this.setState("idle", "Not watching");
    this.suggest(ctx.parts);
    this.redraw();
  }

  close() {
    this.running?.abort();
    clearTimeout(this.timer);
    this.refilter.cancel();
  }

  // suggest puts the path that the address names into the form.
  suggest(parts) {
    this.path.value = `/${parts.join("/")}`;
  }

  // --- what is on the page --------------------------------------------------

  build() {
    this.refilter = debounce(() => this.redraw(), 150);
    this.state = h("p", { class: "view-state", role: "status", "data-test": "watch-state" });
    this.problem = h("p", { class: "note danger", role: "alert", "data-test": "watch-problem", hidden: true });
    this.list = h("ol", { class: "events", "data-test": "watch-list", "aria-label": "Events, newest first" });
    this.empty = h("p", { class: "empty", "data-test": "watch-empty" });
    this.element = h("div", { class: "page" },
      h("div", { class: "view-head" }, h("h1", {}, title), this.state),
      this.buildForm(), this.problem, this.buildBar(), this.list, this.empty);
  }

  buildForm() {
    this.path = h("input", { type: "text", class: "mono", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-test": "watch-path" });
    this.recursive = h("input", { type: "checkbox", checked: true, "data-test": "watch-recursive" });
    this.from = h("input", {
      type: "text", inputmode: "numeric", pattern: "[0-9]*", autocomplete: "off", placeholder: "now", "data-test": "watch-from",
      title: "An index: a whole number, or nothing for now", "aria-describedby": "watch-from-note",
    });
    this.start = h("button", { type: "submit", class: "button primary", "data-test": "watch-start" }, "Start");
    this.stop = h("button", { type: "button", class: "button", "data-test": "watch-stop", hidden: true, onclick: () => this.end() }, "Stop");
    this.resumeFrom = h("button", { type: "button", class: "button", "data-test": "watch-resume", hidden: true, onclick: () => this.begin(this.next) });
    return h("form", { class: "card watch-form", "data-test": "watch-form", onsubmit: (e) => { e.preventDefault(); this.begin(Number(this.from.value)); } },
      h("label", { class: "field watch-path" }, h("span", {}, "Path"), this.path),
      h("label", { class: "field watch-from" }, h("span", {}, "From index"), this.from),
      h("label", { class: "choice" }, this.recursive, h("span", {}, "and all beneath it")),
      h("div", { class: "actions" }, this.start, this.stop, this.resumeFrom),
      h("p", { class: "hint", id: "watch-from-note" },
        "With an index, events from there on come first, as far as the history reaches. Hidden keys (_name) beneath the path are not shown as they change."));
  }

  buildBar() {
    this.pauser = h("button", { type: "button", class: "button", "aria-pressed": false, "data-test": "watch-pause", onclick: () => this.pause() }, "Pause");
    this.held = h("span", { class: "badge warn", "data-test": "watch-held", hidden: true });
    this.filter = h("input", { type: "search", class: "input", placeholder: "Key or value contains…", "aria-label": "Filter by text in key or value", autocomplete: "off", spellcheck: "false", "data-test": "watch-filter", oninput: this.refilter });
    this.action = h("select", { class: "input", "aria-label": "Filter by action", "data-test": "watch-action", onchange: () => this.redraw() },
      h("option", { value: "" }, "all actions"), actions.map((a) => h("option", { value: a }, a)));
    this.count = h("span", { class: "watch-count", "data-test": "watch-count" });
    this.begins = h("span", { "data-test": "watch-begin" });
    this.nextShown = h("span", { "data-test": "watch-next" });
    this.place = h("span", { class: "watch-place", hidden: true }, this.begins, " · resumes with index ", this.nextShown);
    return h("div", { class: "toolbar watch-bar", role: "group", "aria-label": "Events" },
      this.pauser, this.held,
      h("button", { type: "button", class: "button", "data-test": "watch-clear", onclick: () => this.clear() }, "Clear"),
      this.filter, this.action, this.count, this.place);
  }

  setState(name, text) {
    this.state.dataset.state = name;
    this.state.textContent = text;
  }

  // --- watching ---------------------------------------------------------------

  // begin watches from index on; 0 is from now on.
  async begin(index) {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const path = this.path.value.startsWith("/") ? this.path.value : `/${this.path.value}`;
    this.path.value = path;
    const recursive = this.recursive.checked;
    history.replaceState(null, "", `#/watch${escapePath(path)}`);
    Object.assign(this, { next: index, broken: false, opened: false, what: `${path}${recursive ? " and all beneath it" : ""}` });
    this.problem.hidden = true;
    this.showRunning(true);
    this.setState("connecting", "Connecting…");
    const mine = (fn) => (arg) => { if (this.running === running) fn(arg); };
    try {
      await this.ctx.api.watchStream(path, { waitIndex: index, recursive, signal: running.signal },
        mine((event) => this.onEvent(event)), mine((state) => this.onState(state)));
    } catch (err) {
      mine(() => this.refused(err))();
    }
  }

  onEvent(event) {
    this.setNext(event.node.modifiedIndex + 1);
    this.take({ event });
  }

  onState(state) {
    switch (state.state) {
      case "connecting":
        if (!this.broken) this.setState("connecting", "Connecting…");
        break;
      case "open":
        this.onOpen(state.index);
        break;
      case "waiting":
        if (!this.broken) {
          this.take({ mark: { kind: "broken", text: "The connection broke" } });
          this.ctx.announce("The connection of the watch broke. It goes on by itself.", "quiet");
        }
        this.broken = true;
        this.setState("waiting", "No connection: it goes on by itself");
        break;
      case "lost":
        this.onLost(state);
        break;
    }
  }

  onOpen(index) {
    if (!this.opened) {
      const begin = this.next || index + 1;
      this.begins.textContent = this.next ? `Began with index ${number(this.next)}` : `Began behind index ${number(index)}`;
      this.take({ mark: { kind: "begin", from: begin, text: `Watching ${this.what} from index ${number(begin)} on` } });
      this.ctx.announce(`Watching ${this.what}`, "quiet");
    } else if (this.broken) {
      this.take({ mark: { kind: "resumed", from: this.next, text: `Connected again, resumed with index ${number(this.next)}` } });
    }
    this.opened = true;
    this.broken = false;
    this.setNext(this.next || index + 1);
    this.setState("live", "Live");
  }

  onLost({ from, resume }) {
    const lost = `History was lost between index ${number(from)} and ${number(resume - 1)}`;
    this.take({ mark: { kind: "lost", from, to: resume - 1, text: `${lost}: what happened there is no longer known.` } });
    this.ctx.announce(`${lost}.`, "warn");
    this.setNext(resume);
  }

  setNext(index) {
    this.next = index;
    this.nextShown.textContent = number(index);
    this.nextShown.dataset.index = index;
    this.place.hidden = false;
  }

  // refused ends a watch that the server does not grant.
  refused(err) {
    this.running = null;
    this.showRunning(false);
    this.setState("refused", "Refused");
    this.problem.textContent = err.denied
      ? `The ${this.ctx.session.name} may not read ${this.what}: ${err.words}`
      : err.words ?? err.message;
    this.problem.hidden = false;
    this.draw();
  }

  end() {
    this.running?.abort();
    this.running = null;
    this.take({ mark: { kind: "ended", text: "Stopped" } });
    this.showRunning(false);
    this.setState("idle", "Not watching");
    this.start.focus();
  }

  showRunning(running) {
    this.start.hidden = running;
    this.stop.hidden = !running;
    this.resumeFrom.hidden = running || this.next === 0;
    this.resumeFrom.textContent = `Resume with ${number(this.next)}`;
    if (running) this.stop.focus();
    this.sayEmpty();
  }

  // --- the list ---------------------------------------------------------------

  // take keeps an event or a mark, and draws it before long.
  take(what) {
    this.tail.add(what);
    this.timer ||= setTimeout(() => this.draw(), 60);
  }

  pause() {
    if (this.tail.paused) this.tail.resume();
    else this.tail.pause();
    this.pauser.setAttribute("aria-pressed", String(this.tail.paused));
    this.pauser.textContent = this.tail.paused ? "Go on" : "Pause";
    this.ctx.announce(this.tail.paused ? "Paused: events are kept meanwhile." : "Goes on.", "quiet");
    this.draw();
  }

  clear() {
    this.tail.clear();
    this.redraw();
    this.ctx.announce("Cleared.", "quiet");
  }

  // redraw draws the list anew, as after the filter changed.
  redraw() {
    replace(this.list);
    this.newest = 0;
    this.matches = matcher(this.filter.value, this.action.value);
    this.draw();
  }

  // draw puts what is new above what is drawn, and takes away what is beyond
  // the bound; opened rows stay open.
  draw() {
    clearTimeout(this.timer);
    this.timer = 0;
    const { found, events, matching } = this.tail.newest(shownRows, this.matches);
    const fresh = found.filter((entry) => entry.id > this.newest);
    this.list.prepend(...fresh.map((entry) => (entry.event ? eventRow(entry) : markRow(entry))));
    while (this.list.children.length > found.length) this.list.lastChild.remove();
    if (fresh.length > 0) this.newest = fresh[0].id;
    this.showCounts(events, matching);
    this.sayEmpty();
  }

  showCounts(events, matching) {
    const all = `${number(events)} ${events === 1 ? "event" : "events"}`;
    const more = [];
    if (matching > shownRows) more.push(`the newest ${shownRows} shown`);
    if (this.tail.seen > events) more.push(`${number(this.tail.seen - events)} older ones let go`);
    this.count.textContent = [matching === events ? all : `${number(matching)} of ${all}`, ...more].join(", ");
    const { paused, waiting } = this.tail;
    this.held.hidden = !paused || waiting === 0;
    this.held.textContent = `${number(waiting)} waiting`;
  }

  sayEmpty() {
    this.empty.hidden = this.list.children.length > 0;
    this.empty.textContent = this.running
      ? "Nothing has happened there yet."
      : "Events appear here as they happen, the newest first. Each opens to show its value and the one before.";
  }
}
