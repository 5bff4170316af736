"""What holes are filled with: every way of MILD Fill Holes through MILD Encode Layers, networks from files, in the real core."""

import gc
import importlib
import math
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from shapes import disc, stripes

SIZE = (96, 128)


@pytest.fixture
def rooms(pack):
    """The nodes and their host, whether or not the pack lists them."""
    name = pack.__name__
    return SimpleNamespace(
        nodes=importlib.import_module(f"{name}.nodes.fill"),
        host=importlib.import_module(f"{name}.nodes.host.fill_networks"),
        encode=importlib.import_module(f"{name}.nodes.plan").EncodeLayers,
        defaults=importlib.import_module(f"{name}.nodes.types").defaults,
        fill=pack.mild_core.fill,
        plan=pack.mild_core.plan,
    )


@pytest.fixture
def folder(rooms, tmp_path, monkeypatch):
    """An empty models/inpaint."""
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "inpaint", ([str(tmp_path)], set(rooms.host.ENDINGS)))
    monkeypatch.delitem(folder_paths.filename_list_cache, "inpaint", raising=False)
    return tmp_path


@pytest.fixture
def scene(pack):
    core = pack.mild_core.scene
    masks = torch.stack([disc(*SIZE, 60, 40, 18), disc(*SIZE, 44, 54, 18), disc(*SIZE, 50, 108, 10)])
    found = core.split_people(stripes(*SIZE)[None], core.from_masks(masks), depth_order="1,2,3")
    return found.erasing(core.choose("1", found.people))


def changed(defaults, **values):
    """Those defaults of a constructor with some values changed; a value is known by where it stands."""
    return tuple(values.get(f"at{n}", value) for n, value in enumerate(defaults))


@pytest.fixture
def lama(monkeypatch):
    """LaMa of the true architecture with 8 channels in place of 64, and 2 blocks in place of 18, as spandrel builds it."""
    from spandrel.architectures.LaMa import LaMa

    generator = sys.modules[LaMa.__module__].FFCResNetGenerator
    defaults = generator.__init__.__defaults__
    assert (defaults[0], defaults[2]) == (64, 18)
    monkeypatch.setattr(generator.__init__, "__defaults__", changed(defaults, at0=8, at2=2))
    torch.manual_seed(0)
    return LaMa(in_nc=4, out_nc=3).eval()


@pytest.fixture
def mat(monkeypatch):
    """MAT of the true architecture, 8 and 12 channels wide, as spandrel_extra_arches builds it."""
    extra = pytest.importorskip("spandrel_extra_arches", reason="MAT is in spandrel_extra_arches, which is not installed")
    architecture = next(known.architecture for known in extra.EXTRA_REGISTRY if known.architecture.id == "MAT")
    MAT = sys.modules[type(architecture).__module__].MAT
    module = sys.modules[MAT.__module__]
    defaults = module.FirstStage.__init__.__defaults__
    assert defaults[1] == 180
    monkeypatch.setattr(module.FirstStage.__init__, "__defaults__", changed(defaults, at1=12))
    monkeypatch.setattr(module, "nf", lambda stage: 8)
    torch.manual_seed(0)
    return MAT().eval()


def save(network, path, rename=lambda name: name, dtype=None):
    from safetensors.torch import save_file

    tensors = {rename(name): tensor.to(dtype or tensor.dtype).clone().contiguous() for name, tensor in network.state_dict().items()}
    save_file({name: tensor for name, tensor in tensors.items() if name}, path)
    return path.name


def big_lama(name):
    """The published file's names."""
    return name.replace("model.model.", "generator.model.", 1)


def encoded(pack, rooms, scene, fill=None, **options):
    """The rows that MILD Encode Layers encodes, in pixels, and its plan."""
    _, vae, positive, person, negative = pack.nodes.MiniModel.execute().args
    defaults = rooms.defaults(rooms.encode) | {"working_size": 64, "grow": 3, "show_others": True} | options
    _, _, latent, plan = rooms.encode.execute(scene, positive, negative, vae, person_positive=person, fill=fill, **defaults).args
    return vae.decode(latent["samples"]), plan


