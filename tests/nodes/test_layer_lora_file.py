"""A trained LoRA of the bundled model in the real core: the stock loader takes it, and it does there what it did in training."""

import logging

import torch


def test_the_stock_loader_takes_it(pack, tmp_path, caplog):
    import comfy.sd
    import comfy.utils
    from mild_pack.mild_core.training import layer_lora, mini, prompt_files

    model, *_ = pack.nodes.MiniModel.execute().args
    trained = layer_lora.RoleModel(mini.load_model(), 4)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in trained.lora.values():
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=g))
    path = tmp_path / "mild_people.safetensors"
    prompt_files.save_lora(path, {name.replace("/", "."): tensor for name, tensor in trained.lora.items()})

    with caplog.at_level(logging.WARNING):
        patched, _ = comfy.sd.load_lora_for_models(model, None, comfy.utils.load_torch_file(str(path)), 1.0, 0.0)
    assert not [record for record in caplog.records if "not loaded" in record.message]
    assert len(patched.patches) == len(trained.lora) // 2

    noisy, step = torch.randn(2, 192 + 259, 8, 8, generator=g), torch.tensor([100.0, 700.0])
    context = torch.randn(2, 4, 64, generator=g)

    def of_core(patcher):
        patcher.patch_model()
        try:
            with torch.no_grad():
                return patcher.model.diffusion_model.float()(noisy, step, context=context)
        finally:
            patcher.unpatch_model()

    with torch.no_grad():
        wanted = trained.model.unet(noisy, step, context, return_dict=False)[0]
    plain, made = of_core(model), of_core(patched)
    assert (made - wanted).abs().max() <= 2e-2 * wanted.abs().max(), "the core keeps the weights in half precision"
    assert (plain - wanted).abs().max() > 10 * (made - wanted).abs().max()
