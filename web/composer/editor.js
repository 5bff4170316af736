// What the composer edits: the layers that a run gave, the composition, and which placement is selected. No element is
// touched here; whoever shows it listens.

import { add, defaultComposition, duplicate, fitted, placement, reconcile, remove, reorder, resetOne, update } from "./arrangement.js";
import { History } from "./history.js";
import { bringBack } from "./reach.js";
import { parse, serialise } from "./text.js";

/** @import { Composition, LayerInfo, Placement } from "./arrangement.js" */
/** @typedef {LayerInfo & {url: string}} Layer With the address of its picture, cropped to its box. */

/**
 * @typedef {object} Told What happened, for those who listen.
 * @property {string} [done] The key of a text that says it.
 * @property {Record<string, string | number>} [values] What the text names.
 */

export class Editor {
  /** @type {readonly Layer[]} */
  layers = [];
  /** @type {[number, number] | null} Width and height of the photo; null before the first run. */
  canvas = null;
  /** @type {string | null} The key of the selected placement. */
  selected = null;
  /** Why the value could not be read; "" when it could. */
  problem = "";
  /** Whether nothing may be changed here. */
  locked = false;
  /** Whether dragged layers snap. */
  snaps = true;
  /** Whether width and height keep their proportion. */
  proportional = true;

  /** @type {History<Composition | null>} */
  #history = new History(/** @type {Composition | null} */ (null));
  /** @type {Composition | null} What a hand is about to make of it. */
  #draft = null;
  /** @type {Composition | null} Made of the layers where nothing is composed by hand. */
  #automatic = null;
  /** @type {Composition | null} */
  #fitted = null;
  #text = "";
  /** @type {((told: Told) => void)[]} */
  #listeners = [];
  /** @type {(text: string) => void} */
  #write;

  /** @param {(text: string) => void} write Hears the new value after each step that a hand made. */
  constructor(write) {
    this.#write = write;
  }

