// A choice of people, and their order, in words: the same as mild_core/scene/choice.py reads, and what a click writes.

/**
 * One person of a picture.
 * @typedef {object} Person
 * @property {string} id
 * @property {number} number
 * @property {string} label What a detector called them, or "".
 * @property {number} area Share of the photo that shows them, 0 to 1.
 * @property {[number, number]} at Where their number stands, in pixels of the photo.
 * @property {boolean} erased Whether they went in the run that the picture is of.
 */

/**
 * Who words cannot be read as: `kind` is "number" (nobody has it), "range" (it falls), "grammar", or "everybody" (numbers
 * leave somebody out of an order).
 * @typedef {{kind: "number" | "range" | "grammar" | "everybody", word: string}} Problem
 */

/**
 * @typedef {{ids: string[], problem: Problem | null}} Reading
 */

/** @typedef {Pick<Person, "id" | "number" | "area">} Named */

const ID = /^p[0-9a-f]{8}(-[0-9]+)?$/;

/**
 * Whom a choice names. Ids of people who are not there are passed over.
 * @param {string} words
 * @param {Named[]} people
 * @returns {Reading} Ids by number; none where there is a problem.
 */
export function choose(words, people) {
  const text = tidy(words);
  const everybody = byNumber(people);
  if (text === "" || text === "none") return read([]);
  if (text === "largest") {
    const largest = people.reduce((most, each) => (each.area > most.area ? each : most), people[0]);
    return read(largest ? [largest.id] : []);
  }
  if (text === "all") return read(everybody);
  const but = /^all (?:but|except) (.+)$/.exec(text);
  const { ids, problem } = named(but ? but[1] : text, people);
  if (problem) return { ids: [], problem };
  return read(everybody.filter((id) => ids.includes(id) !== Boolean(but)));
}

/**
 * The order that words give, nearest first. Numbers must name everybody; ids may leave people out.
 * @param {string} words
 * @param {Named[]} people
 * @returns {Reading} No ids for an empty text.
 */
export function parseOrder(words, people) {
  const text = tidy(words);
  if (!text) return read([]);
  const { ids, problem } = named(text, people);
  if (problem) return { ids: [], problem };
  const there = people.map((each) => each.id);
  const order = ids.filter((id) => there.includes(id));
  if (order.length < people.length && !split(text).every((word) => ID.test(word))) {
    return { ids: [], problem: { kind: "everybody", word: text } };
  }
  return read(order);
}

/**
 * What a click writes: ids by number, or "none".
 * @param {Iterable<string>} ids
 * @param {Named[]} people
 */
export function writeChoice(ids, people) {
  const chosen = new Set(ids);
  return (
    byNumber(people)
      .filter((id) => chosen.has(id))
      .join(",") || "none"
  );
}

/**
 * People in another order: those named take, in their order, the places that they have among all; others keep theirs.
 * @template {{id: string}} T
 * @param {T[]} people
 * @param {string[]} ids Of some or all of them.
 * @returns {T[]}
 */
export function arranged(people, ids) {
  const turn = ids.map((id) => people.find((each) => each.id === id)).filter((each) => each !== undefined);
  const moving = new Set(turn);
  return people.map((each) => (moving.has(each) ? /** @type {T} */ (turn.shift()) : each));
}

/**
 * A list with the thing at one place put at another.
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to Its place afterwards; beyond the ends is at the end.
 * @returns {T[]}
 */
export function moved(list, from, to) {
  const rest = list.filter((_, place) => place !== from);
  rest.splice(Math.max(0, Math.min(to, rest.length)), 0, list[from]);
  return rest;
}

/**
 * @param {string[]} ids
 * @returns {Reading}
 */
function read(ids) {
  return { ids, problem: null };
}

/** @param {string} words */
function tidy(words) {
  return words.toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}

/** @param {Named[]} people */
function byNumber(people) {
  return [...people].sort((a, b) => a.number - b.number).map((each) => each.id);
}

/** @param {string} text */
function split(text) {
  return text
    .replace(/ ?- ?/g, "-")
    .replace(/^[ ,]+|[ ,]+$/g, "")
    .split(/[, ]+/);
}

/**
 * Ids in the order of the text, each once, also of people who are not there.
 * @param {string} text
 * @param {Named[]} people
 * @returns {Reading}
 */
function named(text, people) {
  const byNumber = new Map(people.map((each) => [each.number, each.id]));
  /** @type {Set<string>} */
  const found = new Set();
  for (const word of split(text)) {
    if (ID.test(word)) {
      found.add(word);
      continue;
    }
    const range = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(word);
    if (!range) return { ids: [], problem: { kind: "grammar", word } };
    const [first, last] = [Number(range[1]), Number(range[2] ?? range[1])];
    if (first > last) return { ids: [], problem: { kind: "range", word } };
    for (let number = first; number <= last; number++) {
      const id = byNumber.get(number);
      if (id === undefined) return { ids: [], problem: { kind: "number", word: String(number) } };
      found.add(id);
    }
  }
  return read([...found]);
}
