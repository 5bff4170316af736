import assert from "node:assert/strict";
import test from "node:test";

import { parse, serialise } from "../../web/composer/text.js";
import { Editor } from "../../web/composer/editor.js";
import { drafted, pressed } from "../../web/composer/keys.js";

const layer = (id, erased = false) =>
  ({ id, name: id, label: "", fingerprint: `f-${id}`, box: [10, 10, 50, 90], erased, depth: 0, url: `/${id}.png` });
const LAYERS = [{ ...layer("background"), box: [0, 0, 200, 100] }, layer("far"), layer("near", true)];

function editor() {
  const values = [];
  const made = new Editor((text) => values.push(text));
  made.show([200, 100], LAYERS);
  return { made, values };
}

const keyOf = (made, id) => made.shown.layers.findLast((placed) => placed.layer === id).key;

test("what nobody composed is shown, and is no value", () => {
  const { made, values } = editor();
  assert.equal(made.composed, false);
  assert.deepEqual(LAYERS.map(({ id }) => made.count(id)), [1, 1, 0]);
  made.select(keyOf(made, "far"));
  made.draft({ x: 0 });
  made.commit();
  assert.deepEqual(values, [], "a click that moves nothing is no step");
});

test("who was erased is put back in their own place of the order, and then once more", () => {
  const { made, values } = editor();
  made.put(LAYERS[2], "near");
  assert.deepEqual(LAYERS.map(({ id }) => made.count(id)), [1, 1, 1]);
  assert.equal(made.shown.layers.length, 3);
  assert.equal(made.selected, keyOf(made, "near"));
  made.put(LAYERS[2], "near");
  assert.equal(made.count("near"), 2);
  assert.equal(parse(values.at(-1)).layers.length, 4);
});

test("a gesture is one step, however many drafts it has", () => {
  const { made, values } = editor();
  made.select(keyOf(made, "far"));
  for (const x of [1, 2, 3]) made.draft({ x });
  assert.equal(values.length, 0);
  made.commit();
  assert.equal(values.length, 1);
  assert.equal(made.chosen.x, 3);
  made.draft({ x: 50 });
  made.cancel();
  assert.equal(made.chosen.x, 3);
  made.undo();
  assert.deepEqual(values.slice(1), [""]);
  made.redo();
  assert.equal(values.at(-1), values[0]);
});

test("a value from elsewhere is taken, and starts a history of its own", () => {
  const { made, values } = editor();
  made.put(LAYERS[2], "near");
  const text = serialise({ version: 1, canvas: [200, 100], layers: [] });
  made.take(text);
  assert.equal(made.shown.layers.length, 0);
  assert.equal(made.selected, null);
  assert.equal(made.canUndo, false);
  assert.equal(values.length, 1, "nothing is written back");
});

test("what cannot be read is told, and replaced by the next step", () => {
  const { made, values } = editor();
  made.take("{");
  assert.notEqual(made.problem, "");
  assert.equal(made.shown.layers.length, 3, "what MILD composes is shown meanwhile");
  made.resetAll();
  assert.equal(made.problem, "");
  assert.deepEqual(values, [""]);
});

test("nothing is changed where the value comes from elsewhere for good", () => {
  const { made, values } = editor();
  made.lock(true);
  made.put(LAYERS[2], "near");
  made.select(keyOf(made, "far"));
  made.draft({ x: 5 });
  made.commit();
  made.resetAll();
  assert.deepEqual(values, []);
  assert.equal(made.composed, false);
});

test("a layer that is not in this picture is kept, and shows nothing", () => {
  const { made } = editor();
  made.take('{"version":1,"canvas":[200,100],"layers":[{"key":"a","layer":"gone","fingerprint":"x"},{"key":"b","layer":"far"}]}');
  assert.equal(made.layerOf("a"), null);
  assert.equal(made.layerOf("b").id, "far");
  made.select("b");
  made.change("b", { flip_x: true }, "did flip", {});
  assert.deepEqual(made.shown.layers.map((placed) => placed.key), ["a", "b"]);
});

test("after one is removed, what lay below it is selected", () => {
  const { made } = editor();
  made.select(keyOf(made, "far"));
  made.remove(made.selected, "far");
  assert.equal(made.chosen.layer, "background");
});

test("keys draft what they say", () => {
  const placed = { x: 4, y: 5, scale_x: 1, scale_y: 2, rotation: 180 };
  assert.deepEqual(drafted("ArrowLeft", false, placed), { x: 3, y: 5 });
  assert.deepEqual(drafted("ArrowDown", true, placed), { x: 4, y: 15 });
  assert.deepEqual(drafted("]", false, placed), { rotation: -179 });
  assert.deepEqual(drafted("[", false, placed), { rotation: 179 });
  const larger = drafted("+", false, placed);
  assert.equal(larger.scale_y / larger.scale_x, 2);
  assert.ok(larger.scale_x > 1);
  assert.equal(drafted("Enter", false, placed), null);
});

test("keys act on the selected layer", () => {
  const { made } = editor();
  const press = (key, more = {}) => pressed({ key, shiftKey: false, ctrlKey: false, ...more }, made, () => "a layer");
  assert.equal(press("x"), false);
  made.select(keyOf(made, "far"));
  const order = () => made.shown.layers.map((placed) => placed.layer);
  assert.equal(press("PageUp"), true);
  assert.deepEqual(order(), ["background", "near", "far"]);
  press("PageDown");
  press("PageDown");
  press("PageDown");
  assert.deepEqual(order(), ["far", "background", "near"]);
  press("d", { ctrlKey: true });
  assert.equal(order().length, 4);
  press("Delete");
  assert.equal(order().length, 3);
  press("z", { ctrlKey: true });
  assert.equal(order().length, 4);
  press("h");
  assert.equal(made.chosen.flip_x, true);
  press("Escape");
  assert.equal(made.selected, null);
});
