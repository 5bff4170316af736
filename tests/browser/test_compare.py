"""MILD Before and After in the real frontend: its button, its slider, and that it keeps what it shows."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from scripts.example_graphs import PHOTO

BUILD = """
async ([photo, count]) => {
    const graph = window.app.graph;
    for (const node of [...graph.nodes]) graph.remove(node);
    const make = (type, x, y) => {
        const node = window.LiteGraph.createNode(type);
        graph.add(node);
        node.pos = [x, y];
        return node;
    };
    const load = make("LoadImage", 40, 60), invert = make("ImageInvert", 40, 560);
    load.widgets.find(widget => widget.name === "image").value = photo;
    load.connect(0, invert, 0);
    const made = [];
    for (let index = 0; index < count; index++) {
        const node = make("MILDBeforeAfter", 440 + 480 * index, 60);
        // the second shows the two the other way round
        load.connect(0, node, node.findInputSlot(index ? "after" : "before"));
        invert.connect(0, node, node.findInputSlot(index ? "before" : "after"));
        made.push(node.id);
    }
    window.app.canvas.ds.scale = 1;
    window.app.canvas.ds.offset = [0, 0];
    window.app.canvas.setDirty(true, true);
    return made;
}
"""
SAVE = "() => JSON.stringify(window.app.graph.serialize())"


@pytest.fixture
def build(page):
    """`build(count)`: so many nodes that compare the demo's photo with its negative. Their ids."""

    def made(count=1):
        page.wait_for_timeout(500)
        ids = page.evaluate(BUILD, [PHOTO, count])
        page.locator(".mild-compare").nth(count - 1).wait_for()
        return ids

    return made


def queue(page):
    page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    page.locator(".mild-compare-stage.loaded").first.wait_for(timeout=60_000)


def seen(page, index=0):
    """What the artist sees of the pictures, [H, W, 3] in 0..1."""
    page.wait_for_timeout(1000)  # the wipe
    shot = page.locator(".mild-compare-frame").nth(index).screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(float) / 255


def photo_like(server, picture):
    """The photo in the size of a screenshot."""
    height, width = picture.shape[:2]
    return np.asarray(Image.open(server.input / PHOTO).convert("RGB").resize((width, height))).astype(float) / 255


def same(one, other):
    return float(abs(one - other).mean()) < 0.04


def halves(picture):
    """Left and right of a line in the middle, and above the knob and the labels."""
    height, width = picture.shape[:2]
    return picture[: height // 3, : width // 2 - 6], picture[: height // 3, width // 2 + 6 :]


@pytest.mark.newest
def test_erase_shows_the_result_and_a_slider_for_pointer_and_keys(page, server, build, picture):
    build()
    button, line = page.locator(".mild-erase"), page.locator(".mild-compare-line")
    assert button.is_disabled()
    assert page.get_by_text("Run the graph to compare before and after").is_visible()
    queue(page)
    assert button.get_attribute("aria-pressed") == "false"
    assert not line.is_visible()
    before = seen(page)
    photo = photo_like(server, before)
    quiet = np.s_[: before.shape[0] // 3]
    assert same(before[quiet], photo[quiet]), "ERASE is off: the photo alone"
    picture("before")

    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert (line.get_attribute("role"), line.get_attribute("aria-valuenow")) == ("slider", "6")
    frame = page.locator(".mild-compare-frame")
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert line.get_attribute("aria-valuenow") == "50"
    assert line.get_attribute("aria-valuetext") == "50 % before"
    (left, right), (left_of_photo, right_of_photo) = halves(seen(page)), halves(photo)
    assert same(left, left_of_photo)
    assert same(right, 1 - right_of_photo)
    picture("compared")

    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20)
    assert line.get_attribute("aria-valuenow") == "50", "only where the button is down"
    assert line.evaluate("line => document.activeElement === line")
    for key, stands in [("ArrowRight", "52"), ("Shift+ArrowLeft", "42"), ("PageUp", "52"), ("End", "100"), ("Home", "0")]:
        page.keyboard.press(key)
        assert line.get_attribute("aria-valuenow") == stands, key
    assert same(seen(page)[quiet][:, 40:], 1 - photo[quiet][:, 40:])
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert same(seen(page)[quiet], photo[quiet])
    assert page.errors == []


@pytest.mark.newest
def test_it_survives_a_reload_and_is_no_part_of_what_is_queued(page, build):
    (node,) = build()
    queue(page)
    page.locator(".mild-erase").click()
    page.locator(".mild-compare-line").press("PageUp")
    saved = page.evaluate(SAVE)
    (kept,) = [each for each in json.loads(saved)["nodes"] if each["type"] == "MILDBeforeAfter"]
    assert not kept.get("widgets_values")
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert sorted(prompt[str(node)]["inputs"]) == ["after", "before"]
    page.reload()
    page.wait_for_function(
        "() => !!window.LiteGraph?.registered_node_types['MILDBeforeAfter'] && !!window.app?.extensionManager", timeout=180_000
    )
    page.wait_for_timeout(1500)
    page.evaluate("saved => window.app.loadGraphData(JSON.parse(saved))", saved)
    page.locator(".mild-compare-stage.loaded").wait_for()
    assert page.locator(".mild-erase").get_attribute("aria-pressed") == "true"
    assert page.locator(".mild-compare-line").get_attribute("aria-valuenow") == "16"
    assert page.errors == []


def test_two_on_one_graph_show_their_own(page, server, build, picture):
    build(2)
    queue(page)
    page.locator(".mild-compare-stage.loaded").nth(1).wait_for()
    first, second = seen(page, 0), seen(page, 1)
    quiet = np.s_[: first.shape[0] // 3]
    assert same(first[quiet], photo_like(server, first)[quiet])
    assert same(second[quiet], 1 - photo_like(server, second)[quiet])
    page.locator(".mild-erase").nth(1).click()
    assert [page.locator(".mild-erase").nth(n).get_attribute("aria-pressed") for n in range(2)] == ["false", "true"]
    picture("two")
    assert page.errors == []


def test_it_works_inside_a_subgraph(page, build):
    (node,) = build()
    page.evaluate(
        """id => {
            const graph = window.app.graph;
            const { node } = graph.convertToSubgraph(new Set([graph.getNodeById(id)]));
            window.outer = node;
        }""",
        node,
    )
    page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    page.wait_for_function("() => Object.keys(sessionStorage).some(key => key.startsWith('mild:compare:'))", timeout=60_000)
    page.evaluate("() => window.app.canvas.openSubgraph(window.outer.subgraph, window.outer)")
    page.locator(".mild-compare-stage.loaded").wait_for()
    page.locator(".mild-erase").click()
    assert page.locator(".mild-compare-line").is_visible()
    assert page.errors == []


def test_a_batch_is_compared_frame_by_frame(page, build):
    (node,) = build()
    page.evaluate(
        """id => {
            const graph = window.app.graph, node = graph.getNodeById(id);
            const batch = window.LiteGraph.createNode("RepeatImageBatch");
            graph.add(batch);
            batch.widgets.find(widget => widget.name === "amount").value = 3;
            graph.nodes.find(each => each.type === "ImageInvert").connect(0, batch, 0);
            batch.connect(0, node, node.findInputSlot("after"));
        }""",
        node,
    )
    queue(page)
    count, step_on = page.locator(".mild-compare-count"), page.get_by_label("Next picture")
    assert count.text_content() == "1 of 3"
    step_on.click()
    step_on.click()
    assert count.text_content() == "3 of 3"
    assert step_on.is_disabled()
    assert page.errors == []
