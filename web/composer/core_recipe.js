// To and from the recipe of the core's own compositor (the node ImageCompositor of newer cores).
//
// What was read: the frontend package 1.58.1, whose source maps hold `compositorLayerState.ts` (what is saved, what is
// refused), `compositorSave.ts`, `useLayerEditorSession.ts` and `place.ts` (what a transform means). There the recipe
// is the value of the widget "compositor", its `version` is 1, `transform` is the upright rectangle that the picture is
// drawn into before it is turned by `rotation` (radians, clockwise) around its centre, a flip mirrors the picture
// itself, `order` lists the pictures' numbers bottom first and is missing where they lie as they come in. A recipe
// counts only where its `inputs` equal the fingerprints that the core's node gave in its last run; it is passed over
// otherwise. The core blends in other colour spaces than W3C, mode by mode: places agree, mixed colours need not.
// None of this was run against a core that has the node.
//
// Our `layers_rgba` goes into its picture inputs: a core layer for each frame, as big as the photo, bottom first.

import { BLENDS } from "./blend.js";
import { placement, reconcile, update } from "./arrangement.js";
import { DEFAULTS } from "./text.js";
import { forward } from "./geometry.js";

/** @import { Blend } from "./blend.js" */
/** @import { Composition, LayerInfo, Placement } from "./arrangement.js" */

/**
 * @typedef {object} CoreLayer
 * @property {string} name
 * @property {boolean} visible
 * @property {number} opacity 0 to 1.
 * @property {string} blend The core has more modes than W3C names.
 * @property {{x: number, y: number, w: number, h: number, rotation: number}} transform Pixels of the canvas, radians.
 * @property {boolean} [flipH]
 * @property {boolean} [flipV]
 */

/**
 * @typedef {object} CoreRecipe
 * @property {1} version
 * @property {{w: number, h: number}} canvas
 * @property {string[]} [inputs] Fingerprints of the core's inputs.
 * @property {{color: string, opacity: number, visible: boolean}} [background] A plain colour below everything.
 * @property {number[]} [order] Numbers of the layers, bottom first; as they come in if it is missing.
 * @property {(CoreLayer | null)[]} layers In the order of the inputs; null is as it comes in.
 */

/**
 * The core's recipe for a composition.
 *
 * A core layer can lie in one place only: of a layer that is placed several times the topmost visible one is taken.
 * @param {Composition} composition
 * @param {readonly LayerInfo[]} layers All, bottom first, as in `layers_rgba`.
 * @param {string[]} [inputs] The fingerprints that the core's node gave, without which it passes the recipe over.
 * @returns {{recipe: CoreRecipe, lost: string[]}} And the keys of the placements that it cannot hold.
 */
export function toCore(composition, layers, inputs) {
  const [width, height] = composition.canvas, matched = reconcile(composition, layers);
  /** @type {Map<string, Placement>} */
  const chosen = new Map();
  for (const placed of composition.layers) {
    const id = matched.get(placed.key);
    if (id && (placed.visible || !chosen.get(id)?.visible)) chosen.set(id, placed);
  }
  const kept = new Set(Array.from(chosen.values(), ({ key }) => key));
  const unplaced = layers.flatMap((layer, i) => (chosen.has(layer.id) ? [] : [i]));
  const number = new Map(layers.map(({ id }, i) => [id, i]));
  const placed = composition.layers.filter(({ key }) => kept.has(key));
  const order = [...unplaced, ...placed.map(({ key }) => number.get(matched.get(key) ?? "") ?? 0)];
  /** @type {CoreRecipe} */
  const recipe = {
    version: 1,
    canvas: { w: width, h: height },
    ...(inputs ? { inputs: [...inputs] } : {}),
    background: { color: "#ffffff", opacity: 1, visible: false },
    ...(order.every((each, i) => each === i) ? {} : { order }),
    layers: layers.map((layer) => coreLayer(chosen.get(layer.id), layer, width, height)),
  };
  return { recipe, lost: composition.layers.flatMap(({ key }) => (kept.has(key) ? [] : [key])) };
}

/**
 * @param {Placement | undefined} placed
 * @param {LayerInfo} layer
 * @param {number} width Of the frame, which is the photo's.
 * @param {number} height
 * @returns {CoreLayer}
 */
