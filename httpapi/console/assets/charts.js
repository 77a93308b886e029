import { bytes, h, number } from "./dom.js";
import { Plot, clock } from "./plot.js";
import { poll } from "./poll.js";
import { frames, merge, read, verbs } from "./rates.js";

export const title = "Charts";

const span = 15 * 60_000;

const byVerb = verbs.map((verb) => ({ name: verb, title: verb === "QGET" ? "GET (quorum)" : verb }));

const plots = [
  { name: "requests", title: "Requests per second", note: "By verb, watches left out.", series: byVerb, format: (v) => `${number(v)}/s` },
  { name: "latency", title: "Mean latency", note: "From request to answer, by verb. No line where there were no requests.", series: byVerb, format: latency },
  { name: "watchers", title: "Watchers", note: "Watches that wait for events.", series: [{ name: "watchers", title: "Watchers" }], format: number, least: 1 },
  { name: "pending", title: "Pending proposals", note: "Changes that are not agreed on yet.", series: [{ name: "pending", title: "Proposals" }], format: number, least: 1 },
  { name: "memory", title: "Memory", note: "Resident set of the process.", series: [{ name: "memory", title: "Memory" }], format: bytes, base: 1024 },
];

// latency is a number of seconds in the unit that suits it.
function latency(s) {
  if (s === 0) return "0";
  if (s < 0.001) return `${number(Math.round(s * 1e6))} µs`;
  if (s < 1) return `${number(Number((s * 1e3).toPrecision(3)))} ms`;
  return `${number(Number(s.toPrecision(3)))} s`;
}

// mount shows the last 15 minutes of the member that served this page.
export function mount(root, ctx) {
  const drawn = plots.map((options) => new Plot(options));
  const state = h("p", { class: "view-state", "data-test": "charts-state", "data-state": "loading" }, "Loading…");
  const where = h("p", { class: "hint" }, "The last 15 minutes of the member that answers here.");
  root.append(h("div", { class: "page" },
    h("div", { class: "view-head" }, h("h1", {}, title), state),
    where,
    h("div", { class: "charts" }, drawn.map((plot) => plot.element))));

  let known = [];
  const say = (name, text) => {
    state.dataset.state = name;
    state.textContent = text;
  };
  const stop = poll(5000, async (signal) => {
    try {
      const trends = await ctx.api.trends({ signal });
      known = merge(known, read(trends.samples ?? []), span);
      draw(drawn, known, (trends.every || 5) * 1000);
      say("live", known.length ? `As of ${clock(known.at(-1).at)}` : "No samples yet: the first comes within seconds.");
    } catch (err) {
      if (signal.aborted) return;
      say("stale", `Not up to date: ${err.words ?? err.message}`);
    }
  });
  nameMember(where, ctx);
  const silent = ctx.api.onConnection(({ lost }) => lost && say("stale", "Not up to date: no connection."));
  return () => {
    stop();
    silent();
    for (const plot of drawn) plot.close();
  };
}

// nameMember says whose figures these are, once that is known.
async function nameMember(where, ctx) {
  try {
    const { member } = await ctx.api.status();
    where.textContent = `The last 15 minutes of ${member.name || member.id}, the member that answers here.`;
  } catch {
    // Then it stays unnamed: the charts do not depend on it.
  }
}

function draw(drawn, samples, every) {
  const frame = frames(samples, every);
  const to = samples.length ? samples.at(-1).at : Date.now();
  const values = {
    requests: frame.requests, latency: frame.latency,
    watchers: { watchers: frame.watchers }, pending: { pending: frame.pending }, memory: { memory: frame.memory },
  };
  for (const plot of drawn) {
    plot.update({ from: to - span, to, times: frame.times, broken: frame.broken, values: values[plot.options.name] });
  }
}
