"""The benchmark's page in a browser, as a file and without a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench_runs import a_run, with_features, with_pictures
from playwright.sync_api import expect

from mild_core.bench.report import write_report
from mild_core.bench.summary import summarize

EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    made = [a_run(name, shift, 12, folder) for name, shift in (("ours", 1), ("theirs", 0), ("poor", -1))]
    ours, theirs, poor = with_features(made[0], 0.1), with_features(made[1], 0.4), made[2]
    rows = (replace(theirs.rows[0], scores={}, error=EVIL), *theirs.rows[1:])
    runs = with_pictures([ours, replace(theirs, rows=rows, about=EVIL), poor])
    return write_report(summarize(runs, "theirs", resamples=200, set_resamples=5), runs, folder, each=2)


@pytest.fixture(params=[("light", 1280), ("dark", 390)], ids=["light", "dark-narrow"])
def page(request, browser, report):
    """The page, fresh, in a browser without a network; what it logs and asks for is in `page.errors`."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text))
    page.on("request", lambda asked: page.errors.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.goto(report.as_uri())
    page.wait_for_selector("#reading li")
    yield page
    assert page.errors == []
    context.close()


def order(page) -> list[str]:
    return page.eval_on_selector_all("#table tbody tr", "rows => rows.map((row) => row.dataset.eraser)")


def test_it_fits_its_window_and_reads_what_is_untrusted_as_text(page, picture):
    picture("whole")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("img[onerror]").count() == 0
    assert EVIL in page.locator("#missing details").text_content()
    assert page.title() == "little: erasers compared"
    assert page.locator("section h2").all_text_contents()[0] == "At a glance"


def test_the_table_sorts(page):
    assert order(page) == ["ours", "theirs", "poor"]
    head = page.locator('#table th[data-key="psnr.hole"]')
    head.locator("button").click()
    assert order(page)[0] == "ours"
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").press("Enter")
    assert order(page)[-1] == "ours"
    assert head.get_attribute("aria-sort") == "ascending"
    page.locator("#table th button").first.click()
    assert order(page) == ["ours", "theirs", "poor"]


def test_choices_change_the_plots(page):
    tags = page.locator("#tags")
    assert "3" in tags.locator("#tag-plot text.name").all_text_contents()
    tags.get_by_role("combobox", name="Tag").select_option("occlusion")
    assert tags.locator("#tag-plot text.name").all_text_contents() == ["none", "light", "heavy"]
    dots = tags.locator("#tag-plot g > title")
    before = dots.count()
    tags.get_by_role("button", name="poor").click()
    assert dots.count() == before - 3
    curves = page.locator("#curves")
    curves.get_by_role("combobox", name="Measure").select_option("leak_colour.hole")
    assert "lower is better" in curves.locator("#curve-plot").text_content()
    assert page.locator("#against .card").count() >= 4


def test_points_tell_of_their_case_and_open_it(page, picture):
    plot = page.locator("#scatter-plot")
    assert plot.locator("[data-point]").count() == 35  # of three erasers' 12 cases, one failed
    plot.focus()
    plot.press("ArrowRight")
    assert "0.0" not in page.locator("#tip b").text_content()
    assert page.locator("#tip td").first.is_visible()
    assert plot.locator(".ring circle").count() >= 2
    picture("point")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    shown = plot.locator("[data-point]:not(.bare)").first
    shown.scroll_into_view_if_needed()
    shown.dispatch_event("click")
    assert page.locator("#zoom-title").text_content().startswith(shown.get_attribute("data-point"))


def test_a_sheet_opens_a_case_with_a_slider(page, picture):
    assert [s.get_attribute("data-sheet") for s in page.locator(".sheet").all()] == ["worst", "median", "best"]
    page.locator(".strip button").nth(1).click()
    dialog = page.locator("dialog[open]")
    assert dialog.locator(".pane.big img").count() == 2
    line, cut = dialog.locator(".line"), dialog.locator(".cut")
    box = line.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"] + box["height"] / 4)
    page.mouse.up()
    dragged = float(line.evaluate("node => parseFloat(node.style.left)"))
    assert 5 < dragged < 48
    assert f"{100 - dragged:.2f}"[:4] in cut.evaluate("node => node.style.clipPath")
    assert abs(float(dialog.get_by_label("Slider between the two pictures").input_value()) - dragged) <= 1
    dialog.get_by_label("Slider between the two pictures").fill("80")
    assert line.evaluate("node => node.style.left") == "80%"
    picture("zoom")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_all_panes_zoom_and_move_together(page):
    page.locator(".strip button").nth(1).click()
    dialog = page.locator("dialog[open]")
    transforms = "() => [...document.querySelectorAll('dialog .pane img')].map((image) => image.style.transform)"
    dialog.get_by_role("button", name="Zoom in").click()
    dialog.locator(".pane.big").focus()
    page.keyboard.press("ArrowRight")
    found = page.evaluate(transforms)
    assert len(found) == 6  # two under the slider; result, truth, photo and its tint
    assert len(set(found)) == 1
    assert "scale(1.5)" in found[0]
    page.keyboard.press("0")
    assert set(page.evaluate(transforms)) == {"translate(0%, 0%) scale(1)"}
    title = page.locator("#zoom-title").text_content()
    dialog.get_by_role("button", name="Next case").click()
    assert page.locator("#zoom-title").text_content() != title
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
