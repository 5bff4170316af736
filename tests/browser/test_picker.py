"""The people picker, used as an artist would."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from shapes import ROOT

NODE = "window.app.canvas.graph.nodes.filter(node => node.type === 'MILDSplitPeople')"


@pytest.fixture
def split(page):
    """A graph of a photo, its people's masks and the node, with the people shown. Gives the node's id."""
    return show(page, "mild-demo.png", "mild-demo-people.png")


def show(page, photo: str, masks: str) -> str:
    """Load the graph, press the button that runs it up to the picker, and wait for the people."""
    load(page, photo, masks)
    page.get_by_role("button", name="Show the people").click()
    page.wait_for_selector(".mild-picker-row", timeout=120_000)
    return page.evaluate(f"() => {NODE}[0].id")


def load(page, photo: str, masks: str) -> None:
    workflow = json.loads((ROOT / "workflows" / "erase.json").read_text())
    kept = {node["id"] for node in workflow["nodes"] if node["type"] in {"LoadImage", "LoadImageMask", "MILDSplitPeople"}}
    workflow["nodes"] = [node for node in workflow["nodes"] if node["id"] in kept]
    workflow["links"] = [link for link in workflow["links"] if link[1] in kept and link[3] in kept]
    workflow["groups"] = []
    for node in workflow["nodes"]:
        for output in node["outputs"]:
            output["links"] = [link[0] for link in workflow["links"] if link[0] in (output.get("links") or [])]
        files = {"LoadImage": photo, "LoadImageMask": masks}
        if node["type"] in files:
            node["widgets_values"][0] = files[node["type"]]
        if node["type"] == "MILDSplitPeople":
            node["pos"], node["size"] = [900, 0], [400, 640]
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.wait_for_function(f"() => {NODE}.length === 1")
    look_at(page)


def look_at(page, place: int = 0) -> None:
    """Move the view so that the node lies at the same place of the window, unscaled."""
    page.evaluate(
        f"""place => {{
            const node = {NODE}[place], {{ ds }} = window.app.canvas;
            ds.scale = 1; ds.offset = [450 - node.pos[0], 150 - node.pos[1]];
            window.app.canvas.setDirty(true, true);
        }}""",
        place,
    )
    page.wait_for_function(
        f"place => {NODE}[place].widgets.find(widget => widget.name === 'people').element.getBoundingClientRect().width > 300", arg=place
    )
    page.wait_for_timeout(300)  # the view glides


def people(page) -> dict[int, dict]:
    """What the node said of its people, by number."""
    (told,) = page.evaluate("() => Object.values(window.app.nodeOutputs).flatMap(output => output.mild_people ?? []).slice(-1)")
    width, height = told["size"]
    return {
        p["number"]: {**p, "at": ((p["at"][0] + 0.5) / width, (p["at"][1] + 0.5) / height), "size": (width, height)} for p in told["people"]
    }


def place_of(page, number: int, picker: int = 0) -> tuple[float, float]:
    """Where in the window somebody stands: the photo lies in the middle of the canvas, as large as it can be."""
    person = people(page)[number]
    box = page.locator(".mild-picker-photo").nth(picker).bounding_box()
    width, height = person["size"]
    scale = min(box["width"] / width, box["height"] / height)
    left, top = box["x"] + (box["width"] - width * scale) / 2, box["y"] + (box["height"] - height * scale) / 2
    return left + person["at"][0] * width * scale, top + person["at"][1] * height * scale


def click(page, number: int, picker: int = 0, shift: bool = False) -> None:
    if shift:
        page.keyboard.down("Shift")
    page.mouse.click(*place_of(page, number, picker))
    if shift:
        page.keyboard.up("Shift")


def sent(page, name: str = "erase") -> list[str]:
    """What the nodes would be run with, in the order of the prompt."""
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    return [node["inputs"][name] for node in prompt.values() if node["class_type"] == "MILDSplitPeople"]


def ids(page, *numbers: int) -> str:
    return ",".join(people(page)[number]["id"] for number in numbers)


def listed(page) -> list[int]:
    return [int(text) for text in page.locator(".mild-picker-chip").all_inner_texts()]


def test_before_the_first_run_it_says_what_to_do(page, picture):
    page.evaluate(
        """() => { window.app.graph.clear(); const node = window.LiteGraph.createNode('MILDSplitPeople');
                   window.app.graph.add(node); window.app.canvas.setDirty(true, true); }"""
    )
    look_at(page)
    guide = page.locator(".mild-picker-guide")
    assert guide.inner_text().startswith("Connect a photo and masks, then run once")
    assert not guide.get_by_role("button").is_visible()
    picture("guide")
    assert page.errors == []


@pytest.mark.newest
def test_clicking_chooses_who_goes(page, split, picture):
    assert sent(page) == ["1"]
    assert listed(page) == [1, 2, 3]
    click(page, 3)
    assert sent(page) == [ids(page, 1, 3)]
    click(page, 1)
    assert sent(page) == [ids(page, 3)]
    picture("clicked")
    click(page, 2, shift=True)
    assert sent(page) == [ids(page, 2)]
    click(page, 2, shift=True)
    assert sent(page) == [ids(page, 3)]
    for button, numbers in {"All": (1, 2, 3), "None": (), "Invert": (1, 2, 3)}.items():
        page.get_by_role("button", name=button, exact=True).click()
        assert sent(page) == [ids(page, *numbers) or "none"]
    box = page.locator(".mild-picker-photo").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 30)  # the sky
    assert sent(page) == [ids(page, 1, 2, 3)]
    assert page.errors == []


def test_the_pointer_is_told_whom_it_is_on(page, split, picture):
    page.mouse.move(*place_of(page, 2))
    tip = page.locator(".mild-picker-tip")
    tip.wait_for()
    picture("tip")
    assert [part in tip.inner_text() for part in ("Person 2", "13 % of the photo", "2 of 3 in depth", ids(page, 2))] == [True] * 4
    inner, outer = tip.bounding_box(), page.locator(".mild-picker-stage").bounding_box()
    assert inner["x"] >= outer["x"]
    assert inner["y"] >= outer["y"]
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    assert inner["y"] + inner["height"] <= outer["y"] + outer["height"]


def test_the_list_is_worked_with_keys(page, split):
    rows = page.get_by_role("option")
    assert rows.nth(0).get_attribute("aria-label") == "person 1, goes, 5.1 % of the photo, nearest"
    rows.nth(0).focus()
    page.keyboard.press("Space")
    assert sent(page) == ["none"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    assert sent(page) == [ids(page, 2)]
    assert rows.nth(1).get_attribute("aria-checked") == "true"
    page.keyboard.press("Alt+ArrowDown")
    assert sent(page, "depth_order") == [ids(page, 1, 3, 2)]
    assert page.evaluate("() => document.activeElement.dataset.person") == ids(page, 2), "the focus goes along"
    assert page.locator(".mild-picker-live").inner_text() == "Person 2 is farthest."
    page.keyboard.press("Delete")
    assert page.evaluate(f"() => {NODE}.length") == 1
    page.get_by_role("button", name="Reset").click()
    assert sent(page, "depth_order") == [""]
    assert listed(page) == [1, 2, 3]
    assert page.errors == []


def test_dragging_in_the_list_gives_the_order(page, split, picture):
    boxes = [page.get_by_role("option").nth(n).bounding_box() for n in range(3)]
    x = boxes[2]["x"] + 100
    page.mouse.move(x, boxes[2]["y"] + 14)
    page.mouse.down()
    page.mouse.move(x, boxes[1]["y"] + 14)
    page.mouse.move(x, boxes[0]["y"] + 5)
    assert page.locator(".mild-picker-line").is_visible()
    picture("dragged")
    page.mouse.up()
    assert listed(page) == [3, 1, 2]
    assert sent(page, "depth_order") == [ids(page, 3, 1, 2)]
    assert sent(page) == ["1"], "dragging does not choose"
    page.get_by_role("button", name="Run up to this node again").click()
    page.wait_for_function("() => window.app.nodeOutputs[3].mild_people[0].by_hand")
    assert [p["depth"] for _, p in sorted(people(page).items())] == [1, 2, 0]
    page.wait_for_function("() => document.querySelector('.mild-picker-order').textContent === 'Order: by hand'")
    assert listed(page) == [3, 1, 2]
    assert page.errors == []


@pytest.mark.newest
def test_what_is_undone_is_undone_here_too(page, split):
    click(page, 3)
    page.get_by_role("option").nth(1).focus()
    page.keyboard.press("Space")
    assert sent(page) == [ids(page, 1, 2, 3)]
    page.keyboard.press("Control+z")
    state = "() => [...document.querySelectorAll('.mild-picker-row')].map(row => row.getAttribute('aria-checked')).join()"
    page.wait_for_function(f"({state})() === 'true,false,true'")
    assert sent(page) == [ids(page, 1, 3)]
    page.keyboard.press("Control+z")
    page.wait_for_function(f"({state})() === 'true,false,false'")
    assert sent(page) == ["1"]
    page.keyboard.press("Control+y")
    page.wait_for_function(f"({state})() === 'true,false,true'")
    assert sent(page) == [ids(page, 1, 3)]
    assert page.errors == []


def test_values_set_by_other_hands_are_shown(page, split):
    def write(text):
        page.evaluate(f"text => {{ {NODE}[0].widgets.find(widget => widget.name === 'erase').value = text }}", text)

    write("all but 2")
    page.wait_for_function("() => document.querySelector('.mild-picker-count').textContent === '2 of 3 go'")
    write("1,7")
    page.wait_for_function("() => document.querySelector('.mild-picker-problem')?.checkVisibility()")
    assert "names 7, but nobody has that number" in page.locator(".mild-picker-problem").inner_text()
    click(page, 2)
    assert sent(page) == [ids(page, 2)]
    page.locator(".mild-picker-problem").wait_for(state="hidden")
    assert page.errors == []


def test_a_reload_keeps_choice_and_picture(page, split, picture):
    click(page, 3)
    wanted = ids(page, 1, 3)
    page.wait_for_timeout(2500)  # the frontend keeps the workflow now and then
    page.reload()
    page.wait_for_function(f"() => !!window.app?.canvas?.graph && {NODE}.length === 1", timeout=120_000)
    page.wait_for_selector(".mild-picker-row", timeout=30_000)
    look_at(page)
    picture("reloaded")
    assert sent(page) == [wanted]
    assert page.locator(".mild-picker-row[data-goes]").count() == 2
    assert page.errors == []


def test_two_nodes_and_a_copy_choose_for_themselves(page, split, picture):
    click(page, 2)
    page.evaluate(
        f"""() => {{
            const [node] = {NODE}, canvas = window.app.canvas;
            canvas.copyToClipboard([node]);
            canvas.pasteFromClipboard({{ connectInputs: true, position: [node.pos[0] + 450, node.pos[1]] }});
            window.app.canvas.setDirty(true, true);
        }}"""
    )
    page.wait_for_function(f"() => {NODE}.length === 2")
    page.evaluate(f"() => {{ const [node, copy] = {NODE}; copy.pos = [node.pos[0] + 450, node.pos[1]]; }}")
    look_at(page)
    assert sent(page) == [ids(page, 1, 2)] * 2
    page.get_by_role("button", name="Show the people").click()
    page.wait_for_function("() => document.querySelectorAll('.mild-picker-row').length === 6")
    page.wait_for_timeout(500)
    lefts = [page.locator(".mild-picker-photo").nth(n).bounding_box()["x"] for n in range(2)]
    copy = lefts.index(max(lefts))
    click(page, 1, picker=copy)
    picture("two")
    assert sorted(sent(page)) == sorted([ids(page, 1, 2), ids(page, 2)])
    click(page, 3, picker=1 - copy)
    assert sorted(sent(page)) == sorted([ids(page, 1, 2, 3), ids(page, 2)])
    assert page.errors == []


def enter_subgraph(page) -> None:
    """Make a subgraph of the node and open it."""
    page.evaluate(
        f"""() => {{
            const canvas = window.app.canvas, made = canvas.graph.convertToSubgraph(new Set([{NODE}[0]]));
            canvas.openSubgraph(made.subgraph, made.node);
        }}"""
    )
    page.wait_for_function(f"() => {NODE}.length === 1 && window.app.canvas.graph !== window.app.rootGraph")
    look_at(page)


def test_it_works_within_a_subgraph(page, server, picture):
    load(page, "mild-demo.png", "mild-demo-people.png")
    enter_subgraph(page)
    page.get_by_role("button", name="Show the people").click()
    page.wait_for_selector(".mild-picker-row", timeout=120_000)
    click(page, 2)
    picture("inside")
    assert sent(page) == [ids(page, 1, 2)]
    page.evaluate("() => window.app.canvas.setGraph(window.app.rootGraph)")
    page.wait_for_timeout(300)
    assert sent(page) == [ids(page, 1, 2)]
    assert page.errors == []


@pytest.mark.newest
def test_a_choice_given_to_the_outside_of_a_subgraph_is_set_there(page):
    load(page, "mild-demo.png", "mild-demo-people.png")
    enter_subgraph(page)
    page.evaluate(
        f"""() => {{
            const {{ graph }} = window.app.canvas, [node] = {NODE};
            const place = node.inputs.findIndex(input => input.name === 'erase');
            graph.addInput('who goes', 'STRING').connect(node.inputs[place], node);
        }}"""
    )
    page.get_by_role("button", name="Show the people").click()
    page.wait_for_selector(".mild-picker-row", timeout=120_000)
    click(page, 3)
    assert sent(page) == [ids(page, 1, 3)]
    host = "window.app.rootGraph.nodes.find(node => node.subgraph)"
    assert page.evaluate(f"() => {host}.widgets[0].value") == ids(page, 1, 3)
    page.evaluate(f"() => {{ {host}.widgets[0].value = '2' }}")
    page.wait_for_function("() => document.querySelector('.mild-picker-row[data-goes] .mild-picker-chip').textContent === '2'")
    assert sent(page) == ["2"]
    assert page.errors == []


def test_a_choice_from_another_node_is_only_shown(page, split):
    page.evaluate(
        f"""() => {{
            const text = window.LiteGraph.createNode('PrimitiveString'), [node] = {NODE};
            window.app.canvas.graph.add(text);
            text.widgets[0].value = '2';
            text.connect(0, node, node.inputs.findIndex(input => input.name === 'erase'));
        }}"""
    )
    problem = page.locator(".mild-picker-problem")
    problem.wait_for()
    assert "is connected to another node" in problem.inner_text()
    click(page, 3)
    page.get_by_role("option").nth(0).focus()
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="All", exact=True).is_disabled()
    page.get_by_role("button", name="Run up to this node again").click()
    page.wait_for_function("() => document.querySelector('.mild-picker-row[data-goes] .mild-picker-chip').textContent === '2'")
    assert page.locator(".mild-picker-row[data-goes]").count() == 1
    assert page.errors == []


def crowd(server) -> tuple[str, str]:
    """A photo of 3840×2160 with 40 people in rows, and its label map, among the server's inputs."""
    rows, columns = np.mgrid[:2160, :3840].astype(np.float32)
    photo = np.stack([columns / 3840, rows / 2160, 0.5 + 0.3 * np.sin(columns / 200)], -1)
    labels = np.zeros((2160, 3840), np.uint8)
    for number in range(1, 41):
        x, y = 240 + 380 * ((number - 1) % 10) + 40, 350 + 480 * ((number - 1) // 10)
        head = (columns - x) ** 2 + (rows - y + 130) ** 2 < 70**2
        body = ((columns - x) / 130) ** 2 + ((rows - y - 130) / 220) ** 2 < 1
        labels[(head | body) & (labels == 0)] = number
    Image.fromarray((photo * 255).astype(np.uint8)).save(server.input / "crowd.png")
    Image.fromarray(labels).save(server.input / "crowd-people.png")
    return "crowd.png", "crowd-people.png"


def test_forty_people_on_a_4k_photo(page, server, picture):
    show(page, *crowd(server))
    assert len(listed(page)) == 40
    click(page, 37)
    click(page, 12)
    assert sent(page) == [ids(page, 1, 12, 37)]
    picture("crowd")
    rows = page.get_by_role("option")
    rows.nth(0).focus()
    page.keyboard.press("End")
    last = rows.nth(39).bounding_box()
    outer = page.locator(".mild-picker-list").bounding_box()
    assert outer["y"] <= last["y"] <= outer["y"] + outer["height"] - last["height"] + 1, "the list scrolls"
    sizes = page.evaluate("() => performance.getEntriesByType('resource').filter(e => e.name.includes('mild')).map(e => e.transferSize)")
    assert max(sizes) < 3e6, "proxies are sent, not the photo"
    assert page.errors == []


def test_it_grows_with_the_node_and_stays_sharp(page, split, picture):
    page.evaluate(f"() => {{ {NODE}[0].setSize([900, 800]); window.app.canvas.setDirty(true, true) }}")
    page.wait_for_function("() => document.querySelector('.mild-picker-photo').clientWidth > 500")
    page.wait_for_timeout(300)
    click(page, 3)
    assert sent(page) == [ids(page, 1, 3)]
    picture("wide")
    page.evaluate(
        f"""() => {{
            const {{ ds }} = window.app.canvas, [node] = {NODE};
            ds.scale = 2; ds.offset = [50 - node.pos[0], -300 - node.pos[1]];
            window.app.canvas.setDirty(true, true);
        }}"""
    )
    page.wait_for_function("() => { const c = document.querySelector('.mild-picker-photo'); return c.width >= 1.9 * c.clientWidth }")
    picture("near")
    assert page.errors == []
