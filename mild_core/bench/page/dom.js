/** @typedef {{key: string, title: string, region: string, unit: string, better: "higher"|"lower", digits: number, common: number, ofSets: boolean}} Measure */
/** @typedef {{name: string, about: string, cases: number, errors: [string, string][]}} Eraser */

/**
 * An element with attributes, listeners (onclick: f) and children. Text is set as text, never read as HTML.
 * @param {string} name @param {Record<string, any>} [attributes] @param {...(Node|string)} children
 */
function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. @param {string} name @param {Record<string, any>} [attributes] @param {...(Node|string)} children */
function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** A number of the data: null is none, and infinity travels as a word. @param {number|string|null} value */
function num(value) {
  return value === null || value === undefined ? NaN : Number(value);
}

/** @param {number} value @param {number} digits */
function told(value, digits) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return value.toFixed(digits).replace("-", "−");
}

/** @param {number} value */
function percent(value) {
  return Number.isNaN(value) ? "–" : `${Math.round(100 * value)} %`;
}

/** A labelled choice. @param {string} label @param {[string, string][]} options @param {string} value @param {(value: string) => void} changed */
function choice(label, options, value, changed) {
  const field = el("select", { onchange: () => changed(field.value) }, ...options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)));
  return el("label", {}, label, field);
}

/** @param {Measure} measure */
function labelOf(measure) {
  return measure.region ? `${measure.title}, ${measure.region}` : measure.title;
}

/** @param {Measure} measure */
function arrowOf(measure) {
  return measure.better === "higher" ? "↑" : "↓";
}

/** Better first. @param {Measure} measure @param {number} a @param {number} b */
function betterFirst(measure, a, b) {
  if (a === b) return 0;
  return (a > b ? -1 : 1) * (measure.better === "higher" ? 1 : -1);
}

/** At most so many letters. @param {string} text @param {number} letters */
function cut(text, letters) {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}
