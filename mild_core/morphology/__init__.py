"""Pose, parsing, spatial relations, whole-body shape, guidance maps."""
