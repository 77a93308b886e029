import { openDialog } from "./dialog.js";
import { duration, h, onEnter } from "./dom.js";
import { isBroken } from "./value.js";

let groups = 0;

// mostSeconds is the longest lifetime that can be asked for: 200 years. The
// server counts nanoseconds in 64 bits, which end in the year 2262.
const mostSeconds = 200 * 365 * 86400;

// LifetimeField is the choice of a lifetime in a form. seen is what is edited;
// null if it is new.
export class LifetimeField {
  constructor(seen) {
    const name = `lifetime-${++groups}`;
    this.seconds = secondsInput(() => { this.set.checked = true; });
    const radio = (value, checked) => h("input", { type: "radio", name, value, checked, dataset: { test: `lifetime-${value}` } });
    this.keep = seen?.expires ? radio("keep", true) : null;
    this.none = radio("none", !this.keep);
    this.set = radio("set", false);
    this.element = h("fieldset", {}, h("legend", {}, "Lifetime"), h("div", { class: "row-of" },
      this.keep ? h("label", { class: "choice" }, this.keep, `As it is (${duration(Math.max(0, seen.remaining))} left)`) : null,
      h("label", { class: "choice" }, this.none, "For ever"),
      h("span", { class: "choice" }, h("label", { class: "choice" }, this.set, "Expires after"), this.seconds, "seconds")));
  }

  // value is {keep}, {none} or {seconds}; null if the number is none.
  get value() {
    if (this.keep?.checked) return { keep: true };
    if (this.none.checked) return { none: true };
    const seconds = readSeconds(this.seconds);
    return seconds === null ? null : { seconds };
  }
}

function secondsInput(oninput) {
  return h("input", {
    type: "number", class: "input seconds", min: "1", max: mostSeconds, step: "1", inputmode: "numeric", placeholder: "60",
    "aria-label": "Lifetime in seconds", dataset: { test: "lifetime-seconds" }, oninput,
    onfocus: (event) => event.target.select(),
  });
}

// readSeconds is the number in field, or null, with the focus there, if it is
// none that will do.
function readSeconds(field) {
  const n = Number(field.value);
  const good = field.value.trim() !== "" && Number.isInteger(n) && n >= 1 && n <= mostSeconds;
  field.setAttribute("aria-invalid", String(!good));
  if (!good) field.focus();
  return good ? n : null;
}

const usual = [[60, "1 min"], [600, "10 min"], [3600, "1 h"], [86400, "1 d"]];

// askLifetime asks for a new lifetime of what was seen. It answers {seconds,
// quiet}, {none: true}, or undefined.
export function askLifetime(seen) {
  return openDialog({
    title: `Lifetime of ${seen.key}`, test: "lifetime-dialog", build: (close) => {
      const field = secondsInput();
      if (seen.expires) field.value = Math.max(1, seen.remaining);
      field.autofocus = true;
      const broken = !seen.dir && isBroken(seen.node.value);
      const quiet = h("input", { type: "checkbox", checked: broken, disabled: broken, dataset: { test: "lifetime-quiet" } });
      const go = () => {
        const seconds = readSeconds(field);
        if (seconds !== null) close({ seconds, quiet: quiet.checked });
      };
      field.addEventListener("keydown", onEnter(go));
      return {
        body: [
          h("p", {}, seen.expires ? `It expires in ${duration(Math.max(0, seen.remaining))}.` : "It stays until somebody deletes it."),
          h("div", { class: "row-of" }, h("label", { class: "choice" }, "Expires after", field, "seconds"),
            h("span", { class: "toolbar" }, usual.map(([seconds, label]) => h("button", { type: "button", class: "button small", onclick: () => { field.value = seconds; } }, label)))),
          seen.dir ? h("p", { class: "hint" }, "What is in the directory goes with it. A directory cannot be compared while it is changed: it is looked at again right before.")
            : h("label", { class: "choice" }, quiet, "Quietly: a refresh, of which watchers are not told"),
          broken ? h("p", { class: "hint" }, "Some bytes of the value are no text, so the console cannot write it: its lifetime can be refreshed, and not be taken away.") : null,
        ],
        actions: [
          h("button", { type: "button", class: "button", onclick: () => close() }, "Cancel"),
          seen.expires && !broken ? h("button", { type: "button", class: "button", dataset: { test: "lifetime-remove" }, onclick: () => close({ none: true }) }, "Let it stay for ever") : null,
          h("button", { type: "button", class: "button primary", dataset: { test: "lifetime-go" }, onclick: go }, seen.expires ? "Change" : "Let it expire"),
        ],
      };
    },
  });
}
