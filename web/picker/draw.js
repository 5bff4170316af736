// How the people of a photo are drawn: who stays is tinted, who goes is struck out.
// All but `draw` is arithmetic; places are in pixels of the canvas, which may be finer than those of the page.

import { cssColour, distinctColour } from "./colours.js";

/** @typedef {import("./choice.js").Person} Person */

/**
 * Whose each pixel is: 0 nobody's, 1 the first person's, and so on.
 * @typedef {{width: number, height: number, labels: Uint16Array}} Owners
 */

/** @typedef {{left: number, top: number, width: number, height: number}} Place */

const TINT = 0.3; // how much of their colour covers somebody who stays
const TINT_UNDER_POINTER = 0.5;
const FADED = 0.78; // how much of the chequers covers somebody who goes
const FADED_UNDER_POINTER = 0.6;
const LIGHT = 236;
const DARK = 198;
const CELL = 6; // px of the page, a chequer
const STRIPE = 11; // px of the page from one stripe to the next
const STRIPE_WIDTH = 2.2;
const OUTLINE = 2; // px of the page
const DASH = 6;

/**
 * Where a photo lies in an area: as large as it can be, in the middle, on whole pixels.
 * @param {number} photoWidth
 * @param {number} photoHeight
 * @param {number} width
 * @param {number} height
 * @returns {Place}
 */
export function fit(photoWidth, photoHeight, width, height) {
  const scale = Math.min(width / photoWidth, height / photoHeight);
  const w = Math.max(1, Math.round(photoWidth * scale));
  const h = Math.max(1, Math.round(photoHeight * scale));
  return { left: Math.round((width - w) / 2), top: Math.round((height - h) / 2), width: w, height: h };
}

/**
 * @param {{width: number, height: number, data: Uint8ClampedArray}} image Red is the low byte of an index, green the high one.
 * @returns {Owners}
 */
export function readOwners({ width, height, data }) {
  const labels = new Uint16Array(width * height);
  for (let i = 0; i < labels.length; i++) labels[i] = data[4 * i] + 256 * data[4 * i + 1];
  return { width, height, labels };
}

/**
 * The same at another size: each pixel is the one that lies under its middle.
 * @param {Owners} owners
 * @param {number} width
 * @param {number} height
 * @returns {Owners}
 */
export function resampled(owners, width, height) {
  if (owners.width === width && owners.height === height) return owners;
  const labels = new Uint16Array(width * height);
  const columns = Array.from({ length: width }, (_, x) => Math.floor(((2 * x + 1) * owners.width) / (2 * width)));
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((2 * y + 1) * owners.height) / (2 * height)) * owners.width;
    for (let x = 0; x < width; x++) labels[y * width + x] = owners.labels[row + columns[x]];
  }
  return { width, height, labels };
}

/**
 * Who is at a place.
 * @param {Owners} owners
 * @param {number} x 0 to 1, across the photo.
 * @param {number} y 0 to 1, down the photo.
 * @returns {number} An index of the owners, 0 for nobody.
 */
export function ownerAt(owners, x, y) {
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return 0;
  return owners.labels[Math.floor(y * owners.height) * owners.width + Math.floor(x * owners.width)];
}

/**
 * What lies over the photo, without the numbers.
 * @param {Owners} owners As large as the picture on the canvas.
 * @param {{number: number, goes: boolean, under: boolean}[]} people By index; `under` the pointer or the keyboard's focus.
 * @param {number} unit Pixels of the canvas in one of the page.
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA, as large as the owners.
 */
export function paint(owners, people, unit) {
  const { width, height, labels } = owners;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const colours = people.map((each) => distinctColour(each.number).map((part) => Math.round(part * 255)));
  const cell = CELL * unit;
  const line = Math.max(1, Math.round(OUTLINE * unit));
  const bold = Math.max(2, Math.round(1.7 * OUTLINE * unit));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      const label = labels[place];
      const person = label ? people[label - 1] : undefined;
      if (!person) continue;
      let [red, green, blue] = colours[label - 1];
      let cover = person.under ? TINT_UNDER_POINTER : TINT;
      if (atEdge(owners, x, y, person.under ? bold : line)) {
        cover = 1;
        if (person.goes && (x + y) % (2 * DASH * unit) >= DASH * unit) red = green = blue = 40;
        if (person.under && !atEdge(owners, x, y, line)) red = green = blue = 255;
      } else if (person.goes) {
        cover = person.under ? FADED_UNDER_POINTER : FADED;
        if ((x + y) % (STRIPE * unit) < STRIPE_WIDTH * unit) cover = 0.95;
        else red = green = blue = (Math.floor(x / cell) + Math.floor(y / cell)) % 2 ? LIGHT : DARK;
      }
      pixels[4 * place] = red;
      pixels[4 * place + 1] = green;
      pixels[4 * place + 2] = blue;
      pixels[4 * place + 3] = 255 * cover;
    }
  }
  return pixels;
}

