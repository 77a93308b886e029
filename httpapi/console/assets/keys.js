import { hashOf, pathParts } from "./api.js";
import { askCreate } from "./create.js";
import { debounce, h, number, replace } from "./dom.js";
import { Forest } from "./forest.js";
import { icon } from "./icons.js";
import { NodePanel } from "./node.js";
import { Tree } from "./tree.js";

export const title = "Keys";

// mount shows the tree of keys, and what of it is selected.
export function mount(root, ctx) {
  const view = new KeysView(root, ctx);
  const unmount = () => view.close();
  return Object.assign(unmount, {
    route: (parts) => view.route(parts),
    leave: () => view.mayLeave(),
    dirty: () => view.panel.editor?.dirty === true,
  });
}

class KeysView {
  constructor(root, ctx) {
    this.ctx = ctx;
    this.user = ctx.session.user;
    this.key = "/";
    this.build(root);
    this.forest = new Forest({ api: ctx.api, changed: () => this.changed() });
    this.tree = new Tree({ root: this.treeRoot, forest: this.forest, select: (key) => ctx.go(hashOf("keys", key)), say: (text) => ctx.announce(text, "quiet") });
    this.panel = new NodePanel({
      root: this.panelRoot, ctx,
      found: (node) => this.found(node),
      lost: (key) => this.forest.remove(key),
      reload: (key) => this.reload(key),
      create: (dir, name) => this.create(dir, name),
    });
    this.stopSession = ctx.onSession(() => this.sessionChanged());
    this.planted = this.forest.plant();
    this.route(ctx.parts);
  }

  build(root) {
    this.crumbs = h("nav", { class: "crumbs", "aria-label": "Path", dataset: { test: "crumbs" } });
    this.jump = h("input", { type: "text", class: "input", placeholder: "Go to a path", "aria-label": "Go to a path", autocomplete: "off", autocapitalize: "off", spellcheck: "false", dataset: { test: "jump" } });
    this.jumpWrong = h("span", { class: "wrong", role: "alert" });
    this.look = debounce(() => this.lookFor(), 250);
    this.text = h("input", { type: "search", class: "input", autocomplete: "off", autocapitalize: "off", spellcheck: "false", dataset: { test: "search" }, oninput: () => this.look(), onkeydown: (event) => this.searchKey(event) });
    this.mode = h("select", { class: "input", "aria-label": "How names are compared", dataset: { test: "search-mode" }, onchange: () => this.lookFor() },
      h("option", { value: "prefix" }, "begins with"), h("option", { value: "contains" }, "contains"));
    this.deep = h("input", { type: "checkbox", dataset: { test: "search-deep" }, onchange: () => this.lookFor() });
    this.deepLabel = h("label", { class: "choice", hidden: true }, this.deep, "all levels");
    this.clear = h("button", { type: "button", class: "button plain small", hidden: true, dataset: { test: "search-clear" }, onclick: () => this.endSearch() }, icon("close"), "Back to the tree");
    this.treeRoot = h("div", { class: "tree", role: "tree", "aria-label": "Keys", dataset: { test: "tree" } });
    this.count = h("span", { dataset: { test: "tree-count" } });
    this.all = h("button", { type: "button", class: "button plain small", hidden: true, dataset: { test: "load-all" }, onclick: () => this.loadAll() });
    this.panelRoot = h("section", { class: "node", "aria-label": "Selected", dataset: { test: "node" } });
    root.append(h("div", { class: "keys" },
      h("div", { class: "keys-bar" }, this.crumbs,
        h("form", { class: "keys-jump", role: "search", "aria-label": "Go to a path", onsubmit: (event) => this.jumped(event) }, this.jump, h("button", { class: "button", type: "submit" }, "Go"), this.jumpWrong)),
      h("div", { class: "keys-panes" },
        h("section", { class: "keys-tree", "aria-label": "Tree of keys" },
          h("form", { class: "keys-find", role: "search", "aria-label": "Search names", onsubmit: (event) => this.submitted(event) },
            h("div", { class: "keys-find-row" }, this.text, this.mode),
            h("div", { class: "keys-find-row" }, this.deepLabel, this.clear)),
          this.treeRoot, h("div", { class: "tree-foot" }, this.count, this.all)),
        this.panelRoot)));
  }

  close() {
    this.look.cancel();
    this.stopSession();
    this.panel.close();
    this.forest.end();
    this.tree.close();
  }

  mayLeave() {
    return this.panel.editor ? this.panel.editor.mayLeave() : true;
  }

  // route shows what the address says.
  route(parts) {
    const names = pathParts(parts.join("/"));
    this.arrived = null; // the directory that was opened because one came to it
    this.key = `/${names.join("/")}`;
    this.showCrumbs(names);
    this.tree.mark(this.key, false);
    this.showScope();
    this.panel.show(this.key);
  }

  showCrumbs(names) {
    const links = names.map((name, i) => [h("span", { class: "crumb-slash", "aria-hidden": "true" }, "/"),
      h("a", { href: hashOf("keys", names.slice(0, i + 1).join("/")), "aria-current": i === names.length - 1 ? "page" : null }, name)]);
    replace(this.crumbs, h("a", { href: "#/keys", title: "The root", "aria-label": "Root", "aria-current": names.length ? null : "page" }, icon("home")), links);
    this.crumbs.scrollLeft = this.crumbs.scrollWidth;
  }

