"""Pathways: holes, crops, batches, region maps."""

from .layers import LayerPlan, Pathway, make_plan
from .regions import REGIONS, RegionMap

__all__ = ["REGIONS", "LayerPlan", "Pathway", "RegionMap", "make_plan"]
