"""The Flex Composer, used as an artist would."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from shapes import ROOT

from scripts.example_graphs import PHOTO

NODE = "window.app.canvas.graph.nodes.filter(node => node.type === 'MILDComposeLayers')"
ROW = ".mild-row"


@pytest.fixture
def node(page):
    """The shipped erasing graph with one step, run; the composer in view, with its layers."""
    load(page)
    run(page)
    page.wait_for_selector(".mild-thumbnail", timeout=300_000)
    return page


def load(page) -> None:
    workflow = json.loads((ROOT / "workflows" / "erase.json").read_text())
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_function(f"() => {NODE}.length === 1")
    page.evaluate(
        f"""() => {{
            const graph = window.app.graph, [node] = {NODE};
            for (const each of [...graph.nodes]) {{
                if (each.title === "Layers" || each.title === "What changed") graph.remove(each);
                else if (each !== node) each.pos = [each.pos[0] - 6000, each.pos[1]];
            }}
            graph.nodes.find(each => each.type === "KSampler").widgets.find(widget => widget.name === "steps").value = 1;
        }}"""
    )
    look_at(page)


def look_at(page, place: int = 0, size: tuple[int, int] = (480, 780)) -> None:
    """Move the view so that the node lies at the same place of the window, unscaled."""
    page.evaluate(
        f"""([place, size]) => {{
            const node = {NODE}[place], {{ ds }} = window.app.canvas;
            node.setSize(size);
            ds.scale = 1; ds.offset = [450 - node.pos[0], 120 - node.pos[1]];
            window.app.canvas.setDirty(true, true);
        }}""",
        [place, size],
    )
    page.wait_for_function("() => document.querySelector('.mild-composer')?.getBoundingClientRect().width > 300")
    page.wait_for_timeout(400)  # the view glides


def run(page) -> None:
    page.evaluate(
        """async () => {
            const done = new Promise(resolve => window.app.api.addEventListener("execution_success", resolve, { once: true }));
            await window.app.queuePrompt(0, 1);
            await done;
        }"""
    )


def sent(page) -> list[str]:
    """The values that the nodes would be run with."""
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    return [each["inputs"]["composition"] for each in prompt.values() if each["class_type"] == "MILDComposeLayers"]


def placed(page, which: int = 0) -> list[dict]:
    """The placements of a node's value, bottom first, with what is default left out."""
    text = sent(page)[which]
    return json.loads(text)["layers"] if text else []


def ids(page) -> dict[str, str]:
    """The layers' ids by the names that the thumbnails show."""
    found = page.evaluate(
        "() => [...document.querySelectorAll('.mild-thumbnail')].map(each => [each.innerText.split('\\n').pop(), each.dataset.layer])"
    )
    return dict(found)


def of(page, name: str, which: int = 0) -> dict:
    """The placement of a layer."""
    (found,) = [each for each in placed(page, which) if each["layer"] == ids(page)[name]]
    return found


def thumbnail(page, name: str):
    return page.locator(f".mild-thumbnail[data-layer='{ids(page)[name]}']").first


def at(page, x: float, y: float, which: int = 0) -> tuple[float, float]:
    """Where a pixel of the photo lies in the window."""
    box = page.locator(".mild-picture").nth(which).bounding_box()
    width, height = page.evaluate(
        "which => { const c = document.querySelectorAll('.mild-picture')[which]; return [c.width, c.height] }", which
    )
    return box["x"] + x * box["width"] / width, box["y"] + y * box["height"] / height


def inside(page, name: str) -> tuple[float, float]:
    """A point of a layer, in pixels of the photo, where it shows and nothing nearer does: near its middle at the height of its head."""
    return page.evaluate(
        f"""id => {{
            const {{ editor, stage }} = {NODE}[0].widgets.find(each => each.name === 'composer').composer;
            const {{ box, width, height, data }} = stage.sources.get(id);
            const y = Math.round(height * 0.25);
            const seen = [...Array(width).keys()].filter(x => data[(y * width + x) * 4 + 3] > 250);
            const x = seen[Math.round(seen.length / 2)];
            return [box[0] + x / stage.scale, box[1] + y / stage.scale];
        }}""",
        ids(page)[name],
    )


def drag(page, start: tuple[float, float], end: tuple[float, float], *held: str) -> None:
    for key in held:
        page.keyboard.down(key)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*[(one + other) / 2 for one, other in zip(start, end, strict=True)])
    page.mouse.move(*end)
    page.mouse.up()
    for key in held:
        page.keyboard.up(key)


