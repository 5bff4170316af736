const FURTHEST = 16;

/** One case, enlarged: a before/after slider and three panes that move together. @param {string} id @param {string} name eraser @param {string[]} [others] cases to step through */
function openZoom(id, name, others = Object.keys(DATA.pictures)) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("zoom"));
  const view = { x: 0, y: 0, k: 1, line: 50 };
  dialog.replaceChildren(zoomContent(id, name, others, view, dialog));
  if (!dialog.open) dialog.showModal();
}

/** The pictures of a case by name, in the order in which they are offered. @param {string} id */
function picturesOf(id) {
  const { photo, truth, results } = DATA.pictures[id];
  const found = new Map([["photo", photo], ...(truth ? [["truth", truth]] : [])].map(([name, src]) => [`:${name}`, { title: name, src }]));
  for (const { name } of DATA.erasers) if (results[name]) found.set(name, { title: name, src: results[name] });
  return found;
}

function zoomContent(id, name, others, view, dialog) {
  const pictures = picturesOf(id);
  const sides = { a: pictures.has(":truth") ? ":truth" : ":photo", b: pictures.has(name) ? name : ":photo" };
  const moved = [];
  const update = () => moved.forEach((apply) => apply());
  const big = comparePane(id, pictures, sides, view, update, moved);
  const small = el("div", { class: "panes" });
  const fill = () => {
    moved.length = 0;
    big.fill();
    const shown = [sides.b, ":truth", ":photo"].filter((key, i, all) => pictures.has(key) && all.indexOf(key) === i);
    small.replaceChildren(...shown.map((key) => plainPane(id, pictures.get(key), key === ":photo", view, update, moved)));
    update();
  };
  const options = [...pictures].map(([key, { title }]) => [key, title]);
  const range = el("input", { type: "range", min: 0, max: 100, value: view.line, "aria-label": "Slider between the two pictures", oninput: () => { view.line = Number(range.value); update(); } });
  const root = el("div", { class: "zoom" },
    zoomHead(id, name, others, view, update, dialog),
    el("div", { class: "controls" },
      choice("Left of the slider", options, sides.a, (key) => { sides.a = key; fill(); }),
      choice("Right of the slider", options, sides.b, (key) => { sides.b = key; fill(); }),
      el("label", {}, "Slider", range)),
    el("div", { class: "stage" }, big.root, small),
    el("div", { class: "wide-scores" }, caseTable(id)));
  big.slid = () => { range.value = String(view.line); };
  root.addEventListener("keydown", (event) => keys(event, view, update));
  fill();
  return root;
}

function zoomHead(id, name, others, view, update, dialog) {
  const step = (by) => openZoom(others[(others.indexOf(id) + by + others.length) % others.length], name, others);
  const button = (text, label, onclick) => el("button", { type: "button", "aria-label": label, title: label, onclick }, text);
  const zoomed = (factor) => () => { zoomBy(view, factor, 0.5, 0.5); update(); };
  const stepping = others.length > 1 && others.includes(id) ? [button("‹", "Case before", () => step(-1)), button("›", "Next case", () => step(1))] : [];
  return el("header", {}, el("h2", { id: "zoom-title" }, id, el("small", {}, tagsOf(id))),
    el("div", { class: "tools" }, button("−", "Zoom out", zoomed(1 / 1.5)), button("+", "Zoom in", zoomed(1.5)),
      button("Fit", "Whole picture", () => { zoomBy(view, 0, 0, 0); update(); }), ...stepping, button("Close", "Close", () => dialog.close())));
}

/** Zoom about a point, given in shares of the pane. @param {{x: number, y: number, k: number}} view offsets in shares of the pane */
function zoomBy(view, factor, atX, atY) {
  const k = Math.min(Math.max(view.k * factor, 1), FURTHEST);
  view.x = atX - ((atX - view.x) * k) / view.k;
  view.y = atY - ((atY - view.y) * k) / view.k;
  view.k = k;
  inBounds(view);
}

function inBounds(view) {
  view.x = Math.min(0, Math.max(1 - view.k, view.x));
  view.y = Math.min(0, Math.max(1 - view.k, view.y));
}

function keys(event, view, update) {
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
  const pan = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
  if (pan) {
    view.x += pan[0];
    view.y += pan[1];
    inBounds(view);
  } else if (event.key === "+" || event.key === "=") zoomBy(view, 1.5, 0.5, 0.5);
  else if (event.key === "-") zoomBy(view, 1 / 1.5, 0.5, 0.5);
  else if (event.key === "0") zoomBy(view, 0, 0, 0);
  else return;
  event.preventDefault();
  update();
}

