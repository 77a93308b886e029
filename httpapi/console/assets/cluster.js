import { MemberChanges } from "./changes.js";
import { bytes, h, number, replace } from "./dom.js";
import { members, quorum, snapshots } from "./figures.js";
import { MemberTable } from "./members.js";
import { clock } from "./plot.js";
import { poll } from "./poll.js";

export const title = "Cluster";

const facts = [
  ["cluster-leader", "Leader"], ["cluster-quorum", "Quorum"], ["cluster-version", "Version"], ["cluster-index", "Index"],
  ["cluster-history", "History"], ["cluster-keys", "Keys take"], ["cluster-snapshots", "Snapshots under way"], ["cluster-id", "Cluster ID"],
];

// mount shows the members and how they are, every two seconds anew.
export function mount(root, ctx) {
  const view = new Cluster(ctx);
  root.append(view.element);
  view.start();
  return () => view.close();
}

class Cluster {
  constructor(ctx) {
    this.ctx = ctx;
    this.known = null; // what was told last
    this.changes = new MemberChanges(ctx, { members: () => (this.known ? members(this.known) : []), changed: () => this.load(null) });
    this.table = new MemberTable({ edit: (m) => this.changes.edit(m), remove: (m) => this.changes.remove(m) });
    this.build();
  }

  build() {
    this.health = h("span", { class: "badge", "data-test": "cluster-health" }, "asking…");
    this.age = h("p", { class: "view-state" });
    this.problem = h("p", { class: "note warn", role: "status", "data-test": "cluster-problem", hidden: true });
    this.facts = new Map(facts.map(([name, label]) => [name, h("dd", { "data-test": name }, "–")]));
    this.element = h("div", { class: "page" },
      h("div", { class: "view-head" }, h("h1", {}, title), this.health, this.age),
      this.problem,
      h("dl", { class: "card tiles" }, facts.map(([name, label]) => h("div", { class: "tile" }, h("dt", {}, label), this.facts.get(name)))),
      h("section", { class: "stack", "aria-label": "Members" },
        h("div", { class: "view-head" }, h("h2", {}, "Members"), this.changes.opener),
        this.table.element, this.changes.element));
  }

  start() {
    const lock = () => {
      this.table.lock(!this.ctx.session.editing);
      this.changes.lock(!this.ctx.session.editing);
    };
    lock();
    this.ends = [
      this.ctx.onSession(lock),
      this.ctx.api.onConnection(({ lost }) => lost && this.stale("No connection: what is shown may be out of date.")),
      poll(2000, (signal) => this.load(signal)),
    ];
  }

  close() {
    for (const end of this.ends) end();
  }

  async load(signal) {
    try {
      this.show(await this.ctx.api.status({ members: true, signal }));
    } catch (err) {
      if (!signal?.aborted) this.stale(`The state of the cluster could not be had: ${err.words ?? err.message}`);
    }
  }

  stale(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  show(status) {
    this.known = status;
    this.problem.hidden = true;
    const rows = members(status);
    this.table.update(rows);
    this.changes.update();
    this.age.textContent = `As of ${clock(Date.now())}, seen from ${status.member.name || status.member.id}`;
    this.showHealth(status, rows);
    this.showFacts(status, rows);
  }

  showHealth({ cluster }, rows) {
    const unwell = rows.filter((m) => m.health.level !== "ok");
    const [level, text] = !cluster.healthy ? ["danger", "no quorum"]
      : unwell.length > 0 ? ["warn", `${unwell.length} of ${rows.length} unwell`] : ["ok", "healthy"];
    if (this.health.textContent !== text && this.health.dataset.healthy) {
      this.ctx.announce(`Cluster: ${text}`, "quiet");
    }
    this.health.className = `badge ${level}`;
    this.health.dataset.healthy = cluster.healthy;
    this.health.textContent = text;
  }

  showFacts({ cluster, raft, store, history }, rows) {
    const { voters, needed, spare } = quorum(rows);
    const receiving = snapshots(rows);
    const put = (name, main, note) => replace(this.facts.get(name), h("span", {}, main), note && h("span", { class: "hint" }, note));
    put("cluster-leader", cluster.leader ? cluster.leader.name || cluster.leader.id : "none", `term ${number(raft.term)}`);
    put("cluster-quorum", `${needed} of ${voters}`, spare > 0 ? `${spare} more may fail` : spare === 0 ? "none more may fail" : `${-spare} missing`);
    put("cluster-version", cluster.version || "–", "of the API");
    put("cluster-index", number(store.index), `${number(store.watchers)} ${store.watchers === 1 ? "watcher" : "watchers"} here`);
    put("cluster-history", history.first ? `${number(history.first)} – ${number(history.last)}` : "empty", `room for ${number(history.capacity)} events`);
    // They are counted for the sake of the quota alone.
    put("cluster-keys", store.quotaBytes ? bytes(store.keysBytes) : "not counted", store.quotaBytes ? `of ${bytes(store.quotaBytes)}` : "no quota is set");
    put("cluster-snapshots", receiving.length === 0 ? "none" : `to ${receiving.map((m) => m.name || m.id).join(", ")}`);
    put("cluster-id", h("span", { class: "mono" }, cluster.id));
  }
}
