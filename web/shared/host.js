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
 * @property {() => void} [configured] The node's values were loaded from a workflow, pasted, or undone.
 * @property {() => void} [removed] The node is gone.
 */

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
      after(node, "onExecuted", (output) => listener.executed?.(output));
      after(node, "onConfigure", () => listener.configured?.());
      after(node, "onRemoved", () => listener.removed?.());
    },
  });
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

/** @type {Map<string, WeakRef<HTMLElement>>} */
const shown = new Map();

/**
 * Put a node's element where that of the node before it is still shown. For undo and for a change of workflows the frontend makes
 * every node anew, but Nodes 2.0 goes on showing the elements of the nodes that are gone. Call it when the node was configured.
 * @param {any} node
 * @param {string} what The widget's name.
 * @param {HTMLElement} element
 */
export function takePlace(node, what, element) {
  if (!node.graph) return;
  const key = `${what}:${node.graph.rootGraph?.id ?? ""}:${node.graph.id ?? ""}:${node.id}`;
  const before = shown.get(key)?.deref();
  if (before === element) return;
  if (before?.isConnected && !element.isConnected) before.replaceWith(element);
  shown.set(key, new WeakRef(element));
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
