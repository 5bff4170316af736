// MILD Before and After. The frontend's own compare widget is no use here: in the classic canvas it draws nothing but
// the words that it needs Nodes 2.0, newer frontends let no extension say what it shows, and it follows the pointer
// only, no key.

import { stylesheet } from "../shared/dom.js";
import { addElement, language, memory, onNode, viewUrl } from "../shared/host.js";
import { speaker } from "../shared/words.js";
import { makeCompare } from "./compare.js";
import { words } from "./words.js";

const HEIGHT = 220; // px, the least
const SIZE = [400, 420]; // px of a new node

onNode("mild.compare", "MILDBeforeAfter", (node) => {
  stylesheet("compare.css", import.meta.url);
  const kept = memory(node, "compare");
  /** @type {Record<string, import("../shared/host.js").StoredFile[]>} */
  let files = {};
  /** @type {Record<string, unknown>} */
  let view = {};
  let recalled = false;
  const compare = makeCompare({
    say: speaker(words, language()),
    onChange({ erased, percent, frame }) {
      view = { erased, percent, frame };
      kept.keep({ files, view });
    },
  });
  addElement(node, "compare", "MILD_BEFORE_AFTER", compare.element, HEIGHT);
  const [width, height] = node.size;
  node.setSize([Math.max(width, SIZE[0]), Math.max(height, SIZE[1])]);

  function draw() {
    const [before, after] = [files.a_images, files.b_images].map((side) => (side ?? []).map(viewUrl));
    compare.show({ before, after, ...view });
  }

  return {
    executed(output) {
      if (!output?.a_images || !output?.b_images) return;
      recalled = true;
      files = { a_images: output.a_images, b_images: output.b_images };
      kept.keep({ files, view });
      draw();
    },
    look() {
      if (recalled) return;
      recalled = true;
      const told = kept.recall();
      if (!told) return;
      ({ files, view } = told);
      draw();
    },
  };
});
