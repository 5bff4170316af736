/** Every case of every eraser as a point, one measure against another. */
function scatterSection() {
  const measures = DATA.measures.filter(({ key }) => DATA.scores[key]);
  const chosen = { x: measures[0], y: measures[1] ?? measures[0] };
  const hidden = new Set();
  let points = [];
  let current = -1;
  const { root, redraw } = plot("Scatter of all cases; arrow keys go from point to point, Enter opens a case's pictures", (width) => {
    const [height, content, found] = scatterPlot(width, chosen, hidden);
    points = found;
    current = -1;
    return [height, content];
  });
  root.id = "scatter-plot";
  root.setAttribute("tabindex", "0");
  const show = (index, event) => {
    current = index;
    const point = points[index];
    const box = point.node.getBoundingClientRect();
    showTip(event?.clientX ?? box.right, event?.clientY ?? box.bottom, ...pointTip(point, chosen));
    root.querySelector(".ring").replaceChildren(...ring(points, point));
  };
  const leave = () => { hideTip(); root.querySelector(".ring")?.replaceChildren(); };
  const indexOf = (event) => points.findIndex(({ node }) => node === event.target.closest?.("[data-point]"));
  root.addEventListener("pointerover", (event) => { if (indexOf(event) >= 0) show(indexOf(event), event); else leave(); });
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("click", (event) => { if (indexOf(event) >= 0) open(points[indexOf(event)]); });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && points.length) { event.preventDefault(); show((current + step + points.length) % points.length); }
    if (event.key === "Enter" && current >= 0) open(points[current]);
    if (event.key === "Escape") leave();
  });
  const open = (point) => { if (DATA.pictures[point.id]) { leave(); openZoom(point.id, DATA.erasers[point.place].name); } };
  const options = measures.map((m) => [m.key, labelOf(m)]);
  return el("div", { class: "card" },
    el("div", { class: "controls" },
      choice("Across", options, chosen.x.key, (key) => { chosen.x = MEASURES.get(key); redraw(); }),
      choice("Up", options, chosen.y.key, (key) => { chosen.y = MEASURES.get(key); redraw(); })),
    legend(hidden, redraw),
    root,
    el("p", { class: "note" }, `Filled points: pictures are in this file, click to see them. ${scatterNote()}`));
}

function scatterNote() {
  const drawn = DATA.ids.length < DATA.cases ? `Plots draw ${DATA.ids.length} of ${DATA.cases} cases; tables use all. ` : "";
  return `${drawn}Cases without a finite number in both measures have no point.`;
}

function scatterPlot(width, { x: across, y: up }, hidden) {
  const found = [];
  DATA.erasers.forEach(({ name }, place) => {
    const xs = DATA.scores[across.key][name];
    const ys = DATA.scores[up.key][name];
    if (hidden.has(name) || !xs || !ys) return;
    DATA.ids.forEach((id, i) => {
      const [a, b] = [num(xs[i]), num(ys[i])];
      if (Number.isFinite(a) && Number.isFinite(b)) found.push({ id, place, a, b });
    });
  });
  found.sort((p, q) => p.a - q.a || p.place - q.place);
  const [left, top, bottom] = [52, 26, Math.round(Math.min(480, Math.max(320, width * 0.5)))];
  const right = width - 10;
  const [xRange, yRange] = [reach(found.map(({ a }) => a)), reach(found.map(({ b }) => b))];
  const x = scale(...xRange, left, right);
  const y = scale(...yRange, bottom, top);
  const group = shape("g", { class: "points" });
  for (const point of found) {
    const bare = !DATA.pictures[point.id];
    point.x = x(point.a);
    point.y = y(point.b);
    point.node = mark(point.place, point.x, point.y, 4, { "data-point": point.id, "fill-opacity": bare ? 0 : 0.75, "stroke-opacity": bare ? 0.55 : 1, class: bare ? "bare" : null, "pointer-events": "all" });
    group.append(point.node);
  }
  const title = (measure) => `${labelOf(measure)}${measure.unit && ` (${measure.unit})`} ${arrowOf(measure)}`;
  return [bottom + 40, [
    shape("text", { x: 0, y: 12 }, title(up)),
    shape("text", { x: right, y: bottom + 35, "text-anchor": "end" }, title(across)),
    yAxis(y, yRange, left, right),
    xAxis(x, xRange, top, bottom, (right - left) / 90),
    group,
    shape("g", { class: "ring", "pointer-events": "none" }),
  ], found];
}

/** Rings about the same case of the other erasers, joined. */
function ring(points, { id }) {
  const same = points.filter((point) => point.id === id);
  const line = shape("polyline", { points: same.map(({ x, y }) => `${x},${y}`).join(" "), fill: "none", stroke: "var(--soft)", "stroke-dasharray": "2 3" });
  return [line, ...same.map(({ x, y }) => shape("circle", { cx: x, cy: y, r: 8, fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 }))];
}

function pointTip({ id, place, a, b }, { x, y }) {
  const { name } = DATA.erasers[place];
  const said = [[x, a], [y, b]].map(([measure, value]) => el("tr", {}, el("td", {}, labelOf(measure)), el("td", {}, told(value, measure.digits))));
  const content = [el("b", {}, name), el("small", {}, `${id} · ${tagsOf(id)}`), el("table", {}, ...said)];
  const picture = DATA.pictures[id]?.results[name];
  if (picture) content.push(el("img", { src: picture, alt: `${name} on ${id}` }));
  return content;
}

/** @param {string} id */
function tagsOf(id) {
  return Object.entries(DATA.caseTags[id] ?? {}).map(([tag, value]) => `${tag} ${value}`).join(", ");
}
