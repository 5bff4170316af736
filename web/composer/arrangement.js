// A composition: which layers lie where on the canvas. The state of the Flex Composer, and all that can be done to it;
// nothing here changes what it is given. The same rules as mild_core/compose/arrangement.py.

import { BLENDS } from "./blend.js";
import { bounds, onCanvas } from "./geometry.js";

/** @import { Blend } from "./blend.js" */
/** @import { Box } from "./geometry.js" */

/**
 * One layer put on the canvas.
 * @typedef {object} Placement
 * @property {string} key Unique within the composition.
 * @property {string} layer "background", "backdrop", or a person's id.
 * @property {string} fingerprint Of the layer's content when it was placed; "" when nobody knows.
 * @property {number} x How far the centre of the layer's box is moved from where it was cut, in pixels of the photo.
 * @property {number} y
 * @property {number} scale_x 0.01 to 100.
 * @property {number} scale_y
 * @property {number} rotation Degrees, clockwise.
 * @property {boolean} flip_x
 * @property {boolean} flip_y
 * @property {number} opacity 0 to 1.
 * @property {Blend} blend
 * @property {boolean} visible
 */

/**
 * @typedef {object} Composition
 * @property {1} version
 * @property {[number, number]} canvas Width and height of the photo.
 * @property {readonly Placement[]} layers Bottom first.
 */

/**
 * A layer that a run gave, as the node's `ui` names it (`mild_layers[0].layers`, bottom first).
 * @typedef {object} LayerInfo
 * @property {string} id
 * @property {string} name
 * @property {string} label
 * @property {string} fingerprint
 * @property {Box} box Left, top, right, bottom in pixels of the photo.
 * @property {boolean} erased
 * @property {number} depth 0 is nearest.
 */

const VERSION = 1;
const FARTHEST = 1_000_000; // photo pixels that a layer may be moved

/**
 * The ranges of a placement's numbers.
 * @type {Record<string, [number, number]>}
 */
export const LIMITS = {
  x: [-FARTHEST, FARTHEST], y: [-FARTHEST, FARTHEST], scale_x: [0.01, 100], scale_y: [0.01, 100],
  rotation: [-FARTHEST, FARTHEST], opacity: [0, 1],
};

const GRIP = 1 / 50; // of the canvas's longer side: what must be on it of a layer for a hand to grab it

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

/**
 * What the node gives where nobody composed: all layers where they were cut, those who go invisible, and the background
 * too where a backdrop stands in for it.
 * @param {[number, number]} canvas Width and height of the photo.
 * @param {readonly LayerInfo[]} layers Bottom first.
 * @returns {Composition}
 */
export function defaultComposition(canvas, layers) {
  const swapped = layers.some(({ id }) => id === "backdrop");
  const placed = layers.map(({ id, fingerprint, erased }, i) =>
    placementOf(String(i + 1), { id, fingerprint }, { visible: !erased && !(swapped && id === "background") }));
  return { version: VERSION, canvas, layers: placed };
}

/**
 * @param {string} key
 * @param {{id: string, fingerprint: string}} layer
 * @param {Partial<Placement>} change
 * @returns {Placement}
 */
function placementOf(key, layer, change) {
  return { ...DEFAULTS, ...change, key, layer: layer.id, fingerprint: layer.fingerprint };
}

/**
 * @param {Composition} composition
 * @param {readonly Placement[]} layers
 * @returns {Composition}
 */
const having = (composition, layers) => ({ ...composition, layers });

/**
 * The composition for a photo of another size: x and y are multiplied by the ratio of the widths and of the heights.
 * Itself for the same size.
 * @param {Composition} composition
 * @param {[number, number]} canvas
 * @returns {Composition}
 */
export function fitted(composition, canvas) {
  const [width, height] = composition.canvas;
  if (width === canvas[0] && height === canvas[1]) return composition;
  const right = canvas[0] / width, down = canvas[1] / height;
  return { ...composition, canvas, layers: composition.layers.map((p) => ({ ...p, x: p.x * right, y: p.y * down })) };
}

