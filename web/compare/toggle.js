// The button as on MILD's project page: off is before, on is after.

import { element } from "../shared/dom.js";

/**
 * @param {object} told
 * @param {(key: string) => string} told.say
 * @param {(on: boolean) => void} told.onToggle
 * @returns {{element: HTMLButtonElement, show: (on: boolean, enabled: boolean) => void}}
 */
export function makeToggle({ say, onToggle }) {
  const button = element(
    "button",
    {
      type: "button",
      class: "mild-erase",
      title: say("eraseHint"),
      "aria-pressed": "false",
      disabled: true,
      onclick: () => onToggle(button.getAttribute("aria-pressed") !== "true"),
    },
    say("erase"),
  );
  return {
    element: button,
    show(on, enabled) {
      button.setAttribute("aria-pressed", String(on));
      button.disabled = !enabled;
    },
  };
}
