// A composition: which layers lie where on the canvas. The state of the Flex Composer, and all that can be done to it;
// nothing here changes what it is given. The same rules as mild_core/compose/arrangement.py.

import { DEFAULTS, LIMITS, VERSION } from "./text.js";

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
