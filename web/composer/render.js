// A composition drawn from pictures of its layers. The same arithmetic as mild_core/compose/render.py, pixel by pixel.
//
// A layer that is only moved by whole pixels or mirrored keeps its pixels. Any other is mapped back from the canvas and
// read between pixels (bilinear, on premultiplied colour, transparent outside); an axis that shrinks to half or less is
// first halved by means of two pixels until it does not.

import { reconcile } from "./arrangement.js";
import { mixer } from "./blend.js";
import { contains, inverse, middle, scales, turn } from "./geometry.js";

export { bounds, contains, forward, inverse, quad } from "./geometry.js";

/** @import { Composition, Placement } from "./arrangement.js" */
/** @import { Mix } from "./blend.js" */

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Box} Box */

/**
 * The picture of a layer, cropped to its box.
 * @typedef {object} Source
 * @property {Box} box Left, top, right and bottom in pixels of the photo.
 * @property {number} width Of the picture, in pixels of its own.
 * @property {number} height
 * @property {Uint8ClampedArray} data RGBA, straight; must not change once it was drawn: what is made of it is kept.
 * @property {string} fingerprint
 */

/**
 * @typedef {object} RenderOptions
 * @property {number} [scale] Pixels of the result for each of the photo; what makes the canvas fill it if missing.
 * @property {number} [quality] Above 0, at most 1: the share of the resolution that is worked in. 1 if missing.
 * @property {boolean} [float] Give `data` as Float32Array of 0..1 instead of bytes.
 * @property {Set<string>} [hidden] Keys of placements to leave out.
 */

/** @typedef {{width: number, height: number, data: Float32Array}} Pixels Premultiplied RGBA. */

/**
 * The affine map from pixel X, Y of the result to where its centre falls in a source, whose first pixel's centre is at
 * 0.5: x = xx·X + xy·Y + x0, y = yx·X + yy·Y + y0.
 * @typedef {object} Map2
 * @property {number} xx
 * @property {number} xy
 * @property {number} x0
 * @property {number} yx
 * @property {number} yy
 * @property {number} y0
 */

const SOLID = 0.1; // alpha above which a pixel can be clicked

/**
 * Draw a composition.
 *
 * Placements are matched with the sources by `arrangement.reconcile`, drawn bottom first over a transparent canvas;
 * what is invisible or dormant is not drawn. With `quality` below 1 the result is smaller: width·quality ×
 * height·quality.
 * @param {Composition} composition
 * @param {Map<string, Source>} sources By layer id, bottom first.
 * @param {number} width Of the result, in pixels.
 * @param {number} height
 * @param {RenderOptions} [options]
 * @returns {{width: number, height: number, data: Uint8ClampedArray | Float32Array}} RGBA, straight, as in ImageData.
 */
export function render(composition, sources, width, height, options = {}) {
  const { quality = 1, float = false, hidden } = options;
  const columns = Math.max(Math.round(width * quality), 1), rows = Math.max(Math.round(height * quality), 1);
  const across = options.scale === undefined ? columns / composition.canvas[0] : (options.scale * columns) / width;
  const down = options.scale === undefined ? rows / composition.canvas[1] : (options.scale * rows) / height;
  const out = cleared(columns * rows * 4);
  for (const [placement, source] of drawn(composition, sources)) {
    if (!placement.visible || hidden?.has(placement.key)) continue;
    lay(out, columns, rows, placement, source, across, down);
  }
  return { width: columns, height: rows, data: float ? out.slice() : bytes(out) };
}

let scratch = new Float32Array(0); // kept, since a drag draws many pictures of one size

/** @param {number} length @returns {Float32Array} Of zeros, good until the next call. */
function cleared(length) {
  if (scratch.length !== length) scratch = new Float32Array(length);
  return scratch.fill(0);
}

/**
 * The key of the topmost visible placement that shows something at a point of the canvas, or null.
 * @param {Composition} composition
 * @param {Map<string, Source>} sources
 * @param {Point} point
 * @returns {string | null}
 */
export function hitTest(composition, sources, point) {
  for (const [placement, source] of drawn(composition, sources).reverse()) {
    if (!placement.visible || !contains(placement, source.box, point)) continue;
    const [left, top, right, bottom] = source.box, at = inverse(placement, source.box, point);
    const column = Math.floor(((at.x - left) * source.width) / (right - left));
    const row = Math.floor(((at.y - top) * source.height) / (bottom - top));
    if (source.data[(row * source.width + column) * 4 + 3] > SOLID * 255) return placement.key;
  }
  return null;
}

