import { pathParts } from "./api.js";
import { openDialog } from "./dialog.js";
import { h, onEnter, replace } from "./dom.js";
import { ValueField, settle } from "./edit.js";
import { LifetimeField } from "./lifetime.js";
import { inWords } from "./lookup.js";
import { makeDirectory, makeInOrder } from "./writes.js";

const kinds = [
  ["key", "Key", "A name and a value."],
  ["dir", "Directory", "A place for keys."],
  ["inorder", "Key named in order", "The cluster gives it a name that sorts behind all before it: a queue."],
];

// askCreate asks what to make in dir, and makes it. name is what to begin
// with. It answers the node that was made or is there, or undefined.
export function askCreate(ctx, dir, name = "") {
  return openDialog({ title: "Create", test: "create-dialog", build: (close) => new CreateForm(ctx, dir, name, close) });
}

class CreateForm {
  constructor(ctx, dir, name, close) {
    Object.assign(this, { ctx, dir, close });
    this.kind = "key";
    this.name = h("input", { type: "text", value: name, autocomplete: "off", spellcheck: "false", autofocus: true, dataset: { test: "create-name" } });
    this.value = new ValueField("", { rows: 6, dataset: { test: "create-value" } });
    this.lifetime = new LifetimeField(null);
    this.wrong = h("p", { class: "wrong", role: "alert" });
    this.nameField = h("label", { class: "field" }, "Name", this.name, h("span", { class: "hint" }, "Slashes make directories on the way. A name that begins with _ is left out of lists."));
    this.valueField = h("label", { class: "field" }, "Value", this.value.area);
    this.about = h("p", { class: "hint" });
    this.go = h("button", { type: "button", class: "button primary", dataset: { test: "create-go" }, onclick: () => this.submit() }, "Create");
    this.body = h("div", {
      class: "stack", onkeydown: onEnter(() => this.submit(), (event) => event.ctrlKey || event.metaKey || event.target === this.name),
    },
    h("p", {}, "In ", h("code", { dataset: { test: "create-dir" } }, dir)),
    h("fieldset", {}, h("legend", { class: "offstage" }, "What to create"), h("div", { class: "row-of" }, kinds.map(([kind, label]) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "kind", checked: kind === this.kind, dataset: { test: `kind-${kind}` }, onchange: () => this.choose(kind) }), label)))),
    this.about, this.nameField, this.valueField, this.lifetime.element, this.wrong);
    this.actions = [h("button", { type: "button", class: "button", onclick: () => close() }, "Cancel"), this.go];
    this.choose("key");
  }

  choose(kind) {
    this.kind = kind;
    this.nameField.hidden = kind === "inorder";
    this.valueField.hidden = kind === "dir";
    replace(this.about, kinds.find(([name]) => name === kind)[2]);
  }

  // path is where it is to be, or null, with the reason shown.
  path() {
    const parts = pathParts(this.name.value);
    if (parts.length > 0 && !parts.some((part) => part === "." || part === "..")) return `${this.dir === "/" ? "" : this.dir}/${parts.join("/")}`;
    replace(this.wrong, parts.length ? "No name can be . or .. ." : "It needs a name.");
    this.name.focus();
    return null;
  }

  async submit() {
    const lifetime = this.lifetime.value, path = this.kind === "inorder" ? this.dir : this.path();
    if (!lifetime || !path || this.go.disabled) return;
    this.go.disabled = true;
    replace(this.wrong);
    try {
      const node = await this.make(path, lifetime);
      if (node) this.close(node);
    } catch (err) {
      replace(this.wrong, inWords(err, this.ctx.session, "create", path));
    } finally {
      this.go.disabled = false;
    }
  }

  // make answers the node that is there then, or undefined if none was made.
  async make(path, lifetime) {
    const { api, announce } = this.ctx;
    if (this.kind === "inorder") {
      const { node } = await makeInOrder(api, path, this.value.value, lifetime.seconds);
      announce(`Created ${node.key}.`, "ok");
      return node;
    }
    if (this.kind === "key") {
      const done = await settle(api, { key: path, value: this.value.value, lifetime, seen: null });
      if (done?.node) announce(`Created ${path}.`, "ok");
      return done && (done.node ?? done.theirs?.node ?? { key: path });
    }
    const { node, theirs } = await makeDirectory(api, path, lifetime.seconds);
    if (!node) {
      replace(this.wrong, `There is ${theirs?.dir ? "a directory" : "a key"} called ${path} already.`);
      return undefined;
    }
    announce(`Created ${path}.`, "ok");
    return node;
  }
}
