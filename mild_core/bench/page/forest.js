/** One panel a measure: how far each eraser is from the baseline, better always to the right. */
function forests() {
  return el("div", { class: "panels" }, ...DATA.measures.filter(({ key }) => DATA.against[key]).map(forest));
}

/** @param {Measure} measure */
function forest(measure) {
  const found = DATA.against[measure.key];
  const places = DATA.erasers.map((_, i) => i).filter((i) => found[DATA.erasers[i].name]);
  const range = reach([0, ...places.flatMap((i) => found[DATA.erasers[i].name].interval.map(num))]);
  const { root } = plot(`${labelOf(measure)}: difference from ${DATA.baseline}`, (width) => {
    const left = Math.min(110, width * 0.3);
    const right = width - 112;
    const bottom = places.length * 24 + 6;
    const x = measure.better === "higher" ? scale(...range, left, right) : scale(...range, right, left);
    const zero = shape("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: bottom });
    return [bottom + 22, [xAxis(x, range, 0, bottom, (right - left) / 48), zero, ...places.map((place, row) => forestRow(measure, place, x, left, right, row * 24 + 15))]];
  });
  const unit = measure.unit ? ` ${measure.unit}` : "";
  return el("div", { class: "card" },
    el("h3", {}, labelOf(measure), el("small", {}, `${unit} ${arrowOf(measure)} · ${measure.common} cases`)),
    root,
    el("p", {}, el("span", {}, "← worse"), el("span", {}, "better →")));
}

function forestRow(measure, place, x, left, right, y) {
  const { name } = DATA.erasers[place];
  const { interval, wins, ties, certain } = DATA.against[measure.key][name];
  const [mean, low, high] = interval.map(num);
  const unsure = certain ? {} : { fill: "var(--card)" };
  const parts = [
    shape("title", {}, `${name}: ${told(mean, measure.digits)} [${told(low, measure.digits)}, ${told(high, measure.digits)}] ${measure.unit}`),
    shape("text", { class: "name", x: left - 10, y: y + 4, "text-anchor": "end" }, cut(name, Math.floor((left - 10) / 6.6))),
  ];
  const sign = mean > 0 ? "+" : "";
  const tone = certain ? "name" : "";
  parts.push(shape("text", { class: tone, x: right + 62, y: y + 4, "text-anchor": "end" }, `${sign}${told(mean, measure.digits)}`));
  if (!Number.isNaN(num(wins))) parts.push(shape("text", { class: tone, x: right + 112, y: y + 4, "text-anchor": "end" }, num(ties) === 1 ? "equal" : percent(num(wins))));
  if (Number.isFinite(low)) parts.push(shape("line", { x1: x(low), x2: x(high), y1: y, y2: y, stroke: colour(place), "stroke-width": 2, opacity: certain ? 1 : 0.6 }));
  if (Number.isFinite(mean)) parts.push(mark(place, x(mean), y, 4.2, unsure));
  return shape("g", {}, ...parts);
}
