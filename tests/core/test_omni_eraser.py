"""What OmniEraser's model is told, and the LoRA that widens its tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mild_core.models.omni_eraser import pack, padded, split, told, unpack, widening

few = st.integers(1, 3)


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(few, few, few, few, few)
def test_tokens_of_channels_together_are_the_tokens_of_each_together(batch, height, width, one, other):
    """ComfyUI joins channels and packs, the published code packs z and the rest, and joins tokens."""
    z, rest = (numbers(batch, n, 2 * height, 2 * width, seed=n) for n in (one, other))
    together = pack(torch.cat([z, rest], 1))
    assert torch.equal(together, torch.cat([pack(z), pack(rest)], 2))
    assert torch.equal(together, torch.nn.functional.unfold(torch.cat([z, rest], 1), 2, stride=2).movedim(1, 2))
    assert torch.equal(unpack(together, 2 * height, 2 * width), torch.cat([z, rest], 1))


def test_the_layout_of_a_token():
    background, removed = torch.full((1, 16, 4, 6), 2.0), torch.full((1, 16, 4, 6), 3.0)
    hole = torch.zeros(1, 1, 32, 48)
    hole[..., 8:16, 16:24] = 1  # a cell of the latent
    hole[..., 1:8, 1:8] = 1  # all of one but its first row and column
    channels = told(background, removed, hole)
    assert channels.shape == (1, 48, 4, 6)
    assert (channels[:, :16] == 2).all()
    assert (channels[:, 16:32] == 3).all()
    kept = channels[0, 32:]
    assert (kept == kept[0]).all()
    assert (kept[0] == 0).nonzero().tolist() == [[1, 2]]
    tokens = pack(torch.cat([torch.full((1, 16, 4, 6), 1.0), channels], 1))
    assert tokens.shape == (1, 6, 256)
    assert tokens[0, 1, :192].reshape(3, 64).unique(dim=1).flatten().tolist() == [1, 2, 3]
    assert tokens[0, 1, 192:196].tolist() == [1, 1, 0, 1], "the second row of the second token's patch"


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.0, -1.0]))
def test_background_and_object_share_the_photo(height, width, black):
    photo, hole = numbers(2, height, width, 3).abs() + 1, numbers(2, height, width, seed=1) > 0
    background, removed = split(photo, hole[..., None], black)
    assert torch.equal(background[hole], torch.full_like(background[hole], black))
    assert torch.equal(background[~hole], photo[~hole])
    assert torch.equal(removed[hole], photo[hole])
    assert torch.equal(removed[~hole], torch.full_like(removed[~hole], black))


@given(st.integers(1, 50), st.integers(1, 50))
def test_sides_become_multiples_of_16(height, width):
    photo, hole = numbers(2, height, width, 3), numbers(2, height, width, seed=1) > 0
    wider, holes = padded(photo, hole)
    assert wider.shape[:3] == holes.shape
    assert [side % 16 for side in holes.shape[1:]] == [0, 0]
    assert all(0 <= grown - own < 16 for grown, own in zip(holes.shape[1:], (height, width), strict=True))
    assert torch.equal(wider[:, :height, :width], photo)
    assert torch.equal(holes[:, :height, :width], hole)
    assert holes.dtype == torch.bool
    assert torch.equal(wider[:, height:, :width], photo[:, -1:].expand(-1, len(wider[0]) - height, -1, -1))
    assert torch.equal(holes[:, :height, width:], hole[:, :, -1:].expand(-1, -1, holes.shape[2] - width))


@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_the_lora_is_told_its_shape(prefix):
    lora = {f"{prefix}x_embedder.lora_A.weight": numbers(4, 256), f"{prefix}x_embedder.lora_B.weight": numbers(96, 4), "other": numbers(1)}
    widened = widening(lora, 96, 64)
    assert widened.pop(f"{prefix}x_embedder.reshape_weight").tolist() == [96, 256]
    assert widened == lora


def test_loras_that_will_not_do_are_named():
    def lora(outputs, inputs):
        return {"transformer.x_embedder.lora_A.weight": numbers(4, inputs), "transformer.x_embedder.lora_B.weight": numbers(outputs, 4)}

    with pytest.raises(ValueError, match="the LoRA has 1 tensors, but none for x_embedder"):
        widening({"transformer.context_embedder.lora_A.weight": numbers(4, 4)}, 96, 64)
    with pytest.raises(ValueError, match="none for x_embedder"):
        widening({"transformer.x_embedder.lora_A.weight": numbers(4, 256)}, 96, 64)
    with pytest.raises(ValueError, match="takes 64 numbers a token, but OmniEraser's takes 256: use the stock Load LoRA"):
        widening(lora(96, 64), 96, 64)
    with pytest.raises(ValueError, match="x_embedder of the LoRA is 3072×256, but for this model it must be 96×256"):
        widening(lora(3072, 256), 96, 64)
