import assert from "node:assert/strict";
import { test } from "node:test";

import { FIRST, afterKey, pairOf, underPointer, within } from "../../web/compare/position.js";
import { words } from "../../web/compare/words.js";

test("the line stays within the picture", () => {
  for (const [given, stands] of [[-3, 0], [0, 0], [49.6, 50], [100, 100], [240, 100], [NaN, FIRST], [undefined, FIRST]]) {
    assert.equal(within(given), stands);
  }
});

test("the line goes where the pointer is, and no farther than the picture", () => {
  const frame = { left: 100, width: 400 };
  for (const [x, stands] of [[100, 0], [300, 50], [500, 100], [20, 0], [900, 100]]) assert.equal(underPointer(x, frame), stands);
  assert.equal(underPointer(300, { left: 0, width: 0 }), FIRST, "a picture that is not shown");
});

test("keys move the line", () => {
  const table = [
    ["ArrowLeft", false, 48],
    ["ArrowDown", false, 48],
    ["ArrowRight", false, 52],
    ["ArrowUp", false, 52],
    ["ArrowLeft", true, 40],
    ["PageDown", false, 40],
    ["PageUp", false, 60],
    ["Home", false, 0],
    ["End", false, 100],
    ["a", false, null],
    ["Enter", false, null],
  ];
  for (const [key, shift, stands] of table) assert.equal(afterKey(50, key, shift), stands, key);
  assert.equal(afterKey(1, "ArrowLeft", false), 0);
  assert.equal(afterKey(95, "PageUp", false), 100);
});

test("batches are compared frame by frame, and one picture with many", () => {
  assert.equal(pairOf([], ["a"], 0), null);
  assert.equal(pairOf(["a"], [], 0), null);
  assert.deepEqual(pairOf(["a", "b"], ["x", "y"], 1), { before: "b", after: "y", frame: 1, frames: 2 });
  assert.deepEqual(pairOf(["a"], ["x", "y", "z"], 2), { before: "a", after: "z", frame: 2, frames: 3 });
  assert.deepEqual(pairOf(["a", "b"], ["x", "y"], 7), { before: "b", after: "y", frame: 1, frames: 2 });
  assert.deepEqual(pairOf(["a"], ["x"], -1), { before: "a", after: "x", frame: 0, frames: 1 });
});

test("both languages say the same things", () => {
  const [en, zh] = ["en", "zh"].map((language) => words[language]);
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  const blanks = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const key of Object.keys(en)) assert.deepEqual(blanks(zh[key]), blanks(en[key]), key);
});
