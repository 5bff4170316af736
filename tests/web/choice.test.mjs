// Who goes, said in words and written by clicks. That Python reads the same words is checked in tests/core/test_choice.py.

import assert from "node:assert/strict";
import test from "node:test";

import { arranged, choose, moved, parseOrder, writeChoice } from "../../web/picker/choice.js";

const PEOPLE = [
  { id: "p00000004", number: 4, area: 0.1 },
  { id: "p00000001", number: 1, area: 0.05 },
  { id: "p00000002", number: 2, area: 0.3 },
];
const ids = (...numbers) => numbers.map((number) => `p0000000${number}`);

test("words name people, by number", () => {
  const table = {
    "1,4": [1, 4],
    "4 p00000001": [1, 4],
    "1 - 2": [1, 2],
    "ALL but 2": [1, 4],
    all: [1, 2, 4],
    largest: [2],
    none: [],
    "": [],
    "pdeadbeef,2": [2],
    "all except pdeadbeef": [1, 2, 4],
  };
  for (const [words, numbers] of Object.entries(table)) {
    assert.deepEqual(choose(words, PEOPLE), { ids: ids(...numbers), problem: null }, words);
  }
});

test("what cannot be read is named", () => {
  const table = {
    3: ["number", "3"],
    "1-9": ["number", "3"],
    "2-1": ["range", "2-1"],
    "1;2": ["grammar", "1;2"],
    everyone: ["grammar", "everyone"],
    "1-999999999": ["number", "3"],
  };
  for (const [words, [kind, word]] of Object.entries(table)) {
    assert.deepEqual(choose(words, PEOPLE), { ids: [], problem: { kind, word } }, words);
  }
});

test("nobody is the largest of nobody", () => {
  for (const words of ["largest", "all", "none"]) assert.deepEqual(choose(words, []), { ids: [], problem: null });
});

test("a click writes ids by number", () => {
  assert.equal(writeChoice(ids(4, 1), PEOPLE), "p00000001,p00000004");
  assert.equal(writeChoice([], PEOPLE), "none");
  assert.equal(writeChoice(ids(4, 2, 1), PEOPLE), "p00000001,p00000002,p00000004");
  for (const some of [[], [1], [2, 4], [1, 2, 4]]) {
    assert.deepEqual(choose(writeChoice(ids(...some), PEOPLE), PEOPLE).ids, ids(...some), "what is written is read");
  }
});

test("an order by numbers names everybody; by ids, whoever it likes", () => {
  assert.deepEqual(parseOrder("2,1,4", PEOPLE).ids, ids(2, 1, 4));
  assert.deepEqual(parseOrder(" ", PEOPLE).ids, []);
  assert.deepEqual(parseOrder("p00000002,pdeadbeef,p00000004", PEOPLE).ids, ids(2, 4));
  assert.equal(parseOrder("2,1", PEOPLE).problem?.kind, "everybody");
  assert.equal(parseOrder("2,p00000001", PEOPLE).problem?.kind, "everybody");
  assert.equal(parseOrder("2,1,3", PEOPLE).problem?.kind, "number");
});

test("those named change places; others keep theirs", () => {
  const five = [..."abcde"].map((id) => ({ id }));
  const now = (named) => arranged(five, [...named]).map((each) => each.id).join("");
  assert.equal(now("eb"), "aecdb");
  assert.equal(now("edcba"), "edcba");
  assert.equal(now(""), "abcde");
  assert.equal(now("c"), "abcde");
  assert.equal(now("xca"), "cbade", "whoever is not there is passed over");
});

test("a thing is moved to a place", () => {
  const now = (from, to) => moved([..."abcd"], from, to).join("");
  assert.equal(now(0, 3), "bcda");
  assert.equal(now(3, 0), "dabc");
  assert.equal(now(1, 2), "acbd");
  assert.equal(now(1, 1), "abcd");
  assert.equal(now(2, 9), "abdc");
  assert.equal(now(2, -9), "cabd");
});
