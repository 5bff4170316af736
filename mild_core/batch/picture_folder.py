"""Photos in a folder, with the masks that lie beside them, in a folder of their own, or in another place.

The names of all pictures are kept in memory, about 400 bytes for each.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .items import PICTURES, Item, Source, ending_of, is_picture
from .places import Found, Place, path_below

__all__ = ["KINDS", "items_of_pictures"]

KINDS = ("people", "effects")


class _Masks(NamedTuple):
    """Masks of one kind in a place, by the photo's name without ending."""

    place: Place
    by_stem: dict[str, Found]


class _Folder(NamedTuple):
    """Photos, and for each kind that has a place of its own its masks."""

    place: Place
    pictures: Sequence[Found]
    masks: dict[str, _Masks]


def items_of_pictures(place: Place, pictures: Sequence[Found], given: Mapping[str, Place]) -> Iterator[Item]:
    """An item for each photo, sorted by name; its id is its path with ending.

    Args:
        pictures: all picture files of the place, sorted.
        given: people, effects: places that the user named. Masks there have the photo's path, with the ending of any picture; of several,
            a PNG is taken. It may be the photos' own place: then of two pictures that differ in their endings the PNG is the mask.

    For a kind that was not named: with folders photos/ and people/ (and effects/) in the place, those are what they say, and the ids begin
    below photos/; else NAME.people.png beside NAME.jpg. Masks are no photos. Where masks have a place of their own, a photo without one has
    a problem.

    Raises ValueError when there is no photo, or when there are photos/ and people/ but pictures elsewhere too.
    """
    folder = _with_layout(place, pictures)
    for kind, there in given.items():
        folder.masks[kind] = _named(folder, there)
    beside = {kind: _beside(folder.pictures, kind) for kind in KINDS}
    photos = _photos(folder, given, beside)
    if not photos:
        raise ValueError(f"{place.title} holds masks but no photo")
    return (_item(folder, photo, beside) for photo in photos)


def _with_layout(place: Place, pictures: Sequence[Found]) -> _Folder:
    """The pictures as they are, or those of photos/ with the masks of people/ and effects/."""
    tops = {found.name.partition("/")[0] for found in pictures if "/" in found.name}
    if not {"photos", "people"} <= tops:
        return _Folder(place, pictures, {})
    inner = {top: _inside(pictures, f"{top}/") for top in ("photos", *KINDS)}
    if sum(map(len, inner.values())) < len(pictures):
        other = next(found.name for found in pictures if found.name.partition("/")[0] not in inner)
        raise ValueError(
            f"{place.title} has folders photos and people, but also {other}: move it away, or name the folder of the photos "
            "and the place of the people masks"
        )
    masks = {kind: _Masks(place.sub(kind), _by_stem(inner[kind])) for kind in KINDS if inner[kind]}
    return _Folder(place.sub("photos"), inner["photos"], masks)


def _inside(pictures: Sequence[Found], prefix: str) -> list[Found]:
    return [found._replace(name=found.name[len(prefix) :]) for found in pictures if found.name.startswith(prefix)]


def _named(folder: _Folder, place: Place) -> _Masks:
    if path_below(place, folder.place) == "":
        return _Masks(place, _by_stem(_second_of_two(folder.pictures)))
    return _Masks(place, _by_stem([found for found in place.files() if is_picture(found.name)]))


def _second_of_two(pictures: Sequence[Found]) -> list[Found]:
    """The PNGs that have a picture of the same name with another ending beside them."""
    stems = {_stem(found.name) for found in pictures if ending_of(found.name) != ".png"}
    return [found for found in pictures if ending_of(found.name) == ".png" and _stem(found.name) in stems]


def _by_stem(pictures: Sequence[Found]) -> dict[str, Found]:
    best: dict[str, Found] = {}
    for found in sorted(pictures, key=lambda found: PICTURES.index(ending_of(found.name))):
        best.setdefault(_stem(found.name), found)
    return best


def _beside(pictures: Sequence[Found], kind: str) -> dict[str, Found]:
    """NAME.people.png by NAME, where there is another picture NAME."""
    marked = [found for found in pictures if _stem(found.name).endswith(f".{kind}")]
    if not marked:
        return {}
    stems = {_stem(found.name) for found in pictures}
    by_stem = {stem.removesuffix(f".{kind}"): found for stem, found in _by_stem(marked).items()}
    return {stem: found for stem, found in by_stem.items() if stem in stems}


def _photos(folder: _Folder, given: Mapping[str, Place], beside: Mapping[str, dict[str, Found]]) -> list[Found]:
    """The pictures that are no masks."""
    marked = {f"{stem}.{kind}" for kind, by_stem in beside.items() for stem in by_stem}
    masks: set[str] = set()
    folders: list[str] = []
    for place in given.values():
        below = path_below(place, folder.place)
        if below == "":
            masks.update(found.name for found in _second_of_two(folder.pictures))
        elif below:
            folders.append(f"{below}/")
    return [
        found
        for found in folder.pictures
        if found.name not in masks and not found.name.startswith(tuple(folders)) and (not marked or _stem(found.name) not in marked)
    ]


def _item(folder: _Folder, photo: Found, beside: Mapping[str, dict[str, Found]]) -> Item:
    files = {"photo": Source(folder.place, photo.name, stamp=photo.stamp)}
    problem = ""
    for kind in KINDS:
        place, by_stem = folder.masks.get(kind, _Masks(folder.place, beside[kind]))
        mask = by_stem.get(_stem(photo.name))
        if mask is not None:
            files[kind] = Source(place, mask.name, stamp=mask.stamp)
        elif kind in folder.masks:
            problem = problem or f"there is no {kind} mask {posixpath.splitext(photo.name)[0]}.png in {place.title}"
    try:
        photo.name.encode()
    except UnicodeEncodeError:
        name = photo.name.encode("utf-8", "backslashreplace").decode()
        return Item(name, files, problem=f"the name {name} is not UTF-8: give the file another one")
    return Item(photo.name, files, problem=problem)


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0]
