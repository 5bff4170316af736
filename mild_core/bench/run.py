"""Erase and score the cases of a benchmark, going on from what is already there.

A picture is scored as it is kept, with 8 bits, so that scores can be taken anew, or more of them, from the pictures alone. Of each
case only what is missing is done: erased when there is no picture, or when it failed; scored in the measures that were not taken.
"""

from __future__ import annotations

import functools
import hashlib
import math
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.building import duration
from ..metrics.compared import Compared, Region
from .cases import Case, Task
from .erasers import PACK, Eraser, EraserGoneError, sources_key
from .store import Row, RunFolder, RunResult, as_png, put, read_picture, read_run, save_picture

if TYPE_CHECKING:
    from ..metrics.catalog import Metric
    from ..metrics.networks import Networks
    from .protocols import Protocol

__all__ = ["Tell", "check_measures", "check_run", "key_of", "left_out", "run_eraser"]

FEATURES_EVERY = 100  # pictures after which features are written; those since are taken anew after a crash
SCORING = ("mild_core/metrics", "mild_core/bench/protocols.py")  # the code that scores come from

Tell = Callable[[str], None]


def key_of(cases: Iterable[Case]) -> str:
    """Hash of all that cases are: their ids, who goes, and the contents of their files."""
    told = hashlib.sha256()
    for case in sorted(cases, key=lambda case: case.id):
        told.update(repr((case.id, tuple(case.erase), case.keeps)).encode())
        for path in (case.photo, case.people, case.truth, case.effects):
            told.update(b"-" if path is None else hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()[:16]


def check_measures(measures: Sequence[str], metrics: Mapping[str, Metric]) -> None:
    """Raises ValueError for a measure that is no "name.region" of these metrics."""
    for measure in measures:
        name, _, region = measure.partition(".")
        if name not in metrics:
            raise ValueError(f"measure is {measure!r}, but it must be NAME.REGION with one of the names {', '.join(metrics)}")
        if region not in metrics[name].regions:
            raise ValueError(f"measure is {measure!r}, but {name} is taken in {', '.join(metrics[name].regions)}")


def left_out(measures: Sequence[str], metrics: Mapping[str, Metric], networks: Networks, cases: Sequence[Case]) -> dict[str, str]:
    """Measures that cannot be taken of any of these cases, and why: a network is not there, or no truth is known."""
    truth = any(case.truth is not None for case in cases)
    skipped = {}
    for measure in measures:
        metric = metrics[measure.partition(".")[0]]
        missing = networks.missing(metric.networks)
        if missing:
            skipped[measure] = missing
        elif metric.needs_truth and not truth:
            skipped[measure] = "the benchmark knows no truth"
    return skipped


def check_run(out: Path, eraser: Eraser, protocol: str, bench: str, bench_key: str) -> None:
    """Raises ValueError when what lies in `out` cannot be gone on with: it says what differs, and what to do."""
    for path in sorted(out.glob("runs/*/run.json")):
        head = RunFolder(path.parent).head
        if head["protocol"] != protocol:
            raise ValueError(
                f"{path.parent} was scored by the protocol {head['protocol']}, but this run is by {protocol}: "
                "name another folder with --out"
            )
        if head["bench_key"] != bench_key:
            raise ValueError(
                f"{path.parent} is of the benchmark {head['bench']} ({head['bench_key']}), but this run is of {bench} ({bench_key}): "
                "name another folder with --out"
            )
        if head["eraser"] == eraser.name and head["key"] != eraser.key:
            raise ValueError(
                f"{path.parent} was erased by {head['about']} ({head['key']}), but this run is by {eraser.about} ({eraser.key}): "
                f"erase anew with --again {eraser.name}, give it another name, or name another folder with --out"
            )


def run_eraser(
    eraser: Eraser,
    cases: Sequence[Case],
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    networks: Networks,
    out: Path,
    *,
    bench: str,
    bench_key: str,
    measures: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Tell = lambda text: None,
) -> RunResult:
    """Erase and score these cases into OUT/runs/<eraser>, and give all that is there then.

    Args:
        cases: all of a benchmark, or some.
        metrics: by name.
        bench_key: of all of the benchmark's cases, see `key_of`.
        measures: keys "name.region"; None for the protocol's own.
        settings: kept in run.json for whoever reads it.
        tell: called with a line for each case.
    Raises ValueError as `check_run` and `check_measures` do, and EraserGoneError when there is nothing to erase with; what was done
    until then is kept, as it is when somebody interrupts.
    """
    measures = tuple(protocol.measures if measures is None else measures)
    check_measures(measures, metrics)
    check_run(out, eraser, protocol.name, bench, bench_key)
    run = _Run(eraser, protocol, metrics, networks, out, measures, left_out(measures, metrics, networks, cases))
    head = {
        "eraser": eraser.name,
        "about": eraser.about,
        "key": eraser.key,
        "protocol": protocol.name,
        "bench": bench,
        "bench_key": bench_key,
        "measures": list(measures),
        "skipped": run.skipped,
        "scoring": sources_key(SCORING),
        "begun": run.folder.head.get("begun", datetime.now(timezone.utc).isoformat()),
        "versions": versions(),
        "settings": dict(settings or {}),
    }
    if run.folder.exists and run.folder.head["scoring"] != head["scoring"]:
        tell(f"{eraser.name}: the code that scores has changed; scores are taken anew from the pictures")
        run.folder.forget_scores()
    run.begin(head)
    try:
        run.do([case for case in cases if run.lacks(case)], tell)
    finally:
        run.end()
    return read_run(run.folder.folder)


class _Run:
    """One eraser's way through its cases."""

    def __init__(
        self,
        eraser: Eraser,
        protocol: Protocol,
        metrics: Mapping[str, Metric],
        networks: Networks,
        out: Path,
        measures: Sequence[str],
        skipped: dict[str, str],
    ):
        self.eraser, self.protocol, self.metrics, self.networks, self.out = eraser, protocol, metrics, networks, out
        self.skipped = skipped
        self.of_pictures = [m for m in measures if m not in skipped and self._metric(m).score is not None]
        self.of_sets = [m for m in measures if m not in skipped and self._metric(m).score is None]
        self.folder = RunFolder(out / "runs" / eraser.name)
        self._failed: dict[str, list[str]] = {}  # by measure, what went wrong with which picture
        self._opened = False

    def begin(self, head: dict[str, Any]) -> None:
        self.folder.begin(head, self.of_pictures)

    def end(self) -> None:
        for measure, failures in self._failed.items():
            more = f", and of {len(failures) - 1} more" if len(failures) > 1 else ""
            self.skipped[measure] = f"could not be taken of {failures[0]}{more}"
        self.folder.finish()
        self.folder.write_head({**self.folder.head, "skipped": self.skipped})
        if self._opened:
            self.eraser.close()

    def lacks(self, case: Case) -> bool:
        """Whether there is anything to do."""
        row = self.folder.rows.get(case.id)
        if row is None or self.eraser.rereads or self._is_unmade(row) or dict(row.tags) != dict(case.tags):
            return True
        return bool(self._untaken(row, case)) or not (self._case_folder(case) / "hole.png").exists()

    def do(self, cases: Sequence[Case], tell: Tell) -> None:
        started = time.monotonic()
        for done, case in enumerate(cases, start=1):
            told = self._one(case)
            each = (time.monotonic() - started) / done
            left = f"; {each:.1f} s each, {duration(each * (len(cases) - done))} left" if done < len(cases) else ""
            tell(f"{self.eraser.name} {done}/{len(cases)} {case.id}: {told}{left}")
            if done % FEATURES_EVERY == 0:
                self.folder.write_features()

    def _one(self, case: Case) -> str:
        """Do what is lacking of a case, and say how it went."""
        row = self.folder.rows.get(case.id)
        try:
            task = self.protocol.task(case)
            row = self._erased(case, task, row)
            image = read_picture(self.folder.picture(case.id))
            compared = self.protocol.compared(case, task, image)
            self._keep_case(case, compared)
        except EraserGoneError:
            raise
        except Exception as error:  # whatever went wrong with one picture is told, and others go on
            self.folder.picture(case.id).unlink(missing_ok=True)
            self._forget_features(case.id)
            self.folder.append(Row(case.id, dict(case.tags), math.nan, {}, f"{type(error).__name__}: {error}"))
            return f"failed: {self.folder.rows[case.id].error}"
        scores = dict(row.scores)
        for measure in self._untaken(row, case):
            self._take(measure, case, compared, scores)
        row = Row(case.id, dict(case.tags), row.seconds, scores)
        self.folder.append(row)
        return self._in_words(row)

    def _erased(self, case: Case, task: Task, row: Row | None) -> Row:
        """The row of a picture that is on disk: as it was, or erased now and without scores."""
        if row is not None and not self.eraser.rereads and not self._is_unmade(row):
            return row
        if not self._opened:
            self.eraser.open()
            self._opened = True
        erased = self.eraser(task)
        png = as_png(_levels(erased.image))
        path = self.folder.picture(case.id)
        if row is not None and not row.error and path.exists() and path.read_bytes() == png:
            return row
        put(path, png)
        self._forget_features(case.id)
        return Row(case.id, dict(case.tags), erased.seconds, dict(erased.readings))

    def _take(self, measure: str, case: Case, compared: Compared, scores: dict[str, float]) -> None:
        """Take one measure of a picture into the scores, or its features into the folder."""
        metric, region = self._metric(measure), _region(measure)
        try:
            if metric.score is not None:
                known = compared.truth is not None or not metric.needs_truth
                scores[measure] = float(metric.score(compared, region, self.networks)) if known else math.nan
            elif metric.features is not None:
                result, reference = metric.features(compared, region, self.networks)
                if result.shape != reference.shape or result.ndim != 2:
                    raise ValueError(f"features are {tuple(result.shape)} and {tuple(reference.shape)}, but must be two of [K, D]")
                self.folder.keep_features(measure, case.id, result, reference)
        except Exception as error:  # one measure's failure is no failure of the picture
            self._failed.setdefault(measure, []).append(f"{case.id} ({type(error).__name__}: {error})")

    def _untaken(self, row: Row, case: Case) -> list[str]:
        """Measures that the picture of a row has not been taken in."""
        untaken = [measure for measure in self.of_pictures if measure not in row.scores]
        for measure in self.of_sets:
            known = case.truth is not None or not self._metric(measure).needs_truth
            if known and case.id not in self.folder.features.get(measure, {}):
                untaken.append(measure)
        return untaken

    def _keep_case(self, case: Case, compared: Compared) -> None:
        """What a report shows of a case, beside all erasers' pictures; hole.png comes last."""
        folder = self._case_folder(case)
        if not (folder / "hole.png").exists():
            save_picture(folder / "photo.png", compared.photo)
            if compared.truth is not None:
                save_picture(folder / "truth.png", compared.truth)
            save_picture(folder / "hole.png", compared.hole)

    def _forget_features(self, id: str) -> None:
        for by_id in self.folder.features.values():
            by_id.pop(id, None)

    def _is_unmade(self, row: Row) -> bool:
        return bool(row.error) or not self.folder.picture(row.id).exists()

    def _case_folder(self, case: Case) -> Path:
        return self.out / "cases" / case.id

    def _metric(self, measure: str) -> Metric:
        return self.metrics[measure.partition(".")[0]]

    def _in_words(self, row: Row) -> str:
        measure = next((m for m in self.of_pictures if math.isfinite(row.scores.get(m, math.nan))), None)
        if measure is None:
            return "done"
        metric = self._metric(measure)
        return f"{metric.title} {row.scores[measure]:.4g} {metric.unit}".rstrip()


def versions() -> dict[str, str]:
    """What pictures and scores were made with."""
    import cv2
    import numpy

    return {
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
    }


def commit() -> str:
    """The checkout's commit, with "+" when tracked files differ from it; "" outside git."""
    git = functools.partial(subprocess.run, cwd=PACK, capture_output=True, text=True)
    try:
        name = git(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except OSError:
        return ""
    return name + "+" if name and changed else name


def _region(measure: str) -> Region:
    return measure.partition(".")[2]  # type: ignore[return-value]  # check_measures has seen it


def _levels(image: Tensor) -> Any:
    """An eraser's picture as [H, W, 3] uint8. Raises ValueError when it is none."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"the eraser's picture is {'×'.join(map(str, image.shape))}, but it must be height×width×3")
    if not image.isfinite().all():
        raise ValueError("the eraser's picture holds NaN or infinity")
    return (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
