// Where people are drawn, and how: the arithmetic of the picker's picture.

import assert from "node:assert/strict";
import test from "node:test";

import { distinctColour } from "../../web/picker/colours.js";
import { badgeRadius, fit, ownerAt, paint, readOwners, resampled } from "../../web/picker/draw.js";

/** Owners from a drawing in letters: "." is nobody, "1" the first person. */
function drawn(...rows) {
  const labels = Uint16Array.from(rows.join(""), (letter) => (letter === "." ? 0 : Number(letter)));
  return { width: rows[0].length, height: rows.length, labels };
}

test("a photo lies in the middle of its area, as large as it can be", () => {
  assert.deepEqual(fit(200, 100, 400, 400), { left: 0, top: 100, width: 400, height: 200 });
  assert.deepEqual(fit(100, 200, 400, 400), { left: 100, top: 0, width: 200, height: 400 });
  for (const [w, h, width, height] of [[3840, 2160, 381, 97], [1, 9000, 300, 20], [640, 427, 333, 1000]]) {
    const place = fit(w, h, width, height);
    assert.ok(place.left >= 0 && place.top >= 0 && place.width >= 1 && place.height >= 1);
    assert.ok(place.left + place.width <= width && place.top + place.height <= height);
    assert.ok(place.width >= width - 1 || place.height >= height - 1, "one side fills the area");
  }
});

test("an index has two bytes", () => {
  const data = Uint8ClampedArray.from([0, 0, 0, 255, 7, 0, 0, 255, 44, 1, 0, 255]);
  assert.deepEqual([...readOwners({ width: 3, height: 1, data }).labels], [0, 7, 300]);
});

test("another size takes the pixel under each middle", () => {
  const owners = drawn("1122", "1122", "3344", "3344");
  assert.deepEqual([...resampled(owners, 2, 2).labels], [1, 2, 3, 4]);
  assert.equal(resampled(owners, 4, 4), owners);
  const large = resampled(drawn("12"), 6, 3);
  assert.deepEqual([...large.labels], [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
});

test("who is at a place, and nobody beyond the frame", () => {
  const owners = drawn("1.", ".2");
  assert.equal(ownerAt(owners, 0.2, 0.4), 1);
  assert.equal(ownerAt(owners, 0.99, 0.99), 2);
  assert.equal(ownerAt(owners, 0.7, 0.2), 0);
  for (const [x, y] of [[-0.01, 0], [1, 0], [0, 1], [0.5, -1], [NaN, 0]]) assert.equal(ownerAt(owners, x, y), 0);
});

const BIG = drawn(...Array.from({ length: 40 }, () => ".".repeat(5) + "1".repeat(30) + "2".repeat(30) + ".".repeat(5)));
const at = (pixels, x, y) => [...pixels.slice(4 * (y * BIG.width + x), 4 * (y * BIG.width + x) + 4)];

function painted(change = {}) {
  return paint(BIG, [{ number: 1, goes: false, under: false, ...change }, { number: 2, goes: false, under: false }], 1);
}

test("who stays is tinted in their colour, with an outline on their own side", () => {
  const colour = distinctColour(1).map((part) => Math.round(part * 255));
  const pixels = painted();
  assert.deepEqual(at(pixels, 2, 20), [0, 0, 0, 0], "nobody is not painted");
  assert.deepEqual(at(pixels, 20, 20).slice(0, 3), colour);
  assert.ok(at(pixels, 20, 20)[3] < 100);
  assert.deepEqual(at(pixels, 5, 20), [...colour, 255]);
  assert.deepEqual(at(pixels, 34, 20), [...colour, 255], "two who touch both have their line");
  assert.equal(at(pixels, 35, 20)[3], 255);
  assert.ok(at(pixels, 20, 0)[3] < 100, "the frame is no outline");
});

test("who goes is covered, and striped", () => {
  const stays = painted();
  const goes = painted({ goes: true });
  const covers = Array.from({ length: 20 }, (_, x) => at(goes, 10 + x, 20));
  assert.ok(covers.every((pixel) => pixel[3] > 150), "little of the photo is left");
  assert.ok(new Set(covers.map(String)).size >= 3, "stripes over two greys");
  assert.deepEqual(at(goes, 50, 20), at(stays, 50, 20), "their neighbour looks as before");
});

test("whoever is under the pointer has a light line", () => {
  const line = Array.from({ length: 5 }, (_, x) => at(painted({ under: true }), 5 + x, 20).join());
  assert.ok(line.includes("255,255,255,255"));
  assert.ok(!Array.from({ length: 5 }, (_, x) => at(painted(), 5 + x, 20).join()).includes("255,255,255,255"));
});

test("numbers are never too large nor too small to read", () => {
  const place = { left: 0, top: 0, width: 380, height: 250 };
  assert.equal(badgeRadius(0.3, place), 13);
  assert.equal(badgeRadius(0.0001, place), 7);
  assert.ok(badgeRadius(0.01, place) > 7 && badgeRadius(0.01, place) < 13);
});
