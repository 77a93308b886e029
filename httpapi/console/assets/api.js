// The public API of the server this page came from, and nothing else: /v2,
// /keytree/v1, /version and /health.

// ApiError is an answer that refuses, or, with status 0, none at all. code is
// the dialect's error code if there is one; index the tree's index then.
export class ApiError extends Error {
  constructor({ status, code = 0, message, cause = "", index = 0 }) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, cause, index });
  }

  // denied: who asked may not do it, or is not who they say.
  get denied() {
    return this.status === 401;
  }

  // unreachable: nobody answered.
  get unreachable() {
    return this.status === 0;
  }

  // words is what a person is told.
  get words() {
    return this.cause ? `${this.message} (${this.cause})` : this.message;
  }
}

// The dialect's codes that the console knows what to do about.
export const codes = {
  keyNotFound: 100, compareFailed: 101, notFile: 102, notDir: 104, keyExists: 105, dirNotEmpty: 108,
  unauthorized: 110, raft: 300, historyCleared: 401,
};

// pathParts are the names in a path: "/a/b" is ["a", "b"].
export function pathParts(path) {
  return path.split("/").filter((part) => part !== "");
}

// escapePath is a path as it stands in a URL. Names that mean other places to a
// browser are no names of keys.
export function escapePath(path) {
  const parts = pathParts(path).map((part) => {
    if (part === "." || part === "..") throw new ApiError({ status: 400, message: `No key can be called "${part}".` });
    return encodeURIComponent(part.toWellFormed?.() ?? part);
  });
  return parts.length ? `/${parts.join("/")}` : "";
}

// hashOf is the address of a path in a view of this page.
export function hashOf(view, path = "") {
  return `#/${view}${escapePath(path)}`;
}

// Where the API begins: beside the folder of this file, whatever stands before
// both where a proxy has put them.
const home = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const pauses = [500, 1000, 2000, 4000, 8000, 10000];

// How long an answer may take: longer than a server lets a write wait.
const patience = 30_000;

// Api asks the server. It adds the user and password of session. What only
// reads is asked again when the connection comes back; what changes something
// is not, because nobody knows whether it was done.
export class Api {
  constructor(session) {
    this.session = session;
    this.listeners = new Set();
    this.lost = null; // while there is no connection: the promise of its return
    this.hurry = () => {};
  }

  // onConnection calls fn({lost, retryIn}) when the connection is lost, before
  // each new attempt, and when it is back. It returns how to stop that.
  onConnection(fn) {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }

  // request asks once and answers {status, headers, body}. form is sent as a
  // form, json as JSON; of query and form, what is null or undefined is left
  // out.
  async request(method, path, { form, json, query, signal } = {}) {
    const url = home + path + search(query);
    const init = { method, headers: this.headers(), credentials: "omit", cache: "no-store", redirect: "error" };
    if (json !== undefined) {
      init.headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(json);
    } else if (form !== undefined) {
      init.headers["Content-Type"] = "application/x-www-form-urlencoded";
      init.body = parameters(form).toString();
    }
    for (;;) {
      if (this.lost) await within(this.lost, signal);
      try {
        const limit = AbortSignal.timeout(patience);
        return await read(await fetch(url, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit }));
      } catch (err) {
        if (err.denied) this.session.deny?.(method, query?.prefix ? `/v2/keys${escapePath(query.prefix)}` : path);
        if (err instanceof ApiError || signal?.aborted) throw err;
        this.lose();
        if (method !== "GET") throw unanswered();
      }
    }
  }

  headers() {
    const { user, password } = this.session;
    return user ? { Authorization: `Basic ${base64(`${user}:${password}`)}` } : {};
  }

  // lose notes that there is no connection, and begins to look for it.
  lose() {
    this.lost ??= this.seek().then(() => {
      this.lost = null;
      this.tell({ lost: false, retryIn: 0 });
    });
  }

  async seek() {
    for (let attempt = 0; ; attempt++) {
      const pause = pauses[Math.min(attempt, pauses.length - 1)];
      this.tell({ lost: true, retryIn: pause });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.hurry = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      try {
        await fetch(`${home}/version`, { credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(5000) });
        return;
      } catch {
        // Nobody there yet.
      }
    }
  }

  // tryNow cuts the wait for the next attempt short.
  tryNow() {
    this.hurry();
  }

  tell(state) {
    for (const fn of [...this.listeners]) fn(state);
  }

  // --- keys ---------------------------------------------------------------

  // getKey answers the v2 body, as do the three after it.
  async getKey(path, { query, signal } = {}) {
    return (await this.request("GET", `/v2/keys${escapePath(path)}`, { query, signal })).body;
  }

  async putKey(path, form, { signal } = {}) {
    return (await this.request("PUT", `/v2/keys${escapePath(path)}`, { form, signal })).body;
  }

  // postKey makes a key in order beneath path.
  async postKey(path, form, { signal } = {}) {
    return (await this.request("POST", `/v2/keys${escapePath(path)}`, { form, signal })).body;
  }

  async deleteKey(path, query, { signal } = {}) {
    return (await this.request("DELETE", `/v2/keys${escapePath(path)}`, { query, signal })).body;
  }

  // list answers {index, nodes, continue}: a page of what prefix covers, see
  // docs/openapi.yaml.
  async list(prefix, { limit, token, keysOnly, recursive, contains, signal } = {}) {
    const query = {
      prefix: prefix || "/", limit, continue: token || undefined, contains: contains || undefined,
      keysOnly: keysOnly || undefined, recursive: recursive || undefined,
    };
    const { body } = await this.request("GET", "/keytree/v1/list", { query, signal });
    return { index: body.index, nodes: body.nodes ?? [], continue: body.continue ?? "" };
  }

  // --- the cluster --------------------------------------------------------

  async status({ members, signal } = {}) {
    return (await this.request("GET", "/keytree/v1/status", { query: { members: members || undefined }, signal })).body;
  }

  async trends({ signal } = {}) {
    return (await this.request("GET", "/keytree/v1/trends", { signal })).body;
  }

  // members answers the list itself.
  async members({ signal } = {}) {
    return (await this.request("GET", "/v2/members", { signal })).body.members ?? [];
  }

  async addMember(peerURLs) {
    return (await this.request("POST", "/v2/members", { json: { peerURLs } })).body;
  }

  async updateMember(id, peerURLs) {
    await this.request("PUT", `/v2/members/${encodeURIComponent(id)}`, { json: { peerURLs } });
  }

  async removeMember(id) {
    await this.request("DELETE", `/v2/members/${encodeURIComponent(id)}`);
  }

  // --- users and roles ----------------------------------------------------

  async authEnabled({ signal } = {}) {
    return (await this.request("GET", "/v2/auth/enable", { signal })).body.enabled === true;
  }

  async enableAuth() {
    await this.request("PUT", "/v2/auth/enable");
  }

  async disableAuth() {
    await this.request("DELETE", "/v2/auth/enable");
  }

  // users answers the list itself, as roles does.
  async users({ signal } = {}) {
    return (await this.request("GET", "/v2/auth/users", { signal })).body.users ?? [];
  }

  async user(name, { signal } = {}) {
    return (await this.request("GET", `/v2/auth/users/${encodeURIComponent(name)}`, { signal })).body;
  }

  // putUser sends {password, roles, grant, revoke}, as many as are given.
  async putUser(name, change) {
    return (await this.request("PUT", `/v2/auth/users/${encodeURIComponent(name)}`, { json: { ...change, user: name } })).body;
  }

  async deleteUser(name) {
    await this.request("DELETE", `/v2/auth/users/${encodeURIComponent(name)}`);
  }

  async roles({ signal } = {}) {
    return (await this.request("GET", "/v2/auth/roles", { signal })).body.roles ?? [];
  }

  async role(name, { signal } = {}) {
    return (await this.request("GET", `/v2/auth/roles/${encodeURIComponent(name)}`, { signal })).body;
  }

  // putRole sends {permissions} to make a role, {grant, revoke} to change one.
  async putRole(name, change) {
    return (await this.request("PUT", `/v2/auth/roles/${encodeURIComponent(name)}`, { json: { ...change, role: name } })).body;
  }

  async deleteRole(name) {
    await this.request("DELETE", `/v2/auth/roles/${encodeURIComponent(name)}`);
  }

  // --- watching -----------------------------------------------------------

  // watchStream follows path until signal is aborted, through lost connections:
  // onEvent(event) hears every event, in order and once. onState hears
  //   {state: "connecting"}
  //   {state: "open", index}              the tree's index then
  //   {state: "waiting", error}           no connection; it goes on by itself
  //   {state: "lost", from, resume, index} the history no longer has what came
  //                                        from index from to before resume
  // It ends when aborted, and throws an ApiError when asking again is of no use.
  async watchStream(path, { waitIndex, recursive, signal } = {}, onEvent, onState = () => {}) {
    let next = waitIndex || 0, attempt = 0, behind = false;
    while (!signal?.aborted) {
      onState({ state: "connecting" });
      try {
        await this.follow(path, { next, recursive, signal }, onEvent, (index, state) => {
          attempt = 0;
          behind = false;
          next = Math.max(next, index);
          if (state) onState(state);
        });
      } catch (err) {
        if (signal?.aborted) return;
        if (err.code === codes.historyCleared) {
          const oldest = Number(/\[(\d+)\//.exec(err.cause)?.[1] ?? 0);
          // What is oldest may be gone by now too: the second time, nothing old is asked for.
          const resume = behind || oldest <= next ? err.index + 1 : oldest;
          onState({ state: "lost", from: next, resume, index: err.index });
          next = resume;
          behind = true;
          continue;
        }
        if (err.denied) this.session.deny?.("GET", `/v2/keys${escapePath(path)}`);
        if (err instanceof ApiError && err.status < 500) throw err;
        onState({ state: "waiting", error: err });
        if (err instanceof TypeError) this.lose();
        await (this.lost ? within(this.lost, signal).catch(() => {}) : sleep(pauses[Math.min(attempt++, pauses.length - 1)], signal));
      }
    }
  }

  // follow is one stream, to its end. progress(next, state) hears which index
  // to go on from, and of the stream's being open.
  async follow(path, { next, recursive, signal }, onEvent, progress) {
    const query = { wait: true, stream: true, recursive: recursive || undefined, waitIndex: next || undefined };
    const answer = await fetch(`${home}/v2/keys${escapePath(path)}${search(query)}`, {
      headers: this.headers(), signal, credentials: "omit", cache: "no-store", redirect: "error",
    });
    if (!answer.ok) await read(answer);
    const index = Number(answer.headers.get("X-Etcd-Index") ?? 0);
    // With a waitIndex, the stream begins with what the history holds from there.
    progress(next || index + 1, { state: "open", index });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") continue;
        const event = JSON.parse(line);
        progress(event.node.modifiedIndex + 1);
        onEvent(event);
      }
    }
    throw new Error("the server ended the watch");
  }
}

