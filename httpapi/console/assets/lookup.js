import { ApiError, codes } from "./api.js";

// Seen is a node as it was at a moment, which the lifetime counts from.
export class Seen {
  constructor(node) {
    this.node = node;
    this.at = performance.now();
  }

  get key() {
    return this.node.key;
  }

  get dir() {
    return this.node.dir === true;
  }

  get expires() {
    return this.node.expiration !== undefined;
  }

  // remaining is the seconds it has left, rounded up; less than 1: its time has
  // come.
  get remaining() {
    return Math.ceil((this.node.ttl ?? 0) - (performance.now() - this.at) / 1000);
  }
}

// lookUp reads the node at key, without what is beneath it. Asked for by its
// own name, a directory would come with all its children; so the first of the
// names that begin with its name is asked for, which is it, if it is there.
export async function lookUp(api, key, signal) {
  if (key === "/") return new Seen({ key: "/", dir: true });
  try {
    const { nodes } = await api.list(key, { limit: 1, signal });
    if (nodes[0]?.key === key) return new Seen(nodes[0]);
  } catch (err) {
    if (err.denied) return lookInside(api, key, signal);
    throw err;
  }
  throw new ApiError({ status: 404, code: codes.keyNotFound, message: "Key not found", cause: key });
}

// lookInside is for those who may not see what is beside key.
async function lookInside(api, key, signal) {
  try {
    await api.list(`${key}/`, { limit: 1, keysOnly: true, signal });
    return new Seen({ key, dir: true });
  } catch (err) {
    if (err.code !== codes.notDir) throw err;
    return new Seen((await api.getKey(key, { signal })).node);
  }
}

// lookAgain is lookUp for what may be gone: then it answers null.
export async function lookAgain(api, key) {
  try {
    return await lookUp(api, key);
  } catch (err) {
    if (err.code === codes.keyNotFound) return null;
    throw err;
  }
}

// inWords is what a person is told when verb could not be done to key.
export function inWords(err, session, verb, key) {
  if (err instanceof ApiError && err.denied) {
    return `${session.user ? `User ${session.user}` : "Who is not signed in"} may not ${verb} ${key}.`;
  }
  return err instanceof ApiError ? err.words : err.message;
}
