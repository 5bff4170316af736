// The list of people, nearest first: a listbox whose entries are toggled, and dragged to another depth.

import { element } from "../shared/dom.js";
import { cssColour } from "./colours.js";

/** @typedef {import("./choice.js").Person} Person */

/**
 * @typedef {object} ListListener
 * @property {(id: string, only: boolean) => void} onToggle Clicked, or Space; `only` with Shift.
 * @property {(from: number, to: number) => void} onMove Dragged, or Alt and an arrow.
 * @property {(id: string | null) => void} onLook The pointer or the focus is on somebody, or on nobody.
 */

/**
 * What the list shows.
 * @typedef {object} Listed
 * @property {(Person & {goes: boolean})[]} people Nearest first.
 * @property {string | null} under Whom the pointer is on.
 * @property {boolean} canToggle
 * @property {boolean} canMove
 */

const SLACK = 4; // px that a click may tremble
const SCROLL_ZONE = 22; // px at the list's ends where dragging scrolls

/**
 * @param {(key: string, values?: Record<string, string | number>) => string} say
 * @param {ListListener} listener
 * @param {(person: Person & {goes: boolean}) => string} spoken What a screen reader says of somebody.
 * @param {(area: number) => string} percent
 * @returns {{element: HTMLElement, show: (listed: Listed) => void}}
 */
