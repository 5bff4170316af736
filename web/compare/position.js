// Where the line between before and after stands, in percent of the picture's width from the left.

export const FIRST = 6; // where it stands before anybody moves it: nearly all is after, and the handle can be taken

const SMALL = 2; // a key's step
const LARGE = 10; // of Page Up and Page Down, and with Shift

/**
 * @param {number} percent
 * @returns {number} A whole number in 0..100; where there is none, the first position.
 */
export function within(percent) {
  return Number.isFinite(percent) ? Math.round(Math.min(Math.max(percent, 0), 100)) : FIRST;
}

/**
 * Where a pointer is.
 * @param {number} x As the pointer's event says it.
 * @param {{left: number, width: number}} frame Of the picture on the screen.
 * @returns {number}
 */
export function underPointer(x, { left, width }) {
  return width > 0 ? within((100 * (x - left)) / width) : FIRST;
}

/**
 * Where a key takes the line.
 * @param {number} percent Where it stands.
 * @param {string} key As the keyboard's event says it.
 * @param {boolean} shift
 * @returns {number | null} null for a key that does not move it.
 */
export function afterKey(percent, key, shift) {
  const step = shift ? LARGE : SMALL;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return within(percent - step);
    case "ArrowRight":
    case "ArrowUp":
      return within(percent + step);
    case "PageDown":
      return within(percent - LARGE);
    case "PageUp":
      return within(percent + LARGE);
    case "Home":
      return 0;
    case "End":
      return 100;
    default:
      return null;
  }
}

/**
 * The pair of pictures to compare: frame by frame, and one picture against many.
 * @template T
 * @param {T[]} before
 * @param {T[]} after
 * @param {number} frame From 0; beyond the last it is the last.
 * @returns {{before: T, after: T, frame: number, frames: number} | null} null where either side has none.
 */
export function pairOf(before, after, frame) {
  if (!before.length || !after.length) return null;
  const frames = Math.max(before.length, after.length);
  const now = Math.min(Math.max(Math.trunc(frame) || 0, 0), frames - 1);
  const [one, other] = [before, after].map((side) => side[Math.min(now, side.length - 1)]);
  return { before: one, after: other, frame: now, frames };
}
