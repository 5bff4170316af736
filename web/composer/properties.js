// What can be set of the selected placement, as numbers.

import { element } from "../shared/dom.js";
import { isLost } from "./reach.js";
import { BLENDS } from "./blend.js";
import { icon } from "./icons.js";

/** @import { Placement } from "./arrangement.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Say } from "./thumbnails.js" */

/**
 * A number that can be typed: what it shows of a placement, and what it makes of what was typed.
 * @typedef {object} Field
 * @property {string} name
 * @property {number} step
 * @property {(placed: Placement) => number} show
 * @property {(value: number, placed: Placement) => Partial<Placement>} change
 */

/**
 * @param {Editor} editor
 * @param {Say} say
 * @param {(key: string | null) => string} nameOf
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function properties(editor, say, nameOf) {
  /**
   * Both scales, where one is set and they keep their proportion.
   * @param {"scale_x" | "scale_y"} side
   * @returns {(percent: number, placed: Placement) => Partial<Placement>}
   */
  const scaled = (side) => (percent, placed) => {
    const value = Math.max(0.01, percent / 100);
    if (!editor.proportional) return { [side]: value };
    const factor = value / placed[side];
    return { scale_x: placed.scale_x * factor, scale_y: placed.scale_y * factor };
  };
  /** @type {Field[]} */
  const fields = [
    { name: "x", step: 1, show: (placed) => placed.x, change: (x) => ({ x }) },
    { name: "y", step: 1, show: (placed) => placed.y, change: (y) => ({ y }) },
    { name: "width", step: 1, show: (placed) => placed.scale_x * 100, change: scaled("scale_x") },
    { name: "height", step: 1, show: (placed) => placed.scale_y * 100, change: scaled("scale_y") },
    { name: "rotation", step: 1, show: (placed) => placed.rotation, change: (rotation) => ({ rotation }) },
  ];

  const done = () => editor.commit("did change", { name: nameOf(editor.selected) });

  /** @param {Field} field */
  function number(field) {
    const input = element("input", {
      type: "number",
      step: field.step,
      "data-field": field.name,
      title: say(`${field.name} why`),
      "aria-label": say(`${field.name} why`),
      oninput: () => {
        const { chosen } = editor;
        if (chosen && input.value !== "" && Number.isFinite(input.valueAsNumber))
          editor.draft(field.change(input.valueAsNumber, chosen));
      },
      onchange: done,
    });
    return input;
  }

  const inputs = fields.map(number);
  const labelled = inputs.map((input, index) =>
    element(
      "label",
      { class: `mild-field mild-${fields[index].name}` },
      element("span", {}, say(fields[index].name)),
      input,
    ),
  );

  const opacity = element("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    "data-field": "opacity",
    "aria-label": say("opacity"),
    oninput: () => editor.draft({ opacity: opacity.valueAsNumber / 100 }),
    onchange: done,
  });
  const percent = element("output", {});
  const blend = element(
    "select",
    {
      "data-field": "blend",
      title: say("blend why"),
      "aria-label": say("blend"),
      onchange: () => {
        const { selected } = editor;
        if (selected === null) return;
        const mode = BLENDS.find((each) => each === blend.value);
        editor.change(selected, { blend: mode }, "did change", { name: nameOf(selected) });
      },
    },
    ...BLENDS.map((mode) => element("option", { value: mode }, say(`blend ${mode}`))),
  );

  /**
   * @param {string} act
   * @param {string} drawing
   * @param {(placed: Placement, name: string) => void} then
   */
  const button = (act, drawing, then) =>
    element(
      "button",
      {
        type: "button",
        class: "mild-tool",
        "data-act": act,
        title: say(act),
        "aria-label": say(act),
        onclick: () => editor.chosen && then(editor.chosen, nameOf(editor.selected)),
      },
      icon(drawing),
    );
  const mirror = button("mirror", "mirror", ({ key, flip_x }, name) =>
    editor.change(key, { flip_x: !flip_x }, "did flip", { name }),
  );
  const flip = button("flip", "flip", ({ key, flip_y }, name) =>
    editor.change(key, { flip_y: !flip_y }, "did flip", { name }),
  );
  const back = button("bring back", "into", ({ key }, name) => editor.bringBack(key, name));
  const reset = button("reset layer", "reset", ({ key }, name) => editor.resetLayer(key, name));
  const lock = element("button", {
    type: "button",
    class: "mild-tool mild-lock",
    "data-act": "lock",
    title: say("lock"),
    "aria-label": say("lock"),
    onclick: () => {
      editor.proportional = !editor.proportional;
      editor.tell();
    },
  });

  const [x, y, width, height, rotation] = labelled;
  const grid = element(
    "fieldset",
    { class: "mild-grid" },
    element("div", { class: "mild-line" }, x, y, rotation),
    element(
      "div",
      { class: "mild-line" },
      width,
      lock,
      height,
      element("span", { class: "mild-tools" }, mirror, flip, back, reset),
    ),
    element(
      "div",
      { class: "mild-line" },
      element("label", { class: "mild-field mild-opacity" }, element("span", {}, say("opacity")), opacity, percent),
      element("label", { class: "mild-field mild-blend" }, element("span", {}, say("blend")), blend),
    ),
  );
  const box = element("section", { class: "mild-properties" }, grid);

  function update() {
    const { chosen } = editor;
    const name = nameOf(editor.selected);
    grid.disabled = editor.locked || !chosen; // never away: the canvas would jump as layers are picked
    grid.setAttribute("aria-label", chosen ? say("properties", { name }) : say("pick one"));
    grid.title = chosen ? "" : say("pick one");
    lock.setAttribute("aria-pressed", String(editor.proportional));
    lock.replaceChildren(icon(editor.proportional ? "lock" : "unlock"));
    if (!chosen) return;
    fields.forEach((field, index) => write(inputs[index], round(field.show(chosen)), editor.drafting));
    write(opacity, Math.round(chosen.opacity * 100), editor.drafting);
    percent.textContent = `${Math.round(chosen.opacity * 100)} %`;
    blend.value = chosen.blend;
    mirror.setAttribute("aria-pressed", String(chosen.flip_x));
    flip.setAttribute("aria-pressed", String(chosen.flip_y));
    back.disabled = !editor.shown || !isLost(editor.shown, chosen.key, editor.layers);
  }

  return { element: box, update };
}

/**
 * Set an input, unless somebody is typing into it.
 * @param {HTMLInputElement} input
 * @param {number} value
 * @param {boolean} drafting
 */
function write(input, value, drafting) {
  if (drafting && document.activeElement === input) return;
  if (input.valueAsNumber !== value) input.value = String(value);
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
