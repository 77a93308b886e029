import { h, replace } from "./dom.js";
import { keepingFocus } from "./focus.js";
import { icon } from "./icons.js";
import { Deeds } from "./deeds.js";

// Users lists the users, and changes them: one card each.
export class Users {
  constructor(parts) {
    Object.assign(this, parts);
    this.deeds = new Deeds(parts);
    this.opened = null; // the user whose password is being changed
    this.list = h("ul", { class: "cards", "data-test": "users", tabindex: -1, "aria-label": "Users" });
    this.element = h("section", { class: "stack", "aria-labelledby": "users-title" }, h("h2", { id: "users-title" }, "Users"), this.list, this.buildCreate());
  }

  lock(locked) {
    this.deeds.lock(this.element, locked);
  }

  update({ users, roles }) {
    const names = roles.map((r) => r.role);
    keepingFocus(this.list, () => replace(this.list, users.length
      ? users.map((u) => this.card(u, names))
      : h("li", { class: "hint" }, "There are none.")));
    this.deeds.lockNew(this.list);
  }

  card({ user, roles: held = [] }, names) {
    const has = held.map((r) => r.role);
    // root stands last: nobody is to get it by one click too many.
    const free = names.filter((name) => !has.includes(name)).sort((a, b) => (a === "root") - (b === "root"));
    return h("li", { class: "card stack", "data-test": "user", "data-user": user },
      h("div", { class: "view-head" },
        h("h3", {}, user),
        user === this.ctx.session.user && h("span", { class: "badge" }, "you"),
        h("div", { class: "actions" },
          this.button("user-password-open", `password ${user}`, "Password", `Change the password of ${user}`, () => this.openPassword(user)),
          this.button("user-delete", `delete ${user}`, icon("trash"), `Delete ${user}`, () => this.remove(user)))),
      h("ul", { class: "chips", "aria-label": `Roles of ${user}` },
        has.length === 0 && h("li", { class: "hint" }, "no roles"),
        has.map((role) => h("li", { class: "chip", "data-test": "user-role", "data-role": role }, role,
          h("button", {
            type: "button", class: "chip-remove", "data-edits": "", "data-place": `revoke ${user} ${role}`, "data-test": "user-role-revoke", "aria-label": `Take the role ${role} from ${user}`,
            onclick: () => this.change(user, { revoke: [role] }, `${user} no longer has the role ${role}.`),
          }, icon("close"))))),
      free.length > 0 && this.buildGrant(user, free),
      this.opened === user && this.buildPassword(user));
  }

  button(hook, place, face, label, onclick) {
    return h("button", { type: "button", class: "button small", "data-edits": "", "data-place": place, "data-test": hook, "aria-label": label, onclick }, face);
  }

  buildGrant(user, free) {
    const select = h("select", { class: "input", "data-edits": "", "data-place": `role ${user}`, "data-test": "user-grant-role", "aria-label": `Role for ${user}` }, free.map((name) => h("option", { value: name }, name)));
    return h("div", { class: "inline" }, select, h("button", {
      type: "button", class: "button small", "data-edits": "", "data-place": `grant ${user}`, "data-test": "user-grant", "aria-label": `Give ${user} the chosen role`,
      onclick: () => this.change(user, { grant: [select.value] }, `${user} has the role ${select.value}.`),
    }, icon("plus"), "Give role"));
  }

  change(user, change, done) {
    return this.deeds.attempt(`Changing ${user}`, () => this.ctx.api.putUser(user, change), done);
  }

  // --- passwords --------------------------------------------------------------

  openPassword(user) {
    this.opened = user;
    this.update(this.known());
    this.list.querySelector('[data-test="user-password-input"]')?.focus();
  }

  closePassword(user) {
    this.opened = null;
    this.update(this.known());
    [...this.list.querySelectorAll("[data-place]")].find((e) => e.dataset.place === `password ${user}`)?.focus();
  }

  buildPassword(user) {
    const input = h("input", { type: "password", required: true, autocomplete: "new-password", "data-edits": "", "data-test": "user-password-input" });
    return h("form", {
      class: "stack sunken", "data-test": "user-password", "aria-label": `Password of ${user}`,
      onsubmit: (e) => {
        e.preventDefault();
        this.setPassword(user, input.value);
      },
    },
    // Password managers look for whose it is.
    h("input", { type: "text", autocomplete: "username", value: user, hidden: true, readOnly: true }),
    h("label", { class: "field" }, h("span", {}, `New password of ${user}`), input),
    h("div", { class: "actions" },
      h("button", { type: "submit", class: "button small primary", "data-edits": "", "data-test": "user-password-save" }, "Change it"),
      h("button", { type: "button", class: "button small", "data-test": "user-password-cancel", onclick: () => this.closePassword(user) }, "Cancel")));
  }

  async setPassword(user, password) {
    const done = await this.deeds.attempt(`Changing the password of ${user}`, async () => {
      await this.ctx.api.putUser(user, { password });
      this.opened = null;
      // Who changes their own password goes on with the new one.
      if (this.ctx.session.user === user) this.ctx.session.signIn(user, password);
    }, `The password of ${user} was changed.`);
    if (done) this.closePassword(user);
  }

  // --- making and deleting ------------------------------------------------------

  buildCreate() {
    this.name = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-edits": "", "data-test": "user-create-name" });
    this.password = h("input", { type: "password", required: true, autocomplete: "new-password", "data-edits": "", "data-test": "user-create-password" });
    return h("form", {
      class: "card inline", "data-test": "user-create", "aria-label": "New user",
      onsubmit: (e) => {
        e.preventDefault();
        this.create();
      },
    },
    h("label", { class: "field" }, h("span", {}, "New user"), this.name),
    h("label", { class: "field" }, h("span", {}, "Password"), this.password),
    h("button", { type: "submit", class: "button", "data-edits": "", "data-test": "user-create-submit" }, icon("plus"), "Create"));
  }

  // create asks first whether there is such a user: the same request would
  // change the password of one that is there.
  async create() {
    const name = this.name.value, password = this.password.value;
    const done = await this.deeds.attempt(`Creating ${name}`, async () => {
      if (await this.isThere(name)) throw new Error("there is a user of that name already");
      await this.ctx.api.putUser(name, { password });
    }, `${name} was created.`);
    this.password.value = "";
    if (done) this.name.value = "";
    this.name.focus();
  }

  // isThere asks for a name that begins with "_" by itself: lists leave it out.
  async isThere(name) {
    const { api } = this.ctx;
    if (!name.startsWith("_")) return (await api.users()).some((u) => u.user === name);
    return api.user(name).then(() => true, (err) => {
      if (err.status === 404) return false;
      throw err;
    });
  }

  async remove(user) {
    const agreed = await this.ctx.confirm({
      title: `Delete ${user}?`, verb: "Delete the user", danger: true, typed: user,
      text: [`Programs that sign in as ${user} are refused from then on.`, user === this.ctx.session.user ? "You are signed in as this user." : ""].filter(Boolean),
    });
    if (agreed) await this.deeds.attempt(`Deleting ${user}`, () => this.ctx.api.deleteUser(user), `${user} was deleted.`);
  }
}