/**
 * Which layer each placement shows: that of its id; else one of the same fingerprint that no placement's id names; else
 * none (dormant: kept, not drawn).
 * @param {Composition} composition
 * @param {Iterable<{id: string, fingerprint: string}>} layers
 * @returns {Map<string, string | null>} Placement key to layer id, or null.
 */
export function reconcile(composition, layers) {
  const there = [...layers], ids = new Set(there.map(({ id }) => id));
  const named = new Set(composition.layers.map((p) => p.layer));
  /** @type {Map<string, string>} */
  const free = new Map();
  for (const { id, fingerprint } of there) {
    if (!named.has(id) && fingerprint && !free.has(fingerprint)) free.set(fingerprint, id);
  }
  return new Map(composition.layers.map((p) => [p.key, ids.has(p.layer) ? p.layer : free.get(p.fingerprint) ?? null]));
}

/**
 * The placement of a key, or null.
 * @param {Composition} composition
 * @param {string} key
 * @returns {Placement | null}
 */
export function placement(composition, key) {
  return composition.layers.find((p) => p.key === key) ?? null;
}

/** @param {Composition} composition @returns {string} A key that is not in use. */
function freeKey(composition) {
  const numbers = composition.layers.map(({ key }) => (/^[0-9]{1,9}$/.test(key) ? Number(key) : 0));
  return String(Math.max(0, ...numbers) + 1);
}

/**
 * Put a layer on the canvas, above the others, where it was cut. Its key is the last placement's of the result.
 * @param {Composition} composition
 * @param {{id: string, fingerprint: string}} layer
 * @param {Partial<Placement>} [change] Other than default.
 * @returns {Composition}
 */
export function add(composition, layer, change = {}) {
  return having(composition, [...composition.layers, placementOf(freeKey(composition), layer, change)]);
}

/**
 * @param {Composition} composition
 * @param {string} key
 * @returns {Composition}
 */
export function remove(composition, key) {
  return having(composition, composition.layers.filter((p) => p.key !== key));
}

/**
 * A copy of a placement, right above it, moved by `by` photo pixels right and down so that it can be seen.
 * @param {Composition} composition
 * @param {string} key
 * @param {number} [by]
 * @returns {{composition: Composition, key: string}} And the key of the copy.
 */
export function duplicate(composition, key, by = 0) {
  const made = freeKey(composition);
  const copied = (/** @type {Placement} */ p) => ({ ...p, key: made, x: p.x + by, y: p.y + by });
  const layers = composition.layers.flatMap((p) => (p.key === key ? [p, copied(p)] : [p]));
  return { composition: having(composition, layers), key: made };
}

/**
 * Move a placement to a place in the order.
 * @param {Composition} composition
 * @param {string} key
 * @param {number} place 0 is the bottom; what is beyond the ends is brought to them.
 * @returns {Composition}
 */
export function reorder(composition, key, place) {
  const moved = placement(composition, key);
  if (!moved) return composition;
  const layers = composition.layers.filter((p) => p !== moved);
  layers.splice(Math.min(Math.max(place, 0), layers.length), 0, moved);
  return layers.every((p, i) => p === composition.layers[i]) ? composition : having(composition, layers);
}

/**
 * Change a placement. Numbers are brought into their range; what is not finite is left as it was.
 * @param {Composition} composition
 * @param {string} key
 * @param {Partial<Omit<Placement, "key">>} change
 * @returns {Composition}
 */
export function update(composition, key, change) {
  /** @type {any} */
  const good = {};
  for (const [name, value] of Object.entries(change)) {
    const limits = LIMITS[name];
    if (!limits) good[name] = value;
    else if (Number.isFinite(value)) good[name] = Math.min(Math.max(Number(value), limits[0]), limits[1]);
  }
  return having(composition, composition.layers.map((p) => (p.key === key ? { ...p, ...good, key } : p)));
}

/**
 * The boxes of the layers that the placements show, by placement key.
 * @param {Composition} composition
 * @param {readonly LayerInfo[]} layers
 * @returns {Map<string, Box>}
 */
