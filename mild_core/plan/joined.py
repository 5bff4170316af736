"""Several photos whose rows are one latent batch: which share one, what holds of a batch, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from .layers import LayerPlan, Pathway

__all__ = ["AnyPlan", "JoinedPlan", "one_photo", "places_of", "share_batches"]


@dataclass(frozen=True, eq=False)
class JoinedPlan:
    """The plans of photos whose rows are denoised as one batch, one photo's rows behind the other's.

    Attributes:
        plans: of the photos, in the batch's order.
        places: where each of them is among all photos that were joined, from 0, rising.
        photos: how many photos were joined, in this batch and in the others.
    """

    plans: tuple[LayerPlan, ...]
    places: tuple[int, ...]
    photos: int

    @property
    def pathways(self) -> tuple[Pathway, ...]:
        """The rows of the batch, in order."""
        return tuple(pathway for plan in self.plans for pathway in plan.pathways)

    @property
    def scene(self) -> NoReturn:
        """Raises ValueError: there is no one photo."""
        self.refuse()

    @property
    def working_size(self) -> NoReturn:
        """Raises ValueError: photos of one latent size may differ in it."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Raises the ValueError of what needs the plan of one photo."""
        raise ValueError(
            f"plan is of a batch that was joined, of {len(self.plans)} of {self.photos} photos, but it must be one photo's: "
            "connect the plan from before MILD Join Layers, or from MILD Part Layers behind the sampler"
        )


AnyPlan = LayerPlan | JoinedPlan
"""Of the rows of a latent batch: `pathways` are the rows, `plans` the photos they are of."""


def one_photo(plan: AnyPlan) -> LayerPlan:
    """The plan itself. Raises ValueError where it is a joined one."""
    if isinstance(plan, JoinedPlan):
        plan.refuse()
    return plan


def share_batches(rows: Sequence[int], alike: Callable[[int, int], bool], most: int = 0) -> list[list[int]]:
    """Which photos share a batch: their places, rising in each batch; batches in the order of their first photos.

    Args:
        rows: how many rows each photo has.
        alike: whether two photos, by their places, may share one. An equivalence.
        most: rows of a batch at most, 0 for no bound. A photo with more has a batch of its own: its rows stay together.
    """
    batches: list[list[int]] = []
    growing: list[list[int]] = []  # of each kind the batch that the next photo joins
    for place, count in enumerate(rows):
        kind = next((kind for kind, batch in enumerate(growing) if alike(batch[0], place)), None)
        if kind is not None and (not most or sum(rows[i] for i in growing[kind]) + count <= most):
            growing[kind].append(place)
            continue
        batch = [place]
        batches.append(batch)
        if kind is None:
            growing.append(batch)
        else:
            growing[kind] = batch
    return batches


def places_of(plans: Sequence[JoinedPlan]) -> list[tuple[int, int]]:
    """Where each photo is, in the photos' order: (batch, which of the batch's plans), from 0.

    Raises ValueError when the batches are not those, all and each once, that the photos were joined to.
    """
    found = {place: (batch, which) for batch, plan in enumerate(plans) for which, place in enumerate(plan.places)}
    held, photos = sum(len(plan.plans) for plan in plans), max((plan.photos for plan in plans), default=0)
    if len(found) != held or any(plan.photos != photos for plan in plans):
        raise ValueError(f"plan is {len(plans)} batches that were not joined together, but they must come from one MILD Join Layers")
    if len(found) != photos:
        raise ValueError(f"plan holds {len(found)} of the {photos} photos that were joined, but all of their batches must be there")
    return [found[place] for place in range(photos)]