def check(rows, plan, scene):
    """Known pixels are the photo's, and holes are not."""
    for row, pathway in zip(rows, plan.pathways, strict=True):
        hole, seen = plan.working_hole(pathway), plan.working_image(pathway, scene.photo[0])
        assert torch.allclose(row[~hole], seen[~hole], atol=1e-6), "but for the encoder's arithmetic"
        assert (row - seen)[hole].abs().max() > 0.05


@pytest.mark.parametrize("how", ["exemplar", "smooth", "telea", "navier-stokes", "photo"])
def test_every_way_that_needs_no_file(pack, rooms, folder, scene, how):
    (fill,) = rooms.nodes.FillHoles.execute(how, how).args
    rows, plan = encoded(pack, rooms, scene, fill)
    assert {pathway.role for pathway in plan.pathways} == {"background", "person"}
    for row, pathway in zip(rows, plan.pathways, strict=True):
        filled = rooms.fill.fill_pathway(plan, pathway, how)
        assert torch.allclose(row, filled, atol=1e-6)
        hole = plan.working_hole(pathway)
        assert torch.equal(filled[~hole], plan.working_image(pathway, scene.photo[0])[~hole])
    if how in ("exemplar", "smooth", "photo"):
        assert torch.equal(rows, encoded(pack, rooms, scene, initialize=how)[0]), "the same as without the node"
    else:
        check(rows, plan, scene)


def test_all_options_are_ways(rooms, folder):
    background, people, network, _ = rooms.nodes.FillHoles.define_schema().inputs
    assert set(background.options) == set(people.options) == {*rooms.fill.FILLERS, "network"}
    assert network.options == ["none"]


def test_background_and_people_each_in_their_way(pack, rooms, folder, scene):
    (fill,) = rooms.nodes.FillHoles.execute("telea", "smooth").args
    rows, plan = encoded(pack, rooms, scene, fill)
    for row, pathway in zip(rows, plan.pathways, strict=True):
        how = "telea" if pathway.role == "background" else "smooth"
        assert torch.allclose(row, rooms.fill.fill_pathway(plan, pathway, how), atol=1e-6)


def test_a_picture_stands_in_for_the_background(pack, rooms, folder, scene):
    picture = torch.tensor([0.1, 0.9, 0.1, 1.0]).expand(1, *SIZE, 4)  # some nodes give alpha
    for background in ("exemplar", "network"):  # which is not looked for
        (fill,) = rooms.nodes.FillHoles.execute(background, "smooth", picture=picture).args
        rows, plan = encoded(pack, rooms, scene, fill)
        check(rows, plan, scene)
        for row, pathway in zip(rows, plan.pathways, strict=True):
            green = (row[plan.working_hole(pathway)] - picture[0, 0, 0, :3]).abs().max() < 1e-4
            assert green == (pathway.role == "background")
    (fill,) = rooms.nodes.FillHoles.execute("exemplar", "smooth", picture=picture[:, :, :64]).args
    with pytest.raises(ValueError, match="picture is 64×96, but it must be 128×96, as the photo is"):
        encoded(pack, rooms, scene, fill)
    with pytest.raises(ValueError, match="picture has 2 pictures, but it must be one"):
        rooms.nodes.FillHoles.execute("exemplar", "smooth", picture=picture.expand(2, -1, -1, -1))


@pytest.mark.parametrize("rename", [big_lama, lambda name: name, lambda name: name.replace("model.model.", "model.", 1)])
def test_lama_from_a_file(pack, rooms, folder, scene, lama, rename):
    name = save(lama, folder / "big-lama.safetensors", rename)
    assert rooms.nodes.FillHoles.define_schema().inputs[2].options == ["none", name], "the list is made anew for each refresh"
    (fill,) = rooms.nodes.FillHoles.execute("network", "exemplar", name).args
    rows, plan = encoded(pack, rooms, scene, fill)
    check(rows, plan, scene)
    background, person = plan.pathways
    assert torch.allclose(rows[1], rooms.fill.fill_pathway(plan, person, "exemplar"), atol=1e-6)
    image, hole = plan.working_image(background, scene.photo[0]), plan.working_hole(background)
    unknown = ~plan.working_source(background)
    assert (unknown & ~hole).any(), "somebody stays beside the hole, whom the network does not see"
    with torch.no_grad():
        painted = lama(image.movedim(-1, 0)[None], unknown[None, None].float())[0].movedim(0, -1)
    row = rooms.fill.fill_pathway(plan, background, fill)
    assert torch.equal(row[~hole], image[~hole])
    assert torch.allclose(row[hole], painted[hole], atol=1e-4)
    assert torch.equal(row, rooms.fill.fill_pathway(plan, background, fill))


