import { Deeds } from "./deeds.js";
import { h, replace } from "./dom.js";
import { keepingFocus } from "./focus.js";
import { icon } from "./icons.js";

const kinds = { read: ["read"], write: ["write"], readwrite: ["read", "write"] };

const told = {
  root: "It may do everything, and cannot be changed.",
  guest: "What those may do who are not signed in, while authentication is on.",
};

// Roles lists the roles with what they permit, and changes them: one card each.
export class Roles {
  constructor(parts) {
    Object.assign(this, parts);
    this.deeds = new Deeds(parts);
    this.list = h("ul", { class: "cards", "data-test": "roles", tabindex: -1, "aria-label": "Roles" });
    this.element = h("section", { class: "stack", "aria-labelledby": "roles-title" },
      h("h2", { id: "roles-title" }, "Roles"),
      h("p", { class: "hint" }, "A pattern that ends in * covers everything that begins like it: /app/* covers /app/a, and not /app itself. Any other covers that one path."),
      this.list, this.buildCreate());
  }

  lock(locked) {
    this.deeds.lock(this.element, locked);
  }

  update({ roles }) {
    keepingFocus(this.list, () => replace(this.list, roles.map((role) => this.card(role))));
    this.deeds.lockNew(this.list);
  }

  card({ role, permissions }) {
    const fixed = role === "root";
    return h("li", { class: "card stack", "data-test": "role", "data-role": role },
      h("div", { class: "view-head" }, h("h3", {}, role),
        !fixed && h("div", { class: "actions" }, h("button", {
          type: "button", class: "button small", "data-edits": "", "data-place": `delete ${role}`, "data-test": "role-delete", "aria-label": `Delete the role ${role}`,
          onclick: () => this.remove(role),
        }, icon("trash")))),
      told[role] && h("p", { class: "hint" }, told[role]),
      !fixed && this.permissions(role, permissions.kv),
      !fixed && this.buildGrant(role));
  }

  permissions(role, kv) {
    const all = ["read", "write"].flatMap((kind) => (kv[kind] ?? []).map((pattern) => ({ kind, pattern })));
    if (all.length === 0) return h("p", { class: "hint" }, "It permits nothing.");
    all.sort((a, b) => (a.pattern < b.pattern ? -1 : a.pattern > b.pattern ? 1 : 0));
    return h("ul", { class: "chips", "aria-label": `What ${role} permits` }, all.map(({ kind, pattern }) => h("li", {
      class: "chip", "data-test": "role-permission", "data-kind": kind, "data-pattern": pattern,
    },
    h("span", { class: `permission ${kind}` }, kind), h("code", {}, pattern),
    h("button", {
      type: "button", class: "chip-remove", "data-edits": "", "data-place": `revoke ${role} ${kind} ${pattern}`, "data-test": "role-permission-revoke",
      "aria-label": `No longer let ${role} ${kind} ${pattern}`,
      onclick: () => this.change(role, "revoke", kind, pattern, `${role} may no longer ${kind} ${pattern}.`),
    }, icon("close")))));
  }

  buildGrant(role) {
    const pattern = h("input", { type: "text", class: "input mono", required: true, placeholder: "/app/*", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-edits": "", "data-place": `pattern ${role}`, "data-test": "role-grant-pattern", "aria-label": `Pattern for ${role}` });
    const kind = h("select", { class: "input", "data-edits": "", "data-place": `kind ${role}`, "data-test": "role-grant-kind", "aria-label": `What ${role} may do there` },
      h("option", { value: "readwrite" }, "read and write"), h("option", { value: "read" }, "read"), h("option", { value: "write" }, "write"));
    return h("form", {
      class: "inline", "data-test": "role-grant",
      onsubmit: (e) => {
        e.preventDefault();
        this.change(role, "grant", kind.value, pattern.value, `${role} may ${kind.value === "readwrite" ? "read and write" : kind.value} ${pattern.value}.`);
      },
    }, pattern, kind, h("button", { type: "submit", class: "button small", "data-edits": "", "data-place": `permit ${role}`, "data-test": "role-grant-submit" }, icon("plus"), "Permit"));
  }

  // change grants or revokes a pattern. What is granted twice would be refused
  // as a whole, so of both kinds only the one that is missing is granted.
  change(role, how, kind, pattern, done) {
    const kv = this.known().roles.find((r) => r.role === role)?.permissions.kv ?? {};
    const missing = kinds[kind].filter((k) => !kv[k]?.includes(pattern));
    const wanted = how === "grant" && missing.length > 0 ? missing : kinds[kind];
    const lists = Object.fromEntries(wanted.map((k) => [k, [pattern]]));
    return this.deeds.attempt(`Changing ${role}`, () => this.ctx.api.putRole(role, { [how]: { kv: lists } }), done);
  }

  buildCreate() {
    this.name = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off", "data-edits": "", "data-test": "role-create-name" });
    return h("form", {
      class: "card inline", "data-test": "role-create", "aria-label": "New role",
      onsubmit: (e) => {
        e.preventDefault();
        this.create();
      },
    },
    h("label", { class: "field" }, h("span", {}, "New role"), this.name),
    h("button", { type: "submit", class: "button", "data-edits": "", "data-test": "role-create-submit" }, icon("plus"), "Create"));
  }

  async create() {
    const name = this.name.value;
    const empty = { kv: { read: [], write: [] } };
    if (!(await this.deeds.attempt(`Creating ${name}`, () => this.ctx.api.putRole(name, { permissions: empty }), `The role ${name} was created.`))) return;
    this.name.value = "";
    this.name.focus();
  }

  async remove(role) {
    const agreed = await this.ctx.confirm({
      title: `Delete the role ${role}?`, verb: "Delete the role", danger: true, typed: role,
      text: "Users who have it may no longer do what it permits.",
    });
    if (agreed) await this.deeds.attempt(`Deleting ${role}`, () => this.ctx.api.deleteRole(role), `The role ${role} was deleted.`);
  }
}
