// Before and after: the ERASE button, the slider under it, and the way through a batch.

import { element, keepEvents } from "../shared/dom.js";
import { FIRST, pairOf, within } from "./position.js";
import { makeSlider } from "./slider.js";
import { makeToggle } from "./toggle.js";

/**
 * What is shown.
 * @typedef {object} Shown
 * @property {string[]} before Addresses of the pictures before.
 * @property {string[]} after Of the pictures after, one for each or one for all.
 * @property {boolean} erased Whether ERASE is on.
 * @property {number} percent Where the line stands.
 * @property {number} frame Which picture of a batch, from 0.
 */

/**
 * @param {object} told
 * @param {(key: string, values?: Record<string, string | number>) => string} told.say
 * @param {(shown: Shown) => void} told.onChange The artist changed what is shown.
 * @returns {{element: HTMLElement, show: (change: Partial<Shown>) => void}}
 */
export function makeCompare({ say, onChange }) {
  /** @type {Shown} */
  let shown = { before: [], after: [], erased: false, percent: FIRST, frame: 0 };
  const toggle = makeToggle({ say, onToggle: (on) => change({ erased: on }) });
  const slider = makeSlider({ say, onMove: (to) => change({ percent: to }) });
  const hint = element("span", { class: "mild-compare-hint", role: "status" });
  const count = element("span", { class: "mild-compare-count" });
  const previous = step("‹", "previous", -1);
  const next = step("›", "next", 1);
  const pager = element("span", { class: "mild-compare-pager" }, previous, count, next);
  const bar = element("div", { class: "mild-compare-bar" }, toggle.element, hint, pager);
  const root = element("div", { class: "mild-compare" }, bar, slider.element);
  let pictures = "";
  keepEvents(root);
  draw();

  /**
   * @param {string} sign
   * @param {string} key
   * @param {number} by
   */
  function step(sign, key, by) {
    const go = () => change({ frame: shown.frame + by });
    return element("button", { type: "button", "aria-label": say(key), onclick: go }, sign);
  }

  /** @param {Partial<Shown>} some */
  function change(some) {
    show(some);
    onChange(shown);
  }

  /** @param {Partial<Shown>} some */
  function show(some) {
    shown = { ...shown, ...some };
    draw();
  }

  function draw() {
    const pair = pairOf(shown.before, shown.after, shown.frame);
    shown.percent = within(shown.percent);
    shown.frame = pair?.frame ?? 0;
    toggle.show(shown.erased, pair !== null);
    hint.textContent = pair ? say(shown.erased ? "on" : "off") : "";
    slider.compare(shown.erased && pair !== null, shown.percent);
    pager.hidden = !pair || pair.frames < 2;
    if (!pair) return;
    count.textContent = say("count", { frame: pair.frame + 1, frames: pair.frames });
    previous.disabled = pair.frame === 0;
    next.disabled = pair.frame === pair.frames - 1;
    const now = JSON.stringify([pair.before, pair.after]);
    if (now !== pictures) void slider.pictures(pair.before, pair.after);
    pictures = now;
  }

  return { element: root, show };
}
