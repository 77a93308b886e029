import { pathParts } from "./api.js";

const pageSize = 200;

// The most rows there may be: browsers do not scroll further than that.
export const mostRows = 500_000;

// Pages in a row that may have nothing to show before one is asked to go on.
const patience = 10;

// Branch is a key or directory as the tree shows it. Of a directory, children
// are what was loaded, in order; extras are children known otherwise that lie
// beyond that, or are hidden. token leads to the next page: null before the
// first, "" behind the last.
export class Branch {
  constructor({ key, dir = false, ttl, expiration }, parent, label) {
    this.kind = "branch";
    this.key = key;
    this.name = label ?? pathParts(key).at(-1) ?? "/";
    this.dir = dir;
    this.expires = ttl !== undefined || expiration !== undefined;
    this.parent = parent;
    this.level = parent ? parent.level + 1 : 0;
    this.more = { kind: "more", of: this, row: -1 };
    this.note = { kind: "note", of: this, row: -1 };
    this.row = -1; // where it is shown
    this.reset();
  }

  reset() {
    this.control?.abort();
    this.control = new AbortController();
    this.open = false;
    this.children = [];
    this.extras = [];
    this.token = null;
    this.loading = null; // the promise of a page that is under way
    this.error = null;
    this.all = false; // all pages are being loaded
    this.empty = 0; // pages in a row that had nothing to show
  }

  get hidden() {
    return this.name.startsWith("_");
  }

  get whole() {
    return this.token === "";
  }

  // paused: so many pages had nothing to show that one is asked first.
  get paused() {
    return this.empty >= patience;
  }

  find(key) {
    return this.children.find((child) => child.key === key) ?? this.extras.find((child) => child.key === key);
  }
}

// Forest is what a tree shows: rows, one beneath the other. It loads a
// directory when it is opened, a page at a time. changed() is called when the
// rows are others.
export class Forest {
  constructor({ api, changed }) {
    this.api = api;
    this.changed = changed;
    this.rows = [];
    this.search = null;
    this.tree = new Branch({ key: "/", dir: true }, null);
    this.top = this.tree;
  }

  // plant begins anew at the root.
  plant() {
    this.tree.reset();
    return this.open(this.top);
  }

  // lookFor shows what is found instead of the tree: {dir, text, mode, deep}.
  lookFor(search) {
    this.endSearch();
    this.search = search;
    this.top = new Branch({ key: search.dir, dir: true }, null);
    return this.open(this.top);
  }

  // endSearch shows the tree again.
  endSearch() {
    if (!this.search) return;
    this.top.control.abort();
    this.search = null;
    this.top = this.tree;
    this.rebuild();
  }

  // rebuild lists the rows anew. A hundred thousand take some milliseconds.
  rebuild() {
    this.rows = [];
    if (this.search) this.addChildren(this.top);
    else this.add(this.top, 1, 1);
    this.changed();
  }

  add(branch, position, size) {
    branch.row = this.rows.length;
    branch.position = position;
    branch.size = size;
    this.rows.push(branch);
    if (branch.dir && branch.open) this.addChildren(branch);
  }

  addChildren(branch) {
    const { children, extras } = branch;
    const size = branch.whole ? children.length + extras.length : -1;
    for (let i = 0; i < children.length; i++) this.add(children[i], i + 1, size);
    if (branch.error || (branch.whole ? size === 0 : branch.token === null)) this.addRow(branch.note);
    else if (branch.token) this.addRow(branch.more);
    for (let i = 0; i < extras.length; i++) this.add(extras[i], branch.whole ? children.length + i + 1 : 0, size);
  }

  addRow(row) {
    row.row = this.rows.length;
    this.rows.push(row);
  }

  // open shows what is in branch; the first page is loaded if there is none.
  async open(branch) {
    branch.open = true;
    if (branch.token === null || branch.error) {
      const loading = this.load(branch);
      this.rebuild();
      await loading;
    }
    this.rebuild();
  }

  close(branch) {
    branch.open = false;
    branch.all = false;
    this.rebuild();
  }

  // load asks for the next page of branch, unless that is under way or there
  // is none.
  load(branch) {
    if (!branch.loading && !branch.whole && this.rows.length < mostRows) {
      const { signal } = branch.control;
      branch.loading = this.fetch(branch, signal).then((page) => this.take(branch, page), (err) => {
        if (!signal.aborted) branch.error = err;
      }).finally(() => {
        if (!signal.aborted) branch.loading = null;
      });
    }
    return branch.loading;
  }