def shown(page) -> np.ndarray:
    """What the composer draws, at the full resolution of its pictures."""
    width, height, data = page.evaluate(
        f"""() => {{
            const {{ stage }} = {NODE}[0].widgets.find(each => each.name === 'composer').composer;
            const {{ width, height, data }} = stage.rendered();
            return [width, height, [...data]];
        }}"""
    )
    return np.array(data, np.uint8).reshape(height, width, 4)


def output(page, server) -> np.ndarray:
    """Run the graph, and fetch the picture that the node gives."""
    run(page)
    (file,) = page.evaluate(
        """() => Object.entries(window.app.nodeOutputs)
            .find(([id]) => window.app.graph.getNodeById(id)?.type === "SaveImage")[1].images"""
    )
    return np.asarray(Image.open(io.BytesIO(server.view(file))))


def agree(page, server) -> None:
    drawn, given = shown(page).astype(int), output(page, server).astype(int)
    drawn = drawn[..., : given.shape[-1]]
    assert drawn.shape == given.shape
    apart = abs(drawn - given).max(-1)
    assert (apart <= 2).mean() > 0.995, f"{(apart > 2).mean():.2%} of the pixels differ by more than 2/255, the most by {apart.max()}"


def test_before_the_first_run_it_says_what_to_do(page, picture):
    load(page)
    picture("first")
    assert page.locator(".mild-first").inner_text().startswith("Run the workflow once")
    assert not page.locator(".mild-toolbar").is_visible()
    assert not page.locator("textarea").filter(visible=True).count(), "the value itself is out of sight"
    assert sent(page) == [""]
    assert page.errors == []


@pytest.mark.newest
def test_what_is_composed_is_what_the_node_gives(node, server, picture):
    page = node
    assert list(ids(page)) == ["ip1", "ip2", "ip3", "Background"]
    assert sent(page) == [""]
    assert "Erased" in thumbnail(page, "ip1").get_attribute("aria-label")
    assert [thumbnail(page, name).get_attribute("data-count") for name in ids(page)] == ["0", "1", "1", "1"]
    picture("layers")
    agree(page, server)

    thumbnail(page, "ip1").click()
    assert sent(page) != [""]
    assert thumbnail(page, "ip1").get_attribute("data-count") == "1"
    start = at(page, *inside(page, "ip3"))
    drag(page, start, (start[0] + 60, start[1] - 40), "Alt")
    moved = of(page, "ip3")
    assert moved["x"] > 50
    assert moved["y"] < -30
    assert page.locator(".mild-heard[role=status]").inner_text() == f"ip3 at {moved['x']}, {moved['y']}"
    page.keyboard.press("h")
    assert of(page, "ip3")["flip_x"] is True
    page.locator("[data-field=opacity]").focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    assert of(page, "ip3")["opacity"] == 0.75
    page.locator("[data-field=blend]").select_option("multiply")
    assert of(page, "ip3")["blend"] == "multiply"
    page.locator(".mild-stage").focus()
    page.keyboard.press("Control+d")
    page.locator("[data-field=rotation]").fill("20")
    page.locator("[data-field=rotation]").press("Enter")
    page.locator("[data-field=width]").fill("140")
    page.locator("[data-field=width]").press("Enter")
    copy = (
        placed(page)[-1]
        if placed(page)[-1]["layer"] == ids(page)["ip3"]
        else [p for p in placed(page) if p["layer"] == ids(page)["ip3"]][-1]
    )
    assert copy["rotation"] == 20
    assert copy["scale_x"] == copy["scale_y"] == 1.4
    assert thumbnail(page, "ip3").get_attribute("data-count") == "2"
    picture("composed")
    agree(page, server)
    assert page.errors == []


@pytest.mark.newest
def test_steps_are_undone_and_done_again(node):
    page = node
    page.locator(ROW).filter(has_text="ip2").locator("[data-act=pick]").click()
    values = [sent(page)[0]]
    for act in ("mirror", "flip"):
        page.locator(f"[data-act={act}]").click()
        values.append(sent(page)[0])
    page.locator(".mild-stage").focus()
    page.keyboard.down("ArrowRight")
    page.keyboard.down("ArrowRight")  # held: one step
    page.keyboard.up("ArrowRight")
    values.append(sent(page)[0])
    assert of(page, "ip2")["x"] == 2
    assert len(set(values)) == 4
    for value in values[-2::-1]:
        page.keyboard.press("Control+z")
        assert sent(page) == [value]
    for value in values[1:]:
        page.keyboard.press("Control+y")
        assert sent(page) == [value]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    assert sent(page) == [values[-1]]
    assert page.evaluate(f"() => {NODE}.length") == 1
    assert page.evaluate("() => document.activeElement.className") == "mild-stage", "undo of the graph would have made the node anew"
    page.get_by_role("button", name="Reset all").click()
    assert sent(page) == [""]
    page.get_by_role("button", name="Undo").click()
    assert sent(page) == [values[-1]]
    assert page.errors == []


