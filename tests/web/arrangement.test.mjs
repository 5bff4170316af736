// The same tables as tests/core/test_arrangement.py.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as arrangement from "../../web/composer/arrangement.js";
import { History } from "../../web/composer/history.js";
import * as reach from "../../web/composer/reach.js";
import { DEFAULTS, parse, serialise } from "../../web/composer/text.js";
import { bounds, contains, forward, inverse, quad } from "../../web/composer/geometry.js";

const ENTRY = { key: "1", layer: "background" };
const text = (changed = {}) => JSON.stringify({ version: 1, canvas: [100, 80], layers: [ENTRY], ...changed });
const LAYERS = [
  { id: "background", name: "background", label: "", fingerprint: "b0", box: [0, 0, 100, 80], erased: false, depth: 2 },
  { id: "p1", name: "person 1", label: "", fingerprint: "f1", box: [10, 20, 30, 60], erased: false, depth: 1 },
  { id: "p2", name: "person 2", label: "", fingerprint: "f2", box: [50, 10, 80, 70], erased: true, depth: 0 },
];
const whole = () => arrangement.defaultComposition([100, 80], LAYERS);
const keys = (composition) => composition.layers.map(({ key }) => key).join("");
const frozen = (thing) => {
  Object.values(thing).forEach((value) => typeof value === "object" && value && frozen(value));
  return Object.freeze(thing);
};

test("what is not said has its default", () => {
  assert.deepEqual(parse(text()), { version: 1, canvas: [100, 80], layers: [{ ...DEFAULTS, ...ENTRY }] });
  assert.equal(parse(""), null);
  assert.equal(parse("  \n"), null);
});

const BAD = [
  ["{", "composition is '{', but it must be JSON"],
  ["[1]", "composition is [1], but it must be a JSON object"],
  [text({ version: 2 }), "composition has the version 2, but it must have the version 1"],
  [text({ version: undefined }), "composition has the version missing, but it must have the version 1"],
  [text({ canvas: [0, 5] }), "composition has the canvas [0,5], but it must have its width and height"],
  [text({ canvas: [5.5, 5] }), "the canvas [5.5,5]"],
  [text({ layers: {} }), "composition has the layers {}, but it must have a list"],
  [text({ layers: undefined }), "composition has the layers missing, but it must have a list"],
  [text({ zoom: 2 }), 'composition has the name "zoom", but it must have none but version, canvas, layers'],
  [text({ layers: [1] }), "composition, layer 1, is 1, but it must be a JSON object"],
  [text({ layers: [ENTRY, ENTRY] }), 'composition has the key "1" twice'],
  [text({ layers: [{ layer: "a" }] }), "composition, layer 1, has the key missing, but it must be a text"],
  [text({ layers: [{ ...ENTRY, layer: "" }] }), 'composition, layer 1, has the layer ""'],
  [text({ layers: [{ ...ENTRY, scale: 2 }] }), 'composition, layer 1, has the name "scale", but it must have none but key, layer'],
  [text({ layers: [{ ...ENTRY, x: "7" }] }), 'has the x "7", but it must be a number from -1000000 to 1000000'],
  [text({ layers: [{ ...ENTRY, x: true }] }), "has the x true, but"],
  [text({ layers: [{ ...ENTRY, y: null }] }), "has the y missing, but"],
  [text({ layers: [{ ...ENTRY, y: 1e300 }] }), "has the y 1e"],
  [text({ layers: [ENTRY] }).replace('"key"', '"x": 1e999, "key"'), "has the x"],
  [text({ layers: [{ ...ENTRY, scale_x: 0 }] }), "has the scale_x 0, but it must be a number from 0.01 to 100"],
  [text({ layers: [{ ...ENTRY, opacity: 1.5 }] }), "has the opacity 1.5, but it must be a number from 0 to 1"],
  [text({ layers: [{ ...ENTRY, blend: "dissolve" }] }), 'has the blend "dissolve", but it must be one of normal, multiply'],
  [text({ layers: [{ ...ENTRY, blend: ["normal"] }] }), "has the blend"],
  [text({ layers: [{ ...ENTRY, blend: "constructor" }] }), "has the blend"],
  [text({ layers: [{ ...ENTRY, visible: 1 }] }), "has the visible 1, but it must be true or false"],
  [text({ layers: [{ ...ENTRY, fingerprint: 5 }] }), "has the fingerprint 5, but it must be a text"],
  [text({ layers: [ENTRY] }).replace('"key"', '"__proto__": 1, "key"'), '__proto__"'],
];
for (const [bad, message] of BAD) {
  test(`a bad text is named: ${message}`, () => {
    assert.throws(() => parse(bad), (error) => error.message.startsWith("composition") && error.message.includes(message));
  });
}

