"""Colours that the web side gives to people, too."""

import json
import subprocess
from itertools import pairwise

import pytest
from javascript import node
from shapes import ROOT

from mild_core.scene.colours import distinct_colour


def test_neighbours_differ():
    colours = [distinct_colour(n) for n in range(1, 41)]
    for one, other in pairwise(colours):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 0.3


@pytest.mark.skipif(node() is None, reason="needs Node.js, on the PATH or in the playwright package")
def test_the_web_side_has_the_same():
    program = f"""
        import {{ distinctColour }} from {json.dumps((ROOT / "web/picker/colours.js").as_uri())};
        console.log(JSON.stringify(Array.from({{ length: 300 }}, (_, n) => distinctColour(n))));
    """
    out = subprocess.run([str(node()), "--input-type=module", "-e", program], capture_output=True, text=True, check=True).stdout
    for number, colour in enumerate(json.loads(out)):
        assert colour == pytest.approx(distinct_colour(number), abs=1e-9), number
