import { Api, escapePath } from "./api.js";
import { h, replace } from "./dom.js";
import { icon } from "./icons.js";

// SignIn shows who the console acts for, and lets somebody be that.
export class SignIn {
  constructor(ctx) {
    this.ctx = ctx;
    this.drawn = "";
    this.element = h("section", { class: "card stack", "aria-labelledby": "signin-title" });
    this.update({ enabled: null, root: false });
  }

  // update shows the state of things; a form that is being filled in stays.
  update({ enabled, root }) {
    const { user } = this.ctx.session;
    const now = JSON.stringify([enabled, root, user]);
    if (this.drawn === now) return;
    this.drawn = now;
    replace(this.element, h("h2", { id: "signin-title" }, user ? "Signed in" : "Sign in"), this.body(enabled, root, user));
  }

  body(enabled, root, user) {
    if (user) {
      return [
        h("p", {}, h("strong", { "data-test": "auth-who", "data-user": user }, user),
          root && [" ", h("span", { class: "badge accent" }, "root")]),
        enabled === false && h("p", { class: "hint" }, "Authentication is off: names and passwords are not looked at."),
        h("p", { class: "hint" }, "The password is kept in the memory of this page alone. To reload or close it is to sign out."),
        h("div", { class: "actions" }, h("button", { type: "button", class: "button", "data-test": "signout", onclick: () => this.signOut() }, "Sign out")),
      ];
    }
    if (enabled === false) {
      return [
        h("p", { "data-test": "auth-who", "data-user": "" }, "Nobody needs to sign in: authentication is off."),
        h("p", { class: "hint" }, "Everybody who reaches this server may read and change everything."),
      ];
    }
    return this.form();
  }

  form() {
    this.name = h("input", { type: "text", required: true, autocomplete: "username", spellcheck: "false", autocapitalize: "off", "data-test": "signin-user" });
    this.password = h("input", { type: "password", autocomplete: "current-password", "data-test": "signin-password" });
    this.path = h("input", { type: "text", value: "/", class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-test": "signin-path", "aria-describedby": "signin-path-hint" });
    this.problem = h("div", { class: "note danger", role: "alert", "data-test": "signin-problem", hidden: true });
    this.anyway = h("button", { type: "button", class: "button", "data-test": "signin-anyway", hidden: true, onclick: () => this.accept() }, "Use them unchecked");
    this.submit = h("button", { type: "submit", class: "button primary", "data-test": "signin-submit" }, icon("user"), "Sign in");
    return [
      h("p", { "data-test": "auth-who", "data-user": "" }, "Nobody is signed in: what is done here is done as guest."),
      h("form", { class: "stack", "data-test": "signin-form", onsubmit: (e) => { e.preventDefault(); this.check(); } },
        h("label", { class: "field" }, h("span", {}, "User"), this.name),
        h("label", { class: "field" }, h("span", {}, "Password"), this.password),
        h("details", {}, h("summary", {}, "If the user may not read everything"),
          h("label", { class: "field" }, h("span", {}, "A key or directory that may be read"), this.path,
            h("span", { class: "hint", id: "signin-path-hint" }, "It is read to find out whether the password is right."))),
        this.problem,
        h("div", { class: "actions" }, this.submit, this.anyway)),
    ];
  }

  // check finds out whether user and password are right: somebody with the
  // role root may list the users, and everybody else may read something.
  async check() {
    const user = this.name.value, password = this.password.value;
    const given = this.path.value.replace(/\/+$/, "");
    const path = escapePath(given);
    const trial = new Api({ user, password });
    const deeds = ["/v2/auth/users", `/v2/keys${path}/`, ...(path ? [`/v2/keys${path}`] : [])];
    this.submit.disabled = true;
    this.problem.hidden = true;
    this.anyway.hidden = true;
    try {
      if (await this.allowed(trial, deeds)) {
        this.accept();
        return;
      }
      this.refuse(user === "root" ? "That is not the password of root." : `That was refused. Either the name or the password is wrong, or ${user} may not read ${given || "/"}: the server answers both alike. If ${user} may read only some other place, name it above.`);
      this.anyway.hidden = user === "root";
      this.element.querySelector("details").open = user !== "root";
    } catch (err) {
      this.refuse(`Whether the password is right could not be found out: ${err.words ?? err.message}`);
    } finally {
      this.submit.disabled = false;
    }
  }

  // allowed is whether any of the paths may be read. One that is not there may.
  async allowed(trial, paths) {
    for (const path of paths) {
      try {
        await trial.request("GET", path, { query: { quorum: "false" }, signal: AbortSignal.timeout(20_000) });
        return true;
      } catch (err) {
        if (err.status === 404 || err.code === 104) return true;
        if (!err.denied) throw err;
      }
    }
    return false;
  }

  refuse(text) {
    replace(this.problem, icon("warning"), h("span", {}, text));
    this.problem.hidden = false;
    this.password.select();
    this.password.focus();
  }

  accept() {
    const user = this.name.value;
    this.ctx.session.signIn(user, this.password.value);
    this.password.value = "";
    this.ctx.announce(`Signed in as ${user}.`, "ok");
  }

  signOut() {
    this.ctx.session.signOut();
    this.ctx.announce("Signed out.", "ok");
  }
}
