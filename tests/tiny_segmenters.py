"""Random panoptic networks of the true architecture, small enough for a CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

__all__ = ["SEGMENTERS", "tiny_segmenter"]

SEGMENTERS = ("mask2former", "oneformer", "eomt", "eomt_dinov3")
LABELS = 133
SWIN = {
    "model_type": "swin", "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
DECODER = {
    "backbone_config": SWIN, "hidden_dim": 32, "num_attention_heads": 2, "encoder_feedforward_dim": 16, "dim_feedforward": 16,
    "encoder_layers": 1, "decoder_layers": 2, "num_queries": 12, "num_labels": LABELS,
}  # fmt: skip
VIT = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "num_blocks": 1, "num_queries": 12, "image_size": 64,
    "patch_size": 16, "num_labels": LABELS,
}  # fmt: skip
MADE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mask2former": ("Mask2FormerConfig", "Mask2FormerForUniversalSegmentation", DECODER | {"feature_size": 32, "mask_feature_size": 32}),
    "oneformer": ("OneFormerConfig", "OneFormerForUniversalSegmentation", DECODER | {"conv_dim": 32, "mask_dim": 32}),
    "eomt": ("EomtConfig", "EomtForUniversalSegmentation", VIT),
    "eomt_dinov3": ("EomtDinov3Config", "EomtDinov3ForUniversalSegmentation", VIT),
}


def tiny_segmenter(kind: str) -> Any:
    """A network of one of SEGMENTERS, with COCO's 133 classes without names."""
    import transformers

    config_class, network_class, options = MADE[kind]
    if not hasattr(transformers, network_class):
        pytest.skip(f"needs a transformers that has {network_class}")
    config = getattr(transformers, config_class).from_dict({"model_type": kind, **options})
    network = getattr(transformers, network_class)(config)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            spread = torch.randn(weights.shape, generator=g) * (0.3 if weights.ndim < 2 else weights[0].numel() ** -0.5)
            weights.copy_(1 + spread if "norm" in name and name.endswith("weight") else spread)
    return network.eval()
