// What is drawn over the canvas: the frame of a layer, its handles, and the lines that it snaps to.

import { HANDLES, cursor, handleAt, middle } from "./gestures.js";
import { shape } from "./icons.js";
import { quad } from "./render.js";

/** @import { Placement } from "./arrangement.js" */
/** @import { Box, Point } from "./gestures.js" */

const REACH = 26; // CSS pixels from the frame to the handle that turns it

/**
 * How the photo lies in the stage.
 * @typedef {object} View
 * @property {(point: Point) => Point} onStage From pixels of the photo to CSS pixels of the stage.
 * @property {number} width Of the stage, in CSS pixels.
 * @property {number} height
 */

/**
 * @param {View} view
 * @param {Placement} placed
 * @param {Box} box
 * @param {string} kind The class of what is drawn.
 * @returns {SVGElement}
 */
export function outline(view, placed, box, kind) {
  const corners = quad(placed, box).map(({ x, y }) => view.onStage([x, y]).join());
  return shape("polygon", { class: kind, points: corners.join(" ") });
}

/**
 * @param {View} view
 * @param {{axis: "x" | "y", at: number}} line
 * @returns {SVGElement}
 */
export function guide(view, { axis, at }) {
  const [x, y] = view.onStage([at, at]);
  const ends = axis === "x" ? { x1: x, x2: x, y1: 0, y2: "100%" } : { x1: 0, x2: "100%", y1: y, y2: y };
  return shape("line", { class: "mild-guide", ...ends });
}

/**
 * Eight handles that scale, and one that turns; `data-handle` says which.
 * @param {View} view
 * @param {Placement} placed
 * @param {Box} box
 * @returns {SVGElement[]}
 */
export function handles(view, placed, box) {
  const [base, turn] = turner(view, placed, box);
  const stem = shape("line", { class: "mild-stem", x1: base[0], y1: base[1], x2: turn[0], y2: turn[1] });
  const round = shape("circle", { class: "mild-handle", "data-handle": "turn", cx: turn[0], cy: turn[1], r: 6 });
  round.style.cursor = "grab";
  const squares = HANDLES.map((handle) => {
    const [x, y] = view.onStage(handleAt(placed, box, handle));
    const square = shape("rect", {
      class: "mild-handle",
      "data-handle": handle.join(),
      x: x - 5,
      y: y - 5,
      width: 10,
      height: 10,
      rx: 2,
      transform: `rotate(${placed.rotation} ${x} ${y})`,
    });
    square.style.cursor = cursor(handle, placed.rotation);
    return square;
  });
  return [stem, round, ...squares];
}

/**
 * Where the handle that turns the frame grows from, and where it lies: above the frame, or below where there is no
 * room above.
 * @param {View} view
 * @param {Placement} placed
 * @param {Box} box
 * @returns {[Point, Point]}
 */
function turner({ onStage, width, height }, placed, box) {
  /** @type {[Point, Point][]} */
  const ways = [-1, 1].map((side) => {
    const base = onStage(handleAt(placed, box, [0, side]));
    const angle = ((placed.rotation + 90 * side) * Math.PI) / 180;
    return [base, [base[0] + REACH * Math.cos(angle), base[1] + REACH * Math.sin(angle)]];
  });
  const inside = ways.find(([, [x, y]]) => x > 6 && y > 6 && x < width - 6 && y < height - 6);
  if (inside) return inside;
  const [cx, cy] = onStage(middle(placed, box)); // the frame reaches beyond the stage on both sides: a handle within it
  const side = cy < height / 2 ? 1 : -1;
  const held = (/** @type {number} */ value, /** @type {number} */ length) =>
    Math.min(Math.max(value, 10), length - 10);
  return [
    [cx, cy],
    [held(cx, width), held(cy + side * REACH * 1.5, height)],
  ];
}
