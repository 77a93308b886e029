import { codes } from "./api.js";
import { askConflict, deleteWords } from "./conflict.js";
import { bytes, h, number } from "./dom.js";
import { icon } from "./icons.js";
import { sizeOf } from "./value.js";
import { removeDirectory, removeKey } from "./writes.js";

// What is counted before a directory is removed with all beneath it.
const mostCounted = 1000;

// askRemove asks whether what was seen is to be deleted, and deletes it. It
// answers {removed: true}, {theirs} if it is another by now and stays, or
// undefined.
export function askRemove(ctx, seen) {
  return seen.dir ? askRemoveDirectory(ctx, seen) : askRemoveKey(ctx, seen);
}

async function askRemoveKey({ api, confirm }, seen) {
  const text = [h("p", {}, "The key ", h("code", {}, seen.key), ` and its value of ${bytes(sizeOf(seen.node.value))} are deleted for everybody.`)];
  if (!(await confirm({ title: "Delete this key?", text, verb: "Delete", danger: true }))) return undefined;
  for (let at = seen; ;) {
    const done = await removeKey(api, at);
    if (done.node) return { removed: true };
    if (done.theirs === null) return { removed: true, gone: true };
    const choice = await askConflict({ key: seen.key, mine: at.node.value, theirs: done.theirs, words: deleteWords });
    if (choice !== "mine") return choice && done;
    at = done.theirs;
  }
}

async function askRemoveDirectory(ctx, seen) {
  const { api, confirm } = ctx;
  const page = await api.list(`${seen.key}/`, { limit: mostCounted, recursive: true, keysOnly: true });
  if (page.nodes.length === 0 && !page.continue) {
    const text = [h("p", {}, "The directory ", h("code", {}, seen.key), " is empty.")];
    if (!(await confirm({ title: "Delete this directory?", text, verb: "Delete", danger: true }))) return undefined;
    try {
      return removed(await removeDirectory(api, seen, { recursive: false }));
    } catch (err) {
      if (err.code !== codes.dirNotEmpty) throw err;
      return askRemoveAll(ctx, seen, "hidden keys, or others that came just now");
    }
  }
  const keys = page.nodes.filter((node) => !node.dir).length, dirs = page.nodes.length - keys;
  const counted = page.continue ? `more than ${number(mostCounted)} keys and directories` : `${count(keys, "key", "keys")} and ${count(dirs, "directory", "directories")}`;
  return askRemoveAll(ctx, seen, counted);
}

async function askRemoveAll({ api, confirm }, seen, what) {
  const agreed = await confirm({
    title: "Delete this directory and all in it?", verb: "Delete all of it", danger: true, typed: seen.key,
    text: [
      h("p", {}, "The directory ", h("code", {}, seen.key), ` holds ${what}. All of it is deleted for everybody, hidden keys too.`),
      h("p", { class: "note warn" }, icon("warning"), h("span", {}, "A directory cannot be compared while it is deleted. It is looked at again right before, but what others write beneath it until then goes too.")),
    ],
  });
  return agreed ? removed(await removeDirectory(api, seen, { recursive: true })) : undefined;
}

function count(n, one, many) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

function removed({ node, theirs }) {
  if (node) return { removed: true };
  return theirs === null ? { removed: true, gone: true } : { theirs };
}