/**
 * What is on the canvas, bottom first.
 * @param {Composition} composition
 * @param {Map<string, Source>} sources
 * @returns {[Placement, Source][]}
 */
function drawn(composition, sources) {
  const layers = Array.from(sources, ([id, { fingerprint }]) => ({ id, fingerprint }));
  const matched = reconcile(composition, layers);
  return composition.layers.flatMap((placement) => {
    const source = sources.get(matched.get(placement.key) ?? "");
    if (!source || source.width === 0 || source.height === 0) return [];
    return [/** @type {[Placement, Source]} */ ([placement, source])];
  });
}

/**
 * Lay a layer over what is there.
 * @param {Float32Array} out RGBA, straight, of the result; changed in place.
 * @param {number} columns Of the result.
 * @param {number} rows
 * @param {Placement} placement
 * @param {Source} source
 * @param {number} across Pixels of the result for each of the photo.
 * @param {number} down
 */
function lay(out, columns, rows, placement, source, across, down) {
  const map = mapBack(placement, source, across, down);
  const mix = placement.blend === "normal" ? null : mixer(placement.blend);
  if (isCopy(map)) {
    const [left, right] = span(map.xx, map.x0, source.width, columns);
    const [top, bottom] = span(map.yy, map.y0, source.height, rows);
    copy(out, columns, [left, top, right, bottom], source, map, placement.opacity, mix);
    return;
  }
  const [halfX, halfY] = [halvings(placement, source, across, 0), halvings(placement, source, down, 1)];
  const pixels = level(source, halfX, halfY);
  const box = reach(map, source, halfX, halfY, columns, rows);
  const stepX = 2 ** halfX, stepY = 2 ** halfY;
  const shrunk = {
    xx: map.xx / stepX, xy: map.xy / stepX, x0: map.x0 / stepX,
    yx: map.yx / stepY, yy: map.yy / stepY, y0: map.y0 / stepY,
  };
  read(out, columns, box, pixels, shrunk, placement.opacity, mix);
}

/**
 * @param {Placement} placement
 * @param {Source} source
 * @param {number} across
 * @param {number} down
 * @returns {Map2}
 */
function mapBack(placement, source, across, down) {
  const [left, top, right, bottom] = source.box;
  const finerX = source.width / (right - left), finerY = source.height / (bottom - top); // pixels for one of the photo
  const [cos, sin] = turn(placement.rotation), [wide, high] = scales(placement), c = middle(source.box);
  const xx = (cos / wide) * (finerX / across), xy = (sin / wide) * (finerX / down);
  const yx = (-sin / high) * (finerY / across), yy = (cos / high) * (finerY / down);
  const x = (c.x + placement.x) * across - 0.5, y = (c.y + placement.y) * down - 0.5; // the placed centre
  return { xx, xy, x0: source.width / 2 - xx * x - xy * y, yx, yy, y0: source.height / 2 - yx * x - yy * y };
}

/**
 * Whether pixels fall on pixels.
 * @param {Map2} map
 * @returns {boolean}
 */
function isCopy({ xx, xy, x0, yx, yy, y0 }) {
  const whole = Number.isInteger(x0 - 0.5) && Number.isInteger(y0 - 0.5);
  return xy === 0 && yx === 0 && Math.abs(xx) === 1 && Math.abs(yy) === 1 && whole;
}

/**
 * The columns (or rows) of the result that a copied source covers, half open.
 * @param {number} step 1 or −1.
 * @param {number} start Where the result's first pixel falls in the source.
 * @param {number} size Of the source.
 * @param {number} limit Of the result.
 * @returns {[number, number]}
 */
function span(step, start, size, limit) {
  const first = step > 0 ? 0.5 - start : start - (size - 0.5);
  return [Math.max(first, 0), Math.min(first + size, limit)];
}

/**
 * How often an axis is halved before it is read.
 * @param {Placement} placement
 * @param {Source} source
 * @param {number} density Pixels of the result for each of the photo.
 * @param {0 | 1} axis 0 across, 1 down.
 */
function halvings(placement, source, density, axis) {
  const own = (axis ? source.height : source.width) / (source.box[axis + 2] - source.box[axis]);
  let scale = ((axis ? placement.scale_y : placement.scale_x) * density) / own, count = 0;
  while (scale <= 0.5) {
    scale *= 2;
    count++;
  }
  return count;
}

