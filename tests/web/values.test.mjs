// Where the value of a node's input is set: structures as the frontend's graphs have them.

import assert from "node:assert/strict";
import test from "node:test";

import { executionId, hostsOf, placeOf } from "../../web/shared/values.js";

/** A graph with nodes, whose links are [id, origin]. */
function graph(nodes, links = [], more = {}) {
  const made = { nodes, getLink: (id) => links.find((link) => link.id === id) ?? null, subgraphs: new Map(), ...more };
  made.rootGraph ??= made;
  for (const node of nodes) node.graph = made;
  return made;
}

const textNode = (id, link = null) => ({
  id,
  widgets: [{ name: "erase", value: "1" }],
  inputs: [{ name: "erase", link }],
});

/** A root graph with hosts of one subgraph, whose node's `erase` is given to the outside as "who". */
function nested(...hostLinks) {
  const inner = textNode(7, 70);
  const hosts = hostLinks.map((link, place) => ({
    id: 20 + place,
    inputs: [{ name: "who", link }],
    widgets: [{ name: "who", value: "outside" }],
  }));
  const root = graph(hosts, [{ id: 5, origin_id: 99 }]);
  const subgraph = graph([inner], [{ id: 70, origin_id: -10 }], {
    rootGraph: root,
    inputNode: { id: -10, slots: [{ name: "other", linkIds: [1] }, { name: "who", linkIds: [70] }] },
  });
  for (const host of hosts) host.subgraph = subgraph;
  root.subgraphs.set("s", subgraph);
  return { inner, hosts, subgraph };
}

test("a node's own widget", () => {
  const node = textNode(1);
  graph([node]);
  assert.deepEqual(placeOf(node, "erase"), { node, widget: node.widgets[0] });
  assert.equal(placeOf(node, "missing"), null);
});

test("another node gives it", () => {
  const node = textNode(1, 3);
  graph([node], [{ id: 3, origin_id: 2 }]);
  assert.equal(placeOf(node, "erase"), null);
});

test("given to the outside of a subgraph, it is set there", () => {
  const { inner, hosts } = nested(null);
  assert.deepEqual(placeOf(inner, "erase"), { node: hosts[0], widget: hosts[0].widgets[0] });
});

test("given to the outside, where another node gives it", () => {
  assert.equal(placeOf(nested(5).inner, "erase"), null);
});

test("of two outsides neither is meant", () => {
  const { inner, hosts, subgraph } = nested(null, null);
  assert.deepEqual(hostsOf(subgraph), hosts);
  assert.equal(placeOf(inner, "erase"), null);
});

test("the server's name of a node has those around it", () => {
  const { inner, hosts } = nested(null);
  assert.equal(executionId(inner), "20:7");
  assert.equal(executionId(hosts[0]), "20");
});
