"""The engine of bulk work, on a real Ray cluster of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from batch_work import Errands
from own_cluster import QUICK, TWO, own_cluster

from mild_core.batch.cluster import Cluster, joined
from mild_core.batch.engine import Job, Outcome, Policy, StopError, run_jobs


@pytest.fixture(scope="module", autouse=True)
def ray_cluster() -> Iterator[None]:
    with own_cluster():
        yield


def run(folder: Path, jobs: list[Job], policy: Policy = QUICK, cluster: Cluster = TWO, opens: str = "") -> dict[str, Outcome]:
    outcomes = list(run_jobs(Errands(folder, opens), jobs, cluster, policy))
    assert len({outcome.id for outcome in outcomes}) == len(outcomes), "no job ends twice"
    return {outcome.id: outcome for outcome in outcomes}


def tries(folder: Path, id: str) -> int:
    path = folder / f"job-{id}"
    return path.stat().st_size if path.exists() else 0


def test_every_job_is_done_once(tmp_path):
    ended = run(tmp_path, [Job(str(n)) for n in range(20)])
    assert {id: (o.status, o.result, o.tries) for id, o in ended.items()} == {str(n): ("done", f"{n} on try 1", 1) for n in range(20)}
    assert {o.worker for o in ended.values()} <= {"worker-1", "worker-2"}
    assert sorted(p.name for p in tmp_path.glob("open-*")) == ["open-worker-1", "open-worker-2"]
    assert (tmp_path / "close").stat().st_size == 2


def test_no_more_workers_than_jobs_and_none_for_no_job(tmp_path):
    run(tmp_path, [Job("only")])
    assert [p.name for p in tmp_path.glob("open-*")] == ["open-worker-1"]
    assert run(tmp_path, []) == {}


def test_jobs_are_taken_as_workers_are_free(tmp_path):
    taken = []

    def jobs() -> Iterator[Job]:
        for number in range(100):
            taken.append(number)
            yield Job(str(number))

    outcomes = run_jobs(Errands(tmp_path), jobs(), TWO, QUICK)
    next(outcomes)
    assert len(taken) <= 5
    outcomes.close()


def test_what_is_unfit_fails_at_once_and_an_error_is_tried_again(tmp_path):
    jobs = [Job("bad", "unfit"), Job("twice", "raise 2"), Job("always", "raise 99"), Job("good")]
    ended = run(tmp_path, jobs)
    assert (ended["bad"].status, ended["bad"].reason, ended["bad"].tries) == ("failed", "bad is no picture", 1)
    assert (ended["twice"].status, ended["twice"].tries) == ("done", 3)
    assert (ended["always"].status, ended["always"].reason, tries(tmp_path, "always")) == ("failed", "RuntimeError: try 3", 3)
    assert ended["good"].status == "done"


def test_a_job_that_kills_its_worker_is_set_aside_after_two_and_the_rest_goes_on(tmp_path):
    ended = run(tmp_path, [Job("killer", "die 99"), *(Job(str(n)) for n in range(8))])
    assert ended["killer"].status == "failed"
    assert ended["killer"].reason.startswith("brought down 2 workers")
    assert tries(tmp_path, "killer") == 2
    assert [ended[str(n)].status for n in range(8)] == ["done"] * 8


@pytest.mark.parametrize("what", ["die", "lost"])
def test_a_worker_that_dies_once_costs_its_job_nothing(tmp_path, what):
    ended = run(tmp_path, [Job("unlucky", f"{what} 1"), Job("other"), Job("twice", f"{what} 2")])
    assert (ended["unlucky"].status, ended["unlucky"].tries) == ("done", 2)
    assert (ended["twice"].status, tries(tmp_path, "twice")) == ("failed", 2)
    assert what == "die" or ended["twice"].reason == "brought down 2 workers; the last: ComfyUI has ended"


def test_what_takes_too_long_is_stopped(tmp_path):
    policy = replace(QUICK, limit=1.5)
    ended = run(tmp_path, [Job("slow", "hang 99"), Job("once", "hang 1"), Job("good")], policy)
    assert ended["slow"].status == "failed"
    assert ended["slow"].reason == "brought down 2 workers; the last: it took longer than 1.5 s"
    assert (ended["once"].status, ended["good"].status) == ("done", "done")


@pytest.mark.parametrize("what", ["unfit", "raise 99", "die 99"])
def test_the_parts_of_a_job_that_fails_are_done_in_its_place(tmp_path, what):
    parts = (Job("a"), Job("b", "unfit"), Job("c"))
    ended = run(tmp_path, [Job("all", what, parts), Job("whole", "", (Job("never"),))])
    assert {id: o.status for id, o in ended.items()} == {"a": "done", "b": "failed", "c": "done", "whole": "done"}
    assert tries(tmp_path, "never") == 0


def test_a_stop_ends_the_run_but_loses_nothing(tmp_path):
    outcomes: list[Outcome] = []
    jobs = [Job("1"), Job("2"), Job("full", "stop"), *(Job(str(n)) for n in range(3, 40))]
    with pytest.raises(StopError, match="the disk is full"):
        outcomes.extend(run_jobs(Errands(tmp_path), jobs, TWO, QUICK))
    assert {o.id for o in outcomes} == {p.name[4:] for p in tmp_path.glob("job-*")} - {"full"}
    assert len(outcomes) < 10
    assert "full" not in {o.id for o in outcomes}


@pytest.mark.parametrize(("opens", "why"), [("stop", "the model is not there"), ("error", "no port is free"), ("die", "could not begin")])
def test_workers_that_cannot_begin_end_the_run(tmp_path, opens, why):
    with pytest.raises(StopError, match=why):
        run(tmp_path, [Job("1"), Job("2")], opens=opens)
    assert tries(tmp_path, "1") == 0


def test_policies_and_clusters_name_what_is_wrong():
    for policy, why in (({"retries": -1}, "retries is -1"), ({"limit": 0}, "limit is 0"), ({"deaths": 0}, "deaths is 0")):
        with pytest.raises(ValueError, match=why):
            Policy(**policy)
    with pytest.raises(ValueError, match="workers is -1"):
        Cluster(workers=-1)
    with pytest.raises(ValueError, match=r"needs 0\.5 CPU, 4 GPU, but the machines of the cluster have"), joined(replace(TWO, gpus=4)):
        pass


def test_what_is_left_open_is_told_by_the_cluster():
    with joined(replace(TWO, workers=0, cpus=0.0)) as found:
        assert (found.workers, found.gpus) == (1, 0.0)
        assert found.cpus >= 1
    with joined(replace(TWO, workers=64, cpus=0.0)) as found:
        assert (found.workers, found.cpus) == (64, 1.0)
