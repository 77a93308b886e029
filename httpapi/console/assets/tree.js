import { VirtualList, h, number } from "./dom.js";
import { icon } from "./icons.js";
import { mostRows } from "./forest.js";

const rowHeight = 30;
const indent = 16;

// Tree draws the rows of a forest, as many as are in sight, and is moved about
// in with the keyboard as trees are. select(key) is called when a row is chosen,
// say(text) with what a screen reader should tell.
export class Tree {
  constructor({ root, forest, select, say }) {
    Object.assign(this, { root, forest, select, say });
    this.selected = "";
    this.active = null; // the row that Tab leads to
    this.anchor = { row: null, offset: 0 }; // what is at the upper edge
    this.typed = { text: "", at: 0 };
    this.drawnRows = new WeakMap(); // element -> row
    this.list = new VirtualList({
      root, rowHeight,
      render: (index) => this.draw(forest.rows[index]),
      onRange: (first, last) => this.seen(first, last),
      kept: () => (this.active && this.shown(this.active) ? this.active.row : -1),
    });
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("keydown", (event) => this.pressed(event));
    root.addEventListener("focusin", (event) => this.focused(event));
  }

  shown(row) {
    return this.forest.rows[row.row] === row;
  }

  // below is the level of what is shown outermost: found names have no root.
  get below() {
    return this.forest.search ? 0 : 1;
  }

  // changed draws the rows anew, with what was at the upper edge still there.
  changed() {
    const { rows } = this.forest;
    if (!this.active || !this.shown(this.active)) this.active = this.nearest(this.active);
    const { row, offset } = this.anchor;
    this.list.space.style.height = `${rows.length * rowHeight}px`;
    if (row && this.shown(row)) this.root.scrollTop = row.row * rowHeight + offset;
    this.list.update(rows.length);
  }

  // nearest is where to be when row is gone.
  nearest(row) {
    for (let at = row?.of ?? row?.parent; at; at = at.parent) if (this.shown(at)) return at;
    return this.forest.rows.find((other) => other.key === this.selected) ?? this.forest.rows[0] ?? null;
  }

  // mark shows key as the one selected; with reveal it is scrolled to.
  mark(key, reveal) {
    this.selected = key;
    const row = this.forest.rows.find((other) => other.key === key);
    if (row) this.active = row;
    this.list.update(this.forest.rows.length);
    if (row && reveal) this.list.show(row.row);
  }

  seen(first, last) {
    const { rows } = this.forest;
    this.anchor = { row: rows[first] ?? null, offset: this.root.scrollTop - first * rowHeight };
    for (let index = first; index <= Math.min(last + 4, rows.length - 1); index++) {
      const { kind, of } = rows[index];
      // What lies behind the row would be pushed out of sight: then one is asked.
      if (kind !== "more" || of.loading || of.paused || of.extras.length || of.all) continue;
      this.forest.next(of);
    }
  }

  draw(row) {
    const element = row.kind === "branch" ? this.drawBranch(row) : row.kind === "more" ? this.drawMore(row.of) : this.drawNote(row.of);
    element.tabIndex = row === this.active ? 0 : -1;
    element.style.paddingInlineStart = `${8 + ((row.kind === "branch" ? row.level : row.of.level + 1) - 1 + this.below) * indent}px`;
    this.drawnRows.set(element, row);
    return element;
  }

  drawBranch(branch) {
    const opened = branch.dir ? { "aria-expanded": branch.open } : {};
    return h("div", {
      class: `tree-row${branch.hidden ? " is-hidden" : ""}`, role: "treeitem", "aria-level": branch.level + this.below, "aria-selected": branch.key === this.selected,
      "aria-setsize": branch.size, "aria-posinset": branch.position || null, "aria-label": this.label(branch), title: branch.key, ...opened,
      dataset: { test: "tree-row", key: branch.key },
    },
    branch.dir ? h("span", { class: "tree-toggle", dataset: { test: "tree-toggle" } }, icon("chevron")) : h("span", { class: "tree-toggle" }),
    icon(branch.dir ? "folder" : "value", branch.dir ? "is-dir" : ""),
    h("span", { class: "tree-name" }, branch.name),
    branch.expires ? icon("clock", "is-faint") : null,
    branch.loading ? h("span", { class: "spinner", "aria-hidden": "true" }) : null);
  }

  label(branch) {
    const what = [branch.name, branch.dir ? "directory" : "key"];
    if (branch.expires) what.push("expires");
    return what.join(", ");
  }

  drawMore(branch) {
    const soFar = `${number(branch.children.length)} so far`;
    const full = this.forest.rows.length >= mostRows;
    let text = branch.loading || branch.all ? `Loading, ${soFar}…` : `More, ${soFar}`;
    if (branch.paused && !branch.loading) text = branch.children.length ? `More may follow, ${soFar}` : "Nothing yet in what was looked through";
    if (full) text = `${soFar}: more than can be scrolled. Search instead`;
    const verb = branch.paused ? "Go on" : "Load more";
    return h("div", { class: "tree-row is-more", role: "treeitem", "aria-level": branch.level + 1 + this.below, "aria-label": `${text}. Enter: ${verb}`, dataset: { test: "tree-more", key: branch.key } },
      branch.loading || branch.all ? h("span", { class: "spinner", "aria-hidden": "true" }) : null,
      h("span", { class: "tree-name" }, text),
      full || branch.all || branch.loading ? null : h("span", { class: "tree-action", dataset: { test: "load-more" } }, verb));
  }

