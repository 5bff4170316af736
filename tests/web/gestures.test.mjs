import assert from "node:assert/strict";
import test from "node:test";

import { HANDLES, cursor, handleAt, middle, pulled, turnedBy, upright } from "../../web/composer/gestures.js";

const BOX = [40, 10, 100, 90];
const POSES = [
  { x: 0, y: 0, scale_x: 1, scale_y: 1, rotation: 0 },
  { x: 12, y: -7, scale_x: 0.5, scale_y: 2, rotation: 0 },
  { x: -30, y: 4, scale_x: 1.5, scale_y: 0.25, rotation: 37 },
  { x: 5, y: 5, scale_x: 3, scale_y: 3, rotation: -120 },
];

const near = (one, other, slack = 1e-9) =>
  one.forEach((value, index) => assert.ok(Math.abs(value - other[index]) < slack, `${one} is not ${other}`));

test("a frame that was not touched is the layer's box", () => {
  near(handleAt(POSES[0], BOX, [-1, -1]), [40, 10]);
  near(handleAt(POSES[0], BOX, [1, 0]), [100, 50]);
  near(middle(POSES[0], BOX), [70, 50]);
});

test("a frame that is turned by 90 degrees has its top left corner at the top right", () => {
  near(handleAt({ ...POSES[0], rotation: 90 }, BOX, [-1, -1]), [110, 20]);
});

test("pulling a handle brings it to the hand, and leaves the opposite one where it is", () => {
  for (const pose of POSES) {
    for (const handle of HANDLES) {
      const [px, py] = handleAt(pose, BOX, [handle[0] * 1.3, handle[1] * 1.7]);
      const after = { ...pose, ...pulled(pose, BOX, handle, [px, py]) };
      near(handleAt(after, BOX, handle), [px, py]);
      const opposite = handle.map((side) => -side);
      near(handleAt(after, BOX, opposite), handleAt(pose, BOX, opposite));
      if (!handle[0]) assert.equal(after.scale_x, pose.scale_x);
      if (!handle[1]) assert.equal(after.scale_y, pose.scale_y);
    }
  }
});

test("in proportion, both scales grow by the same factor about the opposite handle", () => {
  for (const pose of POSES) {
    for (const handle of HANDLES) {
      const to = handleAt(pose, BOX, [handle[0] * 1.5, handle[1] * 1.5]);
      const after = { ...pose, ...pulled(pose, BOX, handle, to, { proportional: true }) };
      near([after.scale_x / pose.scale_x, after.scale_y / pose.scale_y], [1.25, 1.25]);
      near(handleAt(after, BOX, handle), to);
    }
  }
});

test("a handle pulled through the opposite one stops at the least scale", () => {
  const through = pulled(POSES[0], BOX, [1, 1], [-500, -500]);
  near([through.scale_x, through.scale_y], [0.01, 0.01]);
  const kept = pulled(POSES[0], BOX, [1, 1], [-500, -500], { proportional: true });
  near([kept.scale_x, kept.scale_y], [0.01, 0.01]);
});

test("a turn follows the hand, in steps where they are asked for", () => {
  const pose = POSES[0];
  assert.ok(Math.abs(turnedBy(pose, BOX, [70, 0], [120, 50]) - 90) < 1e-9);
  assert.ok(Math.abs(turnedBy({ ...pose, rotation: 170 }, BOX, [70, 0], [120, 50]) + 100) < 1e-9);
  assert.equal(turnedBy(pose, BOX, [70, 0], [80, 0], 15), 15);
  assert.equal(turnedBy(pose, BOX, [70, 0], [71, 0], 15), 0);
});

test("angles are told from -180 to 180", () => {
  assert.deepEqual([0, 180, -180, 190, 370, -350].map(upright), [0, 180, 180, -170, 10, 10]);
});

test("the pointer's arrows turn with the frame", () => {
  assert.equal(cursor([1, 0], 0), "ew-resize");
  assert.equal(cursor([1, 0], 90), "ns-resize");
  assert.equal(cursor([-1, -1], 0), "nwse-resize");
  assert.equal(cursor([1, -1], 0), "nesw-resize");
  assert.equal(cursor([1, -1], 45), "ew-resize");
});