def test_undo_of_the_graph_is_taken_in(node):
    page = node
    thumbnail(page, "ip1").click()
    one = sent(page)
    page.locator("[data-act=mirror]").click()
    two = sent(page)
    undo = "async way => await window.app.extensionManager.workflow.activeWorkflow.changeTracker[way]()"
    page.evaluate(undo, "undo")
    page.wait_for_function("() => document.querySelectorAll('.mild-thumbnail').length === 4")
    assert sent(page) == one
    page.wait_for_function("() => document.querySelector('.mild-thumbnail').dataset.count === '1'")
    page.evaluate(undo, "redo")
    page.wait_for_function("() => document.querySelectorAll('.mild-thumbnail').length === 4")
    assert sent(page) == two
    assert page.errors == []


def test_handles_scale_and_turn(node, picture):
    page = node
    page.locator(ROW).filter(has_text="ip3").locator("[data-act=pick]").click()

    def pull(handle: str, dx: float, dy: float, *held: str) -> dict:
        box = page.locator(f"[data-handle='{handle}']").bounding_box()
        start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        drag(page, start, (start[0] + dx, start[1] + dy), *held)
        return of(page, "ip3")

    one = pull("1,-1", 30, -30)
    assert one["scale_x"] == pytest.approx(one["scale_y"])
    assert one["scale_x"] > 1.05
    two = pull("1,-1", 30, 0, "Shift")
    assert two["scale_x"] > two["scale_y"] == pytest.approx(one["scale_y"])
    three = pull("turn", 60, 20, "Shift")
    assert three["rotation"] % 15 == 0
    assert three["rotation"] > 0
    picture("turned")
    page.keyboard.press("Escape")
    expect(page.locator("[data-handle]")).to_have_count(0)
    assert page.errors == []


def test_layers_snap_and_are_brought_back(node, picture):
    page = node
    page.locator(ROW).filter(has_text="ip2").locator("[data-act=pick]").click()
    start = at(page, *inside(page, "ip2"))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] - 30, start[1] + 2)
    page.mouse.move(start[0] - 40, start[1] + 3)
    expect(page.locator(".mild-guide").first).to_be_attached()
    picture("snapped")
    page.mouse.up()
    assert of(page, "ip2").get("y", 0) == 0, "its lower edge is the photo's"
    page.locator("[data-field=x]").fill("5000")
    page.locator("[data-field=x]").press("Enter")
    back = page.get_by_role("button", name="Bring back into view")
    assert back.is_enabled()
    back.click()
    assert of(page, "ip2")["x"] < 640
    assert back.is_disabled()
    assert page.errors == []


def test_the_list_orders_hides_and_removes(node, picture):
    page = node

    def listed() -> list[str]:
        return page.locator(f"{ROW} .mild-name").all_inner_texts()

    assert listed() == ["ip1", "ip2", "ip3", "Background"]
    boxes = [page.locator(f"{ROW} .mild-grip").nth(n).bounding_box() for n in range(4)]
    x = boxes[1]["x"] + 5
    drag(page, (x, boxes[1]["y"] + 10), (x, boxes[2]["y"] + boxes[2]["height"] - 2))
    assert listed() == ["ip1", "ip3", "ip2", "Background"]
    page.locator(ROW).nth(2).locator("[data-act=see]").click()
    assert of(page, "ip2")["visible"] is False
    page.locator(ROW).nth(1).locator("[data-act=pick]").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("PageUp")
    assert listed() == ["ip1", "ip2", "ip3", "Background"]
    for _ in range(4):
        page.keyboard.press("Delete")
    assert listed() == []
    assert page.locator(".mild-none").is_visible()
    assert placed(page) == []
    assert sent(page) != [""], "an empty canvas is composed by hand too"
    assert page.evaluate(f"() => {NODE}.length") == 1
    picture("empty")
    assert page.errors == []


