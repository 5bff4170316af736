// "Layer Management": the placements on the canvas, the topmost first.

import { element } from "../shared/dom.js";
import { isLost } from "./reach.js";
import { icon } from "./icons.js";

/** @import { Placement } from "./arrangement.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Say } from "./thumbnails.js" */

/**
 * @param {Editor} editor
 * @param {Say} say
 * @param {(key: string | null) => string} nameOf
 * @param {(key: string | null) => void} point Outlines a placement on the canvas.
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function layerList(editor, say, nameOf, point) {
  const rows = element("ol", { class: "mild-rows", "aria-label": say("management"), onkeydown: step });
  const empty = element("p", { class: "mild-none" }, say("none"));
  const box = element("section", { class: "mild-list" }, element("h3", {}, say("management")), empty, rows);
  let drawn = "";

  /** @param {Placement} placed */
  function row(placed) {
    const { key, visible } = placed;
    const name = nameOf(key);
    const layer = editor.layerOf(key);
    const chosen = key === editor.selected;
    const lost = Boolean(layer && editor.shown && isLost(editor.shown, key, editor.layers));
    /**
     * @param {string} act
     * @param {string} drawing
     * @param {string} label
     * @param {() => void} then
     * @param {Record<string, unknown>} [more]
     */
    const button = (act, drawing, label, then, more = {}) =>
      element(
        "button",
        {
          type: "button",
          class: "mild-tool",
          "data-act": act,
          "aria-label": label,
          title: label,
          disabled: editor.locked,
          onclick: then,
          ...more,
        },
        icon(drawing),
      );
    const seen = visible ? say("hide", { name }) : say("show", { name });
    const picture = layer ? element("img", { src: layer.url, alt: "", draggable: "false" }) : null;
    const note = layer ? lost && say("lost layer") : say("dormant");
    return element(
      "li",
      {
        class: ["mild-row", chosen && "mild-chosen", !layer && "mild-dormant", !visible && "mild-unseen"]
          .filter(Boolean)
          .join(" "),
        "data-key": key,
        "data-layer": placed.layer,
        title: layer ? null : say("dormant why"),
        onpointerenter: () => point(key),
        onpointerleave: () => point(null),
      },
      element(
        "span",
        {
          class: "mild-grip",
          title: say("reorder", { name }),
          onpointerdown: (/** @type {PointerEvent} */ event) => drag(event, key, name),
        },
        icon("grip"),
      ),
      button(
        "see",
        visible ? "eye" : "hidden",
        seen,
        () => {
          editor.change(key, { visible: !visible }, visible ? "did hide" : "did show", { name });
        },
        { "aria-pressed": String(visible) },
      ),
      element(
        "button",
        {
          type: "button",
          class: "mild-pick",
          "data-act": "pick",
          "aria-label": say("select", { name }),
          "aria-pressed": String(chosen),
          onclick: () => editor.select(key),
        },
        element("span", { class: "mild-checked" }, picture),
        element("span", { class: "mild-name" }, name),
        note && element("small", { class: lost ? "mild-lost" : "" }, note),
      ),
      button("copy", "copy", say("duplicate", { name }), () => editor.duplicate(key, name)),
      button("drop", "trash", say("remove", { name }), () => editor.remove(key, name)),
    );
  }

  /**
   * Move a row by its grip.
   * @param {PointerEvent} event
   * @param {string} key
   * @param {string} name
   */
  function drag(event, key, name) {
    if (event.button !== 0 || editor.locked) return;
    event.preventDefault();
    const moving = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.currentTarget).closest("li"));
    rows.setPointerCapture(event.pointerId); // not the row, which would lose it on its way
    moving.classList.add("mild-dragged");
    const listening = new AbortController();
    const { signal } = listening;
    rows.addEventListener(
      "pointermove",
      (next) => {
        const others = [...rows.children].filter((each) => each !== moving);
        const below = others.find((each) => {
          const { top, height } = each.getBoundingClientRect();
          return next.clientY < top + height / 2;
        });
        if ((below ?? null) !== moving.nextElementSibling) rows.insertBefore(moving, below ?? null);
      },
      { signal },
    );
    const end = (/** @type {boolean} */ keep) => {
      listening.abort();
      const place = [...rows.children].reverse().indexOf(moving);
      drawn = ""; // the rows were moved by hand
      if (keep) editor.reorder(key, place, name);
      update();
    };
    rows.addEventListener("pointerup", () => end(true), { signal });
    rows.addEventListener("pointercancel", () => end(false), { signal });
  }

  /**
   * Up and down go from row to row; any other key acts on the row that has the focus.
   * @param {KeyboardEvent} event
   */
  function step(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("li");
    if (!row) return;
    const way = { ArrowUp: row.previousElementSibling, ArrowDown: row.nextElementSibling }[event.key];
    if (way === undefined) {
      if (/^(Delete|Backspace|Page.*|d|h|v)$/i.test(event.key)) editor.select(row.getAttribute("data-key"));
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (!way) return;
    /** @type {HTMLElement | null} */ (way.querySelector(".mild-pick"))?.focus({ preventScroll: true });
    editor.select(way.getAttribute("data-key"));
  }

  function update() {
    const placed = [...(editor.shown?.layers ?? [])].reverse();
    const now = JSON.stringify([
      editor.selected,
      editor.locked,
      placed.map((each) => [
        each.key,
        each.visible,
        nameOf(each.key),
        editor.layerOf(each.key)?.url,
        !editor.drafting && editor.shown && isLost(editor.shown, each.key, editor.layers),
      ]),
    ]);
    if (now === drawn) return;
    drawn = now;
    const focus = document.activeElement?.closest?.(".mild-row button");
    const [act, key] = [focus?.getAttribute("data-act"), focus?.closest("li")?.getAttribute("data-key")];
    const focused = focus && rows.contains(focus);
    rows.replaceChildren(...placed.map(row));
    empty.hidden = placed.length > 0 || !editor.canvas;
    if (focused) {
      const same = rows.querySelector(`li[data-key="${CSS.escape(key ?? "")}"] [data-act="${act}"]`);
      const next = same ?? rows.querySelector(".mild-chosen .mild-pick") ?? rows.querySelector(".mild-pick");
      /** @type {HTMLElement | null} */ (next)?.focus({ preventScroll: true });
    }
    if (!focused) reveal(rows, /** @type {HTMLElement | null} */ (rows.querySelector(".mild-chosen")));
  }

  return { element: box, update };
}

/**
 * Scroll a list, and nothing around it, until one of its rows is seen.
 * @param {HTMLElement} list
 * @param {HTMLElement | null} row
 */
function reveal(list, row) {
  if (!row) return;
  const [top, bottom] = [row.offsetTop - list.offsetTop, row.offsetTop - list.offsetTop + row.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}
