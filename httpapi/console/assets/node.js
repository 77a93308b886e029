import { codes, hashOf } from "./api.js";
import { bytes, copyText, duration, h, replace } from "./dom.js";
import { Editor } from "./edit.js";
import { icon } from "./icons.js";
import { askLifetime } from "./lifetime.js";
import { inWords, lookUp } from "./lookup.js";
import { askRemove } from "./removal.js";
import { ValueView, isBroken, sizeOf } from "./value.js";
import { directoryLifetime, refreshLifetime, writeValue } from "./writes.js";

// NodePanel shows the key or directory that is selected, and changes it.
// found(node), lost(key), reload(key) and create(dir, name) tell the view what
// it learned and was asked for.
export class NodePanel {
  constructor({ root, ctx, found, lost, reload, create }) {
    Object.assign(this, { root, ctx, found, lost, reload, create });
    this.key = "/";
    this.seen = null;
    this.editor = null;
    this.control = new AbortController();
    this.ticker = setInterval(() => this.tick(), 1000);
  }

  close() {
    this.control.abort();
    clearInterval(this.ticker);
  }

  // show reads the node at key and shows it.
  async show(key, { expired = false } = {}) {
    this.control.abort();
    this.control = new AbortController();
    const { signal } = this.control;
    const another = key !== this.key;
    Object.assign(this, { key, expired, editor: null });
    if (another || !this.seen) this.seen = null;
    const slow = setTimeout(() => this.state("loading", h("div", { class: "empty" }, h("span", { class: "spinner large" }), "Loading")), 150);
    try {
      const seen = await lookUp(this.ctx.api, key, signal);
      if (!signal.aborted) this.take(seen);
    } catch (err) {
      if (!signal.aborted) this.fail(err);
    } finally {
      clearTimeout(slow);
    }
  }

  state(name, ...content) {
    this.root.dataset.state = name;
    this.root.dataset.key = this.key;
    replace(this.root, ...content);
  }

  take(seen) {
    this.seen = seen;
    this.inside = null;
    this.draw();
    this.found(seen.node);
  }

  // draw shows what was seen.
  draw() {
    const { seen } = this;
    if (!seen || this.editor) return;
    const view = seen.dir ? null : new ValueView(seen.node.value);
    this.state(seen.dir ? "dir" : "key",
      this.head(), this.tools(), seen.key === "/" ? null : this.figures(),
      view ? h("section", { class: "stack", "aria-label": "Value" }, h("div", { class: "toolbar" }, h("h2", {}, "Value"), h("span", { class: "gap" }), view.tools,
        h("button", { type: "button", class: "button small", dataset: { test: "copy-value" }, onclick: () => this.copy(seen.node.value, "The value") }, icon("copy"), "Copy")),
      isBroken(seen.node.value) ? h("p", { class: "note warn" }, icon("warning"), h("span", {}, "Some bytes of this value are no text and are shown as \ufffd.")) : null,
      view.element) : this.aboutDirectory());
    this.tick();
  }

  head() {
    const { seen, key } = this, name = key.split("/").at(-1) || "/";
    return h("div", { class: "node-head" }, icon(seen?.dir ? "folder" : "value", "large"),
      h("h1", { title: key }, name),
      name.startsWith("_") ? h("span", { class: "badge" }, "hidden") : null,
      h("button", { type: "button", class: "button plain small square", title: "Copy the path", "aria-label": "Copy the path", dataset: { test: "copy-path" }, onclick: () => this.copy(key, "The path") }, icon("copy")),
      h("span", { class: "gap" }),
      h("button", { type: "button", class: "button plain small", dataset: { test: "reload" }, onclick: () => this.reload(key) }, icon("refresh"), "Reload"));
  }

  tools() {
    const { seen, ctx } = this, locked = !ctx.session.editing;
    const tool = (test, drawing, label, act, danger) => h("button", {
      type: "button", class: `button${danger ? " danger-plain" : ""}`, disabled: locked, title: locked ? "Unlock editing first: the switch is above" : null, dataset: { test }, onclick: act,
    }, icon(drawing), label);
    const root = seen.key === "/";
    return h("div", { class: "toolbar" },
      seen.dir ? tool("create", "plus", "Create", () => this.create(seen.key)) : tool("edit", "pencil", "Edit", () => this.edit()),
      root ? null : tool("lifetime", "clock", "Lifetime", () => this.act("change", () => this.changeLifetime())),
      root ? null : tool("delete", "trash", "Delete", () => this.act("delete", () => this.remove()), true),
      h("a", { class: "button", href: hashOf("watch", seen.key), dataset: { test: "watch-this" } }, icon("eye"), "Watch"),
      locked ? h("span", { class: "hint" }, "Editing is locked.") : null);
  }

