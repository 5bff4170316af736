"""Scenes with known truth: people cut out of photographs, pasted on a photograph of a place.

What no photograph tells is known here: what is behind everybody, everybody's whole body, the shadow everybody casts on the ground,
and who stands in front. A scene is one of level ground: whoever reaches lower in the picture is nearer. People grow towards the
front, as they do in a picture of level ground.

    photo = the background, its light less what all shadows take, with the people over it from far to near
    truth = the same without those who go: neither body nor shadow of theirs is in it

Shadows fall on the ground alone and never on people: a layer is the same whoever else is there. People, their alpha and their
shadows are in steps of 1/255, so that files hold all of them exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .arrange import SMALL, Arrangement, Stage, Stand, arrange, is_sound, visible_of
from .casting import cast, members
from .cutout import scaled, soft_cutout
from .difficulty import colour_bins, difficulty_tags, histogram, measure
from .ground import ground_line, places_to_stand
from .library import PhotoLibrary, load_photo
from .match import Light, grain_of, light_of, match_grain, match_light, match_sharpness
from .recipe import Recipe, random_recipe
from .shadow import contact_shadow, darken, shadow_strength

__all__ = ["Source", "TrueScene", "make_scene"]


ALL_GO = 0.25  # how often everybody is erased
FRONT_GOES = 0.65  # how often, else, who hides most of the others is erased
NOTICED = 0.08  # share of the light that a shadow must take to be seen
ATTEMPTS = 120  # places, of which the first that gives a sound scene with all that was asked is taken
ENOUGH = 10  # sound ones, of which the one that lacks least is taken when none has all
BESIDE = 0.5  # of a person's height: how far around them the light of the place is told


@dataclass(frozen=True)
class Source:
    """Where somebody comes from: the stem of a photo of the library's people, and their value in its labels."""

    photo: str
    value: int


@dataclass(frozen=True, eq=False)
class TrueScene:
    """A photo of N people and the truth about it. People are in depth order, nearest first.

    Attributes:
        photo: [H, W, 3] float32 in 0..1, what the camera would see.
        background: [H, W, 3] float32 in 0..1, the place without anybody, and without a shadow of theirs.
        layers: [N, H, W, 4] float32 in 0..1, everybody whole, with straight (not premultiplied) alpha; pasted over the
            background under all shadows from last to first they make the photo.
        whole: [N, H, W] bool, everybody's whole body in the frame: alpha above 0.5.
        visible: [N, H, W] bool, the part of it that nobody nearer hides; no pixel shows two.
        name: the place's name and the seed.
        shadows: [N, H, W] float32 in 0..1, the share of the ground's linear light that everybody takes.
        erase: indices of who goes, rising, at least one.
        place: the place's name.
        seed: of the scene.
        sources: [N], where everybody was cut out.
        measures: what makes the scene hard, in numbers; see `difficulty.measure`.
        tags: the same in words; see `difficulty.LEVELS`.
    """

    photo: Tensor
    background: Tensor
    layers: Tensor
    whole: Tensor
    visible: Tensor
    name: str
    shadows: Tensor
    erase: tuple[int, ...]
    place: str
    seed: int
    sources: tuple[Source, ...]
    measures: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def staying(self) -> tuple[int, ...]:
        """Indices of who stays, rising."""
        return tuple(n for n in range(len(self.layers)) if n not in self.erase)

    def masks(self) -> Tensor:
        """The people as a good detector would find them: MASK [N, H, W], soft at the edges, 0 where somebody nearer is.

        `from_masks(scene.masks(), "by mask")` is what `split_people` needs; person n is then the mask's number n + 1.
        """
        nearer = (self.whole.cumsum(0) - self.whole.long()) > 0
        return torch.where(nearer, torch.zeros_like(self.layers[..., 3]), self.layers[..., 3])

    def without(self, erase: tuple[int, ...]) -> Tensor:
        """The picture [H, W, 3] without these people (indices): neither their bodies nor their shadows."""
        stay = [n for n in range(len(self.layers)) if n not in erase]
        return _composed(self.background.numpy(), self.layers[stay].numpy(), self.shadows[stay].numpy())

    def truth(self) -> Tensor:
        """The picture [H, W, 3] without those who go."""
        return self.without(self.erase)

    def effects(self) -> Tensor:
        """Where a shadow of those who go can be seen on what is nobody: [H, W] bool."""
        left_over = (1 - self.shadows[list(self.erase)]).prod(0)
        return (1 - left_over >= NOTICED) & ~self.whole.any(0)


