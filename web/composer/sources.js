// The pictures of layers, as pixels that can be composed. Kept for as long as the page lives, since undo in the graph
// makes nodes anew.

import { loadImage } from "../shared/dom.js";

/** @import { Layer } from "./editor.js" */
/** @import { Source } from "./render.js" */

const KEPT = 48;
/** @type {Map<string, Promise<Source>>} By address and fingerprint, the latest used last. */
const known = new Map();

/**
 * @param {Layer} layer
 * @returns {Promise<Source>} Rejects where the server has the picture no more.
 */
export function sourceOf(layer) {
  const key = `${layer.url} ${layer.fingerprint} ${layer.box}`;
  const found = known.get(key) ?? read(layer);
  known.delete(key);
  known.set(key, found);
  found.catch(() => known.delete(key));
  for (const old of [...known.keys()].slice(0, -KEPT)) known.delete(old);
  return found;
}

/**
 * @param {Layer} layer
 * @returns {Promise<Source>}
 */
async function read({ url, box, fingerprint }) {
  const image = await loadImage(url);
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(image, 0, 0);
  return { box, width, height, data: context.getImageData(0, 0, width, height).data, fingerprint };
}
