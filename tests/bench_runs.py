"""Runs of a benchmark made for tests of what is told about them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from mild_core.bench.store import Row, RunResult, save_picture

SIZE = 24, 32  # of pictures


def a_run(name: str, shift: float = 0.0, count: int = 24, folder: Path = Path("out"), **changed) -> RunResult:
    """A run whose PSNR lies `shift` above the others' in every case, with the same photos and another eraser's grain."""
    photos, grain = np.random.default_rng(1), np.random.default_rng(sum(map(ord, name)))
    rows = []
    for k in range(count):
        psnr = 20 + 4 * photos.normal() + shift + 0.3 * grain.normal()
        scores = {"psnr.hole": psnr, "ssim.hole": 0.5 + psnr / 100, "leak_colour.hole": grain.uniform(), "psnr.background": math.inf}
        tags = {"people": str(1 + k % 3), "occlusion": ("heavy", "none", "light")[k % 3], "place": f"p{k}", "kind": "all alike"}
        rows.append(Row(f"{k:04}", tags, 1.0 + 0.1 * grain.uniform(), scores))
    given = {
        "eraser": name,
        "about": f"what {name} is",
        "protocol": "scenes",
        "bench": "little",
        "bench_key": "abc123",
        "rows": tuple(rows),
        "skipped": {},
        "sets": {},
        "set_ids": {},
        "folder": folder / "runs" / name,
    }
    return RunResult(**{**given, **changed})


def with_features(run: RunResult, away: float, each: int = 2) -> RunResult:
    """The run with features for FID of `each` crops a case, so far from the truth's."""
    generator = torch.Generator().manual_seed(3)
    ids = tuple(row.id for row in run.rows for _ in range(each))
    truth = torch.randn(len(ids), 6, generator=generator)
    result = truth + away + 0.3 * torch.randn(len(ids), 6, generator=generator)
    return RunResult(**{**vars(run), "sets": {"fid.full": (result, truth)}, "set_ids": {"fid.full": ids}})


def with_pictures(runs: list[RunResult]) -> list[RunResult]:
    """Write small pictures of all cases, as a run leaves them."""
    height, width = SIZE
    hole = torch.zeros(height, width)
    hole[6:18, 10:20] = 1
    for place, run in enumerate(runs):
        out = run.folder.parents[1]
        for k, row in enumerate(run.rows):
            truth = torch.linspace(0, 1, width).expand(height, width)[..., None] * torch.tensor([1.0, 0.6, (k % 5) / 5])
            for name, picture in {"photo": truth * (1 - hole[..., None]), "truth": truth, "hole": hole}.items():
                save_picture(out / "cases" / row.id / f"{name}.png", picture)
            save_picture(run.folder / "pictures" / f"{row.id}.png", truth * (1 - 0.3 * place * hole[..., None]))
    return runs
