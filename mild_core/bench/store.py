"""What a run leaves on disk: pictures, scores of every picture, features of set measures.

    OUT/cases/<id>/     photo.png, hole.png and, where it is known, truth.png, at the protocol's size
    OUT/runs/<eraser>/  run.json, results.csv, pictures/<id>.png, features/<measure>.safetensors

`results.csv` is a journal: each picture's line is appended and flushed when it is done, and a later line of the same picture
stands in for an earlier one. A line without its end was cut off and counts as not written. When a run ends, and when it goes
on, the file is written anew in the order of ids, so that a run that was cut off and went on leaves the same file as a calm
one. All other files are written beside their place and then put there: whatever is there is whole.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["Row", "RunFolder", "RunResult", "as_png", "put", "read_picture", "read_run", "read_runs", "save_picture"]

COLUMNS = ("id", "error", "seconds", "tags", "readings")  # before the measures' own
RunHead = dict[str, Any]  # what run.json holds


@dataclass(frozen=True)
class Row:
    """One erased picture.

    Attributes:
        id: of the case.
        tags: of the case.
        seconds: that erasing took; nan where nobody knows.
        scores: by measure key, and what the eraser itself read, such as "attention_gap". nan where a score cannot be told. In
            a `RunFolder` a measure that is not in it has yet to be taken; `read_run` puts nan there.
        error: type and message of what went wrong, on one line; "" when all went well.
    """

    id: str
    tags: Mapping[str, str]
    seconds: float
    scores: Mapping[str, float]
    error: str = ""


@dataclass(frozen=True, eq=False)
class RunResult:
    """All that one eraser did on one benchmark.

    Attributes:
        eraser: its name.
        about: what it is, in words.
        protocol: by whose rules it was judged.
        bench: the benchmark's name.
        bench_key: hash of its cases' files.
        rows: by id.
        skipped: measure key to the reason why it is missing, in words.
        sets: of each set measure the features of results and references, each [N, D].
        set_ids: of each set measure the ids of those N rows; one that gave several crops is there several times.
        folder: where it lies.
        settings: how it was run, see run.json.
    """

    eraser: str
    about: str
    protocol: str
    bench: str
    bench_key: str
    rows: tuple[Row, ...]
    skipped: Mapping[str, str]
    sets: Mapping[str, tuple[Tensor, Tensor]]
    set_ids: Mapping[str, tuple[str, ...]]
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


class RunFolder:
    """One run on disk, to read and to write.

    Attributes:
        head: what run.json holds.
        rows: by id.
        features: of each set measure, by id, the features [K, D] of a result and of its reference.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.head: RunHead = {}
        self.rows: dict[str, Row] = {}
        self.features: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
        self._columns: list[str] = []
        self._journal: io.TextIOWrapper | None = None
        if self.exists:
            self._read()

    @property
    def exists(self) -> bool:
        return (self.folder / "run.json").exists()

    def begin(self, head: RunHead, measures: Sequence[str]) -> None:
        """Write run.json, and open results.csv for lines with these measures and those that are in it already."""
        (self.folder / "pictures").mkdir(parents=True, exist_ok=True)
        self._columns = [*dict.fromkeys([*self._columns, *measures])]
        self.write_head(head)
        self._rewrite()
        self._journal = open(self._results, "a", encoding="utf-8", newline="")  # noqa: SIM115 - closed by `finish`

    def append(self, row: Row) -> None:
        """Take in a line, and have it on disk before this returns."""
        assert self._journal is not None, "begin opens the journal"
        row = replace(row, error="; ".join(part.strip() for part in row.error.splitlines() if part.strip()))
        self.rows[row.id] = row
        self._journal.write(self._line(row))
        self._journal.flush()

    def keep_features(self, measure: str, id: str, result: Tensor, reference: Tensor) -> None:
        """Take in one picture's features [K, D]; `write_features` puts them on disk."""
        self.features.setdefault(measure, {})[id] = (result.detach().cpu().contiguous(), reference.detach().cpu().contiguous())

    def write_features(self) -> None:
        from safetensors.torch import save

        for measure, by_id in self.features.items():
            ids = sorted(by_id)
            both = {side: torch.cat([by_id[id][place] for id in ids]) for place, side in enumerate(("result", "reference"))}
            said = {"rows": json.dumps({id: len(by_id[id][0]) for id in ids})}  # one key: the order of several is chance
            put(self.folder / "features" / f"{measure}.safetensors", save(both, said))

    def finish(self) -> None:
        """Put everything on disk, in order, and close."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            self.write_features()
            self._rewrite()

    def write_head(self, head: RunHead) -> None:
        self.head = head
        put(self.folder / "run.json", (json.dumps(head, indent=1, ensure_ascii=False) + "\n").encode())

    def forget_scores(self) -> None:
        """Keep pictures and what erasing them told, and nothing that was scored."""
        scored = set(self._columns)
        self.rows = {id: replace(row, scores={k: v for k, v in row.scores.items() if k not in scored}) for id, row in self.rows.items()}
        self._columns, self.features = [], {}
        shutil.rmtree(self.folder / "features", ignore_errors=True)

    def remove(self) -> None:
        """Throw the run away, pictures and all."""
        if self.exists:
            shutil.rmtree(self.folder)
        self.head, self.rows, self.features, self._columns = {}, {}, {}, []

    def picture(self, id: str) -> Path:
        return self.folder / "pictures" / f"{id}.png"

    @property
    def _results(self) -> Path:
        return self.folder / "results.csv"

    def _line(self, row: Row) -> str:
        measured = set(self._columns)
        readings = {name: value for name, value in row.scores.items() if name not in measured}
        scores = [_number(row.scores[name]) if name in row.scores else "" for name in self._columns]
        return _csv([row.id, row.error, _number(row.seconds), json.dumps(dict(row.tags)), json.dumps(readings), *scores])

    def _rewrite(self) -> None:
        lines = [_csv([*COLUMNS, *self._columns]), *(self._line(self.rows[id]) for id in sorted(self.rows))]
        put(self._results, "".join(lines).encode())

    def _read(self) -> None:
        self.head = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        if self._results.exists():
            self._read_results(self._results.read_bytes().decode("utf-8", errors="replace"))
        for path in sorted((self.folder / "features").glob("*.safetensors")):
            self.features[path.name.removesuffix(".safetensors")] = _read_features(path)

    def _read_results(self, text: str) -> None:
        *lines, _ = text.split("\n")  # what follows the last line's end is nothing, or a line that was cut off
        if not lines:
            return
        header, *told = csv.reader(lines)
        if tuple(header[: len(COLUMNS)]) != COLUMNS:
            raise ValueError(f"{self._results} begins with {','.join(header)}, but it must begin with {','.join(COLUMNS)}")
        self._columns = header[len(COLUMNS) :]
        for number, cells in enumerate(told, start=2):
            try:
                row = _row(cells, self._columns)
            except ValueError as error:
                raise ValueError(
                    f"{self._results}, line {number}, is no row of results ({error}): remove the line to have it made anew"
                ) from None
            self.rows[row.id] = row


def read_run(folder: Path) -> RunResult:
    """A run from disk. Scores that were never taken are nan. Raises ValueError when there is none."""
    run = RunFolder(folder)
    if not run.exists:
        raise ValueError(f"{folder} holds no run.json: it must be a folder OUT/runs/NAME that a run has left")
    head = run.head
    blank = dict.fromkeys(run._columns, math.nan)
    rows = tuple(replace(run.rows[id], scores={**blank, **run.rows[id].scores}) for id in sorted(run.rows))
    sets, set_ids = {}, {}
    for measure, by_id in run.features.items():
        ids = sorted(by_id)
        sets[measure] = (torch.cat([by_id[id][0] for id in ids]), torch.cat([by_id[id][1] for id in ids]))
        set_ids[measure] = tuple(id for id in ids for _ in by_id[id][0])
    told = {name: head[name] for name in ("eraser", "about", "protocol", "bench", "bench_key", "skipped")}
    return RunResult(**told, rows=rows, sets=sets, set_ids=set_ids, folder=folder, settings=head)


def read_runs(out: Path) -> list[RunResult]:
    """All runs of a results folder, in the order in which they were begun."""
    runs = [read_run(path.parent) for path in sorted(out.glob("runs/*/run.json"))]
    return sorted(runs, key=lambda run: run.settings.get("begun", ""))


def put(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(data)
    os.replace(beside, path)


def as_png(pixels: np.ndarray) -> bytes:
    """Pixels [H, W] or [H, W, 3 or 4] uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def save_picture(path: Path, picture: Tensor) -> None:
    """A picture [H, W, 3], or a mask [H, W], in 0..1 as a PNG of 8 bits."""
    put(path, as_png((picture.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()))


def read_picture(file: Path | IO[bytes]) -> Tensor:
    """A picture file as [H, W, 3] float32 in 0..1."""
    with Image.open(file) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).float() / 255


def _number(value: float) -> str:
    return repr(float(value))


def _csv(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _row(cells: Sequence[str], measures: Sequence[str]) -> Row:
    if len(cells) != len(COLUMNS) + len(measures):
        raise ValueError(f"it has {len(cells)} cells, but must have {len(COLUMNS) + len(measures)}")
    id, error, seconds, tags, readings, *scores = cells
    taken = {name: float(cell) for name, cell in zip(measures, scores, strict=True) if cell}
    return Row(id, json.loads(tags), float(seconds), {**taken, **json.loads(readings)}, error)


def _read_features(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        counts: dict[str, int] = json.loads(file.metadata()["rows"])
        result, reference = (file.get_tensor(side).split(list(counts.values())) for side in ("result", "reference"))
    return dict(zip(counts, zip(result, reference, strict=True), strict=True))
