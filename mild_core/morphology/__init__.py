"""Pose, parsing, spatial relations, whole-body shape, guidance maps."""

from .guidance import Guidance, guide
from .keypoints import read_keypoints, write_keypoints
from .people import Findings, understand

__all__ = ["Findings", "Guidance", "guide", "read_keypoints", "understand", "write_keypoints"]