test("the text says all, and only what is not default", () => {
  assert.equal(serialise(null), "");
  assert.equal(serialise(parse(text())), text());
  const rich = arrangement.update(whole(), "2", {
    x: 3.25, y: -1e-7, scale_x: 0.5, rotation: -30, flip_x: true, opacity: 0.3, blend: "hue", visible: false,
  });
  assert.deepEqual(parse(serialise(rich)), rich);
});

test("the default is every layer in place without those who go", () => {
  assert.deepEqual(whole().layers.map((p) => [p.key, p.layer, p.fingerprint, p.visible]), [
    ["1", "background", "b0", true], ["2", "p1", "f1", true], ["3", "p2", "f2", false],
  ]);
  const backdrop = { ...LAYERS[0], id: "backdrop" };
  const swapped = arrangement.defaultComposition([100, 80], [backdrop, ...LAYERS]);
  assert.deepEqual(swapped.layers.map((p) => p.visible), [true, false, true, false]);
});

const MATCHES = [
  [[["1", "a", "ff"]], { a: "00" }, { 1: "a" }],
  [[["1", "a", "ff"]], { b: "ff" }, { 1: "b" }],
  [[["1", "a", "ff"], ["2", "b", "00"]], { b: "ff" }, { 1: null, 2: "b" }],
  [[["1", "a", "ff"], ["2", "a", "ff"]], { b: "ff" }, { 1: "b", 2: "b" }],
  [[["1", "a", "ff"]], { b: "ff", c: "ff" }, { 1: "b" }],
  [[["1", "a", ""]], { b: "" }, { 1: null }],
  [[["1", "a", "ff"]], { b: "00" }, { 1: null }],
  [[], { b: "00" }, {}],
];
for (const [placed, there, expected] of MATCHES) {
  test(`a placement finds its layer: ${JSON.stringify([placed, there])}`, () => {
    const layers = placed.map(([key, layer, fingerprint]) => ({ ...DEFAULTS, key, layer, fingerprint }));
    const known = Object.entries(there).map(([id, fingerprint]) => ({ id, fingerprint }));
    const found = arrangement.reconcile({ version: 1, canvas: [9, 9], layers }, known);
    assert.deepEqual(Object.fromEntries(found), expected);
  });
}

test("a photo of another size moves by the ratio", () => {
  const moved = arrangement.update(whole(), "2", { x: 10, y: -8, scale_x: 2 });
  const { x, y, scale_x } = arrangement.fitted(moved, [50, 160]).layers[1];
  assert.deepEqual([x, y, scale_x], [5, -16, 2]);
  assert.equal(arrangement.fitted(moved, [100, 80]), moved);
});

test("add, remove, duplicate, reorder, update and reset change nothing that they are given", () => {
  const start = frozen(whole());
  assert.equal(keys(arrangement.add(start, LAYERS[2])), "1234");
  assert.equal(arrangement.add(start, LAYERS[2]).layers[3].layer, "p2");
  assert.equal(arrangement.add(start, LAYERS[2]).layers[3].visible, true);
  assert.equal(keys(arrangement.remove(start, "2")), "13");
  const twice = arrangement.duplicate(start, "2", 5);
  assert.deepEqual([twice.key, keys(twice.composition), twice.composition.layers[2].x], ["4", "1243", 5]);
  assert.equal(keys(arrangement.reorder(start, "1", 1)), "213");
  assert.equal(keys(arrangement.reorder(start, "1", 99)), "231");
  assert.equal(keys(arrangement.reorder(start, "3", -1)), "312");
  assert.equal(arrangement.reorder(start, "2", 1), start);
  const changed = arrangement.update(start, "2", { x: 1e9, scale_x: 0, opacity: NaN, blend: "screen", key: "9" });
  const { x, scale_x, opacity, blend, key } = changed.layers[1];
  assert.deepEqual([x, scale_x, opacity, blend, key], [1e6, 0.01, 1, "screen", "2"]);
  assert.deepEqual(arrangement.resetOne(frozen(changed), "2").layers[1], start.layers[1]);
  assert.equal(arrangement.placement(start, "3"), start.layers[2]);
  assert.equal(arrangement.placement(start, "7"), null);
});

test("a key is never given twice", () => {
  const odd = { ...whole(), layers: [{ ...DEFAULTS, key: "head", layer: "a" }, { ...DEFAULTS, key: "7", layer: "a" }] };
  assert.equal(arrangement.add(odd, LAYERS[0]).layers[2].key, "8");
});

