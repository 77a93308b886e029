// Elements, figures in words, and a list that draws only what is seen.
// Nothing here takes markup from a string: text stays text.

const svgSpace = "http://www.w3.org/2000/svg";
const asProperty = new Set(["value", "checked", "selected", "indeterminate", "disabled", "open", "readOnly"]);

// h builds an element. Functions called on... become listeners, style is an
// object of properties, dataset one of data attributes; what is null,
// undefined or false is left out.
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg is h for drawings.
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(svgSpace, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (asProperty.has(name)) element[name] = value;
    else if (name.startsWith("aria-")) element.setAttribute(name, String(value));
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

// replace puts children in place of all that element holds.
export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

// bytes is a size in words: 1536 is "1.5 KiB".
export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (Math.abs(n) >= 1024 && at < units.length - 1) {
    n /= 1024;
    at++;
  }
  return `${at === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[at]}`;
}

// duration is a number of seconds in words: 3700 is "1 h 1 min".
export function duration(s) {
  if (!Number.isFinite(s)) return "–";
  if (s < 0) return "over";
  if (s > 0 && s < 1) return `${Math.round(s * 1000)} ms`;
  s = Math.floor(s);
  const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

const figures = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

// number is n with its thousands set apart.
export function number(n) {
  return Number.isFinite(n) ? figures.format(n) : "–";
}

// onEnter is a listener that calls fn when Enter is pressed, where that is
// meant. Nothing else comes of that key: what gets the focus from fn would take
// it for a click.
export function onEnter(fn, meant = () => true) {
  return (event) => {
    if (event.key !== "Enter" || !meant(event)) return;
    event.preventDefault();
    fn();
  };
}

// debounce is fn, called once when calls have ceased for ms. Its cancel
// forgets the one that waits.
export function debounce(fn, ms) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

// copyText puts text on the clipboard, also where a page that came without
// TLS has no clipboard of its own.
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = h("textarea", { value: text, class: "offstage", "aria-hidden": "true", tabindex: "-1" });
  const before = document.activeElement;
  const place = document.querySelector("dialog[open]") ?? document.body;
  place.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus?.();
  if (!done) throw new Error("the browser does not let this page copy");
}

// VirtualList draws the rows of a long list that are in sight, and a few on
// either side. root scrolls; render(index) makes the element of a row, each
// rowHeight pixels high. onRange(first, last) hears what is in sight now;
// kept() names a row that stays drawn wherever it is, as the one with focus.
export class VirtualList {
  constructor({ root, rowHeight, render, onRange, kept, overscan = 12 }) {
    this.root = root;
    this.rowHeight = rowHeight;
    this.render = render;
    this.onRange = onRange ?? (() => {});
    this.kept = kept ?? (() => -1);
    this.overscan = overscan;
    this.count = 0;
    this.drawn = new Map(); // index -> element
    this.space = h("div", { class: "virtual-space", role: "presentation" });
    root.append(this.space);
    root.classList.add("virtual");
    this.onScroll = () => {
      this.frame ||= requestAnimationFrame(() => this.draw());
    };
    root.addEventListener("scroll", this.onScroll, { passive: true });
    this.resized = new ResizeObserver(this.onScroll);
    this.resized.observe(root);
  }

  // update says that there are count rows now, and that any may have changed.
  update(count) {
    const focused = this.focusedIndex();
    this.count = count;
    this.space.style.height = `${count * this.rowHeight}px`;
    this.drawn.clear();
    this.space.replaceChildren();
    this.draw();
    if (focused < 0) return;
    const kept = this.kept();
    this.element(kept >= 0 ? kept : Math.min(focused, count - 1))?.focus({ preventScroll: true });
  }

  // draw brings the elements in line with what is in sight.
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { first, last } = this.sight();
    const from = Math.max(0, first - this.overscan), to = Math.min(this.count - 1, last + this.overscan);
    const kept = this.kept();
    for (const [index, element] of this.drawn) {
      if ((index < from || index > to) && index !== kept) {
        element.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = from; index <= to; index++) this.drawOne(index);
    if (kept >= 0 && kept < this.count) this.drawOne(kept);
    this.onRange(first, last);
  }

  drawOne(index) {
    if (this.drawn.has(index)) return;
    const element = this.render(index);
    element.style.top = `${index * this.rowHeight}px`;
    element.style.height = `${this.rowHeight}px`;
    // Screen readers go by the order in the document.
    let next = null;
    for (const [other, candidate] of this.drawn) {
      if (other > index && (next === null || other < next[0])) next = [other, candidate];
    }
    this.space.insertBefore(element, next ? next[1] : null);
    this.drawn.set(index, element);
  }

  // sight is the first and the last row in view.
  sight() {
    const first = Math.floor(this.root.scrollTop / this.rowHeight);
    const rows = Math.ceil(this.root.clientHeight / this.rowHeight);
    return { first: Math.min(first, Math.max(0, this.count - 1)), last: Math.min(first + rows, this.count - 1) };
  }

  element(index) {
    return this.drawn.get(index);
  }

  // focusedIndex is the row with the focus, or -1.
  focusedIndex() {
    const focused = document.activeElement;
    if (!focused || !this.space.contains(focused)) return -1;
    for (const [index, element] of this.drawn) if (element.contains(focused)) return index;
    return -1;
  }

  // show scrolls as little as needed to have the row in view.
  show(index) {
    const top = index * this.rowHeight, bottom = top + this.rowHeight;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (bottom > this.root.scrollTop + this.root.clientHeight) this.root.scrollTop = bottom - this.root.clientHeight;
    this.draw();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.root.removeEventListener("scroll", this.onScroll);
    this.space.remove();
  }
}
