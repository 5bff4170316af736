// The only module of the pack's web side that knows ComfyUI's frontend. Modules that do not import it run anywhere,
// and are tested without a browser.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

export { api, app };

/**
 * A picture that the server keeps, as the outputs of nodes name it.
 * @typedef {{filename: string, subfolder?: string, type?: string}} StoredFile
 */

/**
 * What a node's widget wants to hear.
 * @typedef {object} NodeListener
 * @property {(output: any) => void} [executed] The node ran, or a cached run was replayed; `output` is its `ui`.
 * @property {() => void} [look] Called a few times a second while the node is on a graph, and at once when values were loaded from a
 *   workflow, pasted, or undone: scripts, undo and subgraphs set values and links, and tell nobody.
 * @property {() => void} [removed] The node is gone.
 */

const LOOK_EVERY = 200; // ms

/**
 * Call `make` for every node of a kind, in both renderers and within subgraphs.
 * @param {string} extension The extension's name, unique in the whole frontend.
 * @param {string} kind The node's id, such as "MILDSplitPeople".
 * @param {(node: any) => NodeListener} make Adds widgets to the node, and says what it wants to hear.
 */
export function onNode(extension, kind, make) {
  app.registerExtension({
    name: extension,
    /** @param {any} node */
    nodeCreated(node) {
      if (node.comfyClass !== kind) return;
      const listener = make(node);
      let clock = 0;
      const look = () => {
        if (!node.graph) return;
        takePlaces(node);
        listener.look?.();
      };
      const start = () => {
        clearInterval(clock);
        clock = setInterval(look, LOOK_EVERY);
      };
      if (node.graph) start();
      after(node, "onAdded", start);
      after(node, "onConfigure", look);
      after(node, "onExecuted", (output) => listener.executed?.(output));
      after(node, "onRemoved", () => {
        clearInterval(clock);
        listener.removed?.();
      });
    },
  });
}

/** @type {Map<HTMLElement, {node: any, name: string}>} The elements of widgets, and whose they are. */
const elements = new Map();

/**
 * Add a widget that is one element. It has no value: it shows and edits those of the node's own inputs.
 * @param {any} node
 * @param {string} name The widget's name, unique on the node.
 * @param {string} type Unique in the whole frontend.
 * @param {HTMLElement} element
 * @param {number} height px, the least.
 * @returns {any} The widget.
 */
export function addElement(node, name, type, element, height) {
  elements.set(element, { node, name });
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => height };
  const widget = node.addDOMWidget(name, type, element, options);
  widget.serialize = false;
  return widget;
}

/**
 * Put a node's elements where those of the node before it are still shown. For undo, and for making a subgraph, the frontend makes
 * nodes anew, but Nodes 2.0 goes on showing the elements of the nodes that are gone.
 * @param {any} node
 */
function takePlaces(node) {
  if (node.graph !== app.canvas?.graph) return;
  for (const [mine, { node: owner, name }] of elements) {
    if (owner !== node || mine.isConnected) continue;
    for (const [other, before] of elements) {
      if (before.node.graph?.getNodeById?.(before.node.id) === before.node) continue;
      if (other.isConnected && before.name === name && String(before.node.id) === String(node.id)) other.replaceWith(mine);
      if (!other.isConnected) elements.delete(other);
    }
  }
}

/**
 * Let `then` run after whatever a node's method does already.
 * @param {any} node
 * @param {string} method
 * @param {(...args: any[]) => void} then
 */
function after(node, method, then) {
  const before = node[method];
  node[method] = function (/** @type {any[]} */ ...args) {
    const result = before?.apply(this, args);
    then(...args);
    return result;
  };
}

/**
 * Where the browser finds a picture that the server keeps.
 * @param {StoredFile} file
 * @returns {string}
 */
export function viewUrl({ filename, subfolder = "", type = "temp" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/**
 * Set a widget as a hand would have: its callback runs, the canvas is drawn anew, and undo knows of it.
 * @param {any} node
 * @param {string} name The widget's name, which is the input's.
 * @param {unknown} value
 */
export function setWidget(node, name, value) {
  const widget = node.widgets?.find((/** @type {any} */ each) => each.name === name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  noteChange(node);
}

/**
 * Tell the frontend that the workflow has changed, so that undo, the unsaved mark and the drawing know.
 * @param {any} node
 */
export function noteChange(node) {
  node.graph?.setDirtyCanvas?.(true, true);
  const workflow = /** @type {any} */ (app).extensionManager?.workflow?.activeWorkflow;
  const tracker = workflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
}

/**
 * Keep what a node showed last for as long as the browser tab lives, so that a reload of the page shows it again.
 * @param {any} node
 * @param {string} what
 */
export function memory(node, what) {
  const key = () => `mild:${what}:${/** @type {any} */ (app).rootGraph?.id ?? app.graph?.id ?? ""}:${node.graph?.id ?? ""}:${node.id}`;
  return {
    /** @param {unknown} value */
    keep(value) {
      try {
        sessionStorage.setItem(key(), JSON.stringify(value));
      } catch {
        // a full or forbidden store only costs the picture after a reload
      }
    },
    /** @returns {any} What was kept, or null. */
    recall() {
      const text = sessionStorage.getItem(key());
      return text === null ? null : JSON.parse(text);
    },
  };
}

/** @returns {string} The language that the artist chose, such as "en" or "zh". */
export function language() {
  return /** @type {any} */ (app).extensionManager?.setting?.get?.("Comfy.Locale") ?? "en";
}
