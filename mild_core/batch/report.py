"""What a bulk run tells in the end, as a page of Markdown."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

from ..data.building import duration
from .engine import Outcome

__all__ = ["Summary"]

SLOWEST, REASONS, EXAMPLES = 10, 20, 3


class Summary:
    """Counts of a run as it goes.

    Attributes:
        counts: photos by status, of this run.
    """

    def __init__(self, place: str):
        self.place = place
        self.counts: Counter[str] = Counter()
        self.started = time.time()
        self.seconds = 0.0
        self._before = self._skipped = 0
        self._bytes = 0
        self._tries: Counter[int] = Counter()
        self._workers: dict[str, tuple[int, float]] = {}
        self._slow: list[tuple[float, str]] = []
        self._failed: dict[str, str] = {}

    def begin(self, before: int, skipped: int) -> None:
        self._before, self._skipped = before, skipped
        self.started = time.time()

    def ended(self, told: dict[str, Any], outcome: Outcome) -> None:
        """One photo."""
        self.counts[told["status"]] += 1
        self._tries[outcome.tries] += 1
        if told["status"] == "failed":
            self._failed[told["id"]] = told["reason"]
            return
        self._bytes += told["bytes"]
        photos, seconds = self._workers.get(outcome.worker, (0, 0.0))
        self._workers[outcome.worker] = photos + 1, seconds + (told["seconds"] or 0.0)
        self._slow = sorted([*self._slow, (told["seconds"] or 0.0, told["id"])], reverse=True)[:SLOWEST]

    def end(self) -> None:
        self.seconds = time.time() - self.started

    @property
    def rate(self) -> float:
        """Photos a minute."""
        return 60 * self.counts["done"] / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        done, failed = self.counts["done"], self.counts["failed"]
        parts = [f"{done} done in {duration(self.seconds)} ({self.rate:.1f} a minute)", f"{failed} failed", f"{self._skipped} skipped"]
        return ", ".join(part for part in parts if not part.startswith("0 f") and not part.startswith("0 s"))

    def text(self) -> str:
        rows = [("done in this run", self.counts["done"]), ("done before", self._before)]
        rows += [("failed", self.counts["failed"]), ("skipped", self._skipped)]
        lines = [f"# {self.place}", "", f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(self.started))}: {self.line()}.", ""]
        lines += ["| | photos |", "|---|---|", *(f"| {name} | {count} |" for name, count in rows), ""]
        if self._workers:
            lines += ["| worker | photos | seconds a photo |", "|---|---|---|"]
            lines += [
                f"| {name} | {count} | {total / count:.2f} |" for name, (count, total) in sorted(self._workers.items(), key=_by_number)
            ]
            lines += ["", f"{self._bytes / 1e6:.1f} MB written, {self._bytes / max(self.counts['done'], 1) / 1e3:.0f} kB a photo.", ""]
        again = sum(count for tries, count in self._tries.items() if tries > 1)
        if again:
            lines += [f"{again} needed more than one try.", ""]
        if self._failed:
            lines += ["## Failed", "", *self._reasons(), ""]
        if self._slow:
            lines += ["## Slowest", "", *(f"- {seconds:.1f} s: {id}" for seconds, id in self._slow), ""]
        return "\n".join(lines)

    def _reasons(self) -> list[str]:
        """Failures that say the same but for names and numbers, together, the most frequent first."""
        alike: dict[str, list[str]] = {}
        for id, reason in self._failed.items():
            alike.setdefault(re.sub(r"\S*[/\\]\S*|\d+", "…", reason), []).append(id)
        found = sorted(alike.values(), key=len, reverse=True)
        lines = []
        for ids in found[:REASONS]:
            more = f" and {len(ids) - EXAMPLES} more" if len(ids) > EXAMPLES else ""
            lines.append(f"- {len(ids)}: {' '.join(self._failed[ids[0]].split())} ({', '.join(ids[:EXAMPLES])}{more})")
        return lines + ([f"- and {len(found) - REASONS} other reasons: see manifest.jsonl"] if len(found) > REASONS else [])


def _by_number(item: tuple[str, Any]) -> tuple[int, str]:
    return int(item[0].rpartition("-")[2]), item[0]