/** A picture that follows the view. */
function moving(src, alt, view, moved) {
  const image = el("img", { src, alt, draggable: "false" });
  moved.push(() => {
    image.style.transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.k})`;
    image.classList.toggle("sharp", view.k > 3);
  });
  return image;
}

function pane(id, view, update, big) {
  const [width, height] = DATA.pictures[id].size;
  const limit = `;max-width:calc(${big ? "66vh" : "21vh"} * ${(width / height).toFixed(4)})`;
  const root = el("div", { class: big ? "pane big" : "pane", style: `aspect-ratio:${width}/${height}${limit}`, tabindex: big ? 0 : null, role: big ? "group" : null, "aria-label": big ? "Compare: arrow keys move, + and − zoom, 0 fits" : null });
  draggable(root, view, update);
  return root;
}

/** Wheel and two fingers zoom, dragging moves. */
function draggable(root, view, update) {
  const fingers = new Map();
  const share = (x, y) => { const box = root.getBoundingClientRect(); return [(x - box.left) / box.width, (y - box.top) / box.height]; };
  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(view, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0022)), ...share(event.clientX, event.clientY));
    update();
  }, { passive: false });
  root.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, [event.clientX, event.clientY]); root.setPointerCapture(event.pointerId); });
  root.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const after = [event.clientX, event.clientY];
    const box = root.getBoundingClientRect();
    const other = [...fingers].find(([key]) => key !== event.pointerId)?.[1];
    if (other) {
      const far = (from) => Math.hypot(from[0] - other[0], from[1] - other[1]) || 1;
      zoomBy(view, far(after) / far(before), ...share((after[0] + other[0]) / 2, (after[1] + other[1]) / 2));
    } else {
      view.x += (after[0] - before[0]) / box.width;
      view.y += (after[1] - before[1]) / box.height;
      inBounds(view);
    }
    fingers.set(event.pointerId, after);
    update();
  });
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, (event) => fingers.delete(event.pointerId));
}

function comparePane(id, pictures, sides, view, update, moved) {
  const root = pane(id, view, update, true);
  const found = { root, slid: () => {}, fill: () => {
    const [a, b] = [pictures.get(sides.a), pictures.get(sides.b)];
    const left = el("div", { class: "cut" }, moving(a.src, `${a.title} of ${id}`, view, moved));
    const line = el("div", { class: "line" });
    slides(line, root, view, update, () => found.slid());
    moved.push(() => { left.style.clipPath = `inset(0 ${100 - view.line}% 0 0)`; line.style.left = `${view.line}%`; });
    root.replaceChildren(moving(b.src, `${b.title} of ${id}`, view, moved), left, line, el("span", { class: "tag a" }, a.title), el("span", { class: "tag b" }, b.title));
  } };
  return found;
}

/** Dragging the line between the two pictures. */
function slides(line, root, view, update, slid) {
  line.addEventListener("pointerdown", (event) => { event.stopPropagation(); line.setPointerCapture(event.pointerId); });
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const box = root.getBoundingClientRect();
    view.line = Math.min(Math.max((100 * (event.clientX - box.left)) / box.width, 0), 100);
    slid();
    update();
  });
}

function plainPane(id, { title, src }, isPhoto, view, update, moved) {
  const root = pane(id, view, update, false);
  const hole = DATA.pictures[id].hole;
  root.append(moving(src, `${title} of ${id}`, view, moved));
  if (isPhoto && hole) root.append(moving(hole, "", view, moved));
  root.append(el("span", { class: "tag a" }, title));
  return root;
}

/** All scores of one case: erasers down, measures across. */
function caseTable(id) {
  const index = DATA.ids.indexOf(id);
  const measures = DATA.measures.filter(({ key }) => DATA.scores[key]);
  const head = el("tr", {}, el("th", {}, "this case"), ...measures.map((measure) => el("th", { scope: "col" }, `${labelOf(measure)} ${arrowOf(measure)}`)));
  const rows = DATA.erasers.map(({ name }, place) => el("tr", {}, el("th", { scope: "row" }, badge(place), ` ${name}`),
    ...measures.map((measure) => el("td", {}, told(num(DATA.scores[measure.key][name]?.[index] ?? null), measure.digits)))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
