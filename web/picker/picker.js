// The people picker: a photo whose people are clicked to go or to stay, and a list of them in depth order.
// It knows nothing of ComfyUI: another page mounts it as well.

import { element, loadImage } from "../shared/dom.js";
import { arranged, choose, moved, parseOrder, writeChoice } from "./choice.js";
import { draw, fit, ownerAt, readOwners, resampled } from "./draw.js";
import { makeList } from "./list.js";

/** @typedef {import("./choice.js").Person} Person */
/** @typedef {import("./choice.js").Problem} Problem */

/**
 * What a run found.
 * @typedef {object} Picture
 * @property {Person[]} people Nearest first.
 * @property {string} photo Where the picture is found; it may be smaller than the photo.
 * @property {string} owners Where the picture is found that says whose each pixel is: red + 256 · green, 1 for the first person.
 * @property {[number, number]} size Width and height of the photo.
 * @property {boolean} byHand Whether somebody gave the order that the people are in.
 */

/**
 * @typedef {object} PickerState
 * @property {Picture | null} picture None before the first run.
 * @property {string} choice Who goes, in words.
 * @property {string} order Who is nearer, in words; "" is told from the masks.
 * @property {boolean} choiceLinked Somebody else says who goes: it is shown as the picture's run had it.
 * @property {boolean} orderLinked
 * @property {boolean} ready Whether a run would find people.
 */

/**
 * @typedef {object} PickerOptions
 * @property {(key: string, values?: Record<string, string | number>) => string} say
 * @property {(choice: string) => void} onChoice
 * @property {(order: string) => void} onOrder
 * @property {() => void} onRun
 */

const LONGEST_SIDE = 2048; // px, of the canvas: a picture of the photo is no larger, however near one looks

/**
 * @param {PickerOptions} options
 * @returns {{element: HTMLElement, show: (change: Partial<PickerState>) => void, fit: () => void, remove: () => void}} `fit`
 *     looks whether the picture is as fine as the screen; nobody hears when a page is only zoomed.
 */