def make_scene(
    library: PhotoLibrary, seed: int, people: tuple[int, int] = (1, 3), short_side: int = 384, recipe: Recipe | None = None
) -> TrueScene:
    """The scene of that seed; the same library, seed and arguments give the same scene.

    Args:
        people: how few and how many people, both included.
        short_side: of the photo, in pixels.
        recipe: what the scene is asked to be, in place of `people` and chance. It is tried, not promised: a place and people for all
            of it are looked for, and what was found that lacks least is taken. The scene's tags say what it is.
    Raises ValueError when the bounds make no sense, or the library has nobody who fits on its places.
    """
    if not 1 <= people[0] <= people[1]:
        raise ValueError(f"people is {people}, but it must be the fewest and the most, at least 1 and rising")
    if short_side < 64:
        raise ValueError(f"short_side is {short_side}, but it must be at least 64 pixels")
    rng = np.random.default_rng(seed)
    recipe = recipe or random_recipe(rng, *people)
    pool, places = members(library), places_to_stand(library)
    best: tuple[Path, Arrangement, tuple[np.ndarray, ...]] | None = None
    found = 0
    for _ in range(ATTEMPTS):
        place = places[rng.integers(len(places))]
        stage = _stage(place, short_side)
        actors = cast(pool, recipe, 0.6 * stage.height, histogram(stage.colours[SMALL // 3 :]), rng)
        arranged = arrange(stage, actors, recipe, rng)
        found += arranged is not None
        if arranged is not None and (best is None or arranged.lacking < best[1].lacking):
            drawn = _drawn(load_photo(place), stage, arranged.stands, rng)
            if is_sound(drawn[1][..., 3] > 0.5):
                best = place, arranged, drawn
        if best is not None and (best[1].lacking == 0 or found >= ENOUGH):
            break
    if best is not None:
        return _scene(best[0], best[1].stands, *best[2], seed=seed, rng=rng)
    raise ValueError(f"in {ATTEMPTS} attempts nobody of the library's {len(library.people)} photos of people fitted on its places")


@lru_cache(maxsize=512)
def _stage(place: Path, short_side: int) -> Stage:
    photo = load_photo(place)
    height, width = _size(photo.shape[:2], short_side)
    return Stage(height, width, ground_line(photo), colour_bins(_resized(photo, _size(photo.shape[:2], SMALL))))


def _size(size: tuple[int, ...], short_side: int) -> tuple[int, int]:
    """(height, width) with a shorter side as long as asked."""
    scale = short_side / min(size)
    return max(round(size[0] * scale), short_side), max(round(size[1] * scale), short_side)


def _resized(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[h, w, 3] uint8 to [*size, 3] float32 in 0..1, in steps of 1/255."""
    smaller = size[0] < photo.shape[0]
    return cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC).astype(np.float32) / 255


def _drawn(photo: np.ndarray, stage: Stage, stands: list[Stand], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Background [H, W, 3], layers [N, H, W, 4] and shadows [N, H, W] of people who stand so in the photo of a place."""
    background, place_scale = _resized(photo, (stage.height, stage.width)), stage.height / len(photo)
    all_light, grain = light_of(background), grain_of(background)
    strength, lean = shadow_strength(all_light.contrast), float(rng.uniform(-1, 1))
    layers, shadows = [], []
    for stand in stands:
        cutout = soft_cutout(*stand.member.key)
        scale = stand.height / len(cutout.alpha)
        colour, alpha = scaled(cutout, stand.height, stand.mirrored)
        place = _light_around(background, all_light, stand, alpha.shape[1])
        colour = match_light(colour, alpha, cutout.light, place)
        colour, alpha = match_sharpness(colour, alpha, scale, place_scale)
        colour = match_grain(colour, alpha, grain, rng)
        top, left = stand.bottom - len(alpha), stand.centre - alpha.shape[1] // 2
        layer = _placed(colour, alpha, top, left, background.shape[:2])
        layers.append(layer)
        shadows.append(contact_shadow(layer[..., 3], strength, lean))
    return background, np.stack(layers), np.stack(shadows)


def _light_around(background: np.ndarray, everywhere: Light, stand: Stand, width: int) -> Light:
    """The light of the place: half of what is around where somebody stands, half of the whole."""
    beside = round(BESIDE * stand.height)
    top, left = max(stand.bottom - stand.height - beside // 4, 0), max(stand.centre - width // 2 - beside, 0)
    here = light_of(background[top : stand.bottom + beside // 4, left : stand.centre + width // 2 + beside])
    return Light((here.mean + everywhere.mean) / 2, (here.contrast + everywhere.contrast) / 2, everywhere.colourful)


def _placed(colour: np.ndarray, alpha: np.ndarray, top: int, left: int, size: tuple[int, ...]) -> np.ndarray:
    """A layer [H, W, 4] in steps of 1/255 with the person at (top, left), cut by the frame; black where there is nobody."""
    layer = np.zeros((*size, 4), np.float32)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + alpha.shape[0], size[0]), min(left + alpha.shape[1], size[1])
    part = np.dstack([colour, alpha])[y0 - top : y1 - top, x0 - left : x1 - left]
    steps = np.round(part * 255)
    layer[y0:y1, x0:x1] = steps * (steps[..., 3:] > 0) / np.float32(255)
    return layer


def _composed(background: np.ndarray, layers: np.ndarray, shadows: np.ndarray) -> Tensor:
    """The picture [H, W, 3] of people, nearest first, on a background under their shadows."""
    picture = darken(background, shadows)
    for layer in layers[::-1]:
        picture = picture + (layer[..., :3] - picture) * layer[..., 3:]
    return torch.from_numpy(picture.clip(0, 1))


def _scene(
    place: Path,
    stands: list[Stand],
    background: np.ndarray,
    layers: np.ndarray,
    shadows: np.ndarray,
    *,
    seed: int,
    rng: np.random.Generator,
) -> TrueScene:
    whole = layers[..., 3] > 0.5
    visible = visible_of(whole)
    photo = _composed(background, layers, shadows)
    erase = _who_goes(whole, rng)
    measures = measure(photo.numpy(), background, whole, visible, erase)
    return TrueScene(
        photo=photo,
        background=torch.from_numpy(background),
        layers=torch.from_numpy(layers),
        whole=torch.from_numpy(whole),
        visible=torch.from_numpy(visible),
        name=f"{place.stem}-{seed}",
        shadows=torch.from_numpy(shadows),
        erase=erase,
        place=place.stem,
        seed=seed,
        sources=tuple(Source(stand.member.key[0].stem, stand.member.key[2]) for stand in stands),
        measures=measures,
        tags=difficulty_tags(measures, len(erase)),
    )


def _who_goes(whole: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
    """Indices: everybody at times; else some, often who hides most of the others, perhaps with more, so that somebody behind stays."""
    count = len(whole)
    all_go, front_goes, more = rng.random(3)
    if count == 1 or all_go < ALL_GO:
        return tuple(range(count))
    shuffled = [int(n) for n in rng.permutation(count)]
    number = 1 + int(more * (count - 1))  # 1 … count − 1
    if front_goes < FRONT_GOES:
        nearer = np.cumsum(whole, 0) - whole
        hides = [int((whole[n] & whole[n + 1 :].any(0) & (nearer[n] == 0)).sum()) for n in range(count)]
        front = int(np.argmax(hides))
        shuffled = [front, *(n for n in shuffled if n != front)]
    return tuple(sorted(shuffled[:number]))
