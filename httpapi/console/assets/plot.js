import { h, replace, svg } from "./dom.js";
import { line, minutes, nearest, steps } from "./scale.js";

const height = 190;
const edge = { top: 10, right: 10, bottom: 24, left: 60 };
const nothing = "nothing measured yet";

// Plot shows figures over time: axes, a line for each series, a legend with
// the values of one moment, and the same as a table. The moment is the newest,
// or the one that the pointer or the arrow keys have moved to.
//
// options: { name, title, note, series: [{ name, title }], format, base, least }.
// data, as given to update: { from, to, times, broken, values: { name: [] } },
// where null is a value that is not known.
export class Plot {
  constructor(options) {
    this.options = options;
    this.data = null;
    this.at = null; // the moment moved to
    this.width = 0;
    this.build();
    this.sizes = new ResizeObserver((seen) => this.resize(seen[0].contentRect.width));
    this.sizes.observe(this.slider);
  }

  // close ends what watches the plot's size.
  close() {
    this.sizes.disconnect();
  }

  update(data) {
    this.data = data;
    if (this.at !== null && this.at < data.from) this.at = null;
    this.draw();
  }

  build() {
    const { name, title, note, series } = this.options;
    this.svg = svg("svg", { class: "chart-svg", "data-test": "chart-svg", "aria-hidden": true, focusable: "false" });
    this.slider = h("div", {
      class: "chart-plot", "data-test": "chart-cursor", "data-at": "", role: "slider", tabindex: 0,
      "aria-label": `${title}: move through time with the arrow keys`,
      "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0, "aria-valuetext": nothing,
      onpointermove: (e) => this.point(e),
      onpointerdown: (e) => this.point(e),
      onpointerleave: (e) => e.pointerType === "mouse" && this.move(null),
      onkeydown: (e) => this.key(e),
      // Who comes by keyboard gets a moment that stays, not one that changes
      // every few seconds while it is read out.
      onfocus: () => this.at === null && this.move(this.data?.times.at(-1) ?? null),
      onblur: () => this.move(null),
    }, this.svg);
    this.readout = h("p", { class: "chart-readout", "data-test": "chart-readout" }, nothing);
    this.shown = series.map(() => h("span", { class: "chart-value" }, "–"));
    this.element = h("figure", { class: "chart card", "data-test": "chart", "data-chart": name, "aria-labelledby": `chart-${name}` },
      h("div", { class: "chart-head" }, h("h2", { class: "chart-title", id: `chart-${name}` }, title), this.readout),
      h("p", { class: "chart-note" }, note),
      this.slider,
      h("ul", { class: "chart-legend", "data-test": "chart-legend" }, series.map((s, i) => h("li", { class: "chart-entry" },
        svg("svg", { class: "chart-swatch", "aria-hidden": true, viewBox: "0 0 22 10" },
          svg("path", { class: `chart-line series-${i + 1}`, d: "M1 5H21" })),
        h("span", { class: "chart-name" }, s.title), this.shown[i]))),
      this.buildTable());
  }

  // buildTable makes the table, which is filled when it is opened and stays as
  // it is then: nobody can read what changes under them.
  buildTable() {
    const table = h("table", { class: "table chart-table", "data-test": "chart-table" });
    const frame = h("div", { class: "chart-table-frame", tabindex: 0, role: "region", "aria-label": `${this.options.title} as a table` }, table);
    return h("details", {
      class: "chart-details",
      ontoggle: (e) => (e.currentTarget.open && this.data ? this.fill(table) : replace(table)),
    }, h("summary", { "data-test": "chart-table-open" }, "Show as table"), frame);
  }