def test_lama_on_people_sees_nothing_but_them(pack, rooms, folder, scene, lama):
    (fill,) = rooms.nodes.FillHoles.execute("smooth", "network", save(lama, folder / "lama.safetensors", big_lama)).args
    rows, plan = encoded(pack, rooms, scene, fill)
    check(rows, plan, scene)
    person = plan.pathways[1]
    source = plan.working_source(person)
    with torch.no_grad():
        seen = plan.working_image(person, scene.photo[0]).movedim(-1, 0)[None]
        painted = lama(seen, (~source)[None, None].float())[0].movedim(0, -1)
    hole = plan.working_hole(person)
    assert torch.allclose(rooms.fill.fill_pathway(plan, person, fill)[hole], painted[hole], atol=1e-4)


def test_a_crop_larger_than_the_network_is_made_smaller(rooms, folder, lama, monkeypatch):
    monkeypatch.setattr(rooms.host, "LARGEST", 64)
    network = rooms.host.load_fill_network(save(lama, folder / "lama.safetensors", big_lama))
    assert (network.sides.smallest, network.sides.largest, network.sides.multiple) == (16, 64, 8)
    image, hole = stripes(200, 200), disc(200, 200, 100, 90, 40) > 0.5
    sizes = []

    def watched(picture, hidden, seed):
        sizes.append(picture.shape)
        return network(picture, hidden, seed)

    filled = rooms.fill.network_filler(watched, network.sides)(image, hole, ~hole)
    assert sizes == [(1, 3, 64, 64)]
    assert torch.equal(filled[~hole], image[~hole])
    assert (filled - image)[hole].abs().max() > 0.05
    assert torch.equal(filled, rooms.fill.network_filler(network, network.sides)(torch.where(hole[..., None], 0.0, image), hole, ~hole))


def test_mat_from_a_file_of_half_precision(rooms, folder, mat):
    """The published file is half precision, without the `model.` that spandrel's class adds."""
    name = save(mat, folder / "MAT_Places512_G_fp16.safetensors", lambda name: name.removeprefix("model."), torch.float16)
    network = rooms.host.load_fill_network(name)
    assert (network.sides.smallest, network.sides.largest, network.sides.multiple) == (512, 512, 512)
    assert {p.dtype for p in network.patcher.model.parameters()} == {torch.float32}
    image, hole = stripes(96, 96), disc(96, 96, 40, 50, 20) > 0.5
    filler = rooms.fill.network_filler(network, network.sides)
    before = torch.random.get_rng_state()
    first = filler(image, hole, ~hole, 3)
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's noise changes"
    assert torch.equal(first[~hole], image[~hole])
    assert (first - image)[hole].abs().max() > 0.05
    assert first.min() >= 0
    assert first.max() <= 1
    torch.rand(7)
    assert torch.equal(filler(image, hole, ~hole, 3), first)
    assert not torch.equal(filler(image, hole, ~hole, 4), first), "MAT draws"


def test_mat_without_its_library(rooms, folder, monkeypatch):
    from safetensors.torch import save_file

    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    import spandrel

    monkeypatch.setattr(spandrel, "MAIN_REGISTRY", of_lama_only(spandrel))
    save_file({rooms.host.MAT_KEY: torch.zeros(4, 4)}, folder / "mat.safetensors")
    with pytest.raises(RuntimeError, match=r"network 'mat\.safetensors' is a MAT, which needs the package spandrel_extra_arches"):
        rooms.host.load_fill_network("mat.safetensors")


def of_lama_only(spandrel):
    registry = spandrel.ArchRegistry()
    registry.add(spandrel.MAIN_REGISTRY["LaMa"])
    return registry


def test_the_cores_own_registry_is_left_alone(rooms, folder, lama):
    import spandrel

    before = [known.architecture.id for known in spandrel.MAIN_REGISTRY]
    rooms.host.load_fill_network(save(lama, folder / "lama.safetensors", big_lama))
    assert [known.architecture.id for known in spandrel.MAIN_REGISTRY] == before