/**
 * The pixels of the result that a layer reaches: half a pixel beyond its edge, where it fades out.
 * @param {Map2} map
 * @param {Source} source
 * @param {number} halfX
 * @param {number} halfY
 * @param {number} columns
 * @param {number} rows
 * @returns {Box} Half open, within the result.
 */
function reach({ xx, xy, x0, yx, yy, y0 }, source, halfX, halfY, columns, rows) {
  const size = xx * yy - xy * yx;
  const x = (yy * (source.width / 2 - x0) - xy * (source.height / 2 - y0)) / size;
  const y = (xx * (source.height / 2 - y0) - yx * (source.width / 2 - x0)) / size;
  const halfWide = source.width / 2 + 2 ** halfX, halfHigh = source.height / 2 + 2 ** halfY;
  const wide = (Math.abs(yy) * halfWide + Math.abs(xy) * halfHigh) / Math.abs(size);
  const high = (Math.abs(yx) * halfWide + Math.abs(xx) * halfHigh) / Math.abs(size);
  return [
    Math.max(Math.floor(x - wide), 0), Math.max(Math.floor(y - high), 0),
    Math.min(Math.ceil(x + wide) + 1, columns), Math.min(Math.ceil(y + high) + 1, rows),
  ];
}

/** @type {WeakMap<Uint8ClampedArray, Map<string, Pixels>>} */
const levels = new WeakMap();

/**
 * A source, premultiplied and halved, kept for the next time.
 * @param {Source} source
 * @param {number} halfX
 * @param {number} halfY
 * @returns {Pixels}
 */
function level(source, halfX, halfY) {
  const kept = levels.get(source.data) ?? new Map();
  levels.set(source.data, kept);
  const key = `${halfX},${halfY}`;
  let pixels = kept.get(key);
  if (!pixels) {
    if (halfY > 0) pixels = halvedDown(level(source, halfX, halfY - 1));
    else if (halfX > 0) pixels = halvedAcross(level(source, halfX - 1, 0));
    else pixels = premultiplied(source);
    kept.set(key, pixels);
  }
  return pixels;
}

/** @param {Source} source @returns {Pixels} */
function premultiplied({ width, height, data: from }) {
  const data = new Float32Array(from.length);
  for (let i = 0; i < from.length; i += 4) {
    const alpha = from[i + 3] / 255;
    data[i] = (from[i] / 255) * alpha;
    data[i + 1] = (from[i + 1] / 255) * alpha;
    data[i + 2] = (from[i + 2] / 255) * alpha;
    data[i + 3] = alpha;
  }
  return { width, height, data };
}

/**
 * The means of pairs of columns; a last one without a partner is paired with transparency.
 * @param {Pixels} pixels
 * @returns {Pixels}
 */
function halvedAcross({ width, height, data: from }) {
  const half = Math.ceil(width / 2), data = new Float32Array(half * height * 4);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < half; column++) {
      const one = (row * width + column * 2) * 4, to = (row * half + column) * 4, paired = column * 2 + 1 < width;
      for (let i = 0; i < 4; i++) data[to + i] = (from[one + i] + (paired ? from[one + 4 + i] : 0)) * 0.5;
    }
  }
  return { width: half, height, data };
}

/**
 * The same of rows.
 * @param {Pixels} pixels
 * @returns {Pixels}
 */
function halvedDown({ width, height, data: from }) {
  const half = Math.ceil(height / 2), stride = width * 4, data = new Float32Array(half * stride);
  for (let row = 0; row < half; row++) {
    const one = row * 2 * stride, paired = row * 2 + 1 < height;
    for (let i = 0; i < stride; i++) {
      data[row * stride + i] = (from[one + i] + (paired ? from[one + stride + i] : 0)) * 0.5;
    }
  }
  return { width, height: half, data };
}

/**
 * Lay a source over the result where pixels fall on pixels.
 * @param {Float32Array} out
 * @param {number} columns
 * @param {Box} box Of the result.
 * @param {Source} source
 * @param {Map2} map
 * @param {number} opacity
 * @param {Mix | null} mix
 */
function copy(out, columns, [left, top, right, bottom], { width, data }, map, opacity, mix) {
  for (let Y = top; Y < bottom; Y++) {
    const row = Math.floor(map.yy * Y + map.y0) * width;
    for (let X = left; X < right; X++) {
      const i = (row + Math.floor(map.xx * X + map.x0)) * 4, alpha = data[i + 3];
      if (alpha === 0) continue;
      const at = (Y * columns + X) * 4;
      over(out, at, data[i] / 255, data[i + 1] / 255, data[i + 2] / 255, (alpha / 255) * opacity, mix);
    }
  }
}

