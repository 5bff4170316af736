// Where a placed layer lies.
//
// A placement takes the pixel at q of its layer to p = c + (x, y) + R(rotation) · diag(±scale_x, ±scale_y) · (q − c) of
// the canvas, both in pixels of the photo, where c is the centre of the layer's box; pixel centres lie at +0.5.

/** @import { Placement } from "./arrangement.js" */

/** @typedef {{x: number, y: number}} Point In pixels of the photo. */
/** @typedef {[number, number, number, number]} Box Left, top, right, bottom. */

/**
 * Cosine and sine of an angle in degrees; exact for quarter turns.
 * @param {number} degrees
 * @returns {[number, number]}
 */
export function turn(degrees) {
  const quarters = degrees / 90;
  if (Number.isInteger(quarters)) {
    const four = /** @type {[number, number][]} */ ([[1, 0], [0, 1], [-1, 0], [0, -1]]);
    return four[((quarters % 4) + 4) % 4];
  }
  const angle = (degrees * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)];
}

/** @param {Box} box @returns {Point} */
export function middle([left, top, right, bottom]) {
  return { x: (left + right) / 2, y: (top + bottom) / 2 };
}

/**
 * The scales with a minus where the layer is mirrored.
 * @param {Placement} placement
 * @returns {[number, number]}
 */
export function scales({ scale_x, scale_y, flip_x, flip_y }) {
  return [flip_x ? -scale_x : scale_x, flip_y ? -scale_y : scale_y];
}

/**
 * Where a pixel of the layer comes to lie on the canvas.
 * @param {Placement} placement
 * @param {Box} box The layer's.
 * @param {Point} point In the layer as it was cut, in pixels of the photo.
 * @returns {Point}
 */
export function forward(placement, box, point) {
  const c = middle(box), [cos, sin] = turn(placement.rotation), [across, down] = scales(placement);
  const x = (point.x - c.x) * across, y = (point.y - c.y) * down;
  return { x: c.x + placement.x + cos * x - sin * y, y: c.y + placement.y + sin * x + cos * y };
}

/**
 * Where a point of the canvas lies in the layer as it was cut, in pixels of the photo.
 * @param {Placement} placement
 * @param {Box} box
 * @param {Point} point
 * @returns {Point}
 */
export function inverse(placement, box, point) {
  const c = middle(box), [cos, sin] = turn(placement.rotation), [across, down] = scales(placement);
  const x = point.x - c.x - placement.x, y = point.y - c.y - placement.y;
  return { x: c.x + (cos * x + sin * y) / across, y: c.y + (cos * y - sin * x) / down };
}

/**
 * The corners of a placed layer: of its left top, right top, right bottom and left bottom corner, as it was cut.
 * @param {Placement} placement
 * @param {Box} box
 * @returns {[Point, Point, Point, Point]}
 */
export function quad(placement, box) {
  const [left, top, right, bottom] = box;
  return [
    forward(placement, box, { x: left, y: top }),
    forward(placement, box, { x: right, y: top }),
    forward(placement, box, { x: right, y: bottom }),
    forward(placement, box, { x: left, y: bottom }),
  ];
}

/**
 * The upright box around a placed layer.
 * @param {Placement} placement
 * @param {Box} box
 * @returns {Box} May reach beyond the canvas; not rounded.
 */
export function bounds(placement, box) {
  return around(quad(placement, box));
}

/**
 * Whether a point of the canvas lies in a placed layer's box.
 * @param {Placement} placement
 * @param {Box} box
 * @param {Point} point
 * @returns {boolean}
 */
export function contains(placement, box, point) {
  const { x, y } = inverse(placement, box, point);
  return x >= box[0] && x < box[2] && y >= box[1] && y < box[3];
}

/**
 * What of a placed layer is on the canvas: the upright box around it, or null.
 * @param {Placement} placement
 * @param {Box} box
 * @param {readonly [number, number]} canvas Width and height.
 * @returns {Box | null}
 */
export function onCanvas(placement, box, [width, height]) {
  /** @type {Point[]} */
  let corners = quad(placement, box);
  corners = cut(corners, (p) => p.x);
  corners = cut(corners, (p) => width - p.x);
  corners = cut(corners, (p) => p.y);
  corners = cut(corners, (p) => height - p.y);
  return corners.length ? around(corners) : null;
}

/**
 * The part of a convex polygon where `inside` is not negative (Sutherland and Hodgman).
 * @param {Point[]} corners
 * @param {(point: Point) => number} inside Signed distance to a line.
 * @returns {Point[]}
 */
function cut(corners, inside) {
  /** @type {Point[]} */
  const kept = [];
  corners.forEach((a, i) => {
    const b = corners[(i + 1) % corners.length], from = inside(a), to = inside(b);
    if (from >= 0) kept.push(a);
    if (from >= 0 === to >= 0) return;
    const share = from / (from - to);
    kept.push({ x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share });
  });
  return kept;
}

/** @param {readonly Point[]} points @returns {Box} */
function around(points) {
  const x = points.map((p) => p.x), y = points.map((p) => p.y);
  return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
}
