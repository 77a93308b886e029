import { Api, ApiError } from "./api.js";
import { Announcer, confirmDialog } from "./dialog.js";
import { h, replace } from "./dom.js";
import { Header } from "./header.js";
import { Session } from "./session.js";

// The views, by the first name behind the #. A view's module exports title and
// mount(root, ctx), which returns how to take it away again. That function may
// have two properties: route(parts), called instead of mounting anew when only
// what stands behind the view's name changes, and leave(), which answers
// whether the view may be left (it asks who has typed something).
const views = {
  keys: () => import("./keys.js"),
  watch: () => import("./watch.js"),
  cluster: () => import("./cluster.js"),
  charts: () => import("./charts.js"),
  auth: () => import("./auth.js"),
};

const byId = (id) => document.getElementById(id);

class App {
  constructor() {
    this.main = byId("main");
    this.session = new Session();
    this.api = new Api(this.session);
    this.announcer = new Announcer({ polite: byId("polite"), assertive: byId("assertive"), toasts: byId("toasts") });
    this.header = new Header({ nav: byId("nav"), tools: byId("tools"), banner: byId("banner"), app: this });
    this.shown = null; // {name, hash, unmount}
    this.turn = 0;
  }

  start() {
    window.addEventListener("hashchange", () => this.route());
    window.addEventListener("beforeunload", (event) => {
      if (this.shown?.unmount.dirty?.()) event.preventDefault();
    });
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.main.focus();
    });
    this.header.start();
    this.route();
  }

  // context is what a view gets to work with.
  context(parts) {
    return {
      api: this.api,
      session: this.session,
      announce: (text, level) => this.announcer.say(text, level),
      confirm: confirmDialog,
      go,
      parts,
      onSession: (fn) => this.session.onChange(fn),
    };
  }

  // route shows what the address says.
  async route() {
    const { name, parts } = this.address();
    const turn = ++this.turn, before = this.shown;
    if (before?.unmount.leave && before.hash !== location.hash && !(await before.unmount.leave())) {
      if (turn === this.turn) history.replaceState(null, "", before.hash);
      return;
    }
    if (turn !== this.turn) return;
    if (before?.name === name && before.unmount.route) {
      before.hash = location.hash;
      before.unmount.route(parts);
      return;
    }
    let view;
    try {
      view = await views[name]();
    } catch (err) {
      view = unavailable(err);
    }
    if (turn !== this.turn) return;
    this.shown?.unmount();
    replace(this.main);
    this.main.dataset.view = name;
    document.title = `${view.title} – Keytree`;
    this.header.mark(name);
    this.shown = { name, hash: location.hash, unmount: view.mount(this.main, this.context(parts)) ?? (() => {}) };
    if (before) this.announcer.say(view.title, "quiet");
  }

  // address is the view that the address names, and what stands behind it.
  address() {
    const names = location.hash.replace(/^#/, "").split("/").filter((part) => part !== "").map(decoded);
    const [name, ...parts] = names;
    if (Object.hasOwn(views, name ?? "")) return { name, parts };
    return { name: "keys", parts: [] };
  }
}

// go changes the address; the address decides what is shown.
function go(hash) {
  location.hash = hash;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %: somebody typed it
  }
}

// unavailable stands in for a view whose program did not come.
function unavailable(err) {
  const why = err instanceof ApiError ? err.words : err.message;
  return {
    title: "Not available",
    mount: (root) => {
      root.append(h("div", { class: "empty" }, h("h1", {}, "This view could not be loaded"), h("p", {}, why),
        h("button", { type: "button", class: "button", onclick: () => location.reload() }, "Load the page anew")));
    },
  };
}

new App().start();