function boxes(composition, layers) {
  const byId = new Map(layers.map((layer) => [layer.id, layer.box]));
  const found = [...reconcile(composition, layers)].flatMap(([key, id]) => {
    const box = id === null ? undefined : byId.get(id);
    return box ? [/** @type {[string, Box]} */ ([key, box])] : [];
  });
  return new Map(found);
}

/**
 * Where a placement that is being dragged snaps to: its edges and centre to those of the canvas and of the other
 * visible layers.
 * @param {Composition} composition
 * @param {string} key
 * @param {readonly LayerInfo[]} layers
 * @param {number} tolerance Pixels of the photo.
 * @returns {{x: number, y: number, guides: {axis: "x" | "y", at: number}[]}} The placement's new x and y (its own where
 *   nothing is near), and the lines to show: axis "x" is an upright line at that x.
 */
export function snap(composition, key, layers, tolerance) {
  const shown = boxes(composition, layers), moved = placement(composition, key), box = shown.get(key);
  if (!moved || !box) return { x: moved?.x ?? 0, y: moved?.y ?? 0, guides: [] };
  const [width, height] = composition.canvas;
  /** @type {Box[]} */
  const others = [[0, 0, width, height]];
  for (const other of composition.layers) {
    const its = shown.get(other.key);
    if (its && other.key !== key && other.visible) others.push(bounds(other, its));
  }
  const own = bounds(moved, box);
  const across = nearest(lines(own, 0), others.flatMap((each) => lines(each, 0)), tolerance);
  const down = nearest(lines(own, 1), others.flatMap((each) => lines(each, 1)), tolerance);
  /** @type {{axis: "x" | "y", at: number}[]} */
  const guides = [];
  if (across) guides.push({ axis: "x", at: across.at });
  if (down) guides.push({ axis: "y", at: down.at });
  return { x: moved.x + (across?.by ?? 0), y: moved.y + (down?.by ?? 0), guides };
}

/** @param {Box} box @param {0 | 1} axis @returns {number[]} Both edges and the centre. */
const lines = (box, axis) => [box[axis], (box[axis] + box[axis + 2]) / 2, box[axis + 2]];

/**
 * The smallest move that brings one of some lines onto one of others.
 * @param {number[]} own
 * @param {number[]} others
 * @param {number} tolerance
 * @returns {{by: number, at: number} | null}
 */
function nearest(own, others, tolerance) {
  /** @type {{by: number, at: number} | null} */
  let best = null;
  for (const at of others) {
    for (const line of own) {
      const by = at - line;
      if (Math.abs(by) <= tolerance && (!best || Math.abs(by) < Math.abs(best.by))) best = { by, at };
    }
  }
  return best;
}

/**
 * Whether so little of a placed layer is on the canvas that nobody could grab it.
 * @param {Composition} composition
 * @param {string} key
 * @param {readonly LayerInfo[]} layers
 * @returns {boolean} false for a dormant one.
 */
export function isLost(composition, key, layers) {
  const lost = placement(composition, key), box = boxes(composition, layers).get(key);
  return !!lost && !!box && outOfReach(lost, box, composition.canvas);
}

/** @param {Placement} placed @param {Box} box @param {readonly [number, number]} canvas */
function outOfReach(placed, box, canvas) {
  const left = onCanvas(placed, box, canvas), all = bounds(placed, box), grip = Math.max(...canvas) * GRIP;
  if (!left) return true;
  return [0, 1].some((axis) => {
    const enough = Math.min(grip, (all[axis + 2] - all[axis]) / 2, canvas[axis] / 2);
    return left[axis + 2] - left[axis] < enough;
  });
}

/**
 * Bring a placement, or all (`key` null), back into view: one that is lost (see `isLost`) is moved until as much of it
 * as can be is on the canvas.
 * @param {Composition} composition
 * @param {string | null} key
 * @param {readonly LayerInfo[]} layers
 * @returns {Composition} Itself where nothing was lost.
 */
export function bringBack(composition, key, layers) {
  const shown = boxes(composition, layers);
  let any = false;
  const placed = composition.layers.map((each) => {
    const box = shown.get(each.key);
    if (!box || (key !== null && each.key !== key) || !outOfReach(each, box, composition.canvas)) return each;
    any = true;
    return broughtBack(each, box, composition.canvas);
  });
  return any ? having(composition, placed) : composition;
}

