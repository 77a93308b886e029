import { bytes, duration, h, number, replace, svg } from "./dom.js";
import { lagShare, snapshots } from "./figures.js";
import { icon } from "./icons.js";

const columns = [
  ["member-name", "Member"], ["member-health", "Health"], ["member-version", "Version"], ["member-applied", "Applied"], ["member-lag", "Lag"],
  ["member-memory", "Memory"], ["member-disk", "Disk"], ["member-uptime", "Up for"],
];

// MemberTable shows the members, a row each. Rows stay as long as their
// members do, so that the focus and what is selected in them does too.
export class MemberTable {
  // edit and remove are called with the member of a row.
  constructor({ edit, remove }) {
    Object.assign(this, { edit, remove });
    this.rows = new Map();
    this.locked = true;
    this.body = h("tbody", { role: "rowgroup" });
    this.element = h("div", { class: "card members-card" },
      // The roles are said because narrow pages show rows as cards, and what is
      // not laid out as a table is none to screen readers.
      h("table", { class: "table members", role: "table", "aria-label": "Members of the cluster", "data-test": "cluster-members" },
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, [...columns.map(([, name]) => name), "Change"].map((name, i) => h("th", { scope: "col", role: "columnheader" },
          i < columns.length ? name : h("span", { class: "offstage" }, name))))),
        this.body));
  }

  // lock says whether members may be changed.
  lock(locked) {
    this.locked = locked;
    for (const row of this.rows.values()) row.lock(locked);
  }

  update(members) {
    const receiving = new Set(snapshots(members).map((m) => m.id));
    const there = new Set(members.map((m) => m.id));
    for (const [id, row] of this.rows) {
      if (there.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    members.forEach((member, i) => {
      let row = this.rows.get(member.id);
      if (!row) {
        row = new MemberRow(this);
        row.lock(this.locked);
        this.rows.set(member.id, row);
      }
      row.update(member, receiving.has(member.id));
      if (this.body.children[i] !== row.element) this.body.insertBefore(row.element, this.body.children[i] ?? null);
    });
  }
}

class MemberRow {
  constructor(table) {
    this.member = null;
    this.cells = {};
    const cell = ([name, label], i) => {
      this.cells[name] = h(i === 0 ? "th" : "td", { "data-test": name, "data-label": label, role: i === 0 ? "rowheader" : "cell", scope: i === 0 ? "row" : null });
      return this.cells[name];
    };
    this.editor = h("button", { type: "button", class: "button small", "data-test": "member-edit", onclick: () => table.edit(this.member) }, icon("pencil"), "URLs");
    this.remover = h("button", { type: "button", class: "button small danger-plain", "data-test": "member-remove", onclick: () => table.remove(this.member) }, icon("trash"), "Remove");
    this.element = h("tr", { class: "member-row", role: "row", "data-test": "cluster-member" }, columns.map(cell),
      h("td", { class: "member-actions", role: "cell" }, h("div", {}, this.editor, this.remover)));
  }

  lock(locked) {
    for (const button of [this.editor, this.remover]) {
      button.disabled = locked;
      button.title = locked ? "Unlock editing, at the top of the page, to change members" : "";
    }
  }

  update(m, receiving) {
    this.member = m;
    const name = m.name || m.id;
    this.editor.setAttribute("aria-label", `Change the peer URLs of ${name}`);
    this.remover.setAttribute("aria-label", `Remove ${name}`);
    Object.assign(this.element.dataset, { id: m.id, name: m.name, role: m.role, leader: m.leads, reachable: m.own !== null, state: m.own?.raft.state ?? "" });
    const own = m.own;
    this.put("member-name", [m.name, m.id, m.leads, m.role, m.clientURLs, m.peerURLs], () => memberName(m));
    this.put("member-health", [m.health, receiving], () => [
      h("span", { class: `badge ${m.health.level}` }, m.health.word),
      receiving && h("span", { class: "badge accent", "data-test": "member-snapshot" }, "receives a snapshot"),
      m.health.why && h("p", { class: "hint" }, m.health.why),
    ]);
    this.put("member-version", [own?.member.version], () => own?.member.version ?? "–");
    this.put("member-applied", [own?.raft], () => (own ? [number(own.raft.applied), h("p", { class: "hint" }, applied(own.raft))] : "–"));
    this.put("member-lag", [m.leads, m.follower], () => lag(m));
    this.cells["member-lag"].dataset.lag = m.leads ? 0 : m.follower?.lag ?? "";
    this.put("member-memory", [own?.member.rssBytes], () => (own ? bytes(own.member.rssBytes) : "–"));
    this.put("member-disk", [own?.disk], () => (own ? disk(own.disk) : "–"));
    this.put("member-uptime", [own && Math.floor(own.member.uptimeSeconds)], () => (own ? duration(own.member.uptimeSeconds) : "–"));
  }

  // put draws a cell anew if what it shows has changed.
  put(name, what, draw) {
    const cell = this.cells[name];
    const now = JSON.stringify(what);
    if (cell.drawn === now) return;
    cell.drawn = now;
    replace(cell, draw());
  }
}

function memberName(m) {
  return [
    h("div", { class: "member-title" }, h("strong", {}, m.name || "no name yet"),
      m.leads && h("span", { class: "badge accent" }, "leader"),
      m.role === "learner" && h("span", { class: "badge" }, "learner")),
    h("p", { class: "hint mono" }, m.id),
    h("ul", { class: "urls hint" },
      m.clientURLs.map((url) => h("li", {}, h("span", { class: "offstage" }, "clients: "), url)),
      m.peerURLs.map((url) => h("li", {}, `${url} (peers)`))),
  ];
}

function applied({ term, committed, applied: position }) {
  const behind = committed - position;
  return behind > 0 ? `term ${number(term)}, ${number(behind)} to apply` : `term ${number(term)}`;
}

function lag(m) {
  if (m.leads) return h("span", { class: "hint" }, "leads");
  if (!m.follower) return "–";
  const { lag: entries, state } = m.follower;
  const level = entries >= 5000 ? "danger" : entries >= 500 ? "warn" : "ok";
  return [
    h("div", { class: "lag" },
      svg("svg", { class: `lag-bar ${level}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": true },
        svg("rect", { class: "lag-ground", width: 100, height: 6 }),
        svg("rect", { class: "lag-fill", width: (100 * lagShare(entries)).toFixed(1), height: 6 })),
      h("span", { class: "lag-number" }, number(entries), h("span", { class: "offstage" }, entries === 1 ? " entry" : " entries"))),
    state !== "replicate" && h("p", { class: "hint" }, state === "snapshot" ? "waits for a snapshot" : "its place is being found"),
  ];
}

function disk({ treeBytes, logBytes, freeBytes, totalBytes }) {
  const scarce = totalBytes > 0 && freeBytes < 0.05 * totalBytes;
  return [
    h("span", { title: `keys ${bytes(treeBytes)}, log ${bytes(logBytes)}` }, bytes(treeBytes + logBytes)),
    h("p", { class: scarce ? "wrong" : "hint" }, `${bytes(freeBytes)} free`),
  ];
}
