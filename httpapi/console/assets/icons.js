import { svg } from "./dom.js";

// Drawings of 16 by 16, in strokes.
const strokes = {
  folder: "M1.8 4.2v8.1c0 .7.5 1.2 1.2 1.2h10c.7 0 1.2-.5 1.2-1.2V5.6c0-.7-.5-1.2-1.2-1.2H8L6.4 2.7H3c-.7 0-1.2.6-1.2 1.5z",
  key: "M9.3 6.7 14 2m-2.2 2.2 1.7 1.7M10 6a3.6 3.6 0 1 1-7.2 0A3.6 3.6 0 0 1 10 6zM3 13.6h6.5",
  value: "M3.6 1.8h5.6l3.2 3.2v9.2H3.6zM9 2v3.2h3.2M5.9 8.2h4.2M5.9 10.9h4.2",
  chevron: "m6 3.8 4.2 4.2L6 12.2",
  plus: "M8 3v10M3 8h10",
  pencil: "m2.6 13.4.7-3.2 7.6-7.6 2.5 2.5-7.6 7.6zM9.5 4l2.5 2.5",
  trash: "M2.5 4.2h11M6 4V2.4h4V4m2.3.2-.6 9.2H4.3l-.6-9.2M6.6 6.8v4.2M9.4 6.8v4.2",
  copy: "M5.6 5.6h7.8v7.8H5.6zM10.4 5.4V2.6H2.6v7.8h2.8",
  refresh: "M13.4 8a5.4 5.4 0 1 1-1.6-3.8l1.6 1.6M13.4 2.4v3.4H10",
  eye: "M1.6 8S4 3.6 8 3.6 14.4 8 14.4 8 12 12.4 8 12.4 1.6 8 1.6 8zM9.8 8a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0z",
  search: "M11.6 7a4.6 4.6 0 1 1-9.2 0 4.6 4.6 0 0 1 9.2 0zM10.4 10.4l3.6 3.6",
  clock: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 4.6V8l2.4 1.6",
  lock: "M3.6 7.2h8.8v6.4H3.6zM5.4 7V5a2.6 2.6 0 0 1 5.2 0v2",
  unlock: "M3.6 7.2h8.8v6.4H3.6zM5.4 7V4.6a2.6 2.6 0 0 1 5-.9",
  sun: "M10.8 8a2.8 2.8 0 1 1-5.6 0 2.8 2.8 0 0 1 5.6 0zM8 1.2v1.6M8 13.2v1.6M1.2 8h1.6M13.2 8h1.6M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M3.2 12.8l1.1-1.1M11.7 4.3l1.1-1.1",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z",
  auto: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 2v12M8 5h5M8 8h6M8 11h5",
  user: "M10.7 5.2a2.7 2.7 0 1 1-5.4 0 2.7 2.7 0 0 1 5.4 0zM2.8 13.8c.5-2.7 2.5-4.2 5.2-4.2s4.7 1.5 5.2 4.2",
  leave: "M9.6 2.6H3.4v10.8h6.2M7 8h6.8m-2.6-2.6L13.8 8l-2.6 2.6",
  close: "m4 4 8 8M12 4l-8 8",
  warning: "M8 2.2 14.4 13.4H1.6zM8 6.4v3.2M8 11.5v.2",
  stop: "M4 4h8v8H4z",
  home: "M2.4 7.4 8 2.6l5.6 4.8M4 6.4v7h8v-7",
};

// icon is a drawing that stands beside words, and is passed over when they
// are read aloud.
export function icon(name, className = "") {
  return svg("svg", {
    class: `icon ${className}`.trim(), viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", focusable: "false",
  }, svg("path", { d: strokes[name] }));
}
