import { copyText, h, replace } from "./dom.js";
import { command } from "./figures.js";
import { icon } from "./icons.js";

// MemberChanges adds members, changes their peer URLs and removes them, each
// after it was confirmed. members() are those there are; changed() is called
// when there may be others.
export class MemberChanges {
  constructor(ctx, { members, changed }) {
    Object.assign(this, { ctx, members, changed });
    this.opener = h("button", { type: "button", class: "button", "data-test": "cluster-add", "aria-expanded": false, onclick: () => this.openAdd() }, icon("plus"), "Add a member");
    this.hint = h("span", { class: "hint" }, "Unlock editing to change members.");
    this.error = h("p", { class: "note danger", role: "alert", "data-test": "cluster-error", hidden: true });
    this.form = h("div", {});
    this.result = h("div", {});
    this.element = h("div", { class: "stack" }, this.hint, this.error, this.form, this.result);
    this.editing = null; // the member whose URLs are being changed
  }

  lock(locked) {
    this.opener.disabled = locked;
    this.hint.hidden = !locked;
    if (locked) this.closeForm();
  }

  // update closes the form of a member that is no longer there.
  update() {
    if (this.editing && !this.members().some((m) => m.id === this.editing)) this.closeForm();
  }

  closeForm() {
    this.opener.setAttribute("aria-expanded", "false");
    replace(this.form);
    this.editing = null;
  }

  // attempt does a change that was confirmed, and shows why it was refused. It
  // answers whether it was done.
  async attempt(what, change) {
    this.error.hidden = true;
    try {
      await change();
      return true;
    } catch (err) {
      const status = err.status ? ` (status ${err.status})` : "";
      this.error.textContent = `${what} was refused${status}: ${err.words ?? err.message}. ${advice(err)}`.trim();
      this.error.hidden = false;
      return false;
    } finally {
      this.changed();
    }
  }

  // open shows a form in place of any other.
  open(form, focus) {
    this.error.hidden = true;
    replace(this.result);
    replace(this.form, form);
    focus.focus();
  }

  // --- adding -----------------------------------------------------------------

  openAdd() {
    this.closeForm();
    this.opener.setAttribute("aria-expanded", "true");
    const name = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", "data-test": "add-name" });
    const urls = urlArea("add-urls", "http://10.0.0.4:2380");
    const learner = h("input", { type: "checkbox", "data-test": "add-learner" });
    const form = h("form", {
      class: "card stack", "data-test": "add-form", "aria-label": "Add a member",
      onsubmit: (e) => {
        e.preventDefault();
        this.add({ name: name.value.trim(), urls: lines(urls.value), learner: learner.checked });
      },
    },
    h("h3", {}, "Add a member"),
    h("label", { class: "field" }, h("span", {}, "Name it will be started with"), name),
    h("label", { class: "field" }, h("span", {}, "Peer URLs, one a line"), urls),
    h("label", { class: "choice" }, learner, h("span", {}, "A learner: it has all keys, and never votes")),
    h("p", { class: "hint" }, "The cluster expects it from then on. The command that starts it is shown afterwards."),
    this.buttons("Add", "add-submit", "add-cancel"));
    this.open(form, name);
  }

  async add({ name, urls, learner }) {
    const known = this.members();
    const agreed = await this.ctx.confirm({
      title: `Add ${name}?`, verb: "Add the member",
      text: [`The cluster of ${known.length} gets another member, with ${urls.join(", ")}.`,
        learner ? "It will be started as a learner and never votes." : "It votes once it has caught up."],
    });
    if (!agreed) return;
    let added = null;
    const done = await this.attempt(`Adding ${name}`, async () => { added = await this.ctx.api.addMember(urls); });
    if (!done) return;
    this.closeForm();
    this.ctx.announce(`${name} was added.`, "ok");
    this.showCommand({ name, id: added.id, urls: added.peerURLs, learner, known });
  }

