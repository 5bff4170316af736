"""Pathways: holes, crops, batches, region maps."""

from .joined import AnyPlan, JoinedPlan, one_photo, places_of, share_batches
from .layers import Completion, LayerPlan, Pathway, make_plan
from .regions import REGIONS, RegionMap
from .size import plan_of_fitting_size

__all__ = [
    "REGIONS",
    "AnyPlan",
    "Completion",
    "JoinedPlan",
    "LayerPlan",
    "Pathway",
    "RegionMap",
    "make_plan",
    "one_photo",
    "places_of",
    "plan_of_fitting_size",
    "share_batches",
]
