// The Flex Composer on MILD Compose Layers. It shows and edits the node's own text widget `composition`, which is out
// of sight: so the value is saved, copied, undone, linked and set through the API as any other.

import { addElement, app, language, memory, onNode, setWidget, viewUrl } from "../shared/host.js";
import { placeOf } from "../shared/values.js";
import { createComposer } from "./composer.js";
import { exchangeWith } from "./exchange.js";

const NAME = "composition";
const WIDTH = 420; // px, the least
const HEIGHT = 460; // px, the least of the composer, as in composer.css
const MARGIN = 10; // px that the classic canvas leaves around a widget
const SPARE = 180; // px that a new node gives the composer beyond that

onNode("mild.composer", "MILDComposeLayers", (node) => {
  hide(node.widgets.find((/** @type {any} */ widget) => widget.name === NAME));
  const kept = memory(node, "layers");
  const composer = createComposer({
    language: language(),
    exchange: exchangeWith(node),
    onChange(text) {
      const place = placeOf(node, NAME);
      if (place) setWidget(place.node, place.widget.name, text);
    },
  });
  const widget = addElement(node, "composer", "MILD_COMPOSER", composer.element, HEIGHT + 2 * MARGIN);
  widget.composer = composer;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, WIDTH), height + SPARE]);
  composer.element.addEventListener("wheel", zoomGraph);

  let recalled = false;

  /** See whether anybody else set the value or linked it. */
  function look() {
    const place = placeOf(node, NAME);
    composer.lock(place === null);
    if (place) composer.take(String(place.widget.value ?? ""));
    if (!recalled) show(kept.recall());
  }

  /** @param {any} run What the node told of its last run, or null. */
  function show(run) {
    recalled = true;
    if (!run?.layers) return;
    const layers = run.layers.map((/** @type {any} */ layer) => ({ ...layer, url: viewUrl(layer.file) }));
    void composer.show({ canvas: run.canvas, scale: run.scale, layers });
  }

  return {
    executed(output) {
      const run = output?.mild_layers?.[0];
      if (!run) return;
      kept.keep(run);
      show(run);
    },
    look,
  };
});

/**
 * Keep a widget from sight in both renderers; its value is saved and can be set and linked as before.
 * @param {any} widget
 */
function hide(widget) {
  widget.hidden = true;
  widget.options.hidden = true;
  widget.computeSize = () => [0, -4];
}

/**
 * On the classic canvas a widget lies over the graph: give it the wheel that the widget does not take. Nodes 2.0 does
 * so itself.
 * @param {WheelEvent} event
 */
function zoomGraph(event) {
  if (/** @type {any} */ (globalThis).LiteGraph?.vueNodesMode) return;
  /** @type {any} */ (app.canvas).processMouseWheel(event);
}