def test_other_hands_set_and_link_the_value(node, picture):
    page = node
    layers = ids(page)

    def write(text: str) -> None:
        page.evaluate(f"text => {{ {NODE}[0].widgets.find(widget => widget.name === 'composition').value = text }}", text)

    stranger = {"key": "s", "layer": "nobody", "fingerprint": "gone"}
    write(json.dumps({"version": 1, "canvas": [640, 427], "layers": [{"key": "a", "layer": layers["ip2"], "x": 9}, stranger]}))
    page.wait_for_function("() => document.querySelectorAll('.mild-row').length === 2")
    assert page.locator(".mild-dormant").inner_text().split("\n")[0].strip() == "nobody"
    page.locator(ROW).filter(has_text="ip2").locator("[data-act=pick]").click()
    page.locator("[data-act=mirror]").click()
    assert [each["layer"] for each in placed(page)] == [layers["ip2"], "nobody"], "what is not in this picture is kept"
    write("<b>no</b>")
    page.wait_for_function("() => document.querySelector('.mild-notice').textContent.startsWith('The composition cannot be read')")
    picture("unreadable")
    page.get_by_role("button", name="Reset all").click()
    assert sent(page) == [""]
    page.evaluate(
        f"""() => {{
            const text = window.LiteGraph.createNode('PrimitiveString'), [node] = {NODE};
            window.app.canvas.graph.add(text);
            text.connect(0, node, node.inputs.findIndex(input => input.name === 'composition'));
        }}"""
    )
    page.wait_for_function("() => document.querySelector('.mild-notice').textContent.startsWith('The composition comes from')")
    assert thumbnail(page, "ip1").is_disabled()
    assert page.errors == []


def test_a_reload_keeps_composition_and_layers(node, picture):
    page = node
    thumbnail(page, "ip1").click()
    page.locator("[data-act=mirror]").click()
    wanted = sent(page)
    page.wait_for_timeout(2500)  # the frontend keeps the workflow now and then
    page.reload()
    page.wait_for_function(f"() => !!window.app?.canvas?.graph && {NODE}.length === 1", timeout=120_000)
    page.wait_for_selector(".mild-thumbnail", timeout=30_000)
    look_at(page)
    picture("reloaded")
    assert sent(page) == wanted
    assert thumbnail(page, "ip1").get_attribute("data-count") == "1"
    assert page.errors == []


def test_a_copy_is_composed_for_itself(node, picture):
    page = node
    thumbnail(page, "ip1").click()
    page.evaluate(
        f"""() => {{
            const [node] = {NODE}, canvas = window.app.canvas;
            canvas.copyToClipboard([node]);
            canvas.pasteFromClipboard({{ connectInputs: true, position: [node.pos[0] + 520, node.pos[1]] }});
        }}"""
    )
    page.wait_for_function(f"() => {NODE}.length === 2")
    page.evaluate(f"() => {{ const [node, copy] = {NODE}; copy.pos = [node.pos[0] + 520, node.pos[1]]; copy.setSize([480, 780]); }}")
    page.evaluate(
        f"""() => {{
            const preview = window.LiteGraph.createNode("PreviewImage"), copy = {NODE}[1];
            window.app.graph.add(preview);
            preview.pos = [copy.pos[0] + 600, copy.pos[1]];
            copy.connect(0, preview, 0);
        }}"""
    )
    assert sent(page)[0] == sent(page)[1] != ""
    run(page)
    page.wait_for_function("() => document.querySelectorAll('.mild-thumbnail').length === 8", timeout=120_000)
    page.wait_for_timeout(300)
    copies = page.locator(".mild-composer")
    left = [copies.nth(n).bounding_box()["x"] for n in range(2)]
    copy = copies.nth(left.index(max(left)))
    before = sent(page)
    copy.locator("[data-act='reset all']").click()
    picture("two")
    assert sorted(sent(page)) == sorted(["", before[0]])
    assert page.errors == []


def test_it_works_within_a_subgraph(page, picture):
    load(page)
    page.evaluate(
        f"""() => {{
            const canvas = window.app.canvas, made = canvas.graph.convertToSubgraph(new Set([{NODE}[0]]));
            canvas.openSubgraph(made.subgraph, made.node);
        }}"""
    )
    page.wait_for_function(f"() => {NODE}.length === 1 && window.app.canvas.graph !== window.app.rootGraph")
    look_at(page)
    run(page)
    page.wait_for_selector(".mild-thumbnail", timeout=300_000)
    thumbnail(page, "ip1").click()
    picture("inside")
    wanted = sent(page)
    assert wanted != [""]
    page.evaluate("() => window.app.canvas.setGraph(window.app.rootGraph)")
    page.wait_for_timeout(300)
    assert sent(page) == wanted
    assert page.errors == []


