import { AuthSwitch } from "./authswitch.js";
import { h, replace } from "./dom.js";
import { Roles } from "./roles.js";
import { SignIn } from "./signin.js";
import { Users } from "./users.js";

export const title = "Users and roles";

// mount shows who is signed in, and to those who may know them users and roles.
export function mount(root, ctx) {
  const view = new Auth(ctx);
  root.append(view.element);
  view.start();
  return () => view.close();
}

class Auth {
  constructor(ctx) {
    this.ctx = ctx;
    this.given = new AbortController();
    this.known = { users: [], roles: [] };
    const parts = { ctx, known: () => this.known, changed: () => this.load() };
    this.signIn = new SignIn(ctx);
    this.toggle = new AuthSwitch(parts);
    this.users = new Users(parts);
    this.roles = new Roles(parts);
    this.denied = h("section", { class: "card stack", "aria-labelledby": "denied-title", hidden: true });
    this.admin = h("div", { class: "auth-lists", hidden: true }, this.users.element, this.roles.element);
    this.hint = h("p", { class: "hint" }, "Unlock editing to change users, roles and the switch.");
    this.problem = h("p", { class: "note danger", role: "alert", "data-test": "auth-problem", hidden: true });
    this.element = h("div", { class: "page" },
      h("div", { class: "view-head" }, h("h1", {}, title)),
      this.problem,
      h("div", { class: "auth-top" }, this.signIn.element, this.toggle.element),
      this.denied, this.hint, this.admin);
  }

  start() {
    this.forget = this.ctx.onSession((session) => {
      if (this.asked !== session.user + session.password) this.load();
      this.lock();
    });
    this.lock();
    this.load();
  }

  close() {
    this.forget();
    this.given.abort();
  }

  lock() {
    const locked = !this.ctx.session.editing;
    for (const part of [this.toggle, this.users, this.roles]) part.lock(locked);
    this.hint.hidden = !locked || this.admin.hidden;
  }

  // load asks what there is to know, and shows as much as may be known.
  async load() {
    const { api, session } = this.ctx;
    const { signal } = this.given;
    this.asked = session.user + session.password;
    const asked = this.asked;
    try {
      const enabled = await api.authEnabled({ signal });
      const all = await this.everybody(signal);
      if (asked !== this.asked || signal.aborted) return;
      session.setAuthEnabled(enabled);
      this.problem.hidden = true;
      this.show(enabled, all);
    } catch (err) {
      if (signal.aborted) return;
      this.problem.textContent = `Users and roles could not be had: ${err.words ?? err.message}`;
      this.problem.hidden = false;
    }
  }

  // everybody is all users and all roles, or null if that is not for the one
  // who is signed in.
  async everybody(signal) {
    const { api } = this.ctx;
    try {
      return [await api.users({ signal }), await api.roles({ signal })];
    } catch (err) {
      if (err.denied) return null;
      throw err;
    }
  }

  show(enabled, all) {
    this.known = { users: all?.[0] ?? [], roles: all?.[1] ?? [] };
    const root = enabled && all !== null;
    this.signIn.update({ enabled, root });
    this.toggle.update({ enabled, may: all !== null });
    this.admin.hidden = all === null;
    this.users.update(this.known);
    this.roles.update(this.known);
    this.showDenied(all === null);
    this.lock();
  }

  // showDenied says what the one who is signed in may not do, as far as that
  // was found out: only root is told what others may do.
  showDenied(restricted) {
    this.denied.hidden = !restricted;
    if (!restricted) return;
    const { session } = this.ctx;
    const refused = session.denied.filter((deed) => deed !== "see users and roles");
    replace(this.denied,
      h("h2", { id: "denied-title" }, "What is not allowed"),
      h("p", {}, `The ${session.name} does not hold the role root, and so may not see users and roles, nor change them or the members of the cluster. What else a user may do is told to root alone.`),
      refused.length > 0 && h("p", {}, "Refused so far:"),
      refused.length > 0 && h("ul", { class: "denied", "data-test": "auth-denied" }, refused.map((deed) => h("li", { "data-test": "auth-denied-item" }, deed))));
  }
}
