/** Each eraser's scores from its worst case to its best: who fails, how often, and how badly. */
function curveSection() {
  const measures = DATA.measures.filter(({ key }) => DATA.scores[key]);
  let measure = measures[0];
  const hidden = new Set();
  const { root, redraw } = plot("Sorted scores", (width) => curvePlot(width, measure, hidden));
  root.id = "curve-plot";
  return el("div", { class: "card" },
    el("div", { class: "controls" }, choice("Measure", measures.map((m) => [m.key, labelOf(m)]), measure.key, (key) => { measure = MEASURES.get(key); redraw(); })),
    legend(hidden, redraw),
    root);
}

/** Scores of an eraser, worst first. @param {Measure} measure @param {number} place */
function sorted(measure, place) {
  const scores = (DATA.scores[measure.key][DATA.erasers[place].name] ?? []).map(num).filter((score) => !Number.isNaN(score));
  return scores.sort((a, b) => -betterFirst(measure, a, b));
}

function curvePlot(width, measure, hidden) {
  const lines = DATA.erasers.map((_, i) => i).filter((i) => !hidden.has(DATA.erasers[i].name)).map((place) => ({ place, scores: sorted(measure, place) })).filter(({ scores }) => scores.length);
  const range = reach(lines.flatMap(({ scores }) => scores));
  const [left, top, bottom] = [52, 26, 340];
  const right = width - Math.min(130, width * 0.24);
  const x = scale(0, 1, left, right);
  const y = scale(...range, bottom, top);
  const at = (scores, share) => scores[Math.min(scores.length - 1, Math.floor(share * scores.length))];
  const inside = (score) => Math.min(Math.max(y(score), top), bottom);
  const content = [
    shape("text", { x: 0, y: 12 }, `${labelOf(measure)}${measure.unit && ` (${measure.unit})`}, ${measure.better} is better`),
    yAxis(y, range, left, right),
    ...[0, 0.25, 0.5, 0.75, 1].map((share) => shape("text", { x: x(share), y: bottom + 17, "text-anchor": "middle" }, ["worst case", "25 %", "median", "75 %", "best case"][share * 4])),
  ];
  for (const { place, scores } of lines) {
    const points = scores.map((score, i) => `${x((i + 0.5) / scores.length).toFixed(1)},${inside(score).toFixed(1)}`);
    content.push(shape("polyline", { points: points.join(" "), fill: "none", stroke: colour(place), "stroke-width": 2, "stroke-linejoin": "round" }));
    for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) content.push(mark(place, x(share), inside(at(scores, share)), 3.2));
  }
  const wanted = lines.map(({ scores }) => inside(scores[scores.length - 1]));
  apart(wanted, 15, top, bottom).forEach((height, i) => content.push(shape("text", { x: right + 8, y: height + 4, style: `fill:${colour(lines[i].place)};font-weight:600` }, cut(DATA.erasers[lines[i].place].name, Math.floor((width - right) / 7.2)))));
  return [bottom + 24, [...content, ...crosshair(lines, measure, x, at, left, right, top, bottom)]];
}

/** What every eraser scores at one share of its cases, under the pointer. */
function crosshair(lines, measure, x, at, left, right, top, bottom) {
  const line = shape("line", { class: "zero", y1: top, y2: bottom, visibility: "hidden" });
  const over = shape("rect", { x: left, y: top, width: Math.max(right - left, 0), height: bottom - top, fill: "transparent" });
  over.addEventListener("pointermove", (event) => {
    const box = over.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    line.setAttribute("x1", x(share));
    line.setAttribute("x2", x(share));
    line.setAttribute("visibility", "visible");
    const rows = lines.slice().sort((a, b) => betterFirst(measure, at(a.scores, share), at(b.scores, share)));
    showTip(event.clientX, event.clientY, el("small", {}, `${percent(share)} of the cases are worse than`), scoreRows(rows.map(({ place, scores }) => [place, told(at(scores, share), measure.digits)])));
  });
  over.addEventListener("pointerleave", () => { line.setAttribute("visibility", "hidden"); hideTip(); });
  return [line, over];
}

/** @param {[number, string][]} rows places of erasers and what is said of them */
function scoreRows(rows) {
  return el("table", {}, ...rows.map(([place, text]) => el("tr", {}, el("td", {}, badge(place)), el("td", {}, DATA.erasers[place].name), el("td", {}, text))));
}
