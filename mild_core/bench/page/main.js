const DATA = JSON.parse(document.getElementById("data").textContent);
/** @type {Map<string, Measure>} */
const MEASURES = new Map(DATA.measures.map((measure) => [measure.key, measure]));

function facts() {
  const judged = DATA.protocolSource ? [DATA.protocolTitle, el("small", {}, DATA.protocolSource)] : [DATA.protocolTitle];
  const rows = [["Cases", [String(DATA.cases)]], ["Erasers", [String(DATA.erasers.length)]], ["Judged by", judged], ["Benchmark's key", [DATA.key]]];
  if (DATA.baseline) rows.push(["Baseline", [DATA.baseline]]);
  if (DATA.stamp) rows.push(["Made", [DATA.stamp]]);
  document.getElementById("title").textContent = DATA.bench;
  document.getElementById("facts").replaceChildren(...rows.map(([name, said]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...said))));
}

/** In how many measures of the pictures each eraser is best or cannot be told from the best. */
function glance() {
  const measures = DATA.measures.filter(({ key }) => key !== "seconds" && Object.keys(DATA.cells[key]).length > 1);
  const rows = DATA.erasers.map(({ name }, place) => {
    const of = measures.filter(({ key }) => DATA.cells[key][name]);
    const good = of.filter(({ key }) => DATA.cells[key][name].rank === 1 || DATA.cells[key][name].tied).length;
    return { name, place, good, of: of.length };
  });
  rows.sort((a, b) => b.good / (b.of || 1) - a.good / (a.of || 1) || a.place - b.place);
  return el("div", { class: "card glance" }, ...rows.map(({ name, place, good, of }) => el("div", { style: `--share:${of ? (100 * good) / of : 0}%;--colour:${colour(place)}` },
    badge(place), el("b", { title: name }, name), el("span", {}, `${good} of ${of}`), el("i", {}))));
}

function missing() {
  const skipped = DATA.skipped.map(({ label, key, reason, erasers }) => el("li", {}, el("b", {}, label), ` `, el("small", {}, `${key}${erasers.length < DATA.erasers.length ? ` · ${erasers.join(", ")}` : ""}`), el("br"), reason));
  const failed = DATA.erasers.filter(({ errors }) => errors.length).map(({ name, errors, cases }) => el("li", {}, el("b", { class: "warn" }, `${name} failed on ${errors.length} of ${cases} cases`),
    el("details", {}, el("summary", {}, "Which, and why"), el("ul", { class: "list" }, ...errors.map(([id, message]) => el("li", {}, el("b", {}, id), el("br"), message))))));
  const fewer = DATA.measures.filter(({ common }) => common < DATA.cases);
  const counts = new Map();
  for (const measure of fewer) counts.set(measure.common, [...(counts.get(measure.common) ?? []), labelOf(measure)]);
  const compared = [...counts].map(([count, labels]) => el("li", {}, el("b", {}, `${count} of ${DATA.cases} cases`), ` have a score with every eraser in: ${labels.join("; ")}`));
  const list = (title, items, none) => el("div", { class: "card" }, el("h3", {}, title), el("ul", { class: "list" }, ...(items.length ? items : [el("li", {}, none)])));
  return el("div", { class: "two" }, list("Skipped measures", skipped, "None: every measure that was asked for was taken."), list("Failures and gaps", [...failed, ...compared], "None: every eraser answered in every case."));
}

function reading() {
  const level = percent(DATA.level);
  const items = [
    `Every mean stands with its ${level} interval: of many benchmarks made of other photos of the kind, about so many would have intervals that hold the mean over all such photos. Cases are drawn anew for it, with a fixed seed.`,
    "All erasers of a column are compared on the same cases: those for which each of them has a score.",
    "The best is shaded. ≈ marks those which are not told apart from it: the interval of their difference from the best, case by case, holds 0. Overlapping bars alone say less, since photos differ far more than erasers do.",
    "Many comparisons stand on this page, and none is corrected for the others: of twenty differences that do not exist, about one is found by chance.",
    "∞ is the PSNR of equal pictures. Infinite scores are left out of a mean and counted; erasers are then ranked by their medians.",
    "A distance between sets, such as FID, has no score of a case. Its interval tells the spread under redrawn cases; its bias depends on their number, so it is comparable only within this page.",
    `Pictures are shown at no more than ${DATA.side} pixels and compressed. Scores were taken from the full files.`,
  ];
  return el("ul", { class: "list" }, ...items.map((text) => el("li", {}, text)));
}

/** @returns {[string, string, string, () => Node][]} id, title, what it shows, content */
function sections() {
  const several = DATA.measures.some(({ key }) => DATA.scores[key]);
  const found = [
    ["glance", "At a glance", "Measures of the pictures in which each eraser is best, or is not told apart from the best.", glance],
    ["scores", "Scores", `Means and their ${percent(DATA.level)} intervals; each column's bars stand on one scale. ↑ higher is better, ↓ lower is better. Click a heading to sort.`, () => el("div", { class: "card scroll", tabindex: 0, role: "region", "aria-label": "Scores" }, scoreTable())],
  ];
  if (Object.keys(DATA.against).length) found.push(["against", `Against ${DATA.baseline}`, `Mean difference from ${DATA.baseline} on the same cases, with its interval; right is better. Hollow: cannot be told from none. Per cent: the share of cases in which the eraser is better.`, forests]);
  if (Object.keys(DATA.byTag).length) found.push(["tags", "By kind of case", "Where the differences come from: means and intervals of the cases with each value of a tag.", tagSection]);
  if (several) found.push(["curves", "From worst to best", "Every eraser's scores, sorted. The left end shows how badly it fails, and how often.", curveSection]);
  if (several) found.push(["scatter", "Case by case", "Each point is one eraser on one case; a dotted line joins the same case.", scatterSection]);
  if (several && Object.keys(DATA.pictures).length) found.push(["sheets", "Pictures", `Worst, median and best cases, among the ${Object.keys(DATA.pictures).length} of ${DATA.cases} cases whose pictures are in this file. Click a picture to compare it closely.`, sheetSection]);
  found.push(["missing", "What is missing", "Nothing is dropped silently.", missing]);
  found.push(["reading", "How to read this", "", reading]);
  return found;
}

function show() {
  facts();
  const contents = document.getElementById("contents");
  for (const [id, title, lead, content] of sections()) {
    contents.append(el("a", { href: `#${id}` }, title));
    document.getElementById("main").append(el("section", { id }, el("h2", {}, title), ...(lead ? [el("p", { class: "lead" }, lead)] : []), content()));
  }
  const watch = new IntersectionObserver((entries) => entries.filter(({ isIntersecting }) => isIntersecting).forEach(({ target }) => {
    for (const link of contents.children) {
      if (link.getAttribute("href") === `#${target.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }), { rootMargin: "-30% 0px -65% 0px" });
  document.querySelectorAll("section").forEach((section) => watch.observe(section));
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("zoom"));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => dialog.replaceChildren());
  document.getElementById("foot").textContent = `${DATA.bench} · ${DATA.key} · ${DATA.protocolTitle}`;
}

show();
