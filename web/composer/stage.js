// The canvas of the composer: what the node will give out, and over it the frame of the selected layer with its
// handles.

import { element } from "../shared/dom.js";
import { update } from "./arrangement.js";
import { guide, handles, outline } from "./frame.js";
import { handleAt, pulled, turnedBy } from "./gestures.js";
import { shape } from "./icons.js";
import { snap } from "./reach.js";
import { contains, hitTest, render } from "./render.js";

/** @import { Placement } from "./arrangement.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Handle, Point } from "./gestures.js" */
/** @import { Source } from "./render.js" */

const MARGIN = 20; // around the canvas when all of it is in view: room for the handles
const SLACK = 3; // how far the pointer may move in a click
const NEAR = 7; // how near an edge must be for a layer to snap
const FRAME_TIME = 30; // milliseconds that drawing may take while a layer is dragged

/**
 * What a pointer does between down and up.
 * @typedef {object} Gesture
 * @property {(at: Point, event: PointerEvent) => void} move Gets the pointer in photo pixels.
 * @property {(moved: boolean) => void} end
 */

export class Stage {
  /** @type {Map<string, Source>} Pictures of the layers, by id. */
  sources = new Map();
  /** Pixels of those pictures for each pixel of the photo. */
  scale = 1;
  /** Which layer the pointer is over, here or in a list: a placement's key. @type {string | null} */
  pointedAt = null;

  #picture = element("canvas", { class: "mild-picture" });
  #overlay = shape("svg", { class: "mild-overlay", "aria-hidden": "true" });
  /** Where the photo's corner lies in the stage, and how large its pixels are, all in CSS pixels. */
  #view = { x: 0, y: 0, zoom: 1 };
  #fits = true;
  /** @type {Gesture | null} */
  #gesture = null;
  /** @type {{axis: "x" | "y", at: number}[]} */
  #guides = [];
  #pending = 0;
  #cost = 0; // milliseconds that the last drawing at full quality took
  /** @type {Editor} */
  #editor;
  /** @type {(key: string | null) => string} */
  #name;

