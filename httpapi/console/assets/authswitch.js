import { h, replace } from "./dom.js";

// AuthSwitch says whether authentication is on, and turns it on and off.
// changed() is called when it was turned.
export class AuthSwitch {
  constructor({ ctx, known, changed }) {
    Object.assign(this, { ctx, known, changed });
    this.state = h("span", { class: "badge", "data-test": "auth-state" }, "asking…");
    this.text = h("p", {});
    this.on = h("button", { type: "button", class: "button", "data-test": "auth-enable", hidden: true, onclick: () => this.enable() }, "Turn on…");
    this.off = h("button", { type: "button", class: "button danger-plain", "data-test": "auth-disable", hidden: true, onclick: () => this.disable() }, "Turn off…");
    this.hint = h("p", { class: "hint" });
    this.element = h("section", { class: "card stack", "aria-labelledby": "switch-title" },
      h("div", { class: "view-head" }, h("h2", { id: "switch-title" }, "Authentication"), this.state),
      this.text, this.hint, h("div", { class: "actions" }, this.on, this.off));
  }

  lock(locked) {
    for (const button of [this.on, this.off]) {
      button.disabled = locked;
      button.title = locked ? "Unlock editing, at the top of the page, to turn it" : "";
    }
  }

  update({ enabled, may }) {
    this.state.dataset.enabled = enabled;
    this.state.className = `badge ${enabled ? "ok" : "warn"}`;
    this.state.textContent = enabled ? "on" : "off";
    this.text.textContent = enabled
      ? "Who is not signed in has the rights of the role guest. Users, roles and members are changed by those with the role root."
      : "Everybody may do everything, whatever name they give.";
    const rootThere = this.known().users.some((u) => u.user === "root");
    replace(this.hint, enabled || !may ? "" : rootThere ? "" : "To turn it on there must be a user named root: create it below.");
    this.hint.hidden = this.hint.textContent === "";
    this.on.hidden = enabled || !may;
    this.off.hidden = !enabled || !may;
  }

  async enable() {
    const asRoot = this.ctx.session.user === "root";
    const agreed = await this.ctx.confirm({
      title: "Turn authentication on?", verb: "Turn it on", danger: true,
      text: ["From that moment every request counts as who it says it is from. Programs that send no name have the rights of the role guest: reading and writing everything, unless that role was narrowed.",
        asRoot ? "You are signed in as root and can go on here." : "You are not signed in as root: you will need its password to go on here."],
    });
    if (agreed) await this.turn(() => this.ctx.api.enableAuth(), "Authentication is on.", "Turning authentication on");
  }

  async disable() {
    const agreed = await this.ctx.confirm({
      title: "Turn authentication off?", verb: "Turn it off", danger: true, typed: "disable",
      text: "From that moment everybody who reaches the cluster may read and change everything. Users and roles are kept.",
    });
    if (agreed) await this.turn(() => this.ctx.api.disableAuth(), "Authentication is off.", "Turning authentication off");
  }

  async turn(deed, done, what) {
    try {
      await deed();
      this.ctx.announce(done, "ok");
    } catch (err) {
      this.ctx.announce(`${what} was refused: ${err.words ?? err.message}`, "error");
    }
    await this.changed();
  }
}
