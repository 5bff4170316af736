"""The sockets of the pack's own types."""

from comfy_api.latest import io

__all__ = ["CATEGORY", "LayersSocket", "PlanSocket", "SceneSocket"]

CATEGORY = "MILD"
SceneSocket = io.Custom("MILD_SCENE")
PlanSocket = io.Custom("MILD_PLAN")
LayersSocket = io.Custom("MILD_LAYERS")
