// What a hand does to a placement: drag it, pull a handle, turn it. Pure arithmetic in the photo's pixels.
//
// A layer's frame is its box, scaled, turned and moved about the box's centre; mirroring leaves the frame where it is.

/** @typedef {[number, number]} Point */
/** @typedef {[number, number, number, number]} Box Left, top, right, bottom. */

/**
 * Where a layer lies.
 * @typedef {object} Pose
 * @property {number} x Pixels to the right of its own place.
 * @property {number} y Pixels below its own place.
 * @property {number} scale_x
 * @property {number} scale_y
 * @property {number} rotation Degrees, clockwise.
 */

/**
 * A handle of the frame, as the direction in which it lies: [-1, -1] is the top left, [1, 0] the right edge.
 * @typedef {[-1 | 0 | 1, -1 | 0 | 1]} Handle
 */

/** @type {Handle[]} Clockwise from the top left. */
export const HANDLES = [
  [-1, -1],
  [0, -1],
  [1, -1],
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
  [-1, 0],
];

/**
 * @param {Point} point
 * @param {number} degrees Clockwise, as the picture's y axis points down.
 * @returns {Point}
 */
export function turned([x, y], degrees) {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [x * cos - y * sin, x * sin + y * cos];
}

/**
 * The middle of a placed layer.
 * @param {Pose} pose
 * @param {Box} box
 * @returns {Point}
 */
export function middle(pose, [left, top, right, bottom]) {
  return [(left + right) / 2 + pose.x, (top + bottom) / 2 + pose.y];
}

/**
 * Where a handle lies.
 * @param {Pose} pose
 * @param {Box} box
 * @param {[number, number]} handle Any multiple of a direction: [0, 0] is the middle, [1, 1] the bottom right corner.
 * @returns {Point}
 */
export function handleAt(pose, box, [hx, hy]) {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const [dx, dy] = turned([(hx * width * pose.scale_x) / 2, (hy * height * pose.scale_y) / 2], pose.rotation);
  const [cx, cy] = middle(pose, box);
  return [cx + dx, cy + dy];
}

/**
 * The placement after a handle was pulled to a point; the opposite handle stays where it is.
 * @param {Pose} pose As it was when the pull began.
 * @param {Box} box
 * @param {Handle} handle
 * @param {Point} to
 * @param {{proportional?: boolean, least?: number, most?: number}} [limits] Whether width and height keep their
 *   proportion; the range of the scales.
 * @returns {Pick<Pose, "x" | "y" | "scale_x" | "scale_y">}
 */
export function pulled(pose, box, handle, to, { proportional = false, least = 0.01, most = 100 } = {}) {
  const [hx, hy] = handle;
  const size = [box[2] - box[0], box[3] - box[1]];
  const anchor = handleAt(pose, box, [-hx, -hy]);
  const [vx, vy] = turned([to[0] - anchor[0], to[1] - anchor[1]], -pose.rotation);
  let [scale_x, scale_y] = [pose.scale_x, pose.scale_y];
  if (proportional) {
    const [dx, dy] = [hx * size[0] * scale_x, hy * size[1] * scale_y]; // from the anchor to where the handle was
    const wanted = (vx * dx + vy * dy) / (dx * dx + dy * dy);
    const low = Math.max(least / scale_x, least / scale_y);
    const high = Math.min(most / scale_x, most / scale_y);
    const factor = Math.min(high, Math.max(low, wanted));
    [scale_x, scale_y] = [scale_x * factor, scale_y * factor];
  } else {
    if (hx) scale_x = Math.min(most, Math.max(least, (vx * hx) / size[0]));
    if (hy) scale_y = Math.min(most, Math.max(least, (vy * hy) / size[1]));
  }
  const [ox, oy] = turned([(hx * size[0] * scale_x) / 2, (hy * size[1] * scale_y) / 2], pose.rotation);
  const x = anchor[0] + ox - (box[0] + box[2]) / 2;
  const y = anchor[1] + oy - (box[1] + box[3]) / 2;
  return { x, y, scale_x, scale_y };
}

/**
 * The rotation after the hand went round a layer's middle.
 * @param {Pose} pose As it was when the turn began.
 * @param {Box} box
 * @param {Point} from Where the hand took hold.
 * @param {Point} to Where it is.
 * @param {number} [step] Whole steps of so many degrees; 0: any angle.
 * @returns {number} Degrees in -180..180.
 */
export function turnedBy(pose, box, from, to, step = 0) {
  const [cx, cy] = middle(pose, box);
  const swept = Math.atan2(to[1] - cy, to[0] - cx) - Math.atan2(from[1] - cy, from[0] - cx);
  const angle = pose.rotation + (swept * 180) / Math.PI;
  return upright(step ? Math.round(angle / step) * step : angle);
}

/**
 * The same angle in -180..180, -180 itself left out.
 * @param {number} degrees
 * @returns {number}
 */
export function upright(degrees) {
  const angle = ((degrees % 360) + 360) % 360;
  return angle > 180 ? angle - 360 : angle;
}

/**
 * The arrows that a pointer shows on a handle, given how far the frame is turned.
 * @param {Handle} handle
 * @param {number} rotation Degrees.
 * @returns {string} A CSS cursor.
 */
export function cursor([hx, hy], rotation) {
  const angle = (Math.atan2(hy, hx) * 180) / Math.PI + rotation;
  const eighth = ((Math.round(angle / 45) % 4) + 4) % 4;
  return ["ew-resize", "nwse-resize", "ns-resize", "nesw-resize"][eighth];
}
