"""Before and after: what the node sends to be shown."""

import pytest
import torch


@pytest.fixture
def run(pack, monkeypatch):
    """`run(before, after)`: the pictures shown, by side."""
    import mild_pack.nodes.compare as module

    class Saved:
        def __init__(self, image, cls):
            self.image = image

        def as_dict(self):
            return {"images": list(self.image), "animated": (False,)}

    monkeypatch.setattr(module.ui, "PreviewImage", Saved)
    return lambda before, after: module.BeforeAfter.execute(before, after).ui


def picture(count, height, width):
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1, 48, 64), (1, 48, 64)),
        ((3, 48, 64), (3, 48, 64)),
        ((1, 48, 64), (3, 48, 64)),
        ((3, 48, 64), (1, 48, 64)),
        ((1, 48, 64), (1, 96, 128)),
        ((1, 333, 500), (1, 666, 1001)),
    ],
)
def test_each_side_is_shown_under_the_keys_of_the_core_s_compare_node(run, before, after):
    one, other = picture(*before), picture(*after)
    shown = run(one, other)
    assert shown.keys() == {"a_images", "b_images"}
    assert torch.equal(torch.stack(shown["a_images"]), one)
    assert torch.equal(torch.stack(shown["b_images"]), other)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((2, 48, 64), (3, 48, 64), "after is 3 pictures and before 2, but they must be as many, or one of them a single picture"),
        ((1, 48, 64), (1, 64, 48), "after is 48×64 and before 64×48, but they must have the same proportions"),
        ((1, 100, 100), (1, 100, 103), "after is 103×100 and before 100×100"),
    ],
)
def test_pictures_that_cannot_lie_on_each_other_are_named(run, before, after, said):
    with pytest.raises(ValueError, match=said):
        run(picture(*before), picture(*after))


def test_it_is_an_output_node(pack):
    import mild_pack.nodes.compare as module

    told = module.BeforeAfter.define_schema()
    assert told.node_id == "MILDBeforeAfter"
    assert told.is_output_node
    assert [i.id for i in told.inputs] == ["before", "after"]
