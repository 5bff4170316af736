const SHAPES = ["circle", "square", "triangle", "diamond", "down", "plus"];

/** The colour of the eraser at a place in the list; with its shape it is told apart from 23 others. @param {number} place */
function colour(place) {
  return `var(--c${place % 8})`;
}

/** An eraser's mark, centred on x, y. @param {number} place @param {number} x @param {number} y @param {number} r radius */
function mark(place, x, y, r, attributes = {}) {
  const at = (...points) => points.map(([dx, dy]) => `${(x + dx * r).toFixed(1)},${(y + dy * r).toFixed(1)}`).join(" ");
  const paint = { fill: colour(place), stroke: colour(place), "stroke-width": 1.4, ...attributes };
  switch (SHAPES[place % SHAPES.length]) {
    case "circle": return shape("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r, ...paint });
    case "square": return shape("polygon", { points: at([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]), ...paint });
    case "triangle": return shape("polygon", { points: at([0, -1.15], [1.1, 0.85], [-1.1, 0.85]), ...paint });
    case "diamond": return shape("polygon", { points: at([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]), ...paint });
    case "down": return shape("polygon", { points: at([0, 1.15], [1.1, -0.85], [-1.1, -0.85]), ...paint });
    default: return shape("polygon", { points: at([-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]), ...paint });
  }
}

/** The mark as a picture of its own, for text. @param {number} place */
function badge(place) {
  return shape("svg", { class: "mark", viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(place, 0, 0, 5));
}

/** All erasers with their marks. With `toggled`, they are switches. @param {Set<string>} [hidden] @param {() => void} [toggled] */
function legend(hidden, toggled) {
  return el("div", { class: "key" }, ...DATA.erasers.map(({ name }, place) => {
    if (!hidden || !toggled) return el("span", { class: "one" }, badge(place), name);
    const press = () => {
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      toggled();
    };
    const button = el("button", { type: "button", "aria-pressed": String(!hidden.has(name)), onclick: press }, badge(place), name);
    return button;
  }));
}

/** A straight scale from numbers to pixels. @param {number} low @param {number} high @param {number} from @param {number} to */
function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

/** Round numbers from low to high. @param {number} low @param {number} high @param {number} count about so many */
function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  if (!(raw > 0) || !Number.isFinite(raw)) return { values: [low], digits: 2 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) ?? 10);
  const values = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) values.push(n * step);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** The least and the greatest finite number, with some air. @param {number[]} values @param {number} air share of the span */
function reach(values, air = 0.05) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return [0, 1];
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  const more = (high - low) * air || Math.abs(high) * 0.05 || 0.5;
  return [low - more, high + more];
}

/** Places for labels that keep a distance from one another, near where they are wanted. @param {number[]} wanted @param {number} gap @param {number} low @param {number} high */
function apart(wanted, gap, low, high) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const placed = wanted.slice();
  order.forEach((i, n) => { placed[i] = Math.max(wanted[i], n ? placed[order[n - 1]] + gap : low); });
  let limit = high;
  for (const i of order.slice().reverse()) {
    placed[i] = Math.min(placed[i], limit);
    limit = placed[i] - gap;
  }
  return placed;
}

/** Horizontal lines and numbers of a y axis, in one group. */
function yAxis(y, [low, high], left, right, count = 5) {
  const { values, digits } = ticks(low, high, count);
  return shape("g", {}, ...values.flatMap((value) => [
    shape("line", { class: "axis", x1: left, x2: right, y1: y(value), y2: y(value) }),
    shape("text", { x: left - 7, y: y(value) + 4, "text-anchor": "end" }, told(value, digits)),
  ]));
}

/** Numbers and ticks of an x axis. */
function xAxis(x, [low, high], top, bottom, count = 5) {
  const { values, digits } = ticks(low, high, count);
  return shape("g", {}, ...values.flatMap((value) => [
    shape("line", { class: "axis", x1: x(value), x2: x(value), y1: top, y2: bottom }),
    shape("text", { x: x(value), y: bottom + 15, "text-anchor": "middle" }, told(value, digits)),
  ]));
}

/** An SVG that is drawn at the width it has, and again when that changes. @param {string} label @param {(width: number) => [number, Node[]]} draw gives height and content */
function plot(label, draw) {
  const root = shape("svg", { class: "plot", role: "img", "aria-label": label });
  const redraw = () => {
    const width = Math.max(Math.floor(root.getBoundingClientRect().width), 240);
    const [height, content] = draw(width);
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    root.replaceChildren(...content);
  };
  let seen = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width && width !== seen) redraw();
    seen = width;
  }).observe(root);
  return { root, redraw };
}
