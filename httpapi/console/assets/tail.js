// What a watch has brought and is kept of it.

const keptEvents = 2000;
const keptText = 32 << 20; // characters of values

// Bounded keeps the newest of what is added, and lets the oldest go.
class Bounded {
  constructor() {
    this.clear();
  }

  clear() {
    this.entries = [];
    this.text = 0;
    this.dropped = []; // indexes of the first and last event let go
    this.droppedCount = 0;
  }

  add(entry) {
    this.entries.push(entry);
    this.text += weight(entry);
    while (this.entries.length > keptEvents || (this.text > keptText && this.entries.length > 1)) {
      const gone = this.entries.shift();
      this.text -= weight(gone);
      if (gone.event) this.drop(gone.event.node.modifiedIndex);
    }
  }

  drop(index) {
    this.droppedCount++;
    this.dropped = [this.dropped[0] ?? index, index];
  }
}

// Tail is the events of a watch and the marks between them, oldest first. What
// comes while it is paused is held apart. An entry is { id, at, event } or
// { id, at, mark }.
export class Tail {
  constructor() {
    this.kept = new Bounded();
    this.held = new Bounded();
    this.paused = false;
    this.seen = 0; // events since the last clear, but for those held
    this.id = 0;
  }

  // add takes an event or a mark, and answers whether it can be shown now.
  add(what) {
    const entry = { id: ++this.id, at: Date.now(), ...what };
    if (this.paused) this.held.add(entry);
    else this.keep(entry);
    return !this.paused;
  }

  keep(entry) {
    this.kept.add(entry);
    if (entry.event) this.seen++;
  }

  get waiting() {
    return this.held.droppedCount + this.held.entries.filter((e) => e.event).length;
  }

  pause() {
    this.paused = true;
  }

  // resume brings what was held, and a mark if not all of it could be.
  resume() {
    this.paused = false;
    const { entries, dropped: [from, to], droppedCount: count } = this.held;
    for (const entry of entries) this.keep(entry);
    this.held.clear();
    if (count === 0) return;
    const text = `${count} ${count === 1 ? "event" : "events"} of index ${from} to ${to} came during the pause and could not be kept`;
    this.add({ mark: { kind: "dropped", from, to, text } });
  }

  clear() {
    this.kept.clear();
    this.held.clear();
    this.seen = 0;
  }

  // newest are the newest entries that match, newest first, and how many
  // events match and are kept. Each event is matched once for each matches.
  newest(count, matches) {
    const found = [];
    let events = 0, matching = 0;
    for (let i = this.kept.entries.length - 1; i >= 0; i--) {
      const entry = this.kept.entries[i];
      if (entry.event) {
        if (entry.matches !== matches) Object.assign(entry, { matches, fits: matches(entry.event) });
        events++;
        if (entry.fits) matching++;
      }
      if ((entry.mark || entry.fits) && found.length < count) found.push(entry);
    }
    return { found, events, matching };
  }
}

function weight({ event }) {
  return (event?.node.value?.length ?? 0) + (event?.prevNode?.value?.length ?? 0);
}

// matcher is whether an event has text in its key or a value, and action.
export function matcher(text, action) {
  const wanted = text.toLowerCase();
  const has = (part) => part !== undefined && part.toLowerCase().includes(wanted);
  return (event) => (action === "" || event.action === action)
    && (wanted === "" || has(event.node.key) || has(event.node.value) || has(event.prevNode?.value));
}