def test_a_4k_photo_is_composed_through_proxies(page, server, picture):
    """Give the composer what a run on a large photo tells it: pictures of a quarter of the photo's size."""
    load(page)
    photo = Image.open(server.input / PHOTO).convert("RGBA").resize((1024, 683))
    photo.save(server.input / "proxy.png")
    photo.crop((500, 200, 800, 683)).save(server.input / "proxy-person.png")
    told = {"canvas": [4096, 2732], "scale": 0.25, "composed": False, "photo": {"file": {"filename": "proxy.png", "type": "input"}}}
    files = [("background", "background", [0, 0, 4096, 2732], "proxy.png")]
    files += [(f"p{n}", f"person {n}", [2000, 800, 3200, 2732], "proxy-person.png") for n in range(1, 7)]
    told["layers"] = [
        {"id": id_, "name": name, "label": "<img src=x onerror=alert(1)>", "fingerprint": id_, "box": box, "erased": False,
         "depth": 0, "file": {"filename": file, "type": "input"}}
        for id_, name, box, file in files
    ]  # fmt: skip
    page.evaluate(f"told => {NODE}[0].onExecuted({{ mild_layers: [told] }})", told)
    page.wait_for_selector(".mild-thumbnail")
    assert "<img src=x" in thumbnail(page, "ip3").get_attribute("title"), "names are text"
    assert not page.locator("img[src=x]").count()
    drawn = page.evaluate("() => { const c = document.querySelector('.mild-picture'); return [c.width, c.height] }")
    assert drawn == [1024, 683]
    start = at(page, 650, 450)
    each = 4096 / page.locator(".mild-picture").bounding_box()["width"]  # pixels of the photo in one of the window
    drag(page, start, (start[0] + 50, start[1] - 30), "Alt")
    moved = of(page, "ip6")
    assert (moved["x"], moved["y"]) == pytest.approx((50 * each, -30 * each), abs=2), "in pixels of the photo, and nothing jumps"
    picture("large")
    assert page.errors == []


def test_it_grows_with_the_node(node, picture):
    page = node
    look_at(page, size=(1000, 760))
    page.wait_for_function("() => document.querySelector('.mild-picture').clientWidth > 500")
    picture("wide")
    look_at(page, size=(420, 560))
    page.wait_for_timeout(300)
    picture("small")
    inner, outer = page.locator(".mild-properties").bounding_box(), page.locator(".mild-composer").bounding_box()
    assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 2
    assert page.locator(".mild-stage").bounding_box()["height"] > 120
    assert page.errors == []


def test_it_exchanges_with_the_cores_compositor(page, picture):
    """A stand-in for the core's node, of which 0.30 has none: it has the widget, and takes pictures."""
    page.evaluate(
        """() => {
            class Stand extends window.LiteGraph.LGraphNode {
                constructor() {
                    super("Image Compositor");
                    this.addInput("images", "IMAGE");
                    this.addWidget("text", "compositor", {}, () => {});
                }
            }
            Stand.comfyClass = "ImageCompositor";
            window.LiteGraph.registerNodeType("ImageCompositor", Stand);
        }"""
    )
    load(page)
    run(page)
    page.wait_for_selector(".mild-thumbnail", timeout=300_000)
    page.get_by_role("button", name="To Image Compositor").click()
    assert "Connect layers_rgba" in page.locator(".mild-notice").inner_text()
    page.evaluate(
        f"""() => {{
            const other = window.LiteGraph.createNode("ImageCompositor"), [node] = {NODE};
            window.app.graph.add(other);
            other.pos = [node.pos[0] + 900, node.pos[1]];
            node.connect(node.findOutputSlot("layers_rgba"), other, 0);
        }}"""
    )
    page.locator(ROW).filter(has_text="ip2").locator("[data-act=pick]").click()
    page.locator("[data-act=mirror]").click()
    wanted = placed(page)
    page.get_by_role("button", name="To Image Compositor").click()
    recipe = page.evaluate("() => window.app.graph.nodes.find(each => each.type === 'ImageCompositor').widgets[0].value")
    assert [layer["flipH"] for layer in recipe["layers"]].count(True) == 1
    page.get_by_role("button", name="Reset all").click()
    assert sent(page) == [""]
    page.get_by_role("button", name="From Image Compositor").click()
    kept = ("layer", "flip_x", "visible")
    assert [{key: each.get(key) for key in kept} for each in placed(page)] == [{key: each.get(key) for key in kept} for each in wanted]
    picture("exchanged")
    assert page.errors == []