  drawNote(branch) {
    const failed = branch.error !== null;
    let text = branch.token === null ? "Loading…" : this.forest.search && !branch.parent ? "Nothing here has such a name" : "Empty";
    if (failed) text = branch.error.denied ? "Not allowed to see what is here" : branch.error.words ?? branch.error.message;
    return h("div", { class: `tree-row is-note${failed ? " is-wrong" : ""}`, role: "treeitem", "aria-level": branch.level + 1 + this.below, title: text, dataset: { test: "tree-note", key: branch.key } },
      failed ? icon("warning") : null, h("span", { class: "tree-name" }, text),
      failed ? h("span", { class: "tree-action" }, "Try again") : null);
  }

  rowAt(event) {
    const element = event.target.closest(".tree-row");
    return element ? this.drawnRows.get(element) : undefined;
  }

  clicked(event) {
    const row = this.rowAt(event);
    if (!row) return;
    this.activate(row);
    if (row.kind !== "branch") {
      if (event.target.closest(".tree-action")) this.act(row);
    } else if (row.dir && event.target.closest(".tree-toggle")) this.toggle(row);
    else {
      if (row.dir && (!row.open || row.key === this.selected)) this.toggle(row);
      this.select(row.key);
    }
  }

  focused(event) {
    const row = this.rowAt(event);
    if (row && row !== this.active) this.activate(row);
  }

  // activate makes row the one that Tab leads to, and that has the focus.
  activate(row) {
    const before = this.active && this.list.element(this.active.row);
    if (before) before.tabIndex = -1;
    this.active = row;
    this.list.show(row.row);
    const element = this.list.element(row.row);
    element.tabIndex = 0;
    if (document.activeElement !== element) element.focus({ preventScroll: true });
  }

  async toggle(branch) {
    if (branch.open) {
      this.forest.close(branch);
      return;
    }
    await this.forest.open(branch);
    if (branch.error) this.say(`${branch.name}: ${branch.error.denied ? "not allowed to see what is here" : branch.error.message}`);
    else this.say(`${branch.name}: ${branch.whole ? number(branch.children.length) : `the first ${number(branch.children.length)}`}`);
  }

  // act does what the row's own button says.
  act(row) {
    const { of: branch, kind } = row;
    if (kind === "note") this.forest.reload(branch);
    else {
      branch.empty = 0;
      this.forest.next(branch).then(() => this.say(`${number(branch.children.length)} loaded`));
    }
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.active) return;
    const row = this.active, { rows } = this.forest, page = Math.max(1, Math.floor(this.root.clientHeight / rowHeight) - 1);
    const steps = { ArrowDown: row.row + 1, ArrowUp: row.row - 1, PageDown: row.row + page, PageUp: row.row - page, Home: 0, End: rows.length - 1 };
    if (event.key in steps) this.activate(rows[Math.max(0, Math.min(rows.length - 1, steps[event.key]))]);
    else if (event.key === "ArrowRight") this.inward(row);
    else if (event.key === "ArrowLeft") this.outward(row);
    else if (event.key === "Enter" || event.key === " ") this.enter(row, event.key);
    else if (event.key.length === 1) this.typeAhead(event.key);
    else return;
    event.preventDefault();
  }

  inward(row) {
    if (row.kind !== "branch" || !row.dir) return;
    if (!row.open) this.toggle(row);
    else if (this.forest.rows[row.row + 1]) this.activate(this.forest.rows[row.row + 1]);
  }

  outward(row) {
    if (row.kind === "branch" && row.dir && row.open) this.forest.close(row);
    else {
      const parent = row.of ?? row.parent;
      if (parent && this.shown(parent)) this.activate(parent);
    }
  }

  enter(row, key) {
    if (row.kind !== "branch") {
      if (row.kind === "more" || row.of.error) this.act(row);
    } else if (key === " " && row.dir) this.toggle(row);
    else {
      if (row.dir && !row.open) this.toggle(row);
      this.select(row.key);
    }
  }

  // typeAhead goes to the next name that begins with what was typed.
  typeAhead(letter) {
    const now = performance.now();
    this.typed = { text: (now - this.typed.at < 700 ? this.typed.text : "") + letter.toLowerCase(), at: now };
    const { rows } = this.forest, from = this.active.row + (this.typed.text.length === 1 ? 1 : 0);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[(from + i) % rows.length];
      if (row.kind === "branch" && row.name.toLowerCase().startsWith(this.typed.text)) {
        this.activate(row);
        return;
      }
    }
  }

  close() {
    this.list.close();
  }
}
