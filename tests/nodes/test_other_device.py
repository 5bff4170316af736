"""The nodes and every patch where tensors lie on two devices: the same pictures, whichever lies where."""

from types import SimpleNamespace

import pytest
import torch
from nodes_graph import mini
from other_device import CPU, MIXES, OTHER
from shapes import disc, stripes
from tiny_runs import HEIGHT, NAMES, ROWS, WIDTH, family, lora, regions, same, sample

SIZE = (96, 128)


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    family.cache_clear()
    lora.cache_clear()


def on(device, model):
    """A clone of a model that runs there."""
    moved = model.clone()
    moved.load_device = device
    return moved


def every_patch(pack, name, model):
    """All that MILD does to a model, at once: few rows at a time, attention with its record, a LoRA for one row, delayed rows."""
    host, attention = pack.nodes.host, pack.mild_core.attention
    record = attention.GapRecord()
    model = host.limit_rows(model, ROWS, 1)
    model = host.install(model, host.AttentionPatch(regions(), attention.METHODS["sma"], record=record))
    model = host.lora_rows(model, lora(name), 1.0, [1], ROWS)
    return host.delay_rows(model, [1.0, 0.5]), record


@pytest.mark.parametrize("name", NAMES)
def test_a_model_elsewhere_samples_the_same_with_every_patch(pack, name, there):
    from comfy import model_management

    pytest.importorskip("comfy.weight_adapter.bypass", reason="needs a ComfyUI that computes LoRAs beside the weights")
    tiny = family(name)
    mask = torch.ones(ROWS, 1, HEIGHT, WIDTH)
    mask[..., :3] = 0
    model, here = every_patch(pack, name, tiny.model)
    expected = sample(tiny, model, noise_mask=mask)
    model_management.unload_all_models()
    model, record = every_patch(pack, name, on(there, tiny.model))
    got = sample(tiny, model, noise_mask=mask)
    assert next(tiny.model.model.parameters()).device == there
    assert same(got, expected)
    assert record.gap == pytest.approx(here.gap, abs=1e-4)
    assert torch.allclose(record.heat(), here.heat(), atol=1e-4)


def erase(pack, photo, masks, effects, model, samples_on=CPU):
    """The erase graph with morphology, effects, attention and copied detail, from inputs that lie anywhere."""
    from nodes import common_ksampler

    nodes, defaults = pack.nodes, pack.nodes.types.defaults
    _, vae, positive, person, negative = mini(pack)
    who = defaults(nodes.SplitPeople) | {"erase": "1", "depth_order": "1,2,3"}
    scene = nodes.SplitPeople.execute(photo, **who, masks=masks).args[0]
    scene = nodes.morphology.Morphology.execute(scene).args[0]
    found = nodes.effects.FindEffects.execute(scene, **defaults(nodes.effects.FindEffects)).args[0]
    effects = effects.maximum(found.to(effects))
    told = defaults(nodes.EncodeLayers) | {"working_size": 64, "person_positive": person, "effects": effects}
    positive, negative, latent, plan = nodes.EncodeLayers.execute(scene, positive, negative, vae, **told).args
    model = nodes.ModulateAttention.execute(model=model, plan=plan, **defaults(nodes.ModulateAttention)).args[0]
    model = nodes.LayerControl.execute(model, plan, 0.9, 0.8, 1, preview=True).args[0]
    latent = {name: value.to(samples_on) if isinstance(value, torch.Tensor) else value for name, value in latent.items()}
    (samples,) = common_ksampler(model, 0, 2, 1.0, "euler", "normal", positive, negative, latent, denoise=0.5)
    samples["samples"] = samples["samples"].to(samples_on)
    (layers,) = nodes.DecodeLayers.execute(samples, plan, vae, "copied", "matched").args
    image, changed, rgba, _ = nodes.ComposeLayers.execute(layers).args
    return SimpleNamespace(image=image, changed=changed, rgba=rgba)


@pytest.fixture(scope="module")
def erased(pack):
    """The graph's outcome where all is on the CPU."""
    from comfy_api.latest import ui

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ui, "PreviewImage", lambda image, cls: SimpleNamespace(as_dict=dict))
        return erase(pack, *inputs(), mini(pack)[0])


def inputs():
    photo = stripes(*SIZE)[None] * 0.7 + 0.1
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)])
    return photo, masks, disc(*SIZE, 78, 40, 9)[None]


@pytest.mark.parametrize("where", MIXES, ids=lambda where: "".join("ct"[d == OTHER] for d in where))
def test_the_graph_gives_the_same_picture_whatever_lies_where(pack, shown, erased, there, where):
    """photo, masks and effects, the model, the latent: each here or there."""
    photo, masks, effects = inputs()
    got = erase(pack, photo.to(where[0]), masks.to(where[1]), effects.to(where[1]), on(where[2], mini(pack)[0]), samples_on=where[3])
    for name in ("image", "changed", "rgba"):
        one, other = getattr(got, name).cpu(), getattr(erased, name)
        assert torch.allclose(one, other, atol=1e-4), f"{name} differs by {float((one - other).abs().max())}"


@pytest.mark.parametrize("where", MIXES[::2], ids=lambda where: "".join("ct"[d == OTHER] for d in where))
def test_regions_of_masks_that_lie_apart(pack, there, where):
    masks = [disc(*SIZE, 60, 40 + 20 * n, 18)[None] for n in range(3)]
    ((expected,),) = pack.nodes.Regions.execute(*masks).args
    ((got,),) = pack.nodes.Regions.execute(*(mask.to(device) for mask, device in zip(masks, where, strict=False))).args
    assert torch.equal(got.membership.cpu(), expected.membership)