/**
 * Lay a source over the result, read between its pixels.
 * @param {Float32Array} out
 * @param {number} columns
 * @param {Box} box Of the result.
 * @param {Pixels} pixels
 * @param {Map2} map
 * @param {number} opacity
 * @param {Mix | null} mix
 */
function read(out, columns, [left, top, right, bottom], { width, height, data }, map, opacity, mix) {
  const { xx, yx } = map;
  for (let Y = top; Y < bottom; Y++) {
    const startX = map.xy * Y + map.x0 - 0.5, startY = map.yy * Y + map.y0 - 0.5;
    for (let X = left; X < right; X++) {
      const x = xx * X + startX, y = yx * X + startY;
      if (x <= -1 || y <= -1 || x >= width || y >= height) continue;
      const column = Math.floor(x), row = Math.floor(y), toRight = x - column, toBottom = y - row;
      let a = (1 - toRight) * (1 - toBottom), b = toRight * (1 - toBottom);
      let c = (1 - toRight) * toBottom, d = toRight * toBottom;
      let i = (row * width + column) * 4, j = i + 4, k = i + width * 4, l = k + 4;
      if (column < 0 || row < 0 || column + 1 >= width || row + 1 >= height) {
        // a pixel outside has no weight; its neighbour is read in its place
        if (column < 0) [a, c, i, k] = [0, 0, j, l];
        if (column + 1 >= width) [b, d, j, l] = [0, 0, i, k];
        if (row < 0) [a, b, i, j] = [0, 0, k, l];
        if (row + 1 >= height) [c, d, k, l] = [0, 0, i, j];
      }
      const alpha = data[i + 3] * a + data[j + 3] * b + data[k + 3] * c + data[l + 3] * d;
      if (alpha <= 0) continue;
      const red = (data[i] * a + data[j] * b + data[k] * c + data[l] * d) / alpha;
      const green = (data[i + 1] * a + data[j + 1] * b + data[k + 1] * c + data[l + 1] * d) / alpha;
      const blue = (data[i + 2] * a + data[j + 2] * b + data[k + 2] * c + data[l + 2] * d) / alpha;
      over(out, (Y * columns + X) * 4, red, green, blue, alpha * opacity, mix);
    }
  }
}

const lower = new Float64Array(3), upper = new Float64Array(3), mixed = new Float64Array(3);

/**
 * Lay one colour over a pixel: co = cs·αs·(1−αb) + cb·αb·(1−αs) + αs·αb·B(cb, cs), kept straight.
 * @param {Float32Array} out
 * @param {number} at Index of the pixel's red.
 * @param {number} red In 0..1, straight.
 * @param {number} green
 * @param {number} blue
 * @param {number} alpha
 * @param {Mix | null} mix null: normal.
 */
function over(out, at, red, green, blue, alpha, mix) {
  if (alpha >= 1 && !mix) {
    out[at] = red;
    out[at + 1] = green;
    out[at + 2] = blue;
    out[at + 3] = 1;
    return;
  }
  const below = out[at + 3], sum = below + alpha * (1 - below);
  if (sum <= 0) return;
  if (mix && below > 0) {
    for (let i = 0; i < 3; i++) lower[i] = Math.min(Math.max(out[at + i], 0), 1);
    upper[0] = Math.min(Math.max(red, 0), 1);
    upper[1] = Math.min(Math.max(green, 0), 1);
    upper[2] = Math.min(Math.max(blue, 0), 1);
    mix(lower, upper, mixed);
    red += (mixed[0] - red) * below;
    green += (mixed[1] - green) * below;
    blue += (mixed[2] - blue) * below;
  }
  const share = alpha / sum;
  out[at] += (red - out[at]) * share;
  out[at + 1] += (green - out[at + 1]) * share;
  out[at + 2] += (blue - out[at + 2]) * share;
  out[at + 3] = sum;
}

/** @param {Float32Array} values In 0..1. @returns {Uint8ClampedArray} */
function bytes(values) {
  const out = new Uint8ClampedArray(values.length); // which clamps, and rounds to the nearest, halves to even
  for (let i = 0; i < values.length; i++) out[i] = values[i] * 255;
  return out;
}
