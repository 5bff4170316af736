"""Who makes the units of a set."""

from functools import partial

import cv2
import pytest
import torch
from batch_units import make_unit, tries_of

from mild_core.data.workers import ONE_PROCESS, Processes

FOUR = {number: f"unit {number}" for number in range(4)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_unit_is_made_once_with_one_thread(tmp_path, jobs):
    before = torch.get_num_threads(), cv2.getNumThreads()
    assert sorted(Processes(jobs)(partial(make_unit, tmp_path), FOUR)) == [0, 1, 2, 3]
    assert {(tmp_path / str(number)).read_text() for number in FOUR} == {"1 1"}
    assert {tries_of(tmp_path, number) for number in FOUR} == {1}
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_one_process_makes_them_in_turn_and_no_more_than_are_asked_for(tmp_path):
    made = ONE_PROCESS(partial(make_unit, tmp_path), {7: "a", 3: "b", 5: "c"})
    assert [next(made), next(made)] == [7, 3]
    made.close()
    assert not (tmp_path / "5").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_unit_raises_is_raised(tmp_path, jobs):
    (tmp_path / "1.todo").write_text("unfit")
    with pytest.raises(ValueError, match="photo 1 is no picture"):
        list(Processes(jobs)(partial(make_unit, tmp_path), FOUR))


def test_no_process_is_an_error():
    with pytest.raises(ValueError, match="jobs is 0, but it must be at least 1"):
        Processes(0)
