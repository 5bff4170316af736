// The people picker on MILD Split People. It shows and edits the node's own text widgets, `erase` and `depth_order`, which hold
// the choice: so it is saved, copied, undone and set through the API as any other value is.

import { stylesheet } from "../shared/dom.js";
import { addElement, app, language, memory, onNode, setWidget, viewUrl } from "../shared/host.js";
import { speaker } from "../shared/words.js";
import { makePicker } from "./picker.js";
import { executionId, linkOf, placeOf } from "../shared/values.js";
import { words } from "./words.js";

const HEIGHT = 380; // px, the least; as in picker.css
const WIDTH = 400;
const SPARE = 100; // px that a new node gives the picker beyond that

onNode("mild.picker", "MILDSplitPeople", (node) => {
  stylesheet("picker.css", import.meta.url);
  const kept = memory(node, "people");
  const picker = makePicker({
    say: speaker(words, language()),
    onChoice: (choice) => write("erase", choice),
    onOrder: (order) => write("depth_order", order),
    onRun: () => void app.queuePrompt(0, 1, /** @type {any} */ ([executionId(node)])),
  });
  addElement(node, "people", "MILD_PEOPLE", picker.element, HEIGHT);
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, WIDTH), height + SPARE]);

  let looked = "";
  let recalled = false;

  /** See whether anybody else set a value or a link. */
  function look() {
    if (!recalled) {
      recalled = true;
      showPicture(kept.recall());
    }
    const [erase, order] = ["erase", "depth_order"].map((name) => placeOf(node, name));
    const state = {
      choice: String(erase?.widget.value ?? ""),
      order: String(order?.widget.value ?? ""),
      choiceLinked: erase === null,
      orderLinked: order === null,
      ready: linkOf(node, "photo") !== null && ["masks", "segs"].some((name) => linkOf(node, name) !== null),
    };
    const now = JSON.stringify(state);
    if (now !== looked) picker.show(state);
    looked = now;
    picker.fit();
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  function write(name, value) {
    const place = placeOf(node, name);
    if (!place) return;
    setWidget(place.node, place.widget.name, value);
    look();
  }

  /** @param {any} told What the node said of its people, or null. */
  function showPicture(told) {
    if (!told) return;
    picker.show({
      picture: {
        people: told.people,
        photo: viewUrl(told.photo),
        owners: viewUrl(told.owners),
        size: told.size,
        byHand: told.by_hand,
      },
    });
  }

  return {
    executed(output) {
      const told = output?.mild_people?.[0];
      if (!told) return;
      recalled = true;
      kept.keep(told);
      showPicture(told);
      look();
    },
    look,
    removed: () => picker.remove(),
  };
});
