// Where a node's value lives: in its own widget, in the widget of the subgraph around it, or nowhere here.
// It looks at the graph's structure only, and knows nothing of the frontend.

/**
 * A value that can be read and set, of a widget or of one that stands for it.
 * @typedef {object} Place
 * @property {any} node Whose widget it is.
 * @property {any} widget
 */

/**
 * Where the value of an input is set. An input that a subgraph gives to the outside is set on the subgraph's node, as long as
 * there is just one.
 * @param {any} node
 * @param {string} name The input's name.
 * @returns {Place | null} None when another node gives the value.
 */
export function placeOf(node, name) {
  const widget = node.widgets?.find((/** @type {any} */ each) => each.name === name);
  const link = linkOf(node, name);
  if (!link) return widget ? { node, widget } : null;
  const slot = node.graph?.inputNode?.slots?.find((/** @type {any} */ each) => each.linkIds?.includes(link.id));
  if (!slot || link.origin_id !== node.graph.inputNode.id) return null;
  const hosts = hostsOf(node.graph);
  return hosts.length === 1 ? placeOf(hosts[0], slot.name) : null;
}

/**
 * The link that comes into an input.
 * @param {any} node
 * @param {string} name
 * @returns {any}
 */
export function linkOf(node, name) {
  const id = node.inputs?.find((/** @type {any} */ each) => each.name === name)?.link;
  return id === null || id === undefined ? null : linkById(node.graph, id);
}

/**
 * @param {any} graph
 * @param {number} id
 * @returns {any} null when there is no such link.
 */
export function linkById(graph, id) {
  return graph?.getLink?.(id) ?? graph?.links?.[id] ?? null;
}

/**
 * Every node that stands for a subgraph.
 * @param {any} subgraph
 * @returns {any[]}
 */
export function hostsOf(subgraph) {
  const root = subgraph.rootGraph;
  const graphs = [root, ...(root?.subgraphs?.values?.() ?? [])];
  return graphs.flatMap((graph) => (graph?.nodes ?? []).filter((/** @type {any} */ each) => each.subgraph === subgraph));
}

/**
 * The name by which the server knows a node: those of the subgraphs' nodes around it come first, as in "5:12".
 * @param {any} node
 * @returns {string}
 */
export function executionId(node) {
  const graph = node.graph;
  if (!graph || graph === graph.rootGraph) return String(node.id);
  const [host] = hostsOf(graph);
  return host ? `${executionId(host)}:${node.id}` : String(node.id);
}