  /**
   * @param {Editor} editor
   * @param {{label: string, describedBy: string, title: string, name: (key: string | null) => string}} texts
   */
  constructor(editor, texts) {
    this.#editor = editor;
    this.#name = texts.name;
    this.element = element(
      "div",
      {
        class: "mild-stage",
        tabindex: 0,
        role: "application",
        "aria-label": texts.label,
        "aria-describedby": texts.describedBy,
        onpointerdown: (/** @type {PointerEvent} */ event) => this.#down(event),
        onpointermove: (/** @type {PointerEvent} */ event) => this.#hover(event),
        onpointerleave: () => this.point(null),
        ondblclick: (/** @type {MouseEvent} */ event) => this.#double(event),
        onwheel: (/** @type {WheelEvent} */ event) => this.#wheel(event),
      },
      this.#picture,
      this.#overlay,
    );
    this.element.title = texts.title;
    new ResizeObserver(() => this.#resized()).observe(this.element);
  }

  /** Draw anew with the next frame. */
  draw() {
    this.#pending ||= requestAnimationFrame(() => {
      this.#pending = 0;
      this.#paint();
      this.#outline();
    });
  }

  /** Bring the whole canvas into view. */
  fit() {
    this.#fits = true;
    this.#place();
    this.draw();
  }

  /** @param {string | null} key The placement to outline, as the pointer is over it. */
  point(key) {
    if (key === this.pointedAt) return;
    this.pointedAt = key;
    this.#outline();
  }

  /**
   * What the node will give out, as far as the pictures at hand tell.
   * @param {number} [quality] 0..1
   * @returns {{width: number, height: number, data: Uint8ClampedArray} | null} RGBA, straight.
   */
  rendered(quality = 1) {
    const { shown, canvas } = this.#editor;
    if (!shown || !canvas) return null;
    const [width, height] = canvas.map((length) => Math.max(1, Math.round(length * this.scale)));
    const made = render(shown, this.sources, width, height, { scale: this.scale, quality });
    return /** @type {{width: number, height: number, data: Uint8ClampedArray}} */ (made);
  }

  #paint() {
    const dragging = this.#editor.drafting;
    const quality = dragging && this.#cost > FRAME_TIME ? Math.max(0.2, Math.sqrt(FRAME_TIME / this.#cost)) : 1;
    const began = performance.now();
    const made = this.rendered(quality);
    if (!made) return;
    if (quality === 1) this.#cost = performance.now() - began;
    const { width, height, data } = made;
    if (this.#picture.width !== width || this.#picture.height !== height)
      Object.assign(this.#picture, { width, height });
    const pixels = new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), width, height);
    this.#picture.getContext("2d")?.putImageData(pixels, 0, 0);
  }

  // ---- the view

  #resized() {
    this.#place();
    this.#outline();
  }

  #place() {
    const { canvas } = this.#editor;
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!canvas || !width || !height) return;
    if (this.#fits) {
      const room = [Math.max(40, width - 2 * MARGIN), Math.max(40, height - 2 * MARGIN)];
      const zoom = Math.min(room[0] / canvas[0], room[1] / canvas[1]);
      this.#view = { zoom, x: (width - canvas[0] * zoom) / 2, y: (height - canvas[1] * zoom) / 2 };
    }
    const { x, y, zoom } = this.#view;
    const style = this.#picture.style;
    [style.left, style.top] = [`${x}px`, `${y}px`];
    [style.width, style.height] = [`${canvas[0] * zoom}px`, `${canvas[1] * zoom}px`];
    style.imageRendering = zoom > 4 * this.scale ? "pixelated" : "auto";
  }

  /**
   * @param {number} factor
   * @param {Point} around In CSS pixels of the stage.
   */
  #zoom(factor, [px, py]) {
    const { x, y, zoom } = this.#view;
    const next = Math.min(32, Math.max(0.02, zoom * factor));
    this.#view = { zoom: next, x: px - ((px - x) * next) / zoom, y: py - ((py - y) * next) / zoom };
    this.#fits = false;
    this.#resized();
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point} In CSS pixels of the stage, whatever the graph's zoom.
   */
  #local(event) {
    const rect = this.element.getBoundingClientRect();
    const enlarged = rect.width / this.element.offsetWidth || 1;
    return [(event.clientX - rect.left) / enlarged, (event.clientY - rect.top) / enlarged];
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point} In pixels of the photo.
   */
  #at(event) {
    const [x, y] = this.#local(event);
    return [(x - this.#view.x) / this.#view.zoom, (y - this.#view.y) / this.#view.zoom];
  }

  /**
   * @param {Point} point In pixels of the photo.
   * @returns {Point} In CSS pixels of the stage.
   */
  #onStage([x, y]) {
    return [x * this.#view.zoom + this.#view.x, y * this.#view.zoom + this.#view.y];
  }

  // ---- frame, handles and guides

  #outline() {
    const { canvas, shown, chosen } = this.#editor;
    this.#overlay.replaceChildren();
    if (!canvas || !shown) return;
    const { clientWidth: width, clientHeight: height } = this.element;
    const view = { width, height, onStage: (/** @type {Point} */ point) => this.#onStage(point) };
    this.#overlay.append(...this.#guides.map((line) => guide(view, line)));
    const hovered = shown.layers.find((placed) => placed.key === this.pointedAt);
    const lies = hovered && hovered.key !== chosen?.key && !this.#gesture && this.#editor.layerOf(hovered.key);
    if (lies) this.#overlay.append(outline(view, hovered, lies.box, "mild-hover"));
    const box = chosen && this.#editor.layerOf(chosen.key)?.box;
    if (!chosen || !box) return;
    this.#overlay.append(outline(view, chosen, box, chosen.visible ? "mild-frame" : "mild-frame mild-unseen"));
    if (!this.#editor.locked && chosen.visible) this.#overlay.append(...handles(view, chosen, box));
  }

  // ---- the pointer

  /** @param {PointerEvent} event */
  #down(event) {
    this.element.focus({ preventScroll: true });
    if (event.button === 1) return this.#begin(event, this.#panning(event));
    if (event.button !== 0 || !this.#editor.shown) return;
    const handle = /** @type {Element} */ (event.target).getAttribute?.("data-handle");
    const { chosen } = this.#editor;
    const box = chosen && this.#editor.layerOf(chosen.key)?.box;
    if (handle && chosen && box) {
      const pulling =
        handle === "turn"
          ? this.#turning(chosen, box, this.#at(event))
          : this.#pulling(chosen, box, /** @type {Handle} */ (handle.split(",").map(Number)), this.#at(event));
      return this.#begin(event, pulling);
    }
    this.#begin(event, this.#moving(this.#at(event)));
  }

  /**
   * @param {PointerEvent} event
   * @param {Gesture} gesture
   */
  #begin(event, gesture) {
    event.preventDefault();
    const start = this.#local(event);
    let moved = false;
    this.#editor.commit();
    this.#gesture = gesture;
    this.element.setPointerCapture(event.pointerId);
    const listening = new AbortController();
    /** @param {PointerEvent} next */
    const move = (next) => {
      const [x, y] = this.#local(next);
      moved ||= Math.hypot(x - start[0], y - start[1]) > SLACK;
      if (moved && this.#gesture === gesture) gesture.move(this.#at(next), next);
    };
    const end = () => {
      listening.abort();
      if (this.#gesture !== gesture) return;
      this.#gesture = null;
      this.#guides = [];
      gesture.end(moved);
      this.draw();
    };
    const stop = () => {
      this.cancel();
      end();
    };
    const { signal } = listening;
    this.element.addEventListener("pointermove", move, { signal });
    this.element.addEventListener("pointerup", end, { signal });
    this.element.addEventListener("pointercancel", stop, { signal });
  }

  /** Leave a gesture, and what it made. */
  cancel() {
    this.#gesture = null;
    this.#guides = [];
    this.#editor.cancel();
    this.draw();
  }

  /** @returns {boolean} Whether a pointer is at work. */
  get busy() {
    return this.#gesture !== null;
  }

  /**
   * The key of what a pointer takes hold of: the selected placement where nothing above it is, else the topmost.
   * @param {Point} at
   */
  #grasp(at) {
    const { shown, chosen } = this.#editor;
    if (!shown) return { hit: null, hold: null };
    const hit = hitTest(shown, this.sources, { x: at[0], y: at[1] });
    const box = chosen && this.#editor.layerOf(chosen.key)?.box;
    const within = chosen?.visible && box && contains(chosen, box, { x: at[0], y: at[1] });
    /** @param {string | null} key */
    const place = (key) => shown.layers.findIndex((placed) => placed.key === key);
    return { hit, hold: within && place(chosen.key) >= place(hit) ? chosen.key : hit };
  }

  /**
   * @param {Point} from
   * @returns {Gesture}
   */
  #moving(from) {
    const { hit, hold } = this.#grasp(from);
    if (hold !== null) this.#editor.select(hold);
    const start = this.#editor.chosen;
    return {
      move: (at, event) => {
        if (hold === null || !start) return;
        let [dx, dy] = [at[0] - from[0], at[1] - from[1]];
        if (event.shiftKey) [dx, dy] = Math.abs(dx) < Math.abs(dy) ? [0, dy] : [dx, 0];
        this.#editor.draft(this.#snapped(start, { x: start.x + dx, y: start.y + dy }, event.altKey));
      },
      end: (moved) => {
        if (!moved) return this.#editor.select(hit);
        const { chosen } = this.#editor;
        if (chosen)
          this.#editor.commit("did move", { name: this.#name(chosen.key), x: rounded(chosen.x), y: rounded(chosen.y) });
      },
    };
  }

  /**
   * Whole pixels, or where the layer snaps to.
   * @param {Placement} start
   * @param {{x: number, y: number}} to
   * @param {boolean} free
   */
  #snapped(start, to, free) {
    const { shown, layers, snaps } = this.#editor;
    this.#guides = [];
    const whole = { x: Math.round(to.x), y: Math.round(to.y) };
    if (free || !snaps || !shown) return whole;
    const moved = update(shown, start.key, whole);
    const { x, y, guides } = snap(moved, start.key, layers, NEAR / this.#view.zoom);
    this.#guides = guides;
    return { x: Math.round(x), y: Math.round(y) }; // between pixels a layer would be blurred
  }

  /**
   * @param {Placement} start
   * @param {[number, number, number, number]} box
   * @param {Handle} handle
   * @param {Point} from
   * @returns {Gesture}
   */
  #pulling(start, box, handle, from) {
    const [hx, hy] = handleAt(start, box, handle);
    return {
      move: (at, event) => {
        const proportional = this.#editor.proportional !== event.shiftKey;
        const to = /** @type {Point} */ ([hx + at[0] - from[0], hy + at[1] - from[1]]);
        this.#editor.draft(pulled(start, box, handle, to, { proportional }));
      },
      end: () => {
        const { chosen } = this.#editor;
        if (!chosen) return;
        const values = { width: rounded(chosen.scale_x * 100), height: rounded(chosen.scale_y * 100) };
        this.#editor.commit("did scale", { name: this.#name(chosen.key), ...values });
      },
    };
  }

  /**
   * @param {Placement} start
   * @param {[number, number, number, number]} box
   * @param {Point} from
   * @returns {Gesture}
   */
  #turning(start, box, from) {
    return {
      move: (at, event) => {
        const step = event.shiftKey ? 15 : 0;
        this.#editor.draft({ rotation: rounded(turnedBy(start, box, from, at, step)) });
      },
      end: () => {
        const { chosen } = this.#editor;
        if (chosen) this.#editor.commit("did rotate", { name: this.#name(chosen.key), degrees: chosen.rotation });
      },
    };
  }

  /**
   * @param {PointerEvent} event
   * @returns {Gesture}
   */
  #panning(event) {
    const from = this.#local(event);
    const { x, y } = this.#view;
    return {
      move: (_, next) => {
        const to = this.#local(next);
        this.#view = { ...this.#view, x: x + to[0] - from[0], y: y + to[1] - from[1] };
        this.#fits = false;
        this.#resized();
      },
      end: () => {},
    };
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (this.#gesture) return;
    const over = /** @type {Element} */ (event.target).getAttribute?.("data-handle");
    const { hold } = over ? { hold: null } : this.#grasp(this.#at(event));
    this.element.style.cursor = hold === null || this.#editor.locked ? "" : "move";
    this.point(hold);
  }

  /** @param {MouseEvent} event */
  #double(event) {
    if (this.#grasp(this.#at(event)).hit === null) this.fit();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.#zoom(Math.exp(-event.deltaY / 400), this.#local(event));
  }
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 100) / 100;
}