function coreLayer(placed, layer, width, height) {
  const { id, name, box } = layer;
  if (!placed) {
    const transform = { x: 0, y: 0, w: width, h: height, rotation: 0 };
    return { name: name || id, visible: false, opacity: 1, blend: "normal", transform, flipH: false, flipV: false };
  }
  const centre = forward(placed, box, { x: width / 2, y: height / 2 });
  const w = width * placed.scale_x, h = height * placed.scale_y;
  return {
    name: name || id,
    visible: placed.visible,
    opacity: placed.opacity,
    blend: placed.blend,
    transform: { x: centre.x - w / 2, y: centre.y - h / 2, w, h, rotation: (placed.rotation * Math.PI) / 180 },
    flipH: placed.flip_x,
    flipV: placed.flip_y,
  };
}

/**
 * A composition from the core's recipe.
 * @param {unknown} value The recipe, or its JSON text.
 * @param {readonly LayerInfo[]} layers All, bottom first, as in `layers_rgba`.
 * @param {[number, number]} canvas Width and height of the photo. A recipe for a larger or smaller canvas keeps its
 *   places from the left top corner.
 * @returns {{composition: Composition, unknown: string[]}} And the blend modes that only the core has: "normal" here.
 * @throws {Error} If it is no such recipe, or for another number of layers.
 */
export function fromCore(value, layers, canvas) {
  const recipe = read(value);
  if (recipe.layers.length !== layers.length) {
    const [has, there] = [recipe.layers.length, layers.length];
    throw new Error(`the recipe is for ${has} layers, but there are ${there}: connect layers_rgba of the same run`);
  }
  /** @type {Set<string>} */
  const unknown = new Set();
  const order = isOrder(recipe.order, layers.length) ? recipe.order : layers.map((_, i) => i);
  /** @type {Composition} */
  let composition = {
    version: 1,
    canvas,
    layers: order.map((i) => {
      const { id, fingerprint } = layers[i];
      return { ...DEFAULTS, key: String(i + 1), layer: id, fingerprint };
    }),
  };
  for (const i of order) {
    const entry = recipe.layers[i], key = String(i + 1);
    if (!isEntry(entry)) continue; // which the core too takes for a layer as it comes in
    if (!BLENDS.includes(/** @type {Blend} */ (entry.blend))) unknown.add(entry.blend);
    composition = update(composition, key, changeOf(entry, unknown, canvas));
    const placed = /** @type {Placement} */ (placement(composition, key)), { x, y, w, h } = entry.transform;
    // the frame's centre is known; where the centre of the layer's box within it comes to lie follows
    const at = forward({ ...placed, x: 0, y: 0 }, layers[i].box, { x: canvas[0] / 2, y: canvas[1] / 2 });
    composition = update(composition, key, { x: tidy(x + w / 2 - at.x), y: tidy(y + h / 2 - at.y) });
  }
  return { composition, unknown: [...unknown] };
}

/**
 * @param {CoreLayer} entry
 * @param {Set<string>} unknown Modes that only the core has.
 * @param {[number, number]} canvas
 * @returns {Partial<Placement>}
 */
function changeOf(entry, unknown, [width, height]) {
  return {
    scale_x: tidy(Math.abs(entry.transform.w) / width),
    scale_y: tidy(Math.abs(entry.transform.h) / height),
    rotation: tidy((entry.transform.rotation * 180) / Math.PI),
    flip_x: entry.flipH === true,
    flip_y: entry.flipV === true,
    opacity: entry.opacity,
    blend: unknown.has(entry.blend) ? "normal" : /** @type {Blend} */ (entry.blend),
    visible: entry.visible,
  };
}

/** @param {number} value Free of what a turn to radians and back adds. */
const tidy = (value) => Math.round(value * 1e9) / 1e9;

/** @param {unknown} value @returns {{layers: any[], order?: unknown}} */
function read(value) {
  /** @type {any} */
  let recipe = value;
  if (typeof value === "string") {
    try {
      recipe = JSON.parse(value);
    } catch {
      recipe = null;
    }
  }
  if (typeof recipe !== "object" || recipe === null || !Array.isArray(recipe.layers)) {
    throw new Error("the recipe is not one of the core's compositor: it must be an object with a list of layers");
  }
  if (recipe.version !== undefined && recipe.version !== 1) {
    throw new Error(`the recipe has the version ${String(recipe.version)}, but it must have the version 1`);
  }
  return recipe;
}

/** @param {any} order @param {number} count @returns {order is number[]} */
function isOrder(order, count) {
  const each = Array.from({ length: count }, (_, i) => i);
  return Array.isArray(order) && order.length === count && each.every((i) => order.includes(i));
}

/** @param {any} entry @returns {entry is CoreLayer} */
function isEntry(entry) {
  const { x, y, w, h, rotation } = entry?.transform ?? {};
  const numbers = [x, y, w, h, rotation, entry?.opacity].every((number) => Number.isFinite(number));
  return numbers && typeof entry.visible === "boolean" && typeof entry.blend === "string";
}
