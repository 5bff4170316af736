"""Several photos through the nodes, as ComfyUI lists."""

import pytest
import torch
from shapes import disc

PHOTOS = [torch.rand(2, 40, 60, 3), torch.rand(1, 50, 30, 3)]


def test_each_photo_gets_its_masks_and_its_choice(pack):
    masks = [disc(40, 60, 20, 20, 9)[None], torch.stack([disc(40, 60, 20, 20, 9), disc(40, 60, 20, 45, 9)]), disc(50, 30, 20, 15, 9)[None]]
    photo, found, erase = pack.nodes.PhotoBatch.execute(PHOTOS, masks, ["1\nall\nnone"], [""]).args
    assert [p.shape for p in photo] == [(1, 40, 60, 3), (1, 40, 60, 3), (1, 50, 30, 3)]
    assert [len(m) for m in found] == [1, 2, 1]
    assert erase == ["1", "all", "none"]
    assert torch.equal(photo[1][0], PHOTOS[0][1])


def test_choices_may_come_as_a_list(pack):
    masks = [disc(40, 60, 20, 20, 9)[None]] * 2
    erase = pack.nodes.PhotoBatch.execute([PHOTOS[0]], masks, ["1", "none"], [""]).args[2]
    assert erase == ["1", "none"]


def test_its_sockets_are_lists(pack):
    schema = pack.nodes.PhotoBatch.define_schema()
    assert schema.is_input_list
    assert all(output.is_output_list for output in schema.outputs)
    with pytest.raises(ValueError, match="3 photos, but 1 lists of masks with 1 masks"):
        pack.nodes.PhotoBatch.execute(PHOTOS, [disc(40, 60, 20, 20, 9)[None]], ["1"], [""])
