"""Pathways: holes, crops, batches, region maps."""

from .layers import Completion, LayerPlan, Pathway, make_plan
from .regions import REGIONS, RegionMap
from .size import plan_of_fitting_size

__all__ = ["REGIONS", "Completion", "LayerPlan", "Pathway", "RegionMap", "make_plan", "plan_of_fitting_size"]
