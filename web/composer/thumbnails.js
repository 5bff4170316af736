// The strip of thumbnails: every layer of the last run, to be put on the canvas by a click.

import { element } from "../shared/dom.js";
import { icon } from "./icons.js";

/** @import { Editor, Layer } from "./editor.js" */
/** @typedef {(key: string, values?: Record<string, string | number>) => string} Say */

/**
 * @param {Editor} editor
 * @param {Say} say
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function thumbnails(editor, say) {
  const strip = element("ul", { class: "mild-thumbnails", "aria-label": say("layers") });
  /** @type {readonly Layer[] | null} */
  let drawn = null;
  /** @type {(() => void)[]} */
  let refresh = [];

  /** @param {Layer} layer */
  function one(layer) {
    const name = layerName(layer, say);
    const count = element("span", { class: "mild-count" });
    const button = element(
      "button",
      { type: "button", class: "mild-thumbnail", "data-layer": layer.id, onclick: () => editor.put(layer, name) },
      element(
        "span",
        { class: "mild-checked" },
        element("img", { src: layer.url, alt: "", draggable: "false" }),
        layer.erased && element("span", { class: "mild-erased" }, icon("erased")),
        count,
      ),
      element("span", { class: "mild-name" }, name),
    );
    const person = [layer.name, layer.label].filter(
      (text, index, all) => text && text !== name && all.indexOf(text) === index,
    );
    const isPerson = layer.id !== "background" && layer.id !== "backdrop" && person.length > 0;
    const what = isPerson
      ? say("thumbnail person", { name, label: person.join(", ") })
      : say("thumbnail layer", { name });
    refresh.push(() => {
      const times = editor.count(layer.id);
      count.textContent = times ? String(times) : "";
      count.hidden = !times;
      button.disabled = editor.locked;
      button.setAttribute("data-count", String(times));
      const told = [what, layer.erased && say("is erased"), say("on canvas", { count: times })]
        .filter(Boolean)
        .join(" ");
      button.title = told;
      button.setAttribute("aria-label", told);
    });
    return element("li", {}, button);
  }

  function update() {
    if (drawn !== editor.layers) {
      drawn = editor.layers;
      refresh = [];
      strip.replaceChildren(...[...drawn].reverse().sort(asOnThePage).map(one));
    }
    for (const each of refresh) each();
  }

  return { element: strip, update };
}

/**
 * How a layer is called, as on MILD's project page: ip1, ip2, …, Background. Another name stays as it is.
 * @param {Layer} layer
 * @param {Say} say
 * @returns {string}
 */
export function layerName(layer, say) {
  if (layer.id === "background") return say("Background");
  if (layer.id === "backdrop") return say("Backdrop");
  const number = /^person (\d+)$/.exec(layer.name)?.[1];
  return number ? say("person", { number }) : layer.name;
}

/**
 * People by their numbers, then the backgrounds, as MILD's project page shows them.
 * @param {Layer} one
 * @param {Layer} other
 */
function asOnThePage(one, other) {
  /** @param {Layer} layer */
  const rank = (layer) => ["background", "backdrop"].indexOf(layer.id);
  /** @param {Layer} layer */
  const number = (layer) => Number(/\d+$/.exec(layer.name)?.[0] ?? 0);
  return rank(one) - rank(other) || number(one) - number(other);
}
