"""How many pixels a side a row is denoised at, where the artist does not say."""

from __future__ import annotations

import math
from collections.abc import Callable

from .layers import LayerPlan

__all__ = ["plan_of_fitting_size"]

STEP = 64  # sizes are multiples of this: what all families' levels and patches divide
SMALLEST = 0.75  # of what the model was trained on, below which it falls apart


def plan_of_fitting_size(make: Callable[[int], LayerPlan], trained: int, budget: float = 0.0) -> LayerPlan:
    """The plan whose rows are of the size that the model was trained on, or smaller for a reason.

    Smaller where all crops are: a small photo is not blown up past need. And smaller where the rows together would have more
    than `budget` megapixels. Never below three quarters of what the model was trained on.

    Args:
        make: the plan of a working size.
        trained: pixels a side, a multiple of 8.
        budget: megapixels of all rows together; 0 for no bound.
    """
    smallest = math.ceil(trained * SMALLEST / 8) * 8
    plan = make(trained)
    longest = max(p.crop.width for p in plan.pathways)
    size = min(trained, max(math.ceil(longest / STEP) * STEP, smallest))
    while True:
        if size != plan.working_size:
            plan = make(size)
        if not budget or len(plan.pathways) * size**2 <= budget * 1e6 or size <= smallest:
            return plan
        size = max(size - STEP, smallest)