  // found brings the tree to what the panel has read.
  async found(node) {
    await this.planted;
    if (this.key !== node.key) return;
    this.forest.put(node);
    if (node.key !== "/" && !this.forest.branch(node.key)) await this.forest.reveal(node);
    if (this.key !== node.key) return;
    this.tree.mark(node.key, true);
    this.showScope();
    const branch = this.forest.branch(node.key);
    const before = this.arrived;
    this.arrived = node.key;
    if (before !== node.key && branch?.dir && !branch.open) await this.forest.open(branch);
    await branch?.loading;
    if (this.key !== node.key) return;
    if (branch?.error) this.panel.shut(branch.error);
    this.showScope();
  }

  changed() {
    this.tree.changed();
    this.showCount();
  }

  // scope is the directory that is searched: the one selected, or the one the
  // selected key is in.
  get scope() {
    const branch = this.forest.branch(this.key);
    if (branch?.dir || this.key === "/") return this.key;
    return this.key.slice(0, this.key.lastIndexOf("/")) || "/";
  }

  showScope() {
    const { dir } = this.forest.search ?? { dir: this.scope };
    this.text.placeholder = `Search in ${dir}`;
    this.text.setAttribute("aria-label", `Search names in ${dir}`);
    this.showCount();
  }

  // counted is the directory, or the search, whose names are counted below.
  get counted() {
    const { search, top } = this.forest;
    return search ? top : this.forest.branch(this.scope);
  }

  showCount() {
    const branch = this.counted;
    const loaded = branch && branch.token !== null;
    this.all.hidden = !loaded || branch.whole || !branch.open;
    replace(this.all, branch?.all ? "Stop" : "Load all");
    if (!loaded) replace(this.count);
    else replace(this.count, `${number(branch.children.length)} ${this.forest.search ? "found " : ""}in ${branch.key}${branch.whole ? "" : branch.all ? ", loading…" : " so far"}`);
  }

  // loadAll loads the rest of a long directory, page by page, or stops that.
  loadAll() {
    const branch = this.counted;
    if (branch.all) this.forest.stop(branch);
    else this.forest.loadAll(branch).then(() => this.ctx.announce(`${number(branch.children.length)} loaded.`, "quiet"));
  }

  lookFor() {
    this.look.cancel();
    const text = this.text.value;
    this.deepLabel.hidden = this.mode.value !== "contains";
    if (text === "") {
      this.endSearch();
      return;
    }
    this.clear.hidden = false;
    const dir = this.forest.search?.dir ?? this.scope;
    const search = { dir, text, mode: this.mode.value, deep: this.deep.checked };
    this.forest.lookFor(search).then(() => {
      if (this.forest.search !== search) return;
      const { top } = this.forest;
      this.ctx.announce(top.error ? "The search failed." : `${number(top.children.length)} found${top.whole ? "" : " so far"}.`, "quiet");
    });
    this.treeRoot.scrollTop = 0;
    this.showScope();
  }

  endSearch() {
    this.look.cancel();
    const inside = this.clear.contains(document.activeElement);
    this.text.value = "";
    this.clear.hidden = true;
    this.forest.endSearch();
    this.tree.mark(this.key, true);
    this.showScope();
    if (inside) this.text.focus();
  }

  searchKey(event) {
    if (event.key === "Escape" && this.forest.search) {
      event.preventDefault();
      this.endSearch();
    } else if (event.key === "ArrowDown" && this.forest.rows.length) {
      event.preventDefault();
      this.tree.activate(this.forest.rows[0]);
    }
  }

  submitted(event) {
    event.preventDefault();
    this.lookFor();
  }

  jumped(event) {
    event.preventDefault();
    const names = pathParts(this.jump.value);
    const bad = names.find((name) => name === "." || name === "..");
    replace(this.jumpWrong, bad ? `No key can be called ${bad}` : "");
    if (bad) return;
    const path = names.join("/");
    if (this.key === `/${path}`) this.panel.show(this.key);
    else this.ctx.go(hashOf("keys", path));
    this.jump.value = "";
  }

  // reload reads what is selected anew, and what is in it.
  async reload(key) {
    const branch = this.forest.branch(key);
    await Promise.all([this.panel.show(key), branch?.dir ? this.forest.reload(branch) : null]);
    this.panel.refocus("reload");
  }

  async create(dir, name) {
    const node = await askCreate(this.ctx, dir, name);
    if (!node) return;
    if (node.key === this.key) this.panel.show(this.key);
    else this.ctx.go(hashOf("keys", node.key));
  }

  // sessionChanged: another user may see other things; else only the switch
  // was moved.
  sessionChanged() {
    const { session } = this.ctx;
    if (session.user === this.user) {
      if (this.panel.seen) this.panel.draw();
      else this.panel.show(this.key);
      return;
    }
    this.user = session.user;
    this.endSearch();
    this.planted = this.forest.plant();
    this.panel.show(this.key);
  }
}
