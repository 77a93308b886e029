// Session is who the console acts for, and whether it may change anything. It
// lives as long as the page: a password is kept in memory and nowhere else.
export class Session {
  constructor() {
    this.user = "";
    this.password = "";
    this.editing = false;
    this.authEnabled = null; // null: not known yet
    this.denied = []; // what was refused lately, the newest first
    this.listeners = new Set();
  }

  // name is how the one who asks is called in messages.
  get name() {
    return this.user ? `user ${this.user}` : "guest";
  }

  // onChange calls fn(session) after each change, and returns how to stop that.
  onChange(fn) {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }

  // signIn acts as user from now on. Whether the password is right is for the
  // caller to find out.
  signIn(user, password) {
    this.denied = [];
    this.set({ user, password });
  }

  // deny notes that a request was refused. Nobody is told: who is shown
  // something asks again when it changes, and would be refused again.
  deny(method, path) {
    const deed = inWords(method, path);
    this.denied = [deed, ...this.denied.filter((other) => other !== deed)].slice(0, 20);
  }

  // signOut forgets the password, and locks editing.
  signOut() {
    this.denied = [];
    this.set({ user: "", password: "", editing: false });
  }

  setEditing(editing) {
    this.set({ editing });
  }

  setAuthEnabled(authEnabled) {
    this.set({ authEnabled });
  }

  set(change) {
    if (Object.entries(change).every(([name, value]) => this[name] === value)) return;
    Object.assign(this, change);
    for (const fn of [...this.listeners]) fn(this);
  }
}

// inWords is what a request wants.
function inWords(method, path) {
  const reads = method === "GET";
  if (path.startsWith("/v2/auth")) return reads ? "see users and roles" : "change users and roles";
  if (path.startsWith("/v2/members")) return "change members";
  if (!path.startsWith("/v2/keys")) return `${method} ${path}`;
  const key = path.slice("/v2/keys".length) || "/";
  return `${reads ? "read" : "change"} ${decodeURIComponent(key)}`;
}
