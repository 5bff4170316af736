// The text of a composition, which the node's input `composition` holds: the format's rules, which are those of
// mild_core/compose/arrangement.py, words of errors included.

import { BLENDS } from "./blend.js";

/** @import { Blend } from "./blend.js" */
/** @import { Composition, Placement } from "./arrangement.js" */

export const VERSION = 1;
const FARTHEST = 1_000_000; // photo pixels that a layer may be moved

/**
 * The ranges of a placement's numbers.
 * @type {Record<string, [number, number]>}
 */
export const LIMITS = {
  x: [-FARTHEST, FARTHEST], y: [-FARTHEST, FARTHEST], scale_x: [0.01, 100], scale_y: [0.01, 100],
  rotation: [-FARTHEST, FARTHEST], opacity: [0, 1],
};

/** What a placement is where nothing else is said. */
export const DEFAULTS = Object.freeze({
  fingerprint: "", x: 0, y: 0, scale_x: 1, scale_y: 1, rotation: 0, flip_x: false, flip_y: false, opacity: 1,
  blend: /** @type {Blend} */ ("normal"), visible: true,
});

/**
 * A composition from its text.
 * @param {string} text "" or only spaces: not composed by hand.
 * @returns {Composition | null} null for an empty text.
 * @throws {Error} Whose message names what was wrong and what it must be.
 */
export function parse(text) {
  if (!text.trim()) return null;
  /** @type {any} */
  let whole;
  try {
    whole = JSON.parse(text);
  } catch {
    refuse(`is ${quoted(text)}`, "must be JSON, as the Flex Composer writes it, or empty");
  }
  if (!isObject(whole)) refuse(`is ${shown(whole)}`, "must be a JSON object");
  if (whole.version !== VERSION) refuse(`has the version ${shown(whole.version)}`, `must have the version ${VERSION}`);
  onlyKnown(whole, ["version", "canvas", "layers"], "");
  const { canvas, layers } = whole;
  if (!Array.isArray(canvas) || canvas.length !== 2 || !canvas.every(isSide)) {
    const must = `must have its width and height, two whole numbers from 1 to ${FARTHEST}`;
    refuse(`has the canvas ${shown(canvas)}`, must);
  }
  if (!Array.isArray(layers)) refuse(`has the layers ${shown(layers)}`, "must have a list of layers");
  const placed = layers.map((entry, i) => parsePlacement(entry, `, layer ${i + 1},`));
  const seen = new Set();
  for (const { key } of placed) {
    if (seen.has(key)) refuse(`has the key ${shown(key)} twice`, "must have another key for each layer");
    seen.add(key);
  }
  return { version: VERSION, canvas: [canvas[0], canvas[1]], layers: placed };
}

/**
 * @param {any} entry
 * @param {string} where
 * @returns {Placement}
 */
function parsePlacement(entry, where) {
  if (!isObject(entry)) refuse(`${where} is ${shown(entry)}`, "must be a JSON object");
  onlyKnown(entry, ["key", "layer", ...Object.keys(DEFAULTS)], where);
  for (const name of ["key", "layer"]) {
    if (typeof entry[name] !== "string" || !entry[name]) {
      refuse(`${where} has the ${name} ${shown(entry[name])}`, "must be a text that is not empty");
    }
  }
  /** @type {any} */
  const made = { key: entry.key, layer: entry.layer };
  for (const [name, value] of Object.entries(DEFAULTS)) {
    made[name] = name in entry ? entry[name] : value;
    const must = fault(name, made[name]);
    if (must) refuse(`${where} has the ${name} ${shown(made[name])}`, must);
  }
  return made;
}

/**
 * What a value of a placement must be, if it is not; else "".
 * @param {string} name
 * @param {any} value
 */
function fault(name, value) {
  if (name === "fingerprint") return typeof value === "string" ? "" : "must be a text";
  if (name === "blend") return BLENDS.includes(value) ? "" : `must be one of ${BLENDS.join(", ")}`;
  if (!(name in LIMITS)) return typeof value === "boolean" ? "" : "must be true or false";
  const [low, high] = LIMITS[name];
  return typeof value === "number" && value >= low && value <= high ? "" : `must be a number from ${low} to ${high}`;
}

/** @param {any} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {any} side */
const isSide = (side) => Number.isInteger(side) && side >= 1 && side <= FARTHEST;

/** @param {object} entry @param {string[]} names @param {string} where */
function onlyKnown(entry, names, where) {
  for (const name of Object.keys(entry)) {
    if (!names.includes(name)) refuse(`${where} has the name ${shown(name)}`, `must have none but ${names.join(", ")}`);
  }
}

/** @param {any} value */
function shown(value) {
  const text = value === undefined || value === null ? "missing" : JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

/** @param {string} text */
const quoted = (text) => `'${text.slice(0, 40)}'`;

/**
 * @param {string} what
 * @param {string} must
 * @returns {never}
 */
function refuse(what, must) {
  throw new Error(`composition${what.startsWith(",") ? what : ` ${what.trim()}`}, but it ${must}`);
}

/**
 * The text of a composition, without what is default; "" for null.
 * @param {Composition | null} composition
 * @returns {string}
 */
export function serialise(composition) {
  if (!composition) return "";
  /** @type {Record<string, unknown>} */
  const defaults = DEFAULTS;
  const layers = composition.layers.map((placed) =>
    Object.fromEntries(Object.entries(placed).filter(([name, value]) => value !== defaults[name])));
  return JSON.stringify({ version: VERSION, canvas: composition.canvas, layers });
}
