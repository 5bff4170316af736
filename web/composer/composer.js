// The Flex Composer: thumbnails of the layers, a canvas to lay them out on, and the list of what is on it. It knows
// nothing of who shows it.

import { element, stylesheet } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { Editor } from "./editor.js";
import { icon } from "./icons.js";
import { pressed } from "./keys.js";
import { layerList } from "./list.js";
import { properties } from "./properties.js";
import { sourceOf } from "./sources.js";
import { Stage } from "./stage.js";
import { layerName, thumbnails } from "./thumbnails.js";
import { WORDS } from "./words.js";

/** @import { Composition } from "./arrangement.js" */
/** @import { Layer } from "./editor.js" */

/**
 * What the composer shows.
 * @typedef {object} Scene
 * @property {[number, number]} canvas Width and height of the photo.
 * @property {number} scale Pixels of the layers' pictures for each pixel of the photo.
 * @property {readonly Layer[]} layers Bottom first.
 */

/**
 * @typedef {object} Fetched
 * @property {Composition | null} composition null where there is nothing that fits.
 * @property {string} said The key of a text that says what happened.
 */

/**
 * Another editor of layers that compositions can be given to and taken from.
 * @typedef {object} Exchange
 * @property {(composition: Composition, layers: readonly Layer[]) => string} send Returns the key of a text that says
 *   what happened.
 * @property {(layers: readonly Layer[], canvas: [number, number]) => Fetched} fetch
 */

/**
 * @typedef {object} ComposerOptions
 * @property {string} [composition] The value: a composition as text, "" for none.
 * @property {(composition: string) => void} onChange Hears every step that a hand made.
 * @property {string} [language] Such as "zh".
 * @property {Exchange | null} [exchange]
 */

/**
 * @typedef {object} Composer
 * @property {HTMLElement} element
 * @property {Editor} editor
 * @property {Stage} stage
 * @property {(scene: Scene) => Promise<void>} show The layers of a run; settles when their pictures are there.
 * @property {(composition: string) => void} take A value that was set elsewhere.
 * @property {(locked: boolean) => void} lock Whether the value comes from elsewhere for good.
 */

/** What went wrong is seen, not only heard. */
const PROBLEMS = ["no partner", "cannot fetch", "did send some"];

let made = 0;

/**
 * @param {ComposerOptions} options
 * @returns {Composer}
 */
