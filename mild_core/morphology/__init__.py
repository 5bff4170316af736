"""Pose, parsing, spatial relations, whole-body shape, guidance maps."""

from .guidance import Guidance, adapter_hint, guide
from .keypoints import read_keypoints, write_keypoints
from .people import Findings, understand

__all__ = ["Findings", "Guidance", "adapter_hint", "guide", "read_keypoints", "understand", "write_keypoints"]