def test_the_core_unloads_a_network_and_loads_it_again(rooms, folder, lama):
    from comfy import model_management

    network = rooms.host.load_fill_network(save(lama, folder / "lama.safetensors", big_lama))
    assert network.patcher.loaded_size() == 0
    picture, hidden = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    hidden[..., 20:40, 20:40] = 1
    first = network(picture, hidden, 0)
    assert network.patcher.loaded_size() == network.patcher.model_size() > 0
    assert network.patcher in model_management.loaded_models()
    model_management.unload_all_models()
    assert network.patcher.loaded_size() == 0
    with torch.inference_mode():  # as the core runs nodes
        assert torch.equal(network(picture, hidden, 0), first)
    patcher = network.patcher
    del network
    gc.collect()
    assert patcher.model_size() > 0


def test_a_torchscript_file_is_refused_with_the_command_that_converts_it(rooms, folder, lama):
    class Published(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = lama.model

        def forward(self, image, mask):
            return self.generator(image, mask)

    script = torch.jit.trace(Published().eval(), (torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)), check_trace=False)
    script.save(str(folder / "big-lama.pt"))
    with pytest.raises(ValueError, match=r"network 'big-lama\.pt' is a TorchScript program, not a file of weights") as error:
        rooms.nodes.FillHoles.execute("network", "exemplar", "big-lama.pt")
    _, command = str(error.value).split("in its folder, by: ")
    python, *arguments = shlex.split(command)
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)
    network = rooms.host.load_fill_network("big-lama.safetensors")
    assert torch.equal(network.patcher.model.state_dict()["model.model.1.bn_l.running_var"], lama.model.model[1].bn_l.running_var)


def test_files_that_are_no_such_network(rooms, folder, lama, monkeypatch):
    from safetensors.torch import save_file
    from spandrel.architectures.ESRGAN import ESRGAN

    def load(name):
        return rooms.nodes.FillHoles.execute("network", "exemplar", name)

    with pytest.raises(ValueError, match="network is 'none', but there is none in models/inpaint: put a LaMa or MAT network, such"):
        load("none")
    rooms.nodes.FillHoles.execute("exemplar", "exemplar")  # where none is asked for
    save(ESRGAN(num_filters=4, num_blocks=1, scale=2), folder / "upscaler.safetensors")
    with pytest.raises(ValueError, match=r"network is 'other', but it must be one of upscaler\.safetensors; for others put"):
        load("other")
    with pytest.raises(ValueError, match=r"'upscaler\.safetensors' is ESRGAN, for SR, but it must be one that fills holes"):
        load("upscaler.safetensors")
    save_file({"weight": torch.zeros(3)}, folder / "what.safetensors")
    with pytest.raises(ValueError, match=r"network 'what\.safetensors' is none that spandrel knows; it must be a LaMa or MAT"):
        load("what.safetensors")
    save(lama, folder / "short.safetensors", lambda name: "" if name.endswith("model.5.conv1.ffc.convl2l.weight") else big_lama(name))
    with pytest.raises(
        ValueError, match=r"'short\.safetensors' looks like one that spandrel knows, but its weights do not fit: (?s:.*)Missing key"
    ):
        load("short.safetensors")
    torch.save({"run": print}, folder / "pickle.pth")
    with pytest.raises(ValueError, match=r"network 'pickle\.pth' cannot be read as a file of nothing but weights"):
        load("pickle.pth")
    torch.save({"epoch": 3, "lr": 0.1}, folder / "numbers.pth")
    with pytest.raises(ValueError, match=r"network 'numbers\.pth' must be a file of weights by name, and nothing else"):
        load("numbers.pth")
    torch.save({big_lama(n): t for n, t in lama.state_dict().items()} | {"discriminator.weight": torch.zeros(1)}, folder / "trained.pth")
    load("trained.pth")


