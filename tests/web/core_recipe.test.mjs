import assert from "node:assert/strict";
import { test } from "node:test";

import { add, defaultComposition, duplicate, remove, reorder, update } from "../../web/composer/arrangement.js";
import { fromCore, toCore } from "../../web/composer/core_recipe.js";
import { forward } from "../../web/composer/geometry.js";

const LAYERS = [
  { id: "background", name: "background", label: "", fingerprint: "b0", box: [0, 0, 100, 80], erased: false, depth: 2 },
  { id: "p1", name: "person 1", label: "", fingerprint: "f1", box: [10, 20, 30, 60], erased: false, depth: 1 },
  { id: "p2", name: "person 2", label: "", fingerprint: "f2", box: [50, 10, 80, 70], erased: true, depth: 0 },
];
const CANVAS = /** @type {[number, number]} */ ([100, 80]);
const whole = () => defaultComposition(CANVAS, LAYERS);

/** Where the core draws the pixel at `point` of a frame of w0 × h0, as its `placeBitmap` does. */
function drawnAt({ transform: { x, y, w, h, rotation }, flipH, flipV }, point, [w0, h0]) {
  const u = ((flipH ? w0 - point.x : point.x) / w0 - 0.5) * w, v = ((flipV ? h0 - point.y : point.y) / h0 - 0.5) * h;
  const [cos, sin] = [Math.cos(rotation), Math.sin(rotation)];
  return { x: x + w / 2 + cos * u - sin * v, y: y + h / 2 + sin * u + cos * v };
}

test("what lies as it was cut fills the canvas", () => {
  const { recipe, lost } = toCore(whole(), LAYERS, ["a", "b", "c"]);
  assert.deepEqual(lost, []);
  assert.deepEqual(Object.keys(recipe), ["version", "canvas", "inputs", "background", "layers"]);
  assert.deepEqual([recipe.version, recipe.canvas, recipe.inputs], [1, { w: 100, h: 80 }, ["a", "b", "c"]]);
  assert.deepEqual(recipe.layers.map(({ name, visible }) => [name, visible]), [
    ["background", true], ["person 1", true], ["person 2", false],
  ]);
  assert.deepEqual(recipe.layers[1].transform, { x: 0, y: 0, w: 100, h: 80, rotation: 0 });
});

test("the core draws a pixel where we do, and back it is the same composition", () => {
  for (let n = 0; n < 100; n++) {
    const r = (low, high) => Math.round((low + Math.random() * (high - low)) * 1e6) / 1e6;
    const change = {
      x: r(-60, 60), y: r(-60, 60), scale_x: r(0.1, 3), scale_y: r(0.1, 3), rotation: r(-170, 170),
      flip_x: n % 2 > 0, flip_y: n % 3 > 0, opacity: r(0, 1), blend: /** @type {const} */ ("overlay"), visible: n % 5 > 0,
    };
    const composition = update(whole(), "2", change), { recipe } = toCore(composition, LAYERS);
    const entry = recipe.layers[1];
    for (const point of [{ x: 10, y: 20 }, { x: 25, y: 31 }]) {
      const ours = forward(composition.layers[1], LAYERS[1].box, point), theirs = drawnAt(entry, point, CANVAS);
      assert.ok(Math.hypot(ours.x - theirs.x, ours.y - theirs.y) < 1e-9);
    }
    const back = fromCore(JSON.stringify(recipe), LAYERS, CANVAS);
    assert.deepEqual(back.unknown, []);
    back.composition.layers.forEach((placed, i) => {
      for (const [name, value] of Object.entries(composition.layers[i])) {
        const got = placed[name];
        assert.ok(typeof value === "number" ? Math.abs(got - value) < 1e-6 : got === value, `${name}: ${got} is not ${value}`);
      }
    });
  }
});

test("another order goes along", () => {
  const { recipe } = toCore(reorder(whole(), "1", 2), LAYERS);
  assert.deepEqual(recipe.order, [1, 2, 0]);
  assert.deepEqual(fromCore(recipe, LAYERS, CANVAS).composition.layers.map((p) => p.layer), ["p1", "p2", "background"]);
});

test("what the core cannot hold is told", () => {
  const { composition, key } = duplicate(whole(), "2", 7);
  const { recipe, lost } = toCore(composition, LAYERS);
  assert.deepEqual(lost, ["2"]);
  assert.equal(key, "4");
  assert.equal(recipe.layers[1].transform.x, 7, "the topmost one stays");
  const dormant = add(remove(whole(), "2"), { id: "gone", fingerprint: "" });
  const without = toCore(dormant, LAYERS);
  assert.deepEqual(without.lost, ["4"]);
  assert.equal(without.recipe.layers[1].visible, false, "a layer that is not on the canvas");
  assert.deepEqual(without.recipe.order, [1, 0, 2]);
});

test("what only the core knows is told, and what is no recipe refused", () => {
  const { recipe } = toCore(whole(), LAYERS);
  recipe.layers[1].blend = "vivid-light";
  const read = fromCore(recipe, LAYERS, CANVAS);
  assert.deepEqual([read.unknown, read.composition.layers[1].blend], [["vivid-light"], "normal"]);
  recipe.layers[2] = null;
  assert.equal(fromCore(recipe, LAYERS, CANVAS).composition.layers[2].visible, true, "null is as it comes in");
  for (const bad of ["{", "[]", null, {}, { layers: [] }, { ...recipe, version: 2 }]) {
    assert.throws(() => fromCore(bad, LAYERS, CANVAS), /the recipe/);
  }
});