// read is an answer with its body read; one that refuses is thrown.
async function read(answer) {
  const text = await answer.text();
  const body = parsed(text, answer.headers.get("Content-Type") ?? "");
  if (answer.ok) return { status: answer.status, headers: answer.headers, body };
  if (typeof body === "object" && body !== null) {
    throw new ApiError({
      status: answer.status, code: body.errorCode, message: body.message ?? answer.statusText, cause: body.cause, index: body.index,
    });
  }
  throw new ApiError({ status: answer.status, message: text.trim().slice(0, 300) || `the server answered ${answer.status}` });
}

// parsed is JSON read, or what is none as it is: /health calls its JSON text.
function parsed(text, type) {
  if (!type.startsWith("application/json") && !/^\s*[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unanswered() {
  return new ApiError({ status: 0, message: "The connection was lost before the answer came: the change may have been made, or not. Look before you try again." });
}

function parameters(values) {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(values ?? {})) {
    if (value !== null && value !== undefined) all.append(name, String(value));
  }
  return all;
}

function search(query) {
  const text = parameters(query).toString();
  return text ? `?${text}` : "";
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

// sleep waits ms, or until signal is aborted.
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

// within is promise, or the end of signal if that is first.
function within(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DOMException("aborted", "AbortError"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve).finally(() => signal.removeEventListener("abort", abort));
  });
}