  /** @param {(told: Told) => void} listener Called after everything that could change what is seen. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /**
   * Tell those who listen.
   * @param {string} [done]
   * @param {Record<string, string | number>} [values]
   */
  tell(done, values) {
    for (const listener of this.#listeners) listener({ done, values });
  }

  /** @returns {boolean} Whether somebody composed by hand. */
  get composed() {
    return this.#history.now !== null || this.#draft !== null;
  }

  /** @returns {boolean} Whether a gesture is under way. */
  get drafting() {
    return this.#draft !== null;
  }

  /**
   * What is to be seen: the composition, or what the node makes by itself; null before the first run.
   * @returns {Composition | null}
   */
  get shown() {
    if (this.#draft) return this.#draft;
    const canvas = this.canvas;
    const now = this.#history.now;
    if (!now) return canvas && (this.#automatic ??= defaultComposition(canvas, this.layers));
    return canvas ? (this.#fitted ??= fitted(now, canvas)) : now;
  }

  /** @returns {Placement | null} */
  get chosen() {
    const shown = this.shown;
    return shown && this.selected !== null ? placement(shown, this.selected) : null;
  }

  get canUndo() {
    return !this.locked && this.#history.canUndo;
  }

  get canRedo() {
    return !this.locked && this.#history.canRedo;
  }

  /**
   * The layers of a run.
   * @param {[number, number]} canvas
   * @param {readonly Layer[]} layers Bottom first.
   */
  show(canvas, layers) {
    this.#draft = null;
    this.canvas = canvas;
    this.layers = layers;
    this.#automatic = null;
    this.#fitted = null;
    this.#keepSelection();
    this.tell();
  }

  /**
   * A value that came from elsewhere: a workflow, undo in the graph, the API.
   * @param {string} text
   */
  take(text) {
    if (text === this.#text) return;
    this.#text = text;
    this.#draft = null;
    this.#fitted = null;
    this.problem = "";
    /** @type {Composition | null} */
    let composition = null;
    try {
      composition = parse(text);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
    this.#history.reset(composition);
    this.#keepSelection();
    this.tell();
  }

  /** @param {boolean} locked */
  lock(locked) {
    if (locked === this.locked) return;
    this.locked = locked;
    this.#draft = null;
    this.tell();
  }

  /**
   * The layer that a placement shows; null for one that is not in this picture.
   * @param {string} key
   * @returns {Layer | null}
   */
  layerOf(key) {
    const shown = this.shown;
    const id = shown && reconcile(shown, this.layers).get(key);
    return this.layers.find((layer) => layer.id === id) ?? null;
  }

  /**
   * How often a layer is to be seen on the canvas.
   * @param {string} id
   * @returns {number}
   */
  count(id) {
    const shown = this.shown;
    if (!shown) return 0;
    const found = reconcile(shown, this.layers);
    return shown.layers.filter((placed) => placed.visible && found.get(placed.key) === id).length;
  }

  /** @param {string | null} key */
  select(key) {
    if (key === this.selected) return;
    this.commit();
    this.selected = key;
    this.tell();
  }

  // ---- gestures: drafts that become one step

  /**
   * Show what a gesture has made of the selected placement so far.
   * @param {Partial<Placement>} change
   */
  draft(change) {
    const shown = this.shown;
    if (this.locked || !shown || this.selected === null) return;
    this.#draft = update(shown, this.selected, change);
    this.tell();
  }

  /**
   * End a gesture: what it made becomes one step.
   * @param {string} [done] What it did.
   * @param {Record<string, string | number>} [values]
   */
  commit(done, values) {
    if (!this.#draft) return;
    const made = this.#draft;
    this.#draft = null;
    this.#step(made, done, values);
  }

  /** End a gesture, and forget what it made. */
  cancel() {
    if (!this.#draft) return;
    this.#draft = null;
    this.tell();
  }

  // ---- steps

  /**
   * Put a layer on the canvas: one that is there but hidden is shown, any other is put above the rest.
   * @param {Layer} layer
   * @param {string} name
   */
  put(layer, name) {
    const shown = this.#before();
    if (!shown) return;
    const found = reconcile(shown, this.layers);
    const asleep = [...shown.layers].reverse().find((placed) => !placed.visible && found.get(placed.key) === layer.id);
    const made = asleep ? update(shown, asleep.key, { visible: true }) : add(shown, layer);
    this.selected = asleep?.key ?? made.layers[made.layers.length - 1].key;
    this.#step(made, "did add", { name });
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  remove(key, name) {
    const shown = this.#before();
    if (!shown) return;
    const place = shown.layers.findIndex((placed) => placed.key === key);
    const made = remove(shown, key);
    if (this.selected === key) {
      const next = made.layers[Math.min(Math.max(place - 1, 0), made.layers.length - 1)];
      this.selected = next?.key ?? null;
    }
    this.#step(made, "did remove", { name });
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  duplicate(key, name) {
    const shown = this.#before();
    if (!shown) return;
    const made = duplicate(shown, key, Math.round(Math.max(...shown.canvas) / 40));
    this.selected = made.key;
    this.#step(made.composition, "did duplicate", { name });
  }

  /**
   * Move a placement to a place in the order, 0 the bottom.
   * @param {string} key
   * @param {number} place
   * @param {string} name
   */
  reorder(key, place, name) {
    const shown = this.#before();
    if (!shown) return;
    const made = reorder(shown, key, place);
    const count = made.layers.length;
    const now = made.layers.findIndex((placed) => placed.key === key);
    this.#step(made, "did reorder", { name, place: count - now, count });
  }

  /**
   * Change a placement, as one step.
   * @param {string} key
   * @param {Partial<Placement>} change
   * @param {string} done
   * @param {Record<string, string | number>} values
   */
  change(key, change, done, values) {
    const shown = this.#before();
    if (shown) this.#step(update(shown, key, change), done, values);
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  resetLayer(key, name) {
    const shown = this.#before();
    if (shown) this.#step(resetOne(shown, key), "did reset layer", { name });
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  bringBack(key, name) {
    const shown = this.#before();
    if (shown) this.#step(bringBack(shown, key, this.layers), "did bring back", { name });
  }

  /** Back to what the node makes by itself. */
  resetAll() {
    if (this.locked) return;
    this.#draft = null;
    this.problem = "";
    this.#step(null, "did reset");
  }

  /**
   * Take a whole composition, as one step.
   * @param {Composition} composition
   * @param {string} done
   */
  replace(composition, done) {
    if (this.#before()) this.#step(composition, done);
  }

  undo() {
    this.#travel("undo");
  }

  redo() {
    this.#travel("redo");
  }

  /** @param {"undo" | "redo"} way */
  #travel(way) {
    if (this.locked) return;
    this.commit();
    if (!(way === "undo" ? this.canUndo : this.canRedo)) return;
    this.#history[way]();
    this.#changed(way === "undo" ? "did undo" : "did redo");
  }

  /** @returns {Composition | null} What a step starts from. */
  #before() {
    if (this.locked) return null;
    this.commit();
    return this.shown;
  }

  /**
   * @param {Composition | null} made
   * @param {string} [done]
   * @param {Record<string, string | number>} [values]
   */
  #step(made, done, values) {
    if (made && serialise(made) === serialise(this.shown)) return this.tell(); // a click that moved nothing is no step
    this.#history.push(made);
    this.problem = "";
    this.#changed(done, values);
  }

  /**
   * @param {string} [done]
   * @param {Record<string, string | number>} [values]
   */
  #changed(done, values) {
    this.#fitted = null;
    this.#keepSelection();
    const text = serialise(this.#history.now);
    const wrote = text !== this.#text;
    this.#text = text;
    this.tell(done, values);
    if (wrote) this.#write(text);
  }

  #keepSelection() {
    if (this.selected !== null && !this.chosen) this.selected = null;
  }
}