test("edges and centres snap to those of the canvas and of visible layers, the nearest first", () => {
  const at = (x, y, tolerance = 4) => reach.snap(arrangement.update(whole(), "2", { x, y }), "2", LAYERS, tolerance);
  assert.deepEqual(at(-8, 0), { x: -10, y: 0, guides: [{ axis: "x", at: 0 }, { axis: "y", at: 40 }] }); // p1: 10..30, 20..60
  assert.deepEqual(at(31, 17).x, 30); // its centre, 20, to the canvas's, 50
  assert.deepEqual(at(67, 17).x, 70); // its right edge to the canvas's
  assert.deepEqual(at(67, 17, 1), { x: 67, y: 17, guides: [] });
  assert.equal(at(18, 12).x, 20, "an edge to the centre of the canvas");
  assert.equal(at(37, 12).x, 40, "and not to those of layer 3, which is invisible: its left edge, 50, is that centre");
  const seen = arrangement.update(arrangement.update(whole(), "3", { visible: true, x: 3 }), "2", { x: 22.5 });
  assert.equal(reach.snap(seen, "2", LAYERS, 1).x, 23, "right edge 52.5 to the left edge of layer 3, 53");
  assert.deepEqual(reach.snap(whole(), "99", LAYERS, 4), { x: 0, y: 0, guides: [] });
});

test("what is off the canvas is lost, and is brought back", () => {
  for (const change of [{ x: 500 }, { x: -29.5 }, { y: 90 }, { x: 80, y: 70, rotation: 45 }, { x: -3000, scale_x: 30, rotation: 44 }]) {
    const away = arrangement.update(whole(), "2", change);
    assert.ok(reach.isLost(away, "2", LAYERS), JSON.stringify(change));
    for (const key of ["2", null]) {
      const back = reach.bringBack(away, key, LAYERS);
      assert.ok(!reach.isLost(back, "2", LAYERS), JSON.stringify(change));
      assert.equal(back.layers[0], away.layers[0]);
    }
    assert.equal(reach.bringBack(away, "3", LAYERS), away);
  }
  const small = reach.bringBack(arrangement.update(whole(), "2", { x: 500, y: 3 }), "2", LAYERS);
  assert.deepEqual(bounds(small.layers[1], LAYERS[1].box), [80, 23, 100, 63], "all of it, by the shortest way");
  assert.equal(reach.isLost(whole(), "2", LAYERS), false);
  assert.equal(reach.bringBack(whole(), null, LAYERS).layers.length, 3);
  const dormant = arrangement.add(whole(), { id: "gone", fingerprint: "" }, { x: 9999 });
  assert.equal(reach.isLost(dormant, "4", LAYERS), false);
});

test("there and back is the same point", () => {
  const box = [10, 20, 31, 60];
  for (let n = 0; n < 200; n++) {
    const r = (low, high) => low + Math.random() * (high - low);
    const placed = {
      ...DEFAULTS, key: "1", layer: "a", x: r(-50, 50), y: r(-50, 50), scale_x: r(0.05, 4), scale_y: r(0.05, 4),
      rotation: n % 3 ? r(-400, 400) : 90 * Math.round(r(-5, 5)), flip_x: n % 2 > 0, flip_y: n % 5 > 2,
    };
    const point = { x: r(10, 31), y: r(20, 60) }, there = forward(placed, box, point), back = inverse(placed, box, there);
    assert.ok(Math.hypot(back.x - point.x, back.y - point.y) < 1e-9);
    assert.ok(contains(placed, box, there));
    assert.ok(!contains(placed, box, forward(placed, box, { x: 9, y: 30 })));
    const [left, top, right, bottom] = bounds(placed, box);
    assert.ok(there.x >= left && there.x <= right && there.y >= top && there.y <= bottom);
  }
});

test("turns are clockwise about the centre, flips before them", () => {
  const placed = { ...DEFAULTS, key: "1", layer: "a", x: 100, rotation: 90, scale_x: 2 };
  assert.deepEqual(quad(placed, [0, 0, 10, 20]), [
    { x: 115, y: 0 }, { x: 115, y: 20 }, { x: 95, y: 20 }, { x: 95, y: 0 },
  ]);
  const [corner] = quad({ ...placed, flip_x: true }, [0, 0, 10, 20]);
  assert.deepEqual(corner, { x: 115, y: 20 });
});

test("history: undo, redo, gestures, limits", () => {
  const history = new History("a", 3);
  assert.deepEqual([history.now, history.canUndo, history.canRedo, history.undo()], ["a", false, false, "a"]);
  history.push("a");
  assert.equal(history.canUndo, false, "the same state is no step");
  for (const state of ["b", "c", "d"]) history.push(state, "drag 1");
  assert.deepEqual([history.undo(), history.canUndo, history.redo()], ["a", false, "d"]);
  history.push("e", "drag 1");
  assert.equal(history.undo(), "d", "a gesture ends with an undo or redo");
  history.redo();
  history.push("f", "drag 2");
  history.settle();
  history.push("g", "drag 2");
  assert.equal(history.undo(), "f");
  history.push("h");
  assert.equal(history.canRedo, false, "a new step forgets what was undone");
  for (const state of "ijkl") history.push(state);
  let steps = 0;
  while (history.canUndo) [steps] = [steps + 1, history.undo()];
  assert.equal(steps, 3);
  history.reset("z");
  assert.deepEqual([history.now, history.canUndo, history.canRedo], ["z", false, false]);
});