def test_the_folder_is_that_of_the_inpaint_nodes_pack(rooms, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    rooms.host.register_folder()
    rooms.host.register_folder()
    (path,), endings = folder_paths.folder_names_and_paths["inpaint"]
    assert path.endswith("inpaint")
    assert path.startswith(folder_paths.models_dir)
    assert endings == {".safetensors", ".pth", ".pt"}
    kept = {"inpaint": ([str(tmp_path)], {".patch", ".safetensors"})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", kept)
    rooms.host.register_folder()
    assert kept["inpaint"] == ([str(tmp_path), path], {".patch", ".safetensors"})
    for file in ("fooocus.patch", "lama.safetensors"):
        (tmp_path / file).touch()
    monkeypatch.delitem(folder_paths.filename_list_cache, "inpaint", raising=False)
    assert rooms.host.network_names() == ["lama.safetensors"], "what else that pack keeps there is no network"


class Steps:
    """MagicEraser, section 4.2: of T steps the last T' = ⌊T·s⌋ are run, from z_T' on."""

    def __init__(self, total, strength):
        self.total, self.run = total, math.floor(total * strength + 1e-9)


def of_sd15():
    """Stable Diffusion 1.5's noise levels in the core, and ᾱ of its 1000 steps, computed here."""
    from comfy.model_sampling import EPS, ModelSamplingDiscrete

    class Sampling(ModelSamplingDiscrete, EPS):
        pass

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return Sampling(), (1 - betas).cumprod(0)


def ksampler(sampling, steps, denoise, scheduler):
    from comfy.samplers import KSampler

    model = SimpleNamespace(get_model_object=lambda name: sampling)
    return KSampler(model, steps=steps, device="cpu", sampler="euler", scheduler=scheduler, denoise=denoise)


@pytest.mark.parametrize("scheduler", ["simple", "normal", "karras", "sgm_uniform"])
def test_denoise_of_the_stock_sampler_is_the_papers_strength(pack, scheduler):
    """KSampler's steps are T', those that are run; with T·s a whole number it starts where T steps at s = 0.9 do."""
    sampling, _ = of_sd15()
    for total in range(10, 151, 10):
        paper = Steps(total, 0.9)
        sigmas = ksampler(sampling, paper.run, 0.9, scheduler).sigmas
        whole = ksampler(sampling, total, 1.0, scheduler).sigmas
        assert len(sigmas) - 1 == paper.run == total * 9 // 10
        assert torch.equal(sigmas, whole[-(paper.run + 1) :])


@pytest.mark.parametrize("total", [20, 50, 100])
def test_the_start_is_equation_3(pack, total):
    sampling, alphas = of_sd15()
    sigma = ksampler(sampling, Steps(total, 0.9).run, 0.9, "simple").sigmas[0]
    last = math.floor(1000 * 0.9)  # T' of the 1000 steps that the model was trained with
    z, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = alphas[last - 1].sqrt() * z + (1 - alphas[last - 1]).sqrt() * noise
    begun = sampling.noise_scaling(sigma.double().reshape(1, 1, 1, 1), noise, z)
    assert torch.allclose(sampling.calculate_input(sigma.double().reshape(1), begun), expected, atol=1e-5)


def test_where_the_start_differs(pack):
    """T·s that is no whole number: KSampler's schedule has a step fewer than T, and begins with more noise, by less than a step."""
    sampling, _ = of_sd15()
    for total in (n for n in range(11, 100) if n % 10):
        paper = Steps(total, 0.9)
        sigmas = ksampler(sampling, paper.run, 0.9, "simple").sigmas
        assert len(sigmas) - 1 == paper.run
        assert torch.equal(sigmas, ksampler(sampling, total - 1, 1.0, "simple").sigmas[-(paper.run + 1) :])
        whole = ksampler(sampling, total, 1.0, "simple").sigmas
        assert whole[total - paper.run] < sigmas[0] < whole[total - paper.run - 1]
    fifty = ksampler(sampling, 50, 0.9, "simple").sigmas
    assert torch.equal(fifty, ksampler(sampling, 55, 1.0, "simple").sigmas[-51:]), "50 steps at 0.9 are 50 of 55, not 45 of 50"


def test_a_missing_file_is_told_before_the_graph_runs(rooms, folder, lama):
    assert rooms.nodes.FillHoles.validate_inputs() is rooms.nodes.FillHoles.validate_inputs("none") is True
    assert "there is none in models/inpaint" in rooms.nodes.FillHoles.validate_inputs("gone.safetensors")
    assert rooms.nodes.FillHoles.validate_inputs(save(lama, folder / "lama.safetensors", big_lama)) is True
