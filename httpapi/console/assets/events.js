import { escapePath } from "./api.js";
import { h, number, replace } from "./dom.js";
import { clock } from "./plot.js";

// eventRow is the line of one event. What is in it is drawn when it is opened.
export function eventRow({ at, event }) {
  const { action, node } = event;
  const key = node.key ?? "/";
  const body = h("div", { class: "event-body" });
  return h("li", { class: "event", "data-test": "watch-event", "data-index": node.modifiedIndex, "data-action": action, "data-key": key },
    h("details", { ontoggle: (e) => replace(body, e.currentTarget.open ? eventBody(event) : []) },
      h("summary", { class: "event-line" },
        h("span", { class: "event-index" }, number(node.modifiedIndex)),
        h("span", { class: `event-action action-${kind(action)}` }, action),
        h("span", { class: "event-key" }, key, node.dir ? "/" : ""),
        h("span", { class: "event-preview" }, preview(event)),
        h("time", { class: "event-time", datetime: new Date(at).toISOString() }, clock(at))),
      body));
}

// markRow is a line that says what happened to the watch itself.
export function markRow({ at, mark }) {
  return h("li", { class: `mark mark-${mark.kind}`, "data-test": "watch-mark", "data-kind": mark.kind, "data-from": mark.from, "data-to": mark.to },
    h("span", { class: "mark-text" }, mark.text), h("time", { class: "event-time", datetime: new Date(at).toISOString() }, clock(at)));
}

// kind sorts actions into those that look alike.
function kind(action) {
  if (action === "create") return "new";
  return action === "delete" || action === "compareAndDelete" ? "gone" : action === "expire" ? "expired" : "changed";
}

function preview({ node, prevNode }) {
  if (node.dir) return "directory";
  if (node.value === undefined) return prevNode?.value === undefined ? "" : `was ${start(prevNode.value)}`;
  return node.value === "" ? "(empty)" : start(node.value);
}

function start(text) {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

function eventBody({ node, prevNode }) {
  const fact = (name, value) => value !== undefined && [h("dt", {}, name), h("dd", {}, value)];
  return [
    h("dl", { class: "facts" },
      fact("Key", h("a", { href: `#/keys${escapePath(node.key ?? "/")}` }, node.key ?? "/")),
      fact("modifiedIndex", node.modifiedIndex), fact("createdIndex", node.createdIndex),
      fact("TTL", node.ttl && `${number(node.ttl)} s when it happened`), fact("Expiration", node.expiration)),
    node.value !== undefined && text("Value", "watch-event-value", node.value),
    prevNode?.value !== undefined && text(`Value before, of index ${number(prevNode.modifiedIndex)}`, "watch-event-prev", prevNode.value),
    prevNode && prevNode.value === undefined && h("p", { class: "event-note" }, `It was a directory, of index ${number(prevNode.modifiedIndex)}.`),
  ];
}

function text(label, hook, value) {
  return h("div", { class: "event-text" }, h("h3", {}, label),
    h("pre", { tabindex: 0, "data-test": hook, "aria-label": label }, value === "" ? h("em", {}, "empty") : value));
}
