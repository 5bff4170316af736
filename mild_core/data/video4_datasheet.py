"""The datasheet of a set of Video4Removal pairs, after Gebru et al., "Datasheets for Datasets", 2018."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .video4 import PairSettings

__all__ = ["video4_datasheet"]


def video4_datasheet(clips: Sequence[dict[str, Any]], settings: PairSettings, notes: Mapping[str, str], tars: bool = False) -> str:
    """The datasheet as Markdown.

    Args:
        clips: what each video gave, as its JSON has it; one pair at least.
        settings: of the set.
        notes: texts about the videos, by file name.
        tars: the pairs of each video are a tar.
    """
    title = "# Video4Removal pairs: a frame with a thing, and the same place without"
    return "\n\n".join([title, _composition(clips, tars), _making(settings), _reality(), _sources(notes)]) + "\n"


def _composition(clips: Sequence[dict[str, Any]], tars: bool) -> str:
    pairs = [pair for clip in clips for pair in clip["pairs"]]
    shares = sorted(pair["share"] for pair in pairs)
    errors = sorted(pair["error"] for pair in pairs)
    giving = [clip for clip in clips if clip["pairs"]]
    shards = f"\n- **Shards**: {len(giving)} WebDataset tars, one for each video that gives pairs." if tars else ""
    return f"""## What is in it

{len(pairs)} pairs, in the manner of Video4Removal, the training set of OmniEraser (arXiv 2501.07397).

- **Videos**: {len(giving)} of {len(clips)} give pairs; {sum(clip["broken"] for clip in clips)} cannot be read. `clips.csv` says why.
- **Frames**: {sum(clip["frames"] for clip in clips)}, of which {sum(clip["foreground"] for clip in clips)} show a thing,
  {sum(clip["background"] for clip in clips)} nothing but the background, and {sum(clip["blurred"] for clip in clips)} are blurred.
- **Masks**: {shares[0]:.1%} to {shares[-1]:.1%} of the frame, half of them below {shares[len(shares) // 2]:.1%}.
- **Distance** of a frame and its truth: a mean squared error of {errors[0]:.1f} to {errors[-1]:.1f}, for colours of 0 to 255.{shards}

Pairs of one video are all but the same picture: keep all of a video on the same side when you split further."""


def _making(settings: PairSettings) -> str:
    split = settings.split
    where = "all pixels" if settings.where == "whole" else "the pixels where nothing moves"
    return f"""## How it was made

- **Motion** is told by a mixture of Gaussians for each pixel (OpenCV's MOG2: 500 frames, 5 Gaussians, 16 for the squared distance,
  what is seen 60% of the time is background), learnt on the first 500 frames before the clip is gone over. The paper does not tell
  its settings.
- **A frame with a thing** has {split.foreground:.0%} to {split.most:.0%} of its pixels in motion, shadows apart. **A background** has
  {split.background:.1%} in motion at most, shadows included. The paper tells one bound, 0.15.
- **Blurred frames** have less than {split.blur:.0%} of the median variance of the Laplacian of their kind in the clip, in the whole frame
  or where something moves, and are left out.
- **Pairs** are {settings.every} frames apart or more, {settings.most} of a video at most. The truth is the background with the least mean
  squared error, over {where}.
- **The mask** is the thing's alone. Pairs whose mask has less than {settings.covered:.0%} of what moves, shadows apart, are left out.

Nothing is drawn at random, and the number and order of processes change nothing."""


def _reality() -> str:
    return """## What is true in it, and what is not

**True**: shadows and reflections of the thing are in the input, outside of the mask, and not in the truth.

**Not exact**: input and truth are two moments. Light, leaves and noise differ outside of the mask too. What stood still through the clip
counts as background, a parked car or somebody who waits; what moves little is in both. A moving thing without a mask is in the input and
may be gone in the truth; `covered` in the index says how much of what moves the mask has. The camera must stand still."""


def _sources(notes: Mapping[str, str]) -> str:
    if not notes:
        told = "The folder holds no README or LICENSE that says where its videos come from: find out before passing anything on."
    else:
        quoted = ["\n".join(f"> {line}".rstrip() for line in text.splitlines()) for text in notes.values()]
        told = "What the folder says of itself:\n\n" + "\n\n".join(quoted)
    return f"""## Sources and licences

The pairs are frames of others' videos, which keep their licences, and the people in them their rights.

{told}"""
