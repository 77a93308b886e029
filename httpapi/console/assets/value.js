import { bytes, h, replace } from "./dom.js";

// What is longer is shown in part, shown without colours, and not taken apart.
const mostShown = 512 * 1024;
const mostColoured = 128 * 1024;
const mostParsed = 512 * 1024;
const deepest = 100;

// sizeOf is how many bytes text has as it is stored.
export function sizeOf(text) {
  return new TextEncoder().encode(text).length;
}

// isBroken reports whether some of the stored bytes are no text: JSON has a
// replacement in their place, so the value cannot be written back as it was.
export function isBroken(text) {
  return text.includes("\ufffd");
}

// isJSON reports whether text is a JSON object or list. Numbers and words are
// JSON too, and nothing is gained by saying so.
export function isJSON(text) {
  if (text.length > mostParsed || !/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return depth(text) <= deepest; // else it would be mostly blanks
  } catch {
    return false;
  }
}

// depth is how deep the lists and objects in json lie in each other.
function depth(json) {
  let now = 0, most = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === "{" || token === "[") most = Math.max(most, ++now);
    else if (token === "}" || token === "]") now--;
  }
  return most;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// pieces are those of JSON, set out on lines: [kind, text] each. No token is
// changed: long numbers keep their digits, names that are there twice stay.
function pieces(json) {
  const out = [], all = json.match(tokens) ?? [];
  let depth = 0;
  const line = () => out.push(["", `\n${"  ".repeat(depth)}`]);
  for (const [i, token] of all.entries()) {
    const next = all[i + 1];
    if (token === "{" || token === "[") {
      depth++;
      out.push(["", token]);
      if (next !== "}" && next !== "]") line();
    } else if (token === "}" || token === "]") {
      depth--;
      if (all[i - 1] !== "{" && all[i - 1] !== "[") line();
      out.push(["", token]);
    } else if (token === ",") {
      out.push(["", token]);
      line();
    } else if (token === ":") out.push(["", ": "]);
    else out.push([kindOf(token, next), token]);
  }
  return out;
}

function kindOf(token, next) {
  if (token.startsWith("\"")) return next === ":" ? "key" : "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

// indented is JSON set out on lines.
export function indented(json) {
  return pieces(json).map(([, text]) => text).join("");
}

function coloured(json) {
  return pieces(json).map(([kind, text]) => (kind ? h("span", { class: `token-${kind}` }, text) : text));
}

// ValueView shows a value: JSON set out on lines, anything else as it is.
export class ValueView {
  constructor(value) {
    this.value = value;
    this.json = isJSON(value);
    this.pretty = this.json;
    this.whole = false;
    this.text = h("pre", { class: "value", tabindex: "0", "aria-label": "Value", dataset: { test: "value" } });
    this.tools = h("div", { class: "toolbar" });
    this.rest = h("div", {});
    this.element = h("div", { class: "value-view" }, this.text, this.rest);
    this.show();
  }

  show() {
    const text = this.pretty ? indented(this.value) : this.value;
    const cut = !this.whole && text.length > mostShown;
    if (this.value === "") replace(this.text, h("span", { class: "faint" }, "(empty)"));
    else if (this.pretty && text.length <= mostColoured) replace(this.text, coloured(this.value));
    else replace(this.text, cut ? text.slice(0, mostShown) : text);
    replace(this.rest, cut ? h("button", {
      type: "button", class: "button small", onclick: () => {
        this.whole = true;
        this.show();
      },
    }, `Show all ${bytes(text.length)}`) : null);
    const choose = (pretty, label, test) => h("button", {
      type: "button", class: "button small", "aria-pressed": this.pretty === pretty, dataset: { test },
      onclick: () => {
        this.pretty = pretty;
        this.show();
        this.tools.querySelector("[aria-pressed=true]").focus();
      },
    }, label);
    replace(this.tools, this.json ? [h("span", { class: "badge accent" }, "JSON"), choose(true, "Pretty", "value-pretty"), choose(false, "Raw", "value-raw")] : null);
  }
}