  showCommand({ name, id, urls, learner, known }) {
    const line = command({ name, urls, learner, known });
    const close = () => {
      replace(this.result);
      this.opener.focus();
    };
    const heading = h("h3", { tabindex: -1 }, `${name} was added: now start it`);
    replace(this.result, h("section", { class: "card stack", "aria-label": "How to start the new member" },
      heading,
      h("p", {}, "Its ID is ", h("code", {}, id), ". Run this on its machine. Client URLs are guessed, one port below the peer's: change them as needed",
        urls.some((url) => url.startsWith("https")) ? ", and add the certificates' settings that the other members have." : "."),
      h("pre", { class: "command", tabindex: 0, "data-test": "add-command", "aria-label": "Command line of the new member" }, line),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "button", "data-test": "add-copy", onclick: () => this.copy(line) }, icon("copy"), "Copy"),
        h("button", { type: "button", class: "button", "data-test": "add-done", onclick: close }, "Done"))));
    heading.focus();
  }

  async copy(text) {
    try {
      await copyText(text);
      this.ctx.announce("Copied.", "ok");
    } catch (err) {
      this.ctx.announce(`Not copied: ${err.message}`, "error");
    }
  }

  // --- changing URLs ----------------------------------------------------------

  edit(member) {
    this.closeForm();
    this.editing = member.id;
    const name = member.name || member.id;
    const urls = urlArea("member-urls-input", "http://10.0.0.4:2380");
    urls.value = member.peerURLs.join("\n");
    const form = h("form", {
      class: "card stack", "data-test": "member-urls", "aria-label": `Peer URLs of ${name}`,
      onsubmit: (e) => {
        e.preventDefault();
        this.changeURLs(member, lines(urls.value));
      },
    },
    h("h3", {}, `Peer URLs of ${name}`),
    h("label", { class: "field" }, h("span", {}, "One a line"), urls),
    h("p", { class: "hint" }, "The others call it there from then on: first have it listen there."),
    this.buttons("Change", "member-urls-save", "member-urls-cancel"));
    this.open(form, urls);
  }

  async changeURLs(member, urls) {
    const name = member.name || member.id;
    const agreed = await this.ctx.confirm({
      title: `Change the peer URLs of ${name}?`, verb: "Change them", danger: true,
      text: [`From ${member.peerURLs.join(", ")}`, `to ${urls.join(", ")}`, "If it does not listen there, the others no longer reach it."],
    });
    if (!agreed) return;
    if (!(await this.attempt(`Changing the URLs of ${name}`, () => this.ctx.api.updateMember(member.id, urls)))) return;
    this.closeForm();
    this.ctx.announce(`The peer URLs of ${name} were changed.`, "ok");
  }

  // --- removing ---------------------------------------------------------------

  async remove(member) {
    const name = member.name || member.id;
    const agreed = await this.ctx.confirm({
      title: `Remove ${name}?`, verb: "Remove it for good", danger: true, typed: name,
      text: [`${name} leaves the cluster and its process ends. It cannot come back with the data it has.`,
        member.leads ? "It leads: another member takes over first." : ""].filter(Boolean),
    });
    if (!agreed) return;
    if (await this.attempt(`Removing ${name}`, () => this.ctx.api.removeMember(member.id))) {
      this.ctx.announce(`${name} was removed.`, "ok");
    }
  }

  buttons(verb, submit, cancel) {
    return h("div", { class: "actions" },
      h("button", { type: "submit", class: "button primary", "data-test": submit }, verb),
      h("button", { type: "button", class: "button", "data-test": cancel, onclick: () => { this.closeForm(); this.opener.focus(); } }, "Cancel"));
  }
}

function urlArea(hook, example) {
  return h("textarea", { rows: 2, required: true, spellcheck: "false", autocapitalize: "off", placeholder: example, "data-test": hook });
}

function lines(text) {
  return text.split(/[\s,]+/).filter((line) => line !== "");
}

// advice is what the dialect's short answers leave out.
function advice(err) {
  if (err.denied) return "Members are changed by users with the role root: sign in as one.";
  if (err.status === 500) return "Most often too few members are connected and started for this to be safe; the member's log says why.";
  if (err.status === 409) return "Another member has that URL.";
  return "";
}
