// The blend modes of W3C's Compositing and Blending Level 1. The same arithmetic as mild_core/compose/blend.py.

/**
 * @typedef {"normal" | "multiply" | "screen" | "overlay" | "darken" | "lighten" | "color-dodge" | "color-burn"
 *   | "hard-light" | "soft-light" | "difference" | "exclusion" | "hue" | "saturation" | "color" | "luminosity"} Blend
 */

/**
 * The names of all modes, in the order in which painting programs list them.
 * @type {readonly Blend[]}
 */
export const BLENDS = [
  "normal", "multiply", "screen", "overlay", "darken", "lighten", "color-dodge", "color-burn", "hard-light",
  "soft-light", "difference", "exclusion", "hue", "saturation", "color", "luminosity",
];

// Of a divisor. A formula that jumps at 0 rises steeply instead, so that rounding does not decide; colours of 8 bits
// never see it.
const LEAST = 1e-4;

/** @typedef {(below: Float64Array, above: Float64Array, out: Float64Array) => void} Mix Of three channels in 0..1. */

/**
 * The function B(cb, cs) of a mode, without alpha, for colours that are in 0..1 already.
 * @param {Blend} mode
 * @returns {Mix}
 */
export function mixer(mode) {
  return MIXERS[mode];
}

/**
 * How one colour is mixed with what lies below it: the mode's function B(cb, cs), without alpha.
 * @param {Blend} mode
 * @param {ArrayLike<number>} below Red, green, blue in 0..1; what is beyond is clamped, but in "normal".
 * @param {ArrayLike<number>} above The same.
 * @returns {[number, number, number]}
 */
export function blended(mode, below, above) {
  if (mode === "normal") return [above[0], above[1], above[2]];
  const out = new Float64Array(3);
  mixer(mode)(Float64Array.from(below, clamped), Float64Array.from(above, clamped), out);
  return [out[0], out[1], out[2]];
}

/** @param {number} value */
const clamped = (value) => Math.min(Math.max(value, 0), 1);

/**
 * A mode that treats each channel alone.
 * @param {(below: number, above: number) => number} channel
 * @returns {Mix}
 */
function separable(channel) {
  return (below, above, out) => {
    for (let i = 0; i < 3; i++) out[i] = channel(below[i], above[i]);
  };
}

/** @param {number} b @param {number} s */
const screen = (b, s) => b + s - b * s;

/** @param {number} b @param {number} s */
const hardLight = (b, s) => (s <= 0.5 ? b * (2 * s) : screen(b, 2 * s - 1));

/** @param {number} b @param {number} s */
function softLight(b, s) {
  if (s <= 0.5) return b - (1 - 2 * s) * b * (1 - b);
  const curve = b <= 0.25 ? ((16 * b - 12) * b + 4) * b : Math.sqrt(b);
  return b + (2 * s - 1) * (curve - b);
}

/** @param {ArrayLike<number>} c */
const lum = (c) => 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2];

/** @param {ArrayLike<number>} c */
const low = (c) => Math.min(c[0], c[1], c[2]);

/** @param {ArrayLike<number>} c */
const high = (c) => Math.max(c[0], c[1], c[2]);

/**
 * SetLum and ClipColor: the colour moved to a luminosity, then towards grey until it is within 0..1. In place.
 * @param {Float64Array} c
 * @param {number} wanted
 */
function setLum(c, wanted) {
  const move = wanted - lum(c);
  for (let i = 0; i < 3; i++) c[i] += move;
  const grey = lum(c), least = low(c), most = high(c);
  if (least < 0) towards(c, grey, grey / Math.max(grey - least, LEAST));
  if (most > 1) towards(c, grey, (1 - grey) / Math.max(most - grey, LEAST));
  for (let i = 0; i < 3; i++) c[i] = clamped(c[i]);
}

/** @param {Float64Array} c @param {number} grey @param {number} share */
function towards(c, grey, share) {
  for (let i = 0; i < 3; i++) c[i] = grey + (c[i] - grey) * share;
}

/**
 * SetSat: the lowest channel to 0, the highest to the saturation, the middle one between them as it was. Into `out`.
 * @param {ArrayLike<number>} c
 * @param {ArrayLike<number>} like The colour whose saturation is wanted.
 * @param {Float64Array} out
 */
function setSat(c, like, out) {
  const least = low(c), share = (high(like) - low(like)) / Math.max(high(c) - least, LEAST);
  for (let i = 0; i < 3; i++) out[i] = (c[i] - least) * share;
}

/** @type {Record<Blend, Mix>} */
const MIXERS = {
  normal: (_, above, out) => out.set(above),
  multiply: separable((b, s) => b * s),
  screen: separable(screen),
  overlay: separable((b, s) => hardLight(s, b)),
  darken: separable(Math.min),
  lighten: separable(Math.max),
  "color-dodge": separable((b, s) => Math.min(b / Math.max(1 - s, LEAST), 1)),
  "color-burn": separable((b, s) => 1 - Math.min((1 - b) / Math.max(s, LEAST), 1)),
  "hard-light": separable(hardLight),
  "soft-light": separable(softLight),
  difference: separable((b, s) => Math.abs(b - s)),
  exclusion: separable((b, s) => b + s - 2 * b * s),
  hue(below, above, out) {
    setSat(above, below, out);
    setLum(out, lum(below));
  },
  saturation(below, above, out) {
    setSat(below, above, out);
    setLum(out, lum(below));
  },
  color(below, above, out) {
    out.set(above);
    setLum(out, lum(below));
  },
  luminosity(below, above, out) {
    out.set(below);
    setLum(out, lum(above));
  },
};