/**
 * Whether somebody else, or nobody, is so few pixels away. The frame is no edge.
 * @param {Owners} owners
 * @param {number} x
 * @param {number} y
 * @param {number} reach
 */
function atEdge({ width, height, labels }, x, y, reach) {
  const label = labels[y * width + x];
  for (let step = 1; step <= reach; step++) {
    if (x >= step && labels[y * width + x - step] !== label) return true;
    if (x + step < width && labels[y * width + x + step] !== label) return true;
    if (y >= step && labels[(y - step) * width + x] !== label) return true;
    if (y + step < height && labels[(y + step) * width + x] !== label) return true;
  }
  return false;
}

/**
 * How large somebody's number is drawn.
 * @param {number} area Share of the photo that shows them.
 * @param {Place} place The photo, in pixels of the page.
 * @returns {number} Radius in pixels of the page.
 */
export function badgeRadius(area, place) {
  return Math.max(7, Math.min(13, 0.3 * Math.sqrt(area * place.width * place.height)));
}

/**
 * Draw the photo and its people.
 * @param {HTMLCanvasElement} canvas Its size is set already.
 * @param {object} scene
 * @param {CanvasImageSource} scene.photo
 * @param {[number, number]} scene.size The photo's own width and height.
 * @param {Place} scene.place Where the photo lies on the canvas.
 * @param {Owners} scene.owners As large as `place`.
 * @param {(Person & {goes: boolean, under: boolean})[]} scene.people By index of the owners.
 * @param {number} scene.unit Pixels of the canvas in one of the page.
 */
export function draw(canvas, { photo, size, place, owners, people, unit }) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, place.left, place.top, place.width, place.height);
  const over = new OffscreenCanvas(place.width, place.height);
  const pixels = new ImageData(paint(owners, people, unit), place.width, place.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (over.getContext("2d")).putImageData(pixels, 0, 0);
  context.drawImage(over, place.left, place.top);
  const onPage = { ...place, width: place.width / unit, height: place.height / unit };
  for (const person of [...people].reverse()) {
    const x = place.left + ((person.at[0] + 0.5) / size[0]) * place.width;
    const y = place.top + ((person.at[1] + 0.5) / size[1]) * place.height;
    const radius = badgeRadius(person.area, onPage) * unit * (person.under ? 1.15 : 1);
    drawBadge(context, person, x, y, radius);
  }
}

/**
 * Somebody's number; struck out when they go.
 * @param {CanvasRenderingContext2D} context
 * @param {Person & {goes: boolean}} person
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
function drawBadge(context, { number, goes }, x, y, radius) {
  context.save();
  context.translate(x, y);
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fillStyle = goes ? "rgb(24 24 27 / 0.9)" : cssColour(number);
  context.shadowColor = "rgb(0 0 0 / 0.55)";
  context.shadowBlur = radius / 2;
  context.fill();
  context.shadowBlur = 0;
  context.lineWidth = radius / 6;
  context.strokeStyle = goes ? cssColour(number) : "rgb(24 24 27 / 0.9)";
  context.stroke();
  const text = String(number);
  context.font = `700 ${(text.length > 2 ? 0.85 : 1.15) * radius}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = goes ? "rgb(255 255 255 / 0.95)" : "rgb(24 24 27)";
  context.fillText(text, 0, radius * 0.07);
  if (goes) strikeOut(context, radius);
  context.restore();
}

/**
 * A cross beside the number, as on a button that removes something.
 * @param {CanvasRenderingContext2D} context Its middle is the number's.
 * @param {number} radius
 */
function strikeOut(context, radius) {
  const arm = radius * 0.24;
  context.translate(radius * 0.8, -radius * 0.8);
  context.beginPath();
  context.arc(0, 0, radius * 0.52, 0, 2 * Math.PI);
  context.fillStyle = "rgb(220 38 38)";
  context.fill();
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(-arm, -arm * side);
    context.lineTo(arm, arm * side);
  }
  context.lineWidth = radius * 0.16;
  context.lineCap = "round";
  context.strokeStyle = "white";
  context.stroke();
}