export function makeList(say, listener, spoken, percent) {
  const line = element("li", { class: "mild-picker-line", role: "presentation", hidden: true });
  const list = element("ul", {
    class: "mild-picker-list",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label": say("list"),
    onkeydown: pressed,
    onfocusout: () => listener.onLook(null),
    onpointerleave: () => listener.onLook(null),
  });
  /** @type {Map<string, HTMLLIElement>} */
  const rows = new Map();
  /** @type {Listed} */
  let listed = { people: [], under: null, canToggle: true, canMove: true };
  let current = ""; // the id of the entry that Tab reaches
  let dragged = false; // the click that ends a drag is none

  /** @param {Listed} next */
  function show(next) {
    listed = next;
    const ids = listed.people.map((each) => each.id);
    for (const [id, row] of rows) {
      if (ids.includes(id)) continue;
      row.remove();
      rows.delete(id);
    }
    if (!ids.includes(current)) current = ids[0] ?? "";
    list.toggleAttribute("data-fixed", !listed.canMove);
    list.setAttribute("aria-disabled", String(!listed.canToggle));
    const focused = document.activeElement;
    listed.people.forEach((person, place) => {
      const row = rows.get(person.id) ?? makeRow(person);
      rows.set(person.id, row);
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
      update(row, person);
    });
    list.append(line);
    if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true }); // moving it took it away
  }

  /** @param {Person} person */
  function makeRow({ id }) {
    const row = element(
      "li",
      {
        class: "mild-picker-row",
        role: "option",
        onclick: (/** @type {MouseEvent} */ event) => {
          if (dragged) return;
          makeCurrent(id);
          if (listed.canToggle) listener.onToggle(id, event.shiftKey);
        },
        onfocus: () => {
          makeCurrent(id);
          if (row.matches(":focus-visible")) listener.onLook(id);
        },
        onpointerenter: () => listener.onLook(id),
        onpointerdown: (/** @type {PointerEvent} */ event) => drag(event, row, id),
      },
      element("span", { class: "mild-picker-grip", "aria-hidden": "true" }),
      element("span", { class: "mild-picker-chip", "aria-hidden": "true" }),
      element("span", { class: "mild-picker-name", "aria-hidden": "true" }),
      element("span", { class: "mild-picker-id", "aria-hidden": "true" }, id),
      element("span", { class: "mild-picker-area", "aria-hidden": "true" }),
      element("span", { class: "mild-picker-state", "aria-hidden": "true" }),
    );
    row.dataset.person = id;
    return row;
  }

  /**
   * @param {HTMLLIElement} row
   * @param {Person & {goes: boolean}} person
   */
  function update(row, person) {
    const [, chip, name, , area, state] = /** @type {HTMLElement[]} */ ([...row.children]);
    chip.textContent = String(person.number);
    chip.style.setProperty("--mild-colour", cssColour(person.number));
    name.textContent = person.label || say("person", { number: person.number });
    area.textContent = `${percent(person.area)} %`;
    state.textContent = say(person.goes ? "goes" : "stays");
    row.toggleAttribute("data-goes", person.goes);
    row.toggleAttribute("data-under", person.id === listed.under);
    row.setAttribute("aria-checked", String(person.goes));
    row.setAttribute("aria-selected", String(person.goes));
    row.setAttribute("aria-label", spoken(person));
    row.tabIndex = person.id === current ? 0 : -1;
  }

  /** @param {string} id */
  function makeCurrent(id) {
    current = id;
    for (const [each, row] of rows) row.tabIndex = each === id ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const place = listed.people.findIndex((each) => each.id === current);
    if (place < 0 || event.ctrlKey || event.metaKey) return;
    const last = listed.people.length - 1;
    /** @type {Record<string, number>} */
    const steps = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: last };
    if (event.key === " " || event.key === "Enter") {
      if (listed.canToggle && !event.repeat) listener.onToggle(current, event.shiftKey);
    } else if (event.key in steps) {
      const to = Math.max(0, Math.min(steps[event.key], last));
      if (event.altKey) {
        if (listed.canMove && to !== place) listener.onMove(place, to);
      } else {
        makeCurrent(listed.people[to].id);
      }
      rows.get(current)?.focus();
      rows.get(current)?.scrollIntoView({ block: "nearest" });
    } else return;
    event.preventDefault();
  }

  /**
   * Follow a pointer that may drag an entry. A finger drags by the grip; elsewhere it scrolls.
   * @param {PointerEvent} start
   * @param {HTMLLIElement} row
   * @param {string} id
   */
  function drag(start, row, id) {
    dragged = false;
    const grip = start.target instanceof Element && start.target.closest(".mild-picker-grip");
    if (start.button !== 0 || !listed.canMove || (start.pointerType === "touch" && !grip)) return;
    row.setPointerCapture(start.pointerId); // a fast pointer has left the entry before it moves
    let to = -1;
    const stop = new AbortController();
    const { signal } = stop;
    row.addEventListener("pointermove", follow, { signal });
    row.addEventListener("pointerup", () => end(true), { signal });
    row.addEventListener("pointercancel", () => end(false), { signal });
    window.addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Escape" || !dragged) return;
        event.preventDefault();
        event.stopPropagation();
        end(false);
      },
      { signal, capture: true },
    );

    /** @param {PointerEvent} event */
    function follow(event) {
      if (!dragged && Math.abs(event.clientY - start.clientY) < SLACK) return;
      dragged = true;
      row.toggleAttribute("data-dragged", true);
      const bounds = list.getBoundingClientRect();
      if (event.clientY < bounds.top + SCROLL_ZONE) list.scrollTop -= 8;
      if (event.clientY > bounds.bottom - SCROLL_ZONE) list.scrollTop += 8;
      to = dropPlace(event.clientY);
      showLine(to);
    }

    /** @param {boolean} dropped */
    function end(dropped) {
      stop.abort();
      row.toggleAttribute("data-dragged", false);
      line.hidden = true;
      const from = listed.people.findIndex((each) => each.id === id);
      const place = to > from ? to - 1 : to; // itself is taken out first
      if (dropped && dragged && to >= 0 && from >= 0 && place !== from) listener.onMove(from, place);
    }
  }

  /**
   * Before which entry something dropped at that height goes.
   * @param {number} y
   */
  function dropPlace(y) {
    const place = listed.people.findIndex(({ id }) => {
      const bounds = rows.get(id)?.getBoundingClientRect();
      return bounds && y < (bounds.top + bounds.bottom) / 2;
    });
    return place < 0 ? listed.people.length : place;
  }

  /** @param {number} place */
  function showLine(place) {
    const before = rows.get(listed.people[place]?.id);
    const last = rows.get(listed.people.at(-1)?.id ?? "");
    line.style.top = `${before ? before.offsetTop - 1 : (last?.offsetTop ?? 0) + (last?.offsetHeight ?? 0) - 1}px`;
    line.hidden = false;
  }

  return { element: list, show };
}
