// What is drawn, as far as it can be said without Python; tests/core/test_parity.py says the rest.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS } from "../../web/composer/text.js";
import { hitTest, render } from "../../web/composer/render.js";

const source = (box, width, height, pixel) => ({
  box, width, height, fingerprint: "",
  data: Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => pixel(Math.floor(i / 4))[i % 4]),
});
const background = source([0, 0, 8, 6], 8, 6, (i) => [i * 5, 255 - i * 5, i, 255]);
const spot = source([2, 1, 4, 3], 2, 2, (i) => [200, i * 60, 10, i === 3 ? 0 : 255]);
const sources = new Map([["background", background], ["p1", spot]]);
const composition = (...layers) => ({
  version: 1, canvas: [8, 6], layers: layers.map((layer, i) => ({ ...DEFAULTS, key: String(i), layer: "background", ...layer })),
});
const pixel = ({ width, data }, x, y) => [...data.slice((y * width + x) * 4, (y * width + x) * 4 + 4)];

test("in place a layer is itself", () => {
  assert.deepEqual(render(composition({}), sources, 8, 6).data, background.data);
});

test("nothing is transparent", () => {
  const empty = render(composition(), sources, 8, 6);
  assert.deepEqual([empty.width, empty.height, empty.data.length], [8, 6, 192]);
  assert.ok(empty.data.every((value) => value === 0));
});

test("moved, mirrored, turned by halves, and cut at the frame", () => {
  const drawn = render(composition({ x: 3, y: -2, flip_x: true }), sources, 8, 6);
  assert.deepEqual(pixel(drawn, 3, 0), pixel(background, 7, 2));
  assert.deepEqual(pixel(drawn, 7, 3), pixel(background, 3, 5));
  assert.deepEqual(pixel(drawn, 2, 0), [0, 0, 0, 0]);
  const turned = render(composition({ rotation: 180 }), sources, 8, 6);
  assert.deepEqual(turned.data, render(composition({ flip_x: true, flip_y: true }), sources, 8, 6).data);
});

test("the invisible, the hidden, the dormant and the clear are not drawn", () => {
  const below = render(composition({}), sources, 8, 6).data;
  const above = { layer: "p1", x: 0.5, rotation: 10 };
  for (const change of [{ visible: false }, { layer: "gone" }, { opacity: 0 }, { x: 1e6 }]) {
    assert.deepEqual(render(composition({}, { ...above, ...change }), sources, 8, 6).data, below);
  }
  assert.deepEqual(render(composition({}, above), sources, 8, 6, { hidden: new Set(["1"]) }).data, below);
  assert.notDeepEqual(render(composition({}, above), sources, 8, 6).data, below);
});

test("two pictures of one size do not share their pixels", () => {
  const one = render(composition({}), sources, 8, 6, { float: true }), kept = one.data.slice();
  render(composition({ x: 3 }), sources, 8, 6, { float: true });
  assert.deepEqual(one.data, kept);
});

test("quality lowers the resolution, and no picture is smaller than a pixel", () => {
  const half = render(composition({}), sources, 8, 6, { quality: 0.5 });
  assert.deepEqual([half.width, half.height], [4, 3]);
  const mean = [22.5, 232.5, 4.5, 255]; // of four pixels: (0 + 5 + 40 + 45) / 4, …
  pixel(half, 0, 0).forEach((value, i) => assert.ok(Math.abs(value - mean[i]) <= 0.5));
  const tiny = render(composition({}), sources, 8, 6, { quality: 0.001 });
  assert.deepEqual([tiny.width, tiny.height], [1, 1]);
});

test("a small picture of a layer is drawn as large as its box", () => {
  const half = source([0, 0, 8, 6], 4, 3, (i) => [i * 20, 0, 0, 255]);
  const drawn = render(composition({}), new Map([["background", half]]), 4, 3);
  assert.deepEqual(drawn.data, half.data);
  const large = render(composition({}), new Map([["background", half]]), 8, 6);
  assert.deepEqual(pixel(large, 2, 2).slice(0, 2), [75, 0], "9/16 of 100, 3/16 of 80 and of 20");
});

test("a scale says how large the photo's pixels are drawn", () => {
  const drawn = render(composition({}), sources, 12, 12, { scale: 1 });
  assert.deepEqual(pixel(drawn, 7, 5), pixel(background, 7, 5));
  assert.deepEqual(pixel(drawn, 8, 5), [0, 0, 0, 0]);
});

test("a layer of nothing is nothing", () => {
  const none = { box: [0, 0, 0, 0], width: 0, height: 0, data: new Uint8ClampedArray(0), fingerprint: "" };
  assert.ok(render(composition({ rotation: 3 }), new Map([["background", none]]), 8, 6).data.every((value) => value === 0));
});

test("a click finds the topmost layer that shows something there", () => {
  const both = composition({}, { layer: "p1" });
  assert.equal(hitTest(both, sources, { x: 2.5, y: 1.5 }), "1");
  assert.equal(hitTest(both, sources, { x: 3.5, y: 2.5 }), "0", "through the clear pixel");
  assert.equal(hitTest(both, sources, { x: 5, y: 5 }), "0");
  assert.equal(hitTest(both, sources, { x: 50, y: 5 }), null);
  assert.equal(hitTest(composition({}, { layer: "p1", visible: false }), sources, { x: 2.5, y: 1.5 }), "0");
  assert.equal(hitTest(composition({ layer: "p1", flip_x: true, flip_y: true }), sources, { x: 2.5, y: 1.5 }), null);
});
