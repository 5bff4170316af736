// The Flex Composer on MILD Compose Layers. It shows and edits the node's own text widget `composition`, which is out
// of sight: so the value is saved, copied, undone, linked and set through the API as any other.

import { placeOf } from "../picker/values.js";
import { app, language, memory, onNode, setWidget, viewUrl } from "../shared/host.js";
import { createComposer } from "./composer.js";
import { exchangeWith } from "./exchange.js";

const NAME = "composition";
const WIDTH = 420; // px, the least
const HEIGHT = 470; // px, the least of the composer: of the node with its sockets about 560
const SPARE = 180; // px that a new node gives the composer beyond that
const LOOK_EVERY = 200; // ms: values change by other hands, which tell nobody

onNode("MILD.Composer", "MILDComposeLayers", (node) => {
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
  const widget = node.addDOMWidget("composer", "MILD_COMPOSER", composer.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT,
  });
  widget.serialize = false;
  widget.composer = composer;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, WIDTH), height + SPARE]);
  composer.element.addEventListener("wheel", zoomGraph);

  let recalled = false;

  /** See whether anybody else set the value or linked it. */
  function look() {
    if (!node.graph) return;
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

  const clock = setInterval(look, LOOK_EVERY);
  return {
    executed(output) {
      const run = output?.mild_layers?.[0];
      if (!run) return;
      kept.keep(run);
      show(run);
    },
    configured: look,
    removed: () => clearInterval(clock),
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