export function createComposer({ composition = "", onChange, language = "en", exchange = null }) {
  stylesheet("composer.css", import.meta.url);
  const say = speaker(WORDS, language);
  const editor = new Editor(onChange);
  const id = `mild-composer-${(made += 1)}`;

  /** @param {string | null} key */
  function nameOf(key) {
    const placed = editor.shown?.layers.find((each) => each.key === key);
    if (!placed) return "";
    const layer = editor.layerOf(placed.key);
    const name = layer ? layerName(layer, say) : placed.layer;
    const same = editor.shown?.layers.filter((each) => each.layer === placed.layer) ?? [];
    const place = same.findIndex((each) => each.key === key);
    return place > 0 ? `${name} (${place + 1})` : name;
  }

  const stage = new Stage(editor, {
    label: say("stage"),
    describedBy: `${id}-keys`,
    title: say("stage tip"),
    name: nameOf,
  });
  const strip = thumbnails(editor, say);
  const list = layerList(editor, say, nameOf, (key) => stage.point(key));
  const panel = properties(editor, say, nameOf);

  /**
   * @param {string} act
   * @param {string} drawing
   * @param {() => void} then
   */
  const tool = (act, drawing, then) =>
    element(
      "button",
      { type: "button", class: "mild-tool", "data-act": act, title: say(act), "aria-label": say(act), onclick: then },
      icon(drawing),
    );
  const undo = tool("undo", "undo", () => editor.undo());
  const redo = tool("redo", "redo", () => editor.redo());
  const magnet = tool("snap", "magnet", () => {
    editor.snaps = !editor.snaps;
    editor.tell();
  });
  const whole = tool("fit", "fit", () => stage.fit());
  const again = tool("reset all", "reset", () => editor.resetAll());
  again.classList.add("mild-text");
  again.append(say("reset all short"));
  const state = element("span", { class: "mild-state" });
  const swap = exchange ? exchangeButtons(exchange) : [];
  const toolbar = element(
    "div",
    { class: "mild-toolbar", role: "toolbar", "aria-label": say("composer") },
    undo,
    redo,
    magnet,
    whole,
    state,
    ...swap,
    again,
  );
  const notice = element("p", { class: "mild-notice", role: "note" });
  const heard = element("div", { class: "mild-heard", role: "status", "aria-live": "polite" });
  const keys = element("div", { class: "mild-heard", id: `${id}-keys` }, say("keys"));
  const hint = element("p", { class: "mild-hint mild-click" }, say("click"));
  const side = element("div", { class: "mild-side" }, list.element, panel.element);
  const first = element("p", { class: "mild-first" }, say("first"));
  const work = element("div", { class: "mild-work" }, stage.element, side);
  const root = element(
    "div",
    {
      class: "mild-composer",
      role: "group",
      "aria-label": say("composer"),
      onkeydown: press,
      onkeyup: release,
      onfocusout: release,
    },
    notice,
    first,
    strip.element,
    hint,
    toolbar,
    work,
    heard,
    keys,
  );
  keep(root);

  /** @param {Exchange} other */
  function exchangeButtons(other) {
    const send = tool("to core", "send", () => {
      if (editor.shown) editor.tell(other.send(editor.shown, editor.layers));
    });
    const fetch = tool("from core", "fetch", () => {
      if (!editor.canvas) return;
      const { composition: found, said } = other.fetch(editor.layers, editor.canvas);
      if (found) editor.replace(found, said);
      else editor.tell(said);
    });
    return [send, fetch];
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const within = /** @type {HTMLElement} */ (event.target);
    const command = (event.ctrlKey || event.metaKey) && /^[zyd]$/i.test(event.key);
    if (within.closest("input, select") && !command) return;
    if (event.key === "Escape" && stage.busy) return stage.cancel();
    if (pressed(event, editor, nameOf)) event.preventDefault();
  }

  /** Keep what a held key made. */
  function release() {
    if (!stage.busy && editor.drafting) editor.commit("did change", { name: nameOf(editor.selected) });
  }

  /** @type {string | null} */
  let selected = null;
  editor.listen(({ done, values }) => {
    const some = editor.canvas !== null;
    for (const part of [strip.element, hint, toolbar, work]) part.hidden = !some;
    first.hidden = some;
    strip.update();
    list.update();
    panel.update();
    undo.disabled = !editor.canUndo;
    redo.disabled = !editor.canRedo;
    again.disabled = editor.locked || (!editor.composed && !editor.problem);
    for (const each of swap) each.disabled = editor.locked;
    magnet.setAttribute("aria-pressed", String(editor.snaps));
    state.textContent = say(editor.composed ? "composed" : "automatic");
    state.title = say(editor.composed ? "composed why" : "automatic why");
    state.classList.toggle("mild-by-hand", editor.composed);
    notice.textContent = editor.locked
      ? say("linked")
      : editor.problem
        ? say("unreadable", { why: editor.problem })
        : lost;
    notice.hidden = !notice.textContent;
    stage.draw();
    if (done) heard.textContent = say(done, values);
    else if (editor.selected !== null && editor.selected !== selected) {
      heard.textContent = say("did select", { name: nameOf(editor.selected) });
    }
    selected = editor.selected;
    if (done && PROBLEMS.includes(done)) {
      notice.textContent = say(done, values);
      notice.hidden = false;
    }
  });

  let lost = "";
  let shows = 0;

  /** @type {Composer["show"]} */
  async function show(scene) {
    const mine = (shows += 1);
    const found = await Promise.allSettled(scene.layers.map(sourceOf));
    if (mine !== shows) return; // a later run was faster
    const there = scene.layers.filter((_, index) => found[index].status === "fulfilled");
    lost = there.length < scene.layers.length ? say("lost") : "";
    stage.scale = scene.scale;
    stage.sources = new Map();
    found.forEach((each, index) => {
      if (each.status === "fulfilled") stage.sources.set(scene.layers[index].id, each.value);
    });
    if (there.length) editor.show(scene.canvas, there);
    else editor.tell();
    stage.fit();
  }

  editor.take(composition);
  editor.tell();
  return {
    element: root,
    editor,
    stage,
    show,
    take: (value) => editor.take(value),
    lock: (locked) => editor.lock(locked),
  };
}

/**
 * Keep the shell from taking what happens on the composer; the wheel only where something within it scrolls.
 *
 * ComfyUI undoes in the graph on Ctrl+Z unless a text is being edited, before anybody else hears the key. Everything
 * here that can have the focus says that it is such a text, in the words of older and newer frontends, since it has a
 * history of its own.
 * @param {HTMLElement} root
 */
function keep(root) {
  for (const name of ["pointerdown", "mousedown", "dblclick", "contextmenu", "keydown", "keyup", "copy", "paste"]) {
    root.addEventListener(name, (event) => event.stopPropagation());
  }
  root.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement && !(target instanceof HTMLInputElement)) {
      Object.defineProperty(target, "type", { value: "textarea", configurable: true });
      Object.defineProperty(target, "isContentEditable", { value: true, configurable: true });
    }
  });
  root.addEventListener("wheel", (event) => {
    const scrolls = /** @type {HTMLElement} */ (event.target).closest?.(".mild-rows, .mild-thumbnails, .mild-side");
    if (!scrolls || event.ctrlKey) return;
    const [room, by] = scrolls.matches(".mild-thumbnails")
      ? [scrolls.scrollWidth - scrolls.clientWidth, event.deltaX]
      : [scrolls.scrollHeight - scrolls.clientHeight, event.deltaY];
    if (room > 0 && by) event.stopPropagation();
  });
}
