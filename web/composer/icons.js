// Small line drawings for buttons: 16 by 16, in the colour of the text.

/** @type {Record<string, string>} */
const LINES = {
  undo: "M6 3 2.5 6.5 6 10 M3 6.5h6.5a4 4 0 0 1 0 8H7",
  redo: "M10 3l3.5 3.5L10 10 M13 6.5H6.5a4 4 0 0 0 0 8H9",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z M8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 1 0 0-3.6z",
  hidden:
    "M2 2l12 12 M6.3 3.8A6 6 0 0 1 8 3.5C12 3.5 14.5 8 14.5 8a12 12 0 0 1-2 2.5 " +
    "M4.1 5A11 11 0 0 0 1.5 8S4 12.5 8 12.5a6 6 0 0 0 2.9-.8",
  copy: "M5.5 5.5h8v8h-8z M10.5 5.5V2.5h-8v8h3",
  trash: "M2.5 4.5h11 M6 4.5v-2h4v2 M4 4.5l.7 9h6.6l.7-9 M6.7 7v4 M9.3 7v4",
  magnet: "M3 2.5v6a5 5 0 0 0 10 0v-6h-3v6a2 2 0 0 1-4 0v-6z M3 5.5h3 M10 5.5h3",
  fit: "M2.5 6V2.5H6 M10 2.5h3.5V6 M13.5 10v3.5H10 M6 13.5H2.5V10",
  reset: "M3 3v3.5h3.5 M3.2 6.5A5.3 5.3 0 1 1 2.800 9",
  into: "M8 1.5v3 M8 11.5v3 M1.5 8h3 M11.5 8h3 M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 1 0 0-5z",
  mirror: "M8 1.5v13 M6 4 1.5 12H6z M10 4l4.5 8H10z",
  flip: "M1.5 8h13 M4 6l8-4.5V6z M4 10l8 4.5V10z",
  lock: "M3.5 7.5h9v6h-9z M5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  unlock: "M3.5 7.5h9v6h-9z M5.5 7.5V4.5a2.5 2.5 0 0 1 4.800-1",
  grip: "M6 3.5v.01 M10 3.5v.01 M6 8v.01 M10 8v.01 M6 12.5v.01 M10 12.5v.01",
  up: "M3.5 9.5 8 5l4.5 4.5",
  down: "M3.5 6.5 8 11l4.5-4.5",
  send: "M2.5 13.5h11 M8 10.5v-8 M4.5 6 8 2.5 11.5 6",
  fetch: "M2.5 13.5h11 M8 2.5v8 M4.5 7 8 10.5 11.5 7",
  erased: "M3 13.5h10 M9.5 2.5l4 4-6 6H5L2.5 10z M6 6l4 4",
};

/**
 * A drawing; nothing for readers of the screen, since its button is named.
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const drawing = shape("svg", { viewBox: "0 0 16 16", class: "mild-icon", "aria-hidden": "true" });
  drawing.append(shape("path", { d: LINES[name] }));
  return drawing;
}

/**
 * An element of a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
export function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
