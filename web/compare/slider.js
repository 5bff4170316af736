// Two pictures on each other with a line between them, for the pointer, a finger and the keyboard.

import { element, loadImage } from "../shared/dom.js";
import { afterKey, underPointer, within } from "./position.js";

const LOADED = "loaded"; // a class: both pictures are there

/**
 * @param {object} told
 * @param {(key: string, values?: Record<string, string | number>) => string} told.say
 * @param {(percent: number) => void} told.onMove The line was moved.
 */
export function makeSlider({ say, onMove }) {
  const before = element("img", { alt: say("before"), draggable: "false" });
  const after = element("img", { alt: say("after"), draggable: "false" });
  const line = element(
    "div",
    {
      class: "mild-compare-line",
      role: "slider",
      tabindex: "0",
      "aria-label": say("slider"),
      "aria-orientation": "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        const to = afterKey(percent, event.key, event.shiftKey);
        if (to === null) return;
        event.preventDefault();
        move(to);
      },
    },
    element("span", { class: "mild-compare-knob", "aria-hidden": "true" }),
  );
  const frame = element(
    "div",
    {
      class: "mild-compare-frame",
      onpointerdown: (/** @type {PointerEvent} */ event) => {
        if (event.button !== 0 || !comparing) return;
        event.preventDefault(); // no dragging of the picture; so the line takes the focus by hand
        line.focus({ preventScroll: true });
        frame.setPointerCapture(event.pointerId);
        move(underPointer(event.clientX, frame.getBoundingClientRect()));
      },
      onpointermove: (/** @type {PointerEvent} */ event) => {
        if (frame.hasPointerCapture(event.pointerId)) move(underPointer(event.clientX, frame.getBoundingClientRect()));
      },
    },
    side("after", after),
    side("before", before),
    line,
  );
  const message = element("p", { class: "mild-compare-message" }, say("empty"));
  const named = { class: "mild-compare-stage", role: "group", "aria-label": say("compared") };
  const stage = element("div", named, frame, message);

  let percent = NaN;
  let comparing = false;
  let wanted = ""; // the pictures asked for last

  /**
   * @param {"before" | "after"} which
   * @param {HTMLImageElement} image
   */
  function side(which, image) {
    const label = element("span", { class: "mild-compare-label", "aria-hidden": "true" }, say(which));
    return element("div", { class: `mild-compare-side mild-compare-${which}` }, image, label);
  }

  /** @param {number} to */
  function move(to) {
    stage.classList.remove("wiping");
    if (to === percent) return;
    place(to);
    onMove(to);
  }

  /** @param {number} to */
  function place(to) {
    percent = within(to);
    line.setAttribute("aria-valuenow", String(percent));
    line.setAttribute("aria-valuetext", say("percent", { percent }));
    frame.style.setProperty("--mild-line", `${comparing ? percent : 100}%`);
  }

  return {
    element: stage,

    /**
     * Show a pair of pictures.
     * @param {string} one The address of the picture before.
     * @param {string} other Of the picture after.
     */
    async pictures(one, other) {
      wanted = JSON.stringify([one, other]);
      const asked = wanted;
      try {
        const [first] = await Promise.all([loadImage(one), loadImage(other)]);
        if (asked !== wanted) return;
        [before.src, after.src] = [one, other];
        frame.style.setProperty("--mild-aspect", String(first.naturalWidth / first.naturalHeight));
        stage.classList.add(LOADED);
      } catch {
        if (asked !== wanted) return;
        stage.classList.remove(LOADED);
        message.textContent = say("failed");
      }
    },

    /**
     * @param {boolean} on Whether the two are compared; else only the picture before is seen.
     * @param {number} at Where the line stands, in percent.
     */
    compare(on, at) {
      if (on !== comparing) stage.classList.add("wiping");
      comparing = on;
      stage.classList.toggle("comparing", on);
      line.tabIndex = on ? 0 : -1;
      place(at);
    },
  };
}
