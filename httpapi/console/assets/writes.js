import { codes } from "./api.js";
import { lookAgain } from "./lookup.js";

// What changes keys. Whatever is changed was seen before, and is changed only
// if it is still that: the server compares the index. Where somebody was
// faster, the answer is {theirs}, what is there now (null: nothing), and
// nothing was done.

// Lifetime is what a write says of it: {keep: true}, {none: true} or {seconds}.

// writeValue sets the value of key if it is still as seen; with seen null, if
// there is nothing. It answers {node}, or {theirs}.
export async function writeValue(api, { key, value, lifetime, seen }) {
  const form = { value, ttl: secondsOf(lifetime, seen) };
  if (seen) form.prevIndex = seen.node.modifiedIndex;
  else form.prevExist = false;
  return unlessOvertaken(api, key, () => api.putKey(key, form));
}

// refreshLifetime gives key another lifetime, and tells no watcher.
export async function refreshLifetime(api, seen, seconds) {
  return unlessOvertaken(api, seen.key, () => api.putKey(seen.key, { refresh: true, ttl: seconds, prevIndex: seen.node.modifiedIndex }));
}

// removeKey removes a key if it is still as seen. It answers {node} or {theirs}.
export async function removeKey(api, seen) {
  return unlessOvertaken(api, seen.key, () => api.deleteKey(seen.key, { prevIndex: seen.node.modifiedIndex }));
}

// A directory cannot be compared while it is changed. The next two look at it
// again right before: what remains is the time between two requests.

// directoryLifetime sets the lifetime of a directory; null: none.
export async function directoryLifetime(api, seen, seconds) {
  const theirs = await unlike(api, seen);
  if (theirs !== undefined) return { theirs };
  return { node: (await api.putKey(seen.key, { dir: true, prevExist: true, ttl: seconds ?? undefined })).node };
}

// removeDirectory removes a directory: an empty one, or with all beneath it.
export async function removeDirectory(api, seen, { recursive }) {
  const theirs = await unlike(api, seen);
  if (theirs !== undefined) return { theirs };
  return { node: (await api.deleteKey(seen.key, recursive ? { recursive: true } : { dir: true })).node };
}

// makeDirectory makes one where there is nothing.
export async function makeDirectory(api, key, seconds) {
  return unlessOvertaken(api, key, () => api.putKey(key, { dir: true, prevExist: false, ttl: seconds ?? undefined }));
}

// makeInOrder makes a key with the next name in a directory.
export async function makeInOrder(api, dir, value, seconds) {
  return { node: (await api.postKey(dir, { value, ttl: seconds ?? undefined })).node };
}

// secondsOf is the lifetime to send. A write without one would take away what
// the key has: to keep it is to send what is left.
export function secondsOf(lifetime, seen) {
  if (lifetime.seconds) return lifetime.seconds;
  if (lifetime.keep && seen?.expires) return Math.max(1, seen.remaining);
  return undefined;
}

async function unlessOvertaken(api, key, write) {
  try {
    return { node: (await write()).node };
  } catch (err) {
    const overtaken = [codes.compareFailed, codes.keyNotFound, codes.keyExists, codes.notFile].includes(err.code);
    if (!overtaken) throw err;
    const theirs = await lookAgain(api, key);
    // A name in order that is taken, or a parent that went: not about this key.
    if (theirs === null && err.code === codes.keyExists) throw err;
    return { theirs };
  }
}

// unlike is what stands in the place of a directory that was seen, null for
// nothing, or undefined if it is the same still.
async function unlike(api, seen) {
  const now = await lookAgain(api, seen.key);
  const same = now?.dir && now.node.createdIndex === seen.node.createdIndex && now.node.modifiedIndex === seen.node.modifiedIndex;
  return same ? undefined : now;
}
