import assert from "node:assert/strict";
import { test } from "node:test";

import { BLENDS, blended } from "../../web/composer/blend.js";

// W3C's formulas at colours whose result can be worked out by hand; the rest is checked against Python, pixel by pixel
const CASES = [
  ["normal", [0.2, 0.4, 0.6], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
  ["multiply", [0.2, 0.4, 0.6], [0.5, 0.5, 1], [0.1, 0.2, 0.6]],
  ["screen", [0.2, 0.4, 0.6], [0.5, 0, 1], [0.6, 0.4, 1]],
  ["overlay", [0.25, 0.75, 0.5], [0.5, 0.5, 0.2], [0.25, 0.75, 0.2]],
  ["darken", [0.2, 0.4, 0.6], [0.5, 0.1, 0.6], [0.2, 0.1, 0.6]],
  ["lighten", [0.2, 0.4, 0.6], [0.5, 0.1, 0.6], [0.5, 0.4, 0.6]],
  ["color-dodge", [0.2, 0, 0.6], [0.5, 1, 1], [0.4, 0, 1]],
  ["color-burn", [0.8, 1, 0.6], [0.5, 0, 0], [0.6, 1, 0]],
  ["hard-light", [0.2, 0.4, 0.6], [0.25, 0.75, 1], [0.1, 0.7, 1]],
  ["soft-light", [0.25, 0.16, 0.64], [0.5, 0, 1], [0.25, 0.0256, 0.8]],
  ["difference", [0.2, 0.4, 0.6], [0.5, 0.1, 0.6], [0.3, 0.3, 0]],
  ["exclusion", [0.2, 0.4, 1], [0.5, 0, 1], [0.5, 0.4, 0]],
  ["hue", [0.5, 0.5, 0.5], [1, 0, 0], [0.5, 0.5, 0.5]], // grey has no saturation to give the hue
  ["saturation", [0.7, 0.5, 0.3], [0.4, 0.4, 0.4], [0.538, 0.538, 0.538]], // to grey of the same luminosity
  ["color", [0.4, 0.4, 0.4], [0.5, 0.5, 0.5], [0.4, 0.4, 0.4]],
  ["luminosity", [0.2, 0.2, 0.2], [0.6, 0.6, 0.6], [0.6, 0.6, 0.6]],
];

for (const [mode, below, above, expected] of CASES) {
  test(mode, () => {
    blended(mode, below, above).forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-9, `${value}`));
  });
}

test("every mode has a case, gives colours, and leaves what it was given", () => {
  assert.deepEqual(CASES.map(([mode]) => mode), [...BLENDS]);
  for (const mode of BLENDS) {
    for (let n = 0; n < 200; n++) {
      const [below, above] = [0, 1].map(() => Array.from({ length: 3 }, () => Math.round(Math.random() * 6) / 5 - 0.1));
      const kept = [...below, ...above];
      const out = blended(mode, below, above);
      assert.deepEqual([...below, ...above], kept);
      if (mode !== "normal") out.forEach((value) => assert.ok(value >= 0 && value <= 1, `${mode} ${kept} ${out}`));
    }
  }
});