/** @param {Placement} lost @param {Box} box @param {readonly [number, number]} canvas @returns {Placement} */
function broughtBack(lost, box, canvas) {
  const all = bounds(lost, box);
  const [right, down] = [0, 1].map((axis) => inward(all[axis], all[axis + 2], canvas[axis]));
  const moved = { ...lost, x: Math.round(lost.x + right), y: Math.round(lost.y + down) };
  if (!outOfReach(moved, box, canvas)) return moved;
  // a long layer askew can miss a canvas that the box around it covers: its centre goes to the canvas's
  const [x, y] = [0, 1].map((axis) => Math.round((canvas[axis] - box[axis] - box[axis + 2]) / 2));
  return { ...lost, x, y };
}

/**
 * The least move that puts a stretch within 0..size, or makes it cover that.
 * @param {number} low
 * @param {number} high
 * @param {number} size
 */
function inward(low, high, size) {
  const [first, last] = high - low <= size ? [-low, size - high] : [size - high, -low];
  return Math.min(Math.max(0, Math.min(first, last)), Math.max(first, last));
}

/**
 * Put a placement back where its layer was cut, with all its other properties at their defaults. Key, layer and order
 * stay.
 * @param {Composition} composition
 * @param {string} key
 * @returns {Composition}
 */
export function resetOne(composition, key) {
  return having(composition, composition.layers.map((p) =>
    (p.key === key ? placementOf(key, { id: p.layer, fingerprint: p.fingerprint }, {}) : p)));
}

/**
 * Start over: the default composition of these layers. (Not composed by hand at all is the text "".)
 * @param {Composition} composition
 * @param {readonly LayerInfo[]} layers
 * @returns {Composition}
 */
export function resetAll(composition, layers) {
  return defaultComposition(composition.canvas, layers);
}

/**
 * What was, for undo and redo. Holds any immutable states; `T` is usually `Composition | null`.
 * @template T
 */
export class History {
  /** @type {T[]} */
  #before = [];
  /** @type {T[]} */
  #after = [];
  #gesture = "";
  #limit;

  /**
   * @param {T} state The first.
   * @param {number} [limit] Steps that are kept.
   */
  constructor(state, limit = 100) {
    /** @type {T} The state that holds. */
    this.now = state;
    this.#limit = limit;
  }

  /** @returns {boolean} */
  get canUndo() {
    return this.#before.length > 0;
  }

  /** @returns {boolean} */
  get canRedo() {
    return this.#after.length > 0;
  }

  /**
   * Take a new state. One that is the same object as the last is no step. Pushes of the same `gesture` (any string but
   * "") one after another are one step: pass a fresh name at each pointerdown, or "move:3" for key presses that shall
   * merge.
   * @param {T} state
   * @param {string} [gesture]
   */
  push(state, gesture = "") {
    if (state === this.now) return;
    if (!gesture || gesture !== this.#gesture) {
      this.#before.push(this.now);
      if (this.#before.length > this.#limit) this.#before.shift();
    }
    this.#gesture = gesture;
    this.#after = [];
    this.now = state;
  }

  /** End a gesture: the next push is a step of its own. */
  settle() {
    this.#gesture = "";
  }

  /** @returns {T} The state that holds now. */
  undo() {
    return this.#step(this.#before, this.#after);
  }

  /** @returns {T} The state that holds now. */
  redo() {
    return this.#step(this.#after, this.#before);
  }

  /**
   * Forget all steps: another state came from outside.
   * @param {T} state
   */
  reset(state) {
    this.#before = [];
    this.#after = [];
    this.#gesture = "";
    this.now = state;
  }

  /**
   * @param {T[]} from
   * @param {T[]} to
   * @returns {T}
   */
  #step(from, to) {
    this.#gesture = "";
    if (!from.length) return this.now;
    to.push(this.now);
    this.now = /** @type {T} */ (from.pop());
    return this.now;
  }
}
