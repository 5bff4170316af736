/** Means by the values of a tag: erasers side by side, with intervals, joined by a thin line. */
function tagSection() {
  const tags = Object.keys(DATA.byTag);
  const measures = DATA.measures.filter(({ ofSets }) => !ofSets);
  let tag = tags[0];
  let measure = measures[0];
  const hidden = new Set();
  const { root, redraw } = plot("Means by tag", (width) => tagPlot(width, measure, tag, hidden));
  root.id = "tag-plot";
  return el("div", { class: "card" },
    el("div", { class: "controls" },
      choice("Measure", measures.map((m) => [m.key, labelOf(m)]), measure.key, (key) => { measure = MEASURES.get(key); redraw(); }),
      choice("Tag", tags.map((name) => [name, name]), tag, (name) => { tag = name; redraw(); })),
    legend(hidden, redraw),
    root);
}

function tagPlot(width, measure, tag, hidden) {
  const values = Object.keys(DATA.tags[tag]);
  const shown = DATA.erasers.map((_, i) => i).filter((i) => !hidden.has(DATA.erasers[i].name) && DATA.cells[measure.key][DATA.erasers[i].name]);
  const found = (value, place) => DATA.byTag[tag][value][measure.key]?.[DATA.erasers[place].name];
  const range = reach(values.flatMap((value) => shown.flatMap((place) => (found(value, place)?.interval ?? []).map(num))));
  const [left, top, bottom] = [52, 26, 330];
  const right = width - 6;
  const y = scale(...range, bottom, top);
  const band = (right - left) / values.length;
  const gap = Math.min(22, (band * 0.72) / Math.max(shown.length, 1));
  const x = (place, value) => left + band * (value + 0.5) + gap * (shown.indexOf(place) - (shown.length - 1) / 2);
  const content = [shape("text", { x: 0, y: 12 }, `${labelOf(measure)}${measure.unit && ` (${measure.unit})`} by ${tag}; ${measure.better} is better`), yAxis(y, range, left, right)];
  for (const place of shown) {
    const at = values.map((value, i) => [i, num(found(value, place)?.interval[0])]).filter(([, mean]) => Number.isFinite(mean));
    content.push(shape("polyline", { points: at.map(([i, mean]) => `${x(place, i)},${y(mean)}`).join(" "), fill: "none", stroke: colour(place), opacity: 0.28 }));
    for (const [i, mean] of at) content.push(tagDot(measure, place, found(values[i], place), values[i], x(place, i), y, mean));
  }
  values.forEach((value, i) => {
    const middle = left + band * (i + 0.5);
    content.push(shape("text", { class: "name", x: middle, y: bottom + 22, "text-anchor": "middle" }, cut(value, Math.floor(band / 7))));
    content.push(shape("text", { x: middle, y: bottom + 38, "text-anchor": "middle" }, `${Math.max(0, ...shown.map((place) => found(value, place)?.n ?? 0))} cases`));
    if (i) content.push(shape("line", { class: "axis", x1: left + band * i, x2: left + band * i, y1: top, y2: bottom + 40 }));
  });
  return [bottom + 46, content];
}

function tagDot(measure, place, { interval, n }, value, x, y, mean) {
  const [, low, high] = interval.map(num);
  const group = shape("g", {}, shape("title", {}, `${DATA.erasers[place].name}, ${value}: ${told(mean, measure.digits)} [${told(low, measure.digits)}, ${told(high, measure.digits)}], ${n} cases`));
  if (Number.isFinite(low)) group.append(shape("line", { x1: x, x2: x, y1: y(low), y2: y(high), stroke: colour(place), "stroke-width": 2 }));
  group.append(mark(place, x, y(mean), 4.4));
  return group;
}