  figures() {
    const { seen } = this, { node } = seen;
    const row = (label, ...value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
    return h("dl", { class: "figures" },
      seen.dir ? null : row("Size", h("span", { dataset: { test: "size" } }, `${isBroken(node.value) ? "about " : ""}${bytes(sizeOf(node.value))}`)),
      row("Lifetime", seen.expires ? [h("span", { class: "badge warn", dataset: { test: "ttl" } }, icon("clock"), h("span", {})), h("time", { class: "hint", datetime: node.expiration }, moment(node.expiration))]
        : h("span", { dataset: { test: "ttl" } }, "For ever")),
      node.createdIndex ? row("Created index", h("span", { dataset: { test: "created-index" } }, node.createdIndex)) : null,
      node.modifiedIndex ? row("Modified index", h("span", { dataset: { test: "modified-index" } }, node.modifiedIndex)) : null);
  }

  // shut says that what is in the directory cannot be read.
  shut(err) {
    if (this.key === "/") this.fail(err);
    else if (this.seen?.dir) {
      this.inside = err;
      this.draw();
    }
  }

  aboutDirectory() {
    if (this.inside) return h("p", { class: "note danger", dataset: { test: "shut" } }, icon("lock"), h("span", {}, inWords(this.inside, this.ctx.session, "read", `what is in ${this.key}`)));
    return h("p", { class: "hint" }, this.key === "/" ? "The root of all keys. Choose a key on the side, search there, or go to a path."
      : "A directory. What is in it stands in the tree; hidden keys, whose names begin with _, are reached by their path.");
  }

  // fail shows why there is nothing to show.
  fail(err) {
    const { key, ctx } = this;
    this.seen = null;
    if (err.code === codes.keyNotFound || err.code === codes.notDir) {
      this.lost(key);
      const parent = key.slice(0, key.lastIndexOf("/")) || "/";
      const locked = !ctx.session.editing;
      this.state("missing", h("div", { class: "empty" }, icon("search", "large"), h("h1", {}, "There is nothing here"),
        h("p", {}, h("code", {}, key), this.expired ? " has expired." : err.code === codes.notDir ? " cannot be: a part of the way is a key." : " is not there."),
        err.code === codes.notDir ? null : h("button", { type: "button", class: "button", disabled: locked, dataset: { test: "create" }, onclick: () => this.create(parent, key.slice(key.lastIndexOf("/") + 1)) }, icon("plus"), locked ? "Create it (editing is locked)" : "Create it")));
      return;
    }
    if (err.denied) {
      this.state("denied", h("div", { class: "empty", role: "alert" }, icon("lock", "large"), h("h1", {}, "Not allowed"),
        h("p", {}, inWords(err, ctx.session, "read", key), " Another user may be allowed to; a path that you may read can be gone to directly."),
        h("a", { class: "button primary", href: "#/auth" }, icon("user"), ctx.session.user ? "Sign in as somebody else" : "Sign in")));
      return;
    }
    this.state("error", h("div", { class: "empty", role: "alert" }, icon("warning", "large"), h("h1", {}, "This could not be read"),
      h("p", {}, inWords(err, ctx.session, "read", key)),
      h("button", { type: "button", class: "button", onclick: () => this.show(key) }, icon("refresh"), "Try again")));
  }

  // tick counts the lifetime down, and looks again when it is over.
  tick() {
    const { seen } = this;
    if (!seen?.expires) return;
    const left = seen.remaining;
    const place = this.root.querySelector("[data-test=ttl] span");
    if (place) replace(place, left > 0 ? duration(left) : "expiring");
    if (left > 0 || this.editor || this.looking) return;
    this.looking = true;
    setTimeout(() => {
      this.looking = false;
      if (this.seen !== seen || this.editor) return;
      this.show(seen.key, { expired: true });
    }, 600);
  }

  async copy(text, what) {
    try {
      await copyText(text);
      this.ctx.announce(`${what} is on the clipboard.`, "ok");
    } catch (err) {
      this.ctx.announce(`${what} could not be copied: ${err.message}.`, "error");
    }
  }

  edit() {
    this.editor = new Editor({
      ctx: this.ctx, seen: this.seen, done: (result) => {
        this.editor = null;
        if (result?.node) this.ctx.announce(`Saved ${this.key}.`, "ok");
        if (result) this.show(this.key).then(() => this.refocus("edit"));
        else {
          this.draw();
          this.refocus("edit");
        }
      },
    });
    this.state("edit", this.head(), this.figures(), this.editor.element);
    this.tick();
    this.editor.focus();
  }

  refocus(test) {
    this.root.querySelector(`[data-test=${test}]`)?.focus();
  }

  // act does what changes the node, and says what came of it.
  async act(verb, change) {
    const { key } = this;
    try {
      await change();
    } catch (err) {
      this.ctx.announce(inWords(err, this.ctx.session, verb, key), "error");
      if (err.unreachable) this.show(key);
    }
  }

  async changeLifetime() {
    const { seen, ctx } = this;
    const wish = await askLifetime(seen);
    if (!wish) return;
    let done;
    if (seen.dir) done = await directoryLifetime(ctx.api, seen, wish.seconds ?? null);
    else if (wish.quiet) done = await refreshLifetime(ctx.api, seen, wish.seconds);
    else done = await writeValue(ctx.api, { key: seen.key, value: seen.node.value, lifetime: wish, seen });
    if (done.node) ctx.announce(wish.seconds ? `${seen.key} expires in ${duration(wish.seconds)}.` : `${seen.key} stays for ever.`, "ok");
    else ctx.announce(`Somebody changed ${seen.key} meanwhile: its lifetime was left alone. This is what is there now.`, "warn");
    await this.show(seen.key);
    this.refocus("lifetime");
  }

  async remove() {
    const { seen, ctx } = this;
    const done = await askRemove(ctx, seen);
    if (!done) return;
    if (done.removed) {
      ctx.announce(done.gone ? `${seen.key} was gone already.` : `Deleted ${seen.key}.`, "ok");
      this.lost(seen.key);
      ctx.go(hashOf("keys", seen.key.slice(0, seen.key.lastIndexOf("/"))));
      return;
    }
    if (seen.dir) ctx.announce(`Somebody changed ${seen.key} meanwhile: it was left alone.`, "warn");
    await this.show(seen.key);
  }
}

function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : `on ${at.toLocaleString()}`;
}
