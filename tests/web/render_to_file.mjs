// node render_to_file.mjs WHAT.json: renders each composition of the file, and writes its pixels as float32 beside it.
// What the file holds is said in tests/core/test_parity.py.

import { readFileSync, writeFileSync } from "node:fs";

import { parse } from "../../web/composer/text.js";
import { render } from "../../web/composer/render.js";

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { composition, sources, width, height, out } of cases) {
  const layers = sources.map(({ id, file, ...rest }) => [id, { ...rest, data: new Uint8ClampedArray(readFileSync(file)) }]);
  const { data } = render(parse(composition), new Map(layers), width, height, { float: true });
  writeFileSync(out, new Uint8Array(data.buffer));
}
