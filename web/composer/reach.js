// Where placements lie on the canvas: what they snap to, and whether a hand can still reach them.

import { placement, reconcile } from "./arrangement.js";
import { bounds, onCanvas } from "./geometry.js";

/** @import { Composition, LayerInfo, Placement } from "./arrangement.js" */
/** @import { Box } from "./geometry.js" */

const GRIP = 1 / 50; // of the canvas's longer side: what must be on it of a layer for a hand to grab it

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
  return any ? { ...composition, layers: placed } : composition;
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
