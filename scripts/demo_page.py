"""The demo's result as a page: plain HTML beside the pictures, no network, no build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from string import Template
from typing import Any

__all__ = ["page"]

PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MILD: erased $erased</title>
<style>
  :root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --paper: #f6f4f0; --card: #fff; --line: #e2ded6; --accent: #c2410c; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #ece9e2; --soft: #a1a5ae; --paper: #17191d; --card: #202329; --line: #33373f; --accent: #fb923c; }
  }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif; }
  html { background: var(--paper); color: var(--ink); }
  h1 { font-size: 1.6rem; margin: 0; }
  h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
  p { margin: .25rem 0 1.25rem; color: var(--soft); }
  .compare { position: relative; overflow: hidden; border-radius: 10px; background: #0003; --at: 50%; }
  .compare img { display: block; width: 100%; }
  .compare img + img { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)); }
  .compare::after { content: ""; position: absolute; inset: 0 auto 0 var(--at); width: 2px; margin-left: -1px; background: #fff; }
  .compare b { position: absolute; bottom: .75rem; padding: .1rem .6rem; border-radius: 99px; background: #000a; color: #fff; z-index: 1; }
  .compare b { font-size: .8rem; }
  .compare b:first-of-type { left: .75rem; } .compare b:last-of-type { right: .75rem; }
  .compare input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; z-index: 2; }
  .compare:focus-within { outline: 3px solid var(--accent); outline-offset: 2px; }
  .layers { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
  figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
  figure img { display: block; width: 100%; background: repeating-conic-gradient(#bbb 0 25%, #eee 0 50%) 0 0 / 20px 20px; }
  figcaption { padding: .5rem .75rem; display: flex; justify-content: space-between; gap: .5rem; }
  figcaption span { color: var(--soft); font-size: .85rem; } .gone { color: var(--accent) !important; }
  .tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 2.5rem; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right; }
  th:first-child, td:first-child { text-align: left; padding-left: 0; }
  th { font-weight: 600; color: var(--soft); font-size: .85rem; } .best { font-weight: 700; }
</style>
<h1>Erased: $erased</h1>
<p>$photo, $width×$height, $count people. Drag over the picture to compare.</p>
<div class="compare">
  <img src="before.png" alt="The photo as it was"><img src="after.png" alt="The photo without them">
  <b>before</b><b>after</b>
  <input type="range" min="0" max="100" step="0.1" value="50" aria-label="How much of the photo as it was is shown">
</div>
<h2>Layers, from far to near</h2>
<div class="layers">
$layers
</div>
<div class="tables">
$tables
</div>
<script>
  const compare = document.querySelector(".compare");
  const slider = compare.querySelector("input");
  slider.addEventListener("input", () => compare.style.setProperty("--at", slider.value + "%"));
</script>
</html>
""")


def page(report: Mapping[str, Any], layers: Mapping[str, str], going: Iterable[str]) -> str:
    """The page.

    Args:
        report: what the demo writes to score.json.
        layers: the layers' files by name, the background first.
        going: names of the layers that the picture leaves out.
    """
    figures = [figure(name, file, name in set(going)) for name, file in layers.items()]
    figures.append(figure("what changed", "changed.png", False))
    tables = [time_table(report["seconds"]), exactness(report["pixels_changed_outside_the_hole"])]
    if report["scores"]:
        tables.insert(0, score_table(report["scores"]))
    return PAGE.substitute(
        erased=escape(", ".join(f"person {number}" for number in report["erased"]) or "nobody"),
        photo=escape(report["photo"]),
        width=report["size"][0],
        height=report["size"][1],
        count=len(report["people_nearest_first"]),
        layers="\n".join(figures),
        tables="\n".join(tables),
    )


def figure(name: str, file: str, gone: bool) -> str:
    remark = '<span class="gone">erased</span>' if gone else ""
    caption = f"<figcaption>{escape(name)}{remark}</figcaption>"
    return f'  <figure><a href="{file}"><img src="{file}" alt="{escape(name)}" loading="lazy"></a>{caption}</figure>'


def score_table(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Scores inside the hole, the better of each pair in bold."""
    rows, measures = [], {"psnr": "{:.2f}", "ssim": "{:.4f}", "haarpsi": "{:.4f}"}
    for what, by_method in scores.items():
        best = {measure: max(s[measure] for s in by_method.values()) for measure in measures}
        for method, score in by_method.items():
            shown = "".join(f'<td class="{"best" if score[m] == best[m] else ""}">{f.format(score[m])}</td>' for m, f in measures.items())
            rows.append(f"<tr><td>{escape(what)}</td><td>{escape(method)}</td>{shown}</tr>")
    head = "<tr><th>inside the hole</th><th>method</th><th>PSNR, dB</th><th>SSIM</th><th>HaarPSI</th></tr>"
    said = "<p>PSNR and SSIM pay for a soft mean of all that could be there, HaarPSI for structure; look at the picture, too.</p>"
    return f"<section><h2>Against the truth</h2><table>{head}{''.join(rows)}</table>{said}</section>"


def time_table(seconds: Mapping[str, float]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{value:.1f}</td></tr>" for name, value in seconds.items())
    return f"<section><h2>Time</h2><table><tr><th>step</th><th>seconds</th></tr>{rows}</table></section>"


def exactness(differing: int) -> str:
    said = "bit for bit the photo's" if differing == 0 else f"{differing} pixels differ"
    return f"<section><h2>Outside the holes</h2><table><tr><td>pixels that the mask leaves alone</td><td>{said}</td></tr></table></section>"