  fetch(branch, signal) {
    const options = { limit: pageSize, token: branch.token, keysOnly: true, signal };
    const prefix = branch.key === "/" ? "/" : `${branch.key}/`;
    if (branch.parent || !this.search) return this.api.list(prefix, options);
    const { text, mode, deep } = this.search;
    if (mode === "prefix") return this.api.list(prefix + text, options);
    return this.api.list(prefix, { ...options, contains: text, recursive: deep });
  }

  take(branch, page) {
    const found = this.search && !branch.parent;
    const cut = branch.key === "/" ? 1 : branch.key.length + 1;
    for (const node of page.nodes) {
      const known = branch.extras.findIndex((extra) => extra.key === node.key);
      const child = known < 0 ? new Branch(node, branch, found ? node.key.slice(cut) : undefined) : branch.extras.splice(known, 1)[0];
      branch.children.push(child);
    }
    branch.error = null;
    branch.token = page.continue;
    branch.empty = page.nodes.length ? 0 : branch.empty + 1;
  }

  // next loads one page more, and shows it.
  async next(branch) {
    const loading = this.load(branch);
    this.rebuild();
    await loading;
    this.rebuild();
  }

  // loadAll loads page after page until stop, an error or the end.
  async loadAll(branch) {
    branch.all = true;
    while (branch.all && branch.open && branch.token && !branch.error && this.rows.length < mostRows) {
      branch.empty = 0;
      await this.load(branch);
      this.rebuild();
    }
    branch.all = false;
    this.rebuild();
  }

  stop(branch) {
    branch.all = false;
    this.rebuild();
  }

  // reveal opens the way to a node that there is, and answers its branch.
  async reveal(node) {
    const signal = this.tree.control.signal;
    let at = this.tree, path = "";
    const parts = pathParts(node.key);
    for (const [i, part] of parts.entries()) {
      path += `/${part}`;
      if (!at.open || (at.token === null && !at.error)) await this.open(at);
      if (signal.aborted) return null;
      let child = at.find(path);
      if (!child) child = this.insert(at, i === parts.length - 1 ? node : { key: path, dir: true });
      at = child;
    }
    this.rebuild();
    return at;
  }

  // insert puts a node among the loaded children, or behind them if the pages
  // up to it were not loaded; so a page never brings it a second time.
  insert(parent, node) {
    const child = new Branch(node, parent);
    const last = parent.children.at(-1);
    if (!child.hidden && parent.token !== null && !parent.error && (parent.whole || (last && inOrder(node.key, last.key) < 0))) {
      const at = parent.children.findIndex((other) => inOrder(node.key, other.key) < 0);
      parent.children.splice(at < 0 ? parent.children.length : at, 0, child);
      return child;
    }
    parent.extras.push(child);
    return child;
  }

  // put shows a node as it is now, if the way to it is open.
  put(node) {
    const child = this.branch(node.key);
    if (child && child.dir !== Boolean(node.dir)) this.remove(node.key);
    else if (child) {
      child.expires = node.ttl !== undefined || node.expiration !== undefined;
      this.rebuild();
    }
  }

  // remove takes a node away, and all beneath it.
  remove(key) {
    for (const top of new Set([this.tree, this.top])) {
      const child = this.descend(top, key);
      if (!child?.parent) continue;
      child.control.abort();
      child.parent.children = child.parent.children.filter((other) => other !== child);
      child.parent.extras = child.parent.extras.filter((other) => other !== child);
    }
    this.rebuild();
  }

  // branch is what is shown of key, if anything is.
  branch(key) {
    return this.descend(this.top, key) ?? this.descend(this.tree, key);
  }

  descend(top, key) {
    let at = top;
    while (at && at.key !== key) {
      const children = [...at.children, ...at.extras];
      at = children.find((child) => child.key === key) ?? children.find((child) => child.dir && key.startsWith(`${child.key}/`));
    }
    return at;
  }

  // reload loads a directory anew.
  reload(branch) {
    branch.reset();
    return this.open(branch);
  }

  // end gives up all that is under way.
  end() {
    this.tree.control.abort();
    this.top.control.abort();
  }
}

// inOrder compares as the server orders: by the bytes of UTF-8, where
// characters of two units in UTF-16 come behind all others.
export function inOrder(a, b) {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x === y) continue;
    const pairs = (x >= 0xd800 && x < 0xe000) - (y >= 0xd800 && y < 0xe000);
    return pairs || x - y;
  }
  return a.length - b.length;
}