export function makePicker({ say, onChoice, onOrder, onRun }) {
  /** @type {PickerState} */
  const state = { picture: null, choice: "", order: "", choiceLinked: false, orderLinked: false, ready: false };
  /** @type {{picture: Picture, photo: HTMLImageElement, owners: import("./draw.js").Owners} | null} */
  let loaded = null;
  /** @type {import("./draw.js").Owners | null} */
  let fine = null; // whose each pixel of the canvas is
  /** @type {string | null} */
  let under = null; // the id of whom the pointer or the focus is on
  /** @type {{only: string, choice: string[]} | null} */
  let former = null; // the choice before somebody was made the only one
  let frame = 0;

  const canvas = element("canvas", {
    class: "mild-picker-photo",
    "aria-hidden": "true",
    onclick: clicked,
    onpointermove: pointed,
    onpointerleave: () => look(null),
  });
  const tip = element("div", { class: "mild-picker-tip", role: "tooltip", hidden: true });
  const stage = element("div", { class: "mild-picker-stage" }, canvas, tip);
  const list = makeList(say, { onToggle: toggle, onMove: move, onLook: look }, spoken, percent);
  const count = element("span", { class: "mild-picker-count" });
  const [all, none, invert] = /** @type {const} */ (["all", "none", "invert"]).map((what) =>
    element("button", { type: "button", class: "mild-picker-button", title: say(`${what}Hint`), onclick: () => several(what) }, say(what)),
  );
  const again = element(
    "button",
    { type: "button", class: "mild-picker-button mild-picker-again", title: say("again"), "aria-label": say("again"), onclick: onRun },
    "⟳",
  );
  const order = element("span", { class: "mild-picker-order" });
  const reset = element(
    "button",
    { type: "button", class: "mild-picker-button", title: say("resetHint"), onclick: resetOrder },
    say("reset"),
  );
  const problem = element("p", { class: "mild-picker-problem", role: "status", hidden: true });
  const live = element("div", { class: "mild-picker-live", "aria-live": "polite" });
  const filled = element(
    "div",
    { class: "mild-picker-filled" },
    element("div", { class: "mild-picker-bar" }, all, none, invert, count, again),
    problem,
    element(
      "div",
      { class: "mild-picker-body" },
      stage,
      element("div", { class: "mild-picker-side" }, element("div", { class: "mild-picker-head" }, order, reset), list.element),
    ),
  );
  const text = element("p", {}, say("guide"));
  const run = element("button", { type: "button", class: "mild-picker-button mild-picker-run", onclick: onRun }, say("run"));
  const guide = element(
    "div",
    { class: "mild-picker-guide" },
    element("div", { class: "mild-picker-figures", "aria-hidden": "true" }, element("i"), element("i"), element("i")),
    text,
    run,
  );
  const root = element("section", { class: "mild-picker", "aria-label": say("picker") }, guide, filled, live);
  keepGestures(root, list.element);
  const watch = new ResizeObserver(drawSoon);
  watch.observe(stage);
  update();

  /** @param {Partial<PickerState>} change */
  function show(change) {
    const before = state.picture;
    Object.assign(state, change);
    if (state.picture !== before) load(state.picture);
    update();
  }

  /**
   * Fetch what a run found; until it is there the picture before it stays.
   * @param {Picture | null} picture
   */
  async function load(picture) {
    let next = null;
    try {
      if (picture) {
        const [photo, map] = await Promise.all([loadImage(picture.photo), loadImage(picture.owners)]);
        next = { picture, photo, owners: readOwners(pixelsOf(map)) };
      }
    } catch {
      // the files of an earlier session are gone: another run brings them back
    }
    if (state.picture !== picture) return;
    if (!next) state.picture = null;
    loaded = next;
    fine = null;
    update();
  }

  /** Everybody of the picture in the order that holds now. */
  function people() {
    if (!loaded) return [];
    const { ids } = state.orderLinked ? { ids: [] } : parseOrder(state.order, loaded.picture.people);
    const going = goingIds();
    return arranged(loaded.picture.people, ids).map((each) => ({ ...each, goes: going.includes(each.id) }));
  }

  function goingIds() {
    if (!loaded) return [];
    if (state.choiceLinked) return loaded.picture.people.filter((each) => each.erased).map((each) => each.id);
    return choose(state.choice, loaded.picture.people).ids;
  }

  function update() {
    const now = people();
    guide.hidden = loaded !== null || state.picture !== null;
    filled.hidden = loaded === null;
    text.textContent = say(state.ready ? "ready" : "guide");
    run.hidden = !state.ready;
    if (!loaded) return;
    for (const button of [all, none, invert]) button.disabled = state.choiceLinked;
    count.textContent = counted();
    const byHand = Boolean(state.order.trim()) && !state.orderLinked;
    order.textContent = say(byHand ? "byHand" : loaded.picture.byHand && !state.orderLinked ? "toldNext" : "told");
    reset.hidden = !byHand;
    const wrong = trouble();
    problem.hidden = !wrong;
    if (problem.textContent !== wrong) problem.textContent = wrong;
    list.show({ people: now, under, canToggle: !state.choiceLinked, canMove: !state.orderLinked });
    stage.toggleAttribute("data-fixed", state.choiceLinked);
    drawSoon();
  }

  /** What hinders: a connected input, or words that are no choice. */
  function trouble() {
    const known = loaded?.picture.people ?? [];
    const choice = state.choiceLinked ? null : choose(state.choice, known).problem;
    const wrongOrder = state.orderLinked ? null : parseOrder(state.order, known).problem;
    return [
      state.choiceLinked && say("choiceLinked"),
      state.orderLinked && say("orderLinked"),
      choice && say(choice.kind, { word: choice.word }),
      wrongOrder && say(`order${wrongOrder.kind[0].toUpperCase()}${wrongOrder.kind.slice(1)}`, { word: wrongOrder.word }),
    ]
      .filter(Boolean)
      .join(" ");
  }

  function counted() {
    return say("count", { going: goingIds().length, all: loaded?.picture.people.length ?? 0 });
  }

  /**
   * @param {string[]} ids
   * @param {string} key What is said of it.
   * @param {Record<string, string | number>} [values]
   */
  function choosePeople(ids, key, values = {}) {
    if (!loaded || state.choiceLinked) return;
    state.choice = writeChoice(ids, loaded.picture.people);
    update();
    live.textContent = say(key, { ...values, count: counted() });
    onChoice(state.choice);
  }

  /**
   * @param {string} id
   * @param {boolean} only Whether nobody else shall go.
   */
  function toggle(id, only) {
    const going = goingIds();
    const number = loaded?.picture.people.find((each) => each.id === id)?.number ?? 0;
    if (!only) {
      former = null;
      const goes = !going.includes(id);
      choosePeople(goes ? [...going, id] : going.filter((each) => each !== id), goes ? "saidGoes" : "saidStays", { number });
    } else if (going.length === 1 && going[0] === id) {
      const back = former?.only === id ? former.choice : [];
      former = null;
      choosePeople(back, "saidFormer");
    } else {
      former = { only: id, choice: going };
      choosePeople([id], "saidOnly", { number });
    }
  }

  /** @param {"all" | "none" | "invert"} what */
  function several(what) {
    former = null;
    const going = goingIds();
    const ids = people().map((each) => each.id);
    choosePeople(
      ids.filter((id) => (what === "invert" ? !going.includes(id) : what === "all")),
      "count",
      { going: { all: ids.length, none: 0, invert: ids.length - going.length }[what], all: ids.length },
    );
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  function move(from, to) {
    const now = people();
    const next = moved(now, from, to);
    state.order = next.map((each) => each.id).join(",");
    update();
    live.textContent = say("saidMoved", { number: now[from].number, depth: depthOf(now[from].id) });
    onOrder(state.order);
  }

  function resetOrder() {
    state.order = "";
    update();
    live.textContent = say("saidReset");
    /** @type {HTMLElement | null} */ (list.element.querySelector("[tabindex='0']"))?.focus(); // the button is gone
    onOrder("");
  }

  /** @param {string | null} id */
  function look(id) {
    if (under === id) return;
    under = id;
    if (loaded) list.show({ people: people(), under, canToggle: !state.choiceLinked, canMove: !state.orderLinked });
    if (id === null) tip.hidden = true;
    drawSoon();
  }

  /**
   * Who is under the pointer.
   * @param {MouseEvent} event
   * @returns {Person | undefined}
   */
  function personAt(event) {
    if (!loaded) return undefined;
    const bounds = canvas.getBoundingClientRect(); // as it is seen, however the page around it is scaled
    const place = fit(...loaded.picture.size, canvas.width, canvas.height);
    const x = (((event.clientX - bounds.left) / bounds.width) * canvas.width - place.left) / place.width;
    const y = (((event.clientY - bounds.top) / bounds.height) * canvas.height - place.top) / place.height;
    return loaded.picture.people[ownerAt(loaded.owners, x, y) - 1];
  }

  /** @param {MouseEvent} event */
  function clicked(event) {
    const person = personAt(event);
    if (person && !state.choiceLinked) toggle(person.id, event.shiftKey);
    if (person) showTip(person.id, event);
  }

  /** @param {PointerEvent} event */
  function pointed(event) {
    const person = personAt(event);
    look(person?.id ?? null);
    if (person) showTip(person.id, event);
  }

  /**
   * @param {string} id
   * @param {MouseEvent} event
   */
  function showTip(id, event) {
    const person = people().find((each) => each.id === id);
    if (!person) return;
    tip.replaceChildren(
      element("strong", {}, `${person.label || say("person", { number: person.number })} · ${say(person.goes ? "goes" : "stays")}`),
      element("span", {}, `${say("area", { area: percent(person.area) })} · ${depthOf(id)}`),
      element("code", {}, id),
    );
    tip.hidden = false;
    const bounds = stage.getBoundingClientRect();
    const zoom = bounds.width / stage.clientWidth || 1;
    const [x, y] = [(event.clientX - bounds.left) / zoom, (event.clientY - bounds.top) / zoom];
    const below = y + 16 + tip.offsetHeight <= stage.clientHeight;
    const top = below ? y + 16 : y - 10 - tip.offsetHeight;
    tip.style.left = `${Math.max(2, Math.min(x + 12, stage.clientWidth - tip.offsetWidth - 2))}px`;
    tip.style.top = `${Math.max(2, Math.min(top, stage.clientHeight - tip.offsetHeight - 2))}px`;
  }

  /** @param {string} id */
  function depthOf(id) {
    const now = people();
    const place = now.findIndex((each) => each.id === id);
    if (place === 0) return say("nearest");
    return place === now.length - 1 ? say("farthest") : say("depth", { place: place + 1, all: now.length });
  }

  /** @param {Person & {goes: boolean}} person */
  function spoken(person) {
    return say(person.label ? "spokenLabel" : "spoken", {
      number: person.number,
      label: person.label,
      state: say(person.goes ? "goes" : "stays"),
      area: percent(person.area),
      depth: depthOf(person.id),
    });
  }

  function drawSoon() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      drawNow();
    });
  }

  function drawNow() {
    if (!loaded || !stage.clientWidth || !stage.clientHeight) return;
    const unit = finest();
    const width = Math.round(stage.clientWidth * unit);
    const height = Math.round(stage.clientHeight * unit);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const place = fit(...loaded.picture.size, width, height);
    if (fine?.width !== place.width || fine?.height !== place.height) fine = resampled(loaded.owners, place.width, place.height);
    const going = goingIds();
    const people = loaded.picture.people.map((each) => ({ ...each, goes: going.includes(each.id), under: each.id === under }));
    draw(canvas, { photo: loaded.photo, size: loaded.picture.size, place, owners: fine, people, unit });
  }

  /** Pixels of the screen in one of the page, with the zoom of whatever the picker lies in; in steps, so that zooming redraws little. */
  function finest() {
    const zoom = stage.getBoundingClientRect().width / stage.clientWidth;
    const unit = Math.max(1, Math.ceil(zoom * window.devicePixelRatio * 2) / 2);
    return Math.min(unit, LONGEST_SIDE / Math.max(stage.clientWidth, stage.clientHeight));
  }

  return {
    element: root,
    show,
    fit() {
      if (loaded && stage.clientWidth && canvas.width !== Math.round(stage.clientWidth * finest())) drawSoon();
    },
    remove() {
      watch.disconnect();
      cancelAnimationFrame(frame);
    },
  };
}

/**
 * @param {number} area 0 to 1.
 * @returns {string} Per cent, with a decimal where it is little.
 */
function percent(area) {
  const share = 100 * area;
  return share < 9.95 ? String(Number(share.toFixed(1))) : share.toFixed(0);
}

/** @param {HTMLImageElement} image */
function pixelsOf(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * Keep what is meant for the picker from the page around it; let the rest through: zooming and panning over the photo, and keys
 * with Ctrl, such as undo, copy and run.
 * @param {HTMLElement} root
 * @param {HTMLElement} list
 */
function keepGestures(root, list) {
  for (const name of /** @type {const} */ (["pointerdown", "mousedown", "dblclick"])) {
    root.addEventListener(name, (event) => {
      if (event.button === 0) event.stopPropagation();
    });
  }
  for (const name of /** @type {const} */ (["keydown", "keyup"])) {
    root.addEventListener(name, (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    });
  }
  list.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && list.scrollHeight > list.clientHeight) event.stopPropagation();
  });
}
