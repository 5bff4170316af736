"""Captions of photographs by a network of transformers, as plain text files that anybody can write in their place.

The paper asks a vision-language model for the background: "Describe the grass and gravel in the image". A network that takes no
questions (BLIP, GIT) captions the whole photo.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..scene.background_prompt import UNKNOWN

__all__ = ["QUESTION", "caption_folder"]

QUESTION = "Describe the {tag} in the image"
ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}
LONGEST = 60  # tokens of a caption: CLIP reads 75


def caption_folder(photos: Path, network: Path, question: str = "", tags: Mapping[str, str] | None = None, device: str = "cpu") -> int:
    """Write NAME.txt for every photo that has none; how many were written.

    Args:
        photos: folder of pictures, such as the truths of removal pairs.
        network: folder of an image-to-text network of transformers with its processor; safetensors only, nothing is downloaded.
        question: what the network is asked, perhaps with {tag} in it; "" for networks that are asked nothing.
        tags: of each photo by its name without ending; "background" for those that have none.

    Raises FileNotFoundError when the network's folder or a picture is missing.
    """
    found = sorted(path for path in photos.iterdir() if path.suffix.lower() in ENDINGS)
    if not found:
        raise FileNotFoundError(f"{photos} holds no pictures ({', '.join(sorted(ENDINGS))})")
    wanted = [path for path in found if not (photos / f"{path.stem}.txt").exists()]
    if not wanted:
        return 0
    captioner = _Captioner(network, device)
    for path in wanted:
        told = question.replace("{tag}", (tags or {}).get(path.stem) or UNKNOWN)
        # whole or not at all: a run that is cut off must not leave half a caption that counts as done
        unfinished = photos / f"{path.stem}.txt.part"
        unfinished.write_text(captioner.caption(path, told) + "\n", encoding="utf-8")
        unfinished.replace(photos / f"{path.stem}.txt")
    return len(wanted)


def _load(network: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(str(network), local_files_only=True, use_safetensors=True)


class _Captioner:
    def __init__(self, network: Path, device: str):
        from transformers import AutoProcessor

        if not (network / "config.json").exists():
            raise FileNotFoundError(f"{network} holds no config.json: it must be the folder of an image-to-text network of transformers")
        self.processor: Any = AutoProcessor.from_pretrained(str(network), local_files_only=True)
        self.model = _load(network).to(device).eval()

    def caption(self, path: Path, question: str) -> str:
        """One line: what the network says, the same each time."""
        import torch
        from PIL import Image

        with Image.open(path) as picture:
            given = self._given(picture.convert("RGB"), question)
        given = given.to(self.model.device)
        with torch.inference_mode():
            written = self.model.generate(**given, do_sample=False, max_new_tokens=LONGEST)[0]
        asked = given["input_ids"][0] if "input_ids" in given else written[:0]
        # some networks repeat what they were asked
        answer = written[len(asked) :] if torch.equal(written[: len(asked)], asked) else written
        return " ".join(self.processor.batch_decode(answer[None], skip_special_tokens=True)[0].split())

    def _given(self, picture: Any, question: str) -> Any:
        if question and getattr(self.processor, "chat_template", None):
            turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
            text = self.processor.apply_chat_template([turn], add_generation_prompt=True)
            return self.processor(images=[picture], text=[text], return_tensors="pt")
        asked = {"text": [question]} if question else {}
        return self.processor(images=[picture], return_tensors="pt", **asked)
