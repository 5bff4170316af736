/** The main table: sorts by any column; intervals of one column stand on one scale. */
function scoreTable() {
  const body = el("tbody");
  const heads = [["", "eraser"], ...DATA.measures.map((measure) => [measure.key, measure])].map(([key, measure]) => head(key, measure));
  let by = "";
  let turned = false;

  function head(key, measure) {
    const text = typeof measure === "string" ? [measure] : [
      `${measure.title} ${arrowOf(measure)}`,
      el("small", {}, [measure.region, measure.unit && `in ${measure.unit}`].filter(Boolean).join(", ") || "\u00a0"),
    ];
    const button = el("button", { type: "button", title: key ? "Sort, best first; again: worst first" : "Order of the runs", onclick: () => sort(key) }, ...text);
    return el("th", { scope: "col", "data-key": key }, button);
  }

  function sort(key) {
    turned = key === by && key !== "" ? !turned : false;
    by = key;
    fill();
  }

  function fill() {
    const places = DATA.erasers.map((_, i) => i);
    const measure = MEASURES.get(by);
    if (measure) places.sort((a, b) => rankOf(measure, a) - rankOf(measure, b) || a - b);
    if (turned) places.reverse();
    for (const th of heads) {
      const sorted = measure && th.dataset.key === by;
      if (sorted) th.setAttribute("aria-sort", (measure.better === "higher") === turned ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    }
    body.replaceChildren(...places.map(line));
  }

  function line(place) {
    const { name, about } = DATA.erasers[place];
    const title = el("th", { scope: "row" }, el("span", {}, badge(place), name), el("small", { title: about }, about));
    return el("tr", { "data-eraser": name }, title, ...DATA.measures.map((measure) => cell(measure, place)));
  }

  fill();
  return el("table", { id: "table" }, el("thead", {}, el("tr", {}, ...heads)), body);
}

/** @param {Measure} measure @param {number} place */
function rankOf(measure, place) {
  return DATA.cells[measure.key][DATA.erasers[place].name]?.rank ?? Infinity;
}

/** @param {Measure} measure @param {number} place */
function cell(measure, place) {
  const found = DATA.cells[measure.key][DATA.erasers[place].name];
  if (!found) return el("td", { class: "none", title: "not measured, see below" }, "–");
  const [mean, low, high] = found.interval.map(num);
  const text = [el("span", { class: "value" }, told(mean, measure.digits))];
  if (Number.isFinite(low) && Number.isFinite(mean)) text.push(el("small", {}, ` ± ${told((high - low) / 2, measure.digits)}`));
  if (found.infinite && found.n) text.push(el("small", { title: `${found.infinite} cases are infinite, as equal pictures are, and left out of the mean` }, ` +${found.infinite}×∞`));
  if (found.tied) text.push(el("small", { title: "not told apart from the best, case by case" }, " ≈"));
  const range = Number.isFinite(low) ? `${told(low, measure.digits)} to ${told(high, measure.digits)}` : "no interval";
  const title = `${DATA.erasers[place].name}: ${told(mean, measure.digits)} ${measure.unit}, ${percent(DATA.level)} interval ${range}, ${found.n + found.infinite} cases`;
  return el("td", { class: found.rank === 1 ? "best" : null, title }, ...text, bar(measure, place, mean, low, high));
}

/** An interval as a small bar, on the scale of its column. */
function bar(measure, place, mean, low, high) {
  const all = Object.values(DATA.cells[measure.key]).flatMap((found) => found.interval.map(num));
  const x = scale(...reach(all), 0, 100);
  const root = shape("svg", { class: "bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" });
  const rule = (x1, x2, width, stroke) => shape("line", { x1, x2, y1: 6, y2: 6, stroke, "stroke-width": width, "vector-effect": "non-scaling-stroke" });
  root.append(rule(0, 100, 1, "var(--line)"));
  if (Number.isFinite(low) && Number.isFinite(mean)) root.append(rule(x(low), x(high), 4, `color-mix(in srgb, ${colour(place)} 45%, transparent)`));
  if (Number.isFinite(mean)) root.append(shape("line", { x1: x(mean), x2: x(mean), y1: 1, y2: 11, stroke: colour(place), "stroke-width": 2.5, "vector-effect": "non-scaling-stroke" }));
  return root;
}
