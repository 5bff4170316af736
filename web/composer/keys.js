// The keyboard of the composer. A key that is held down makes one step: it drafts, and what it made is kept when it is
// let go.

import { upright } from "./gestures.js";

/** @import { Placement } from "./arrangement.js" */
/** @import { Editor } from "./editor.js" */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * What a key does to a placement while it is held, if it does.
 * @param {string} key As `KeyboardEvent.key`.
 * @param {boolean} shift
 * @param {Placement} placed
 * @returns {Partial<Placement> | null}
 */
export function drafted(key, shift, placed) {
  const arrow = ARROWS[key];
  const { x, y, scale_x, scale_y, rotation } = placed;
  if (arrow) return { x: x + arrow[0] * (shift ? 10 : 1), y: y + arrow[1] * (shift ? 10 : 1) };
  const factor = { "+": 1.02, "=": 1.02, "-": 1 / 1.02, _: 1 / 1.02 }[key];
  if (factor) return { scale_x: scale_x * factor, scale_y: scale_y * factor };
  const turn = { "[": -1, "]": 1, "{": -15, "}": 15 }[key];
  return turn ? { rotation: upright(rotation + turn) } : null;
}

/**
 * Do what a key says.
 * @param {KeyboardEvent} event
 * @param {Editor} editor
 * @param {(key: string | null) => string} nameOf
 * @returns {boolean} Whether it says anything.
 */
export function pressed(event, editor, nameOf) {
  const key = event.key;
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.altKey) {
    const name = key.toLowerCase();
    if (name === "z") return (event.shiftKey ? editor.redo() : editor.undo(), true);
    if (name === "y") return (editor.redo(), true);
    if (name !== "d") return false;
  } else if (event.altKey) return false;
  const { chosen, selected } = editor;
  if (!chosen || selected === null) return command || key === "Delete"; // never leave these to the graph or the browser
  const name = nameOf(selected);
  if (command) return (editor.duplicate(selected, name), true);
  if (key === "Delete" || key === "Backspace") return (editor.remove(selected, name), true);
  if (key === "h" || key === "H")
    return (editor.change(selected, { flip_x: !chosen.flip_x }, "did flip", { name }), true);
  if (key === "v" || key === "V")
    return (editor.change(selected, { flip_y: !chosen.flip_y }, "did flip", { name }), true);
  if (key === "PageUp" || key === "PageDown") {
    const place = editor.shown?.layers.findIndex((placed) => placed.key === selected) ?? 0;
    return (editor.reorder(selected, Math.max(0, place + (key === "PageUp" ? 1 : -1)), name), true);
  }
  if (key === "Escape") return (editor.select(null), true);
  const change = drafted(key, event.shiftKey, chosen);
  if (change) editor.draft(change);
  return change !== null;
}
