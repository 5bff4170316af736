// Colours to tell people apart by: the same as mild_core/scene/colours.py.

const GOLDEN_ANGLE = 0.381966; // turns of the hue circle between neighbours: no two of many look alike
const SATURATION = 0.75;

/**
 * The colour of the person of that number.
 * @param {number} number
 * @returns {[number, number, number]} Red, green and blue in 0..1.
 */
export function distinctColour(number) {
  const hue = ((number * GOLDEN_ANGLE) % 1) * 6;
  const sector = Math.floor(hue);
  const rising = 1 - SATURATION * (1 - (hue - sector));
  const falling = 1 - SATURATION * (hue - sector);
  const least = 1 - SATURATION;
  switch (sector % 6) {
    case 0:
      return [1, rising, least];
    case 1:
      return [falling, 1, least];
    case 2:
      return [least, 1, rising];
    case 3:
      return [least, falling, 1];
    case 4:
      return [rising, least, 1];
    default:
      return [1, least, falling];
  }
}

/**
 * @param {number} number
 * @returns {string} The colour as CSS writes it.
 */
export function cssColour(number) {
  return `rgb(${distinctColour(number)
    .map((part) => Math.round(part * 255))
    .join(" ")})`;
}
