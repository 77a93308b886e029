import { h, replace } from "./dom.js";
import { icon } from "./icons.js";

const links = [["keys", "Keys"], ["watch", "Watch"], ["cluster", "Cluster"], ["charts", "Charts"], ["auth", "Users"]];

const themes = {
  auto: { next: "light", icon: "auto", words: "as the system" },
  light: { next: "dark", icon: "sun", words: "light" },
  dark: { next: "auto", icon: "moon", words: "dark" },
};

const themeKey = "keytree.theme";

// Header is what stands above every view: the way between them, the switch
// that unlocks editing, the colours, who is signed in, and the news that the
// connection is lost.
export class Header {
  constructor({ nav, tools, banner, app }) {
    Object.assign(this, { nav, tools, banner, app });
    this.member = h("span", { class: "member", dataset: { test: "member" } });
    this.editing = h("button", { type: "button", class: "switch", role: "switch", dataset: { test: "editing-switch" }, onclick: () => this.toggleEditing() });
    this.theme = h("button", { type: "button", class: "button plain square", dataset: { test: "theme-toggle" }, onclick: () => this.nextTheme() });
    this.who = h("div", { class: "who", dataset: { test: "session" } });
  }

  start() {
    replace(this.nav, links.map(([name, label]) => h("a", { href: `#/${name}`, dataset: { test: `nav-${name}`, view: name } }, label)));
    replace(this.tools, this.member, this.editing, this.theme, this.who);
    this.showTheme();
    this.showSession();
    this.app.session.onChange(() => this.showSession());
    this.app.api.onConnection((state) => this.showConnection(state));
    this.learn();
  }

  // mark says which view is shown.
  mark(view) {
    for (const link of this.nav.children) {
      if (link.dataset.view === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // learn asks who answers here, and whether one has to sign in.
  async learn() {
    const { api, session } = this.app;
    const told = await Promise.allSettled([api.authEnabled(), api.status()]);
    if (told[0].status === "fulfilled") session.setAuthEnabled(told[0].value);
    if (told[1].status === "fulfilled") {
      const { name, id, version } = told[1].value.member;
      replace(this.member, name || id);
      this.member.title = `member ${name} (${id}), Keytree ${version}`;
    }
  }

  toggleEditing() {
    const { session, announcer } = this.app;
    session.setEditing(!session.editing);
    announcer.say(session.editing ? "Editing is unlocked: changes are made at once." : "Editing is locked.", "quiet");
  }

  showSession() {
    const { session } = this.app;
    this.editing.setAttribute("aria-checked", String(session.editing));
    replace(this.editing, icon(session.editing ? "unlock" : "lock"), h("span", { class: "switch-label" }, "Editing"),
      h("span", { class: "switch-track" }, h("span", { class: "switch-knob" })));
    this.editing.title = session.editing ? "Editing is unlocked. Lock it again" : "Editing is locked. Unlock it to change keys";
    document.documentElement.dataset.editing = session.editing ? "on" : "off";
    replace(this.who, ...this.signedIn());
  }

  signedIn() {
    const { session } = this.app;
    if (session.user) {
      return [
        h("a", { class: "button plain", href: "#/auth", title: `Signed in as ${session.user}`, dataset: { test: "signed-in" } }, icon("user"), h("span", { class: "who-name" }, session.user)),
        h("button", { type: "button", class: "button plain sign-out", title: "Sign out", "aria-label": "Sign out", dataset: { test: "sign-out" }, onclick: () => this.signOut() }, icon("leave"), h("span", {}, "Sign out")),
      ];
    }
    if (session.authEnabled === false) return [h("span", { class: "open-note", title: "Authentication is off: everybody may do everything" }, "No sign-in needed")];
    return [h("a", { class: "button", href: "#/auth", dataset: { test: "sign-in" } }, icon("user"), "Sign in")];
  }

  signOut() {
    this.app.session.signOut();
    this.app.announcer.say("Signed out.", "ok");
  }

  showConnection({ lost, retryIn }) {
    if (!lost) {
      if (this.banner.hidden) return;
      this.banner.hidden = true;
      replace(this.banner);
      this.app.announcer.say("Connected again.", "ok");
      this.learn();
      return;
    }
    this.banner.hidden = false;
    const seconds = retryIn < 1000 ? "a moment" : `${Math.round(retryIn / 1000)} s`;
    replace(this.banner, icon("warning"), h("span", {}, `No connection to ${location.host}. Trying again in ${seconds}.`),
      h("button", { type: "button", class: "button", onclick: () => this.app.api.tryNow() }, "Try now"));
  }

  nextTheme() {
    const { next } = themes[chosenTheme()];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem(themeKey);
      else localStorage.setItem(themeKey, next);
    } catch {
      // It lasts as long as the page, then.
    }
    this.showTheme();
    this.app.announcer.say(`Colours: ${themes[next].words}.`, "quiet");
  }

  showTheme() {
    const { icon: drawing, words, next } = themes[chosenTheme()];
    replace(this.theme, icon(drawing));
    this.theme.title = `Colours: ${words}. Change to ${themes[next].words}`;
    this.theme.setAttribute("aria-label", this.theme.title);
  }
}

function chosenTheme() {
  return document.documentElement.dataset.theme ?? "auto";
}
