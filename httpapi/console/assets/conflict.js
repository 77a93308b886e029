import { openDialog } from "./dialog.js";
import { duration, h } from "./dom.js";
import { icon } from "./icons.js";
import { indented, isJSON } from "./value.js";

// askConflict shows what one wanted to write, and what somebody else has
// written meanwhile. It answers "theirs", "mine" or undefined (neither yet).
// words say what "mine" is called and what the buttons do.
export function askConflict({ key, mine, theirs, words }) {
  const text = { mine: mine ?? "", theirs: theirs?.node.value ?? "" };
  if (isJSON(text.mine) && isJSON(text.theirs)) {
    text.mine = indented(text.mine);
    text.theirs = indented(text.theirs);
  }
  const lines = { mine: text.mine.split("\n"), theirs: text.theirs.split("\n") };
  const overwritable = !theirs?.dir;
  return openDialog({
    title: theirs ? words.title : "Somebody deleted this meanwhile", test: "conflict", wide: true,
    build: (close) => ({
      body: [
        h("p", {}, h("code", {}, key), " ", words.question),
        h("div", { class: "versus" },
          side(words.mine, lines.mine, lines.theirs, "conflict-mine"),
          theirs && !theirs.dir ? side(`Theirs, of index ${theirs.node.modifiedIndex}${theirs.expires ? `, expires in ${duration(theirs.remaining)}` : ""}`, lines.theirs, lines.mine, "conflict-theirs")
            : h("section", { class: "versus-side" }, h("h3", {}, "Theirs"), h("p", { class: "note warn", dataset: { test: "conflict-theirs" } }, icon("warning"),
              h("span", {}, theirs ? "A directory has taken its place: no value can overwrite it." : "It is gone.")))),
      ],
      actions: [
        h("button", { type: "button", class: "button", dataset: { test: "keep-editing" }, onclick: () => close() }, words.neither),
        h("button", { type: "button", class: "button", autofocus: true, dataset: { test: "take-theirs" }, onclick: () => close("theirs") }, words.takeTheirs),
        overwritable ? h("button", { type: "button", class: "button danger", dataset: { test: "overwrite" }, onclick: () => close("mine") }, theirs ? words.takeMine : words.takeMineGone) : null,
      ],
    }),
  });
}

// side is one of two texts; the lines that are not the other's are marked.
function side(title, lines, others, test) {
  const { head, tail } = common(lines, others);
  const last = lines.length - tail;
  return h("section", { class: "versus-side" }, h("h3", {}, title),
    h("pre", { class: "value", tabindex: "0", "aria-label": title, dataset: { test } },
      lines.map((line, i) => {
        const text = i < lines.length - 1 ? `${line}\n` : line;
        return i >= head && i < last ? h("mark", {}, text) : text;
      })));
}

// common counts the lines that two texts have alike at their ends.
function common(a, b) {
  const most = Math.min(a.length, b.length);
  let head = 0, tail = 0;
  while (head < most && a[head] === b[head]) head++;
  while (tail < most - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  return { head, tail };
}

export const editWords = {
  title: "Somebody changed this meanwhile",
  mine: "Yours",
  question: "is not as you saw it. Nothing was done. Which one is to stay?",
  takeTheirs: "Take theirs",
  takeMine: "Overwrite with mine",
  takeMineGone: "Create it again with mine",
  neither: "Go on editing",
};

export const createWords = {
  ...editWords,
  title: "There is such a key already",
  question: "exists. Nothing was done. Which one is to stay?",
};

export const deleteWords = {
  title: "Somebody changed this meanwhile",
  mine: "What you saw",
  question: "is not as you saw it. Nothing was done. Is it still to be deleted?",
  takeTheirs: "Keep it",
  takeMine: "Delete it all the same",
  takeMineGone: "",
  neither: "Cancel",
};
