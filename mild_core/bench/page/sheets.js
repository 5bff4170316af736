const EACH = 4;

/** Pictures of an eraser's best, median and worst cases, beside what the others made of them. */
function sheetSection() {
  const measures = DATA.measures.filter(({ key }) => DATA.scores[key]);
  let measure = measures[0];
  let name = DATA.erasers[0].name;
  const root = el("div", {});
  const fill = () => root.replaceChildren(...sheets(measure, name));
  fill();
  return el("div", {},
    el("div", { class: "controls" },
      choice("Eraser", DATA.erasers.map((e) => [e.name, e.name]), name, (value) => { name = value; fill(); }),
      choice("Measure", measures.map((m) => [m.key, labelOf(m)]), measure.key, (key) => { measure = MEASURES.get(key); fill(); })),
    root);
}

/** An eraser's cases, best first, with the place that each has among all of them. */
function ranked(measure, name) {
  const scores = DATA.scores[measure.key][name] ?? [];
  const all = DATA.ids.map((id, i) => ({ id, score: num(scores[i]) })).filter(({ score }) => !Number.isNaN(score));
  all.sort((a, b) => betterFirst(measure, a.score, b.score) || (a.id < b.id ? -1 : 1));
  return all.map((found, i) => ({ ...found, place: i + 1, of: all.length }));
}

function sheets(measure, name) {
  const all = ranked(measure, name);
  const seen = all.filter(({ id }) => DATA.pictures[id]?.results[name]);
  if (!seen.length) return [el("p", { class: "card" }, `No picture of ${name} with a score in ${labelOf(measure)} is in this file.`)];
  const middle = (all.length + 1) / 2;
  const each = Math.min(EACH, Math.ceil(seen.length / 3));
  const worst = seen.slice(-each).reverse();
  const best = seen.filter((found) => !worst.includes(found)).slice(0, each);
  const rest = seen.filter((found) => !best.includes(found) && !worst.includes(found));
  const median = rest.sort((a, b) => Math.abs(a.place - middle) - Math.abs(b.place - middle) || a.place - b.place).slice(0, each).sort((a, b) => a.place - b.place);
  const order = [["Worst", worst], ["Median", median], ["Best", best]].filter(([, cases]) => cases.length);
  const open = order.flatMap(([, cases]) => cases.map(({ id }) => id));
  return order.map(([title, cases]) => el("div", { class: "sheet", "data-sheet": title.toLowerCase() }, el("h3", {}, `${title} of ${name}`), ...cases.map((found) => caseCard(measure, name, found, open))));
}

function caseCard(measure, name, { id, score, place, of }, open) {
  const pictures = DATA.pictures[id];
  const index = DATA.ids.indexOf(id);
  const strip = el("div", { class: "strip", style: `max-width:${230 * (2 + Object.keys(pictures.results).length)}px` });
  strip.append(tile(id, "photo", "hole tinted", null, [pictures.photo, pictures.hole], () => openZoom(id, name, open)));
  DATA.erasers.forEach((eraser, i) => {
    const source = pictures.results[eraser.name];
    if (!source) return;
    const value = num(DATA.scores[measure.key][eraser.name]?.[index] ?? null);
    const button = tile(id, eraser.name, `${told(value, measure.digits)} ${measure.unit}`, i, [source], () => openZoom(id, eraser.name, open));
    if (eraser.name === name) button.classList.add("chosen");
    strip.append(button);
  });
  if (pictures.truth) strip.append(tile(id, "truth", "", null, [pictures.truth], () => openZoom(id, name, open)));
  const head = el("header", {}, el("h3", {}, id), el("span", {}, `${told(score, measure.digits)} ${measure.unit} · place ${place} of ${of}`), el("span", {}, tagsOf(id)));
  return el("article", { class: "case" }, head, strip);
}

function tile(id, what, below, place, sources, open) {
  const [width, height] = DATA.pictures[id].size;
  const images = sources.filter(Boolean).map((src, i) => el("img", { src, alt: i ? "" : `${what} of ${id}`, loading: "lazy", decoding: "async" }));
  return el("button", { type: "button", style: place === null ? null : `--colour:${colour(place)}`, onclick: open },
    el("span", { class: "frame", style: `aspect-ratio:${width}/${height}` }, ...images),
    el("span", { class: "what" }, ...(place === null ? [what] : [badge(place), what])),
    el("span", { class: "score" }, below || "\u00a0"));
}