  fill(table) {
    const { series, format, title } = this.options;
    const { times, values, to } = this.data;
    const rows = times.map((time, i) => h("tr", {},
      h("th", { scope: "row" }, clock(time)), series.map((s) => h("td", {}, show(values[s.name][i], format)))));
    replace(table,
      h("caption", {}, `${title}, the 15 minutes before ${clock(to)}, newest first`),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), series.map((s) => h("th", { scope: "col" }, s.title)))),
      h("tbody", {}, rows.reverse()));
  }

  resize(width) {
    if (Math.round(width) === this.width) return;
    this.width = Math.round(width);
    this.draw();
  }

  draw() {
    if (!this.data || this.width === 0) return;
    const { series, base, least } = this.options;
    const { from, to, times, broken, values } = this.data;
    const known = series.flatMap((s) => values[s.name]).filter((v) => v !== null);
    const marks = steps(Math.max(0, ...known), { base, least });
    const right = this.width - edge.right, bottom = height - edge.bottom;
    this.x = (at) => edge.left + ((at - from) / (to - from)) * (right - edge.left);
    this.y = (value) => bottom - (value / marks.at(-1)) * (bottom - edge.top);
    for (const [name, value] of [["viewBox", `0 0 ${this.width} ${height}`], ["width", this.width], ["height", height]]) {
      this.svg.setAttribute(name, value);
    }
    this.mark = svg("g", {});
    replace(this.svg, this.drawAxes(marks, from, to, right, bottom), series.map((s, i) => svg("path", {
      class: `chart-line series-${i + 1}`, "data-test": "chart-line", "data-series": s.name,
      d: line(values[s.name], broken, (n) => this.x(times[n]), this.y),
    })), this.mark);
    this.showMoment();
  }

  drawAxes(marks, from, to, right, bottom) {
    const times = minutes(from, to, this.width < 420 ? 5 : 3)
      .map((at) => [this.x(at), clock(at).slice(0, 5)])
      .filter(([x]) => x > edge.left + 14 && x < right - 14);
    return svg("g", { class: "chart-axes" },
      marks.map((mark) => [
        svg("path", { class: "chart-grid", d: `M${edge.left} ${this.y(mark)}H${right}` }),
        svg("text", { x: edge.left - 8, y: this.y(mark) + 4, "text-anchor": "end" }, this.options.format(mark)),
      ]),
      times.map(([x, text]) => [
        svg("path", { class: "chart-tick", d: `M${x} ${bottom}v4` }),
        svg("text", { x, y: height - 6, "text-anchor": "middle" }, text),
      ]));
  }

  // showMoment brings cursor, legend and readout to the moment moved to.
  showMoment() {
    const { series, format } = this.options;
    const { times, values } = this.data;
    const i = this.at === null ? times.length - 1 : nearest(times, this.at);
    const time = i < 0 ? "" : clock(times[i]);
    const texts = series.map((s) => show(values[s.name][i], format));
    texts.forEach((text, n) => { this.shown[n].textContent = text; });
    this.readout.textContent = this.at !== null ? time : time ? `now, ${time}` : nothing;
    const told = {
      "aria-valuemax": Math.max(0, times.length - 1), "aria-valuenow": Math.max(0, i),
      "aria-valuetext": time ? [time, ...series.map((s, n) => `${s.title} ${texts[n]}`)].join(", ") : nothing,
      "data-at": this.at === null ? "" : time,
    };
    for (const [name, value] of Object.entries(told)) this.slider.setAttribute(name, String(value));
    if (this.at === null || i < 0) {
      replace(this.mark);
      return;
    }
    const x = this.x(times[i]);
    replace(this.mark,
      svg("path", { class: "chart-cursor", d: `M${x} ${edge.top}V${height - edge.bottom}` }),
      series.map((s, n) => values[s.name][i] !== null && svg("circle", {
        class: `chart-dot series-${n + 1}`, cx: x, cy: this.y(values[s.name][i]), r: 4,
      })));
  }

  // move goes to the moment at; null is back to the newest.
  move(at) {
    if (this.at === at || !this.mark) return;
    this.at = at;
    this.showMoment();
  }

  point(event) {
    if (!this.mark) return;
    const { from, to, times } = this.data;
    const share = (event.clientX - this.svg.getBoundingClientRect().left - edge.left) / (this.width - edge.left - edge.right);
    const i = nearest(times, from + share * (to - from));
    this.move(i < 0 ? null : times[i]);
  }

  key(event) {
    if (!this.mark || this.data.times.length === 0) return;
    const { times } = this.data;
    const last = times.length - 1;
    const here = this.at === null ? last : nearest(times, this.at);
    const stops = {
      ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1,
      PageUp: here + 12, PageDown: here - 12, Home: 0, End: last,
    };
    if (event.key === "Escape") {
      this.move(null);
    } else if (event.key in stops) {
      event.preventDefault();
      this.move(times[Math.min(last, Math.max(0, stops[event.key]))]);
    }
  }
}

// clock is the time of day of at, where the reader is.
export function clock(at) {
  const d = new Date(at);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

function show(value, format) {
  return value === null || value === undefined ? "–" : format(value);
}
