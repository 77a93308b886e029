import { h, onEnter, replace } from "./dom.js";
import { icon } from "./icons.js";

let dialogs = 0;

// openDialog shows a dialog and answers what close(result) was called with;
// undefined if it was given up. build(close) makes {body, actions}: actions are
// buttons. The focus goes to what is marked autofocus, and back at the end.
export function openDialog({ title, test, wide = false, build }) {
  return new Promise((resolve) => {
    const id = `dialog-${++dialogs}`;
    let result;
    const close = (value) => {
      result = value;
      element.close();
    };
    const { body, actions } = build(close);
    const element = h("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id, dataset: { test } },
      h("div", { class: "dialog-head" },
        h("h2", { id }, title),
        h("button", { type: "button", class: "button plain square", "aria-label": "Close", dataset: { test: "dialog-close" }, onclick: () => close() }, icon("close"))),
      h("div", { class: "dialog-body" }, body),
      h("div", { class: "dialog-actions" }, actions));
    const before = document.activeElement;
    element.addEventListener("close", () => {
      element.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(element);
    element.showModal();
    element.querySelector("[autofocus]")?.focus();
  });
}

// confirmDialog asks before something is done, and answers whether it was
// agreed to. With typed, those letters must be typed first.
export async function confirmDialog({ title, text, verb, danger = false, typed = "" }) {
  const agreed = await openDialog({
    title, test: "confirm", build: (close) => {
      const go = h("button", {
        type: "button", class: danger ? "button danger" : "button primary", disabled: typed !== "", dataset: { test: "confirm-yes" },
        autofocus: typed === "" && !danger, onclick: () => close(true),
      }, verb);
      const field = typed === "" ? null : h("label", { class: "field" },
        h("span", {}, "Type ", h("code", {}, typed), " to confirm"),
        h("input", {
          type: "text", autocomplete: "off", spellcheck: "false", autofocus: true, dataset: { test: "confirm-typed" },
          oninput: (event) => { go.disabled = event.target.value !== typed; },
          onkeydown: onEnter(() => { if (!go.disabled) close(true); }),
        }));
      const lines = Array.isArray(text) ? text : [text];
      return {
        body: [lines.map((line) => (line instanceof Node ? line : h("p", {}, line))), field],
        actions: [
          h("button", { type: "button", class: "button", autofocus: typed === "" && danger, dataset: { test: "confirm-no" }, onclick: () => close(false) }, "Cancel"),
          go,
        ],
      };
    },
  });
  return agreed === true;
}

// Announcer tells what has happened, to eyes and to screen readers.
export class Announcer {
  constructor({ polite, assertive, toasts }) {
    Object.assign(this, { polite, assertive, toasts });
  }

  // say shows text. Its level is "quiet" (read aloud only), "info", "ok",
  // "warn" or "error"; what went wrong stays until it is put away.
  say(text, level = "info") {
    const region = level === "error" ? this.assertive : this.polite;
    replace(region, "");
    setTimeout(() => replace(region, text), 50); // the same text twice is read twice
    if (level === "quiet") return;
    const toast = h("div", { class: `toast ${level}`, dataset: { test: "toast", level } },
      level === "error" || level === "warn" ? icon("warning") : null,
      h("span", {}, text),
      h("button", { type: "button", class: "button plain square", "aria-label": "Dismiss", onclick: () => toast.remove() }, icon("close")));
    while (this.toasts.children.length >= 4) this.toasts.firstChild.remove();
    this.toasts.append(toast);
    if (level !== "error") setTimeout(() => toast.remove(), 6000);
  }
}
