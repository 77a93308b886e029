import { askConflict, createWords, editWords } from "./conflict.js";
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { LifetimeField } from "./lifetime.js";
import { inWords } from "./lookup.js";
import { indented, isBroken, isJSON } from "./value.js";
import { writeValue } from "./writes.js";

// settle writes a value, and asks whenever somebody was faster. It answers
// {node}, {theirs} if theirs are to stay, or undefined if neither was chosen.
export async function settle(api, { key, value, lifetime, seen }) {
  const words = seen ? editWords : createWords;
  for (;;) {
    const done = await writeValue(api, { key, value, lifetime, seen });
    if (done.node) return done;
    const choice = await askConflict({ key, mine: value, theirs: done.theirs, words });
    if (choice === "theirs") return done;
    if (choice !== "mine") return undefined;
    seen = done.theirs;
  }
}

// ValueField is a place to type a value in. What a browser does to the ends of
// lines is undone, as far as that can be.
export class ValueField {
  constructor(value, attributes) {
    this.before = value;
    this.area = h("textarea", { class: "input", rows: 14, spellcheck: "false", autocomplete: "off", ...attributes, value });
    this.untouched = this.area.value;
  }

  get changed() {
    return this.area.value !== this.untouched;
  }

  get value() {
    if (!this.changed) return this.before;
    return endsWithCR(this.before) ? this.area.value.replaceAll("\n", "\r\n") : this.area.value;
  }

  // losesEnds reports whether lines end in several ways: typed text has one.
  get losesEnds() {
    return this.before.includes("\r") && !endsWithCR(this.before);
  }
}

// endsWithCR reports whether all lines of text end as on Windows.
function endsWithCR(text) {
  return text.includes("\r\n") && !/[^\r]\n|^\n|\r(?!\n)/.test(text);
}

// Editor is the form that edits a value in its place. done(result) hears how it
// ended: {node}, {theirs}, or nothing if it was given up.
export class Editor {
  constructor({ ctx, seen, done }) {
    Object.assign(this, { ctx, seen, done });
    this.field = new ValueField(seen.node.value, { "aria-label": "Value", dataset: { test: "edit-value" }, oninput: () => this.typed() });
    this.lifetime = new LifetimeField(seen);
    this.wrong = h("p", { class: "wrong", role: "alert" });
    this.told = h("p", { class: "hint" });
    this.wasJSON = isJSON(seen.node.value);
    this.format = h("button", { type: "button", class: "button", hidden: !this.wasJSON, dataset: { test: "edit-format" }, onclick: () => this.setOut() }, "Set out as JSON");
    this.save = h("button", { type: "submit", class: "button primary", dataset: { test: "save" } }, "Save");
    this.element = h("form", {
      class: "editor stack", dataset: { test: "editor" },
      onsubmit: (event) => {
        event.preventDefault();
        this.submit();
      },
      onkeydown: (event) => this.pressed(event),
    },
    h("h2", {}, "Value"), this.warnings(), this.field.area, this.told, this.lifetime.element, this.wrong,
    h("div", { class: "toolbar" }, this.save,
      h("button", { type: "button", class: "button", dataset: { test: "cancel" }, onclick: () => this.cancel() }, "Cancel"),
      h("span", { class: "gap" }), this.format));
  }

  warnings() {
    if (isBroken(this.seen.node.value)) {
      return h("p", { class: "note warn" }, icon("warning"), h("span", {}, "Some bytes of this value are no text and are shown as \ufffd. If you save, they are lost."));
    }
    return this.field.losesEnds ? h("p", { class: "note warn" }, icon("warning"), h("span", {}, "Lines of this value end in different ways. If you change it, all will end alike.")) : null;
  }

  focus() {
    this.field.area.focus();
    this.field.area.setSelectionRange(0, 0);
    this.field.area.scrollTop = 0;
  }

  get dirty() {
    return this.field.changed;
  }

  typed() {
    const json = isJSON(this.field.area.value);
    this.format.hidden = !json;
    replace(this.told, this.wasJSON && !json ? "This is no JSON any more." : "");
  }

  setOut() {
    this.field.area.value = indented(this.field.area.value);
    this.field.area.focus();
  }

  pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.cancel();
    }
  }

  async cancel() {
    if (await this.mayLeave()) this.done(undefined);
  }

  // mayLeave asks before what was typed is lost.
  async mayLeave() {
    return !this.dirty || this.ctx.confirm({ title: "Discard your changes?", text: `What you typed for ${this.seen.key} is not saved.`, verb: "Discard", danger: true });
  }

  async submit() {
    const lifetime = this.lifetime.value;
    if (!lifetime || this.save.disabled) return;
    if (!this.ctx.session.editing) {
      replace(this.wrong, "Editing was locked meanwhile: unlock it to save.");
      return;
    }
    this.save.disabled = true;
    replace(this.wrong);
    try {
      const result = await settle(this.ctx.api, { key: this.seen.key, value: this.field.value, lifetime, seen: this.seen });
      if (result) this.done(result);
      else this.field.area.focus();
    } catch (err) {
      replace(this.wrong, inWords(err, this.ctx.session, "change", this.seen.key));
    } finally {
      this.save.disabled = false;
    }
  }
}
