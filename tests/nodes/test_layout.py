"""Where the picture is among the tokens of a call."""

import pytest


@pytest.fixture
def layout(pack):
    from mild_pack.nodes.host.layout import Layout

    return Layout


@pytest.mark.parametrize(
    ("kind", "queries", "keys", "latent", "references", "call", "expected"),
    [
        # a UNet's levels: the latent's grid, halved with an odd row or column kept; None across to the text
        ({"patch": 0, "joint": False}, 60, 60, (6, 10), 0, 0, (0, 6, 10, 1)),
        ({"patch": 0, "joint": False}, 15, 15, (6, 10), 0, 0, (0, 3, 5, 2)),
        ({"patch": 0, "joint": False}, 6, 6, (6, 10), 0, 0, (0, 2, 3, 4)),
        ({"patch": 0, "joint": False}, 60, 77, (6, 10), 0, 0, None),
        ({"patch": 0, "joint": False}, 59, 59, (6, 10), 0, 0, None),
        # joint calls: text first, reference pictures last, a latent that is no multiple of the patch
        ({"patch": 2, "joint": True}, 22, 22, (6, 10), 0, 0, (7, 3, 5, 2)),
        ({"patch": 2, "joint": True}, 15, 15, (6, 10), 0, 0, (0, 3, 5, 2)),
        ({"patch": 2, "joint": True}, 42, 42, (6, 10), 20, 0, (7, 3, 5, 2)),
        ({"patch": 2, "joint": True}, 27, 27, (9, 7), 0, 0, (7, 5, 4, 2)),
        ({"patch": 2, "joint": True}, 7, 7, (6, 10), 0, 0, None),
        # padding behind the picture, and refiners before the text joins
        ({"patch": 2, "joint": True, "multiple": 32}, 64, 64, (6, 10), 0, 2, (32, 3, 5, 2)),
        ({"patch": 2, "joint": True, "multiple": 32, "skipped": 2}, 64, 64, (6, 10), 0, 1, None),
        # frames
        ({"patch": 2, "joint": False}, 45, 45, (3, 6, 10), 0, 0, (0, 3, 5, 2)),
    ],
)
def test_the_picture_is_found(layout, kind, queries, keys, latent, references, call, expected):
    found = layout("any", **kind).find(queries, keys, latent, references, call)
    assert (None if found is None else (found.start, found.rows, found.columns, found.cell)) == expected
