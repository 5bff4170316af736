// Compositions given to, and taken from, the core's Image Compositor where a core has one (0.30 has not).

import { app, setWidget } from "../shared/host.js";
import { linkById } from "../shared/values.js";
import { fromCore, toCore } from "./core_recipe.js";

/** @import { Exchange } from "./composer.js" */

const KIND = "ImageCompositor";
const WIDGET = "compositor";

/**
 * @param {any} node MILD Compose Layers; the Image Compositor is the one that its `layers_rgba` is connected to.
 * @returns {Exchange | null} null where the core has no Image Compositor.
 */
export function exchangeWith(node) {
  if (!(/** @type {any} */ (globalThis).LiteGraph?.registered_node_types?.[KIND])) return null;

  function partner() {
    const output = node.outputs?.find((/** @type {any} */ each) => each.name === "layers_rgba");
    for (const id of output?.links ?? []) {
      const link = linkById(node.graph, id);
      const target = link && node.graph.getNodeById(link.target_id);
      if (target?.comfyClass === KIND || target?.type === KIND) return target;
    }
    return null;
  }

  return {
    send(composition, layers) {
      const target = partner();
      if (!target) return "no partner";
      const outputs = /** @type {any} */ (app).nodeOutputs?.[target.id];
      const { recipe, lost } = toCore(composition, layers, outputs?.compositor_inputs);
      setWidget(target, WIDGET, recipe);
      return lost.length ? "did send some" : "did send";
    },
    fetch(layers, canvas) {
      const target = partner();
      if (!target) return { composition: null, said: "no partner" };
      const value = target.widgets?.find((/** @type {any} */ widget) => widget.name === WIDGET)?.value;
      try {
        return { composition: fromCore(value, layers, canvas).composition, said: "did fetch" };
      } catch {
        return { composition: null, said: "cannot fetch" };
      }
    },
  };
}
