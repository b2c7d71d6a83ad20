"""Which ends of a job are requeued, and which rank's exit code counts."""

from __future__ import annotations

import os

import pytest

from megatron_ko.operations.batch import first_failure
from megatron_ko.operations.restarts import Decision, decide, meaning_of


def ends_of(*codes: int, step: int = 3, checkpoint: str | None = None) -> list[dict]:
    return [
        {"code": code, "step": step + number, "checkpoint": checkpoint} for number, code in enumerate(codes)
    ]


def decision(code: int, ends: list[dict] | None = None, **changes) -> Decision:
    values = {"step": 30, "checkpoint": None, "max_restarts": 10, "stop_requested": False, **changes}
    step, checkpoint, most = values["step"], values["checkpoint"], values["max_restarts"]
    return decide(code, step, checkpoint, ends or [], most, stop_requested=values["stop_requested"])


@pytest.mark.parametrize("code", [75, 76, 77, 134, 137, 138, 143, 1, 139, 124])
def test_a_first_end_that_can_continue_is_requeued(code):
    assert decision(code).requeue


@pytest.mark.parametrize("code", [0, 2])
def test_a_finished_run_and_a_mistake_are_not(code):
    assert not decision(code).requeue


@pytest.mark.parametrize("code", [75, 76, 137, 1])
def test_a_stop_request_ends_the_job_whatever_its_exit_code(code):
    assert not decision(code, stop_requested=True).requeue


@pytest.mark.parametrize("code", [75, 76, 137])
def test_four_ends_in_a_row_without_a_new_checkpoint_are_the_last(code):
    results = [decision(code, ends_of(*[code] * before), step=3).requeue for before in range(5)]
    assert results == [True, True, True, True, False]


def test_a_new_checkpoint_restarts_the_count():
    ends = ends_of(76, 76, 76, 76, checkpoint="step_00000005")
    assert not decision(76, ends, checkpoint="step_00000005").requeue
    assert decision(76, ends, checkpoint="step_00000010").requeue


@pytest.mark.parametrize("code", [1, 139])
def test_a_second_crash_at_the_same_step_is_the_last(code):
    ends = ends_of(1, step=57, checkpoint="step_00000050")
    assert not decision(code, ends, step=57, checkpoint="step_00000050").requeue
    assert decision(code, ends, step=63, checkpoint="step_00000050").requeue, "another step"
    assert decision(code, ends, step=57, checkpoint="step_00000055").requeue, "progress"


def test_a_lost_node_at_the_same_step_is_not_a_crash():
    assert decision(137, ends_of(137, step=57), step=57).requeue
    assert decision(1, ends_of(137, step=57), step=57).requeue


def test_failures_are_limited_and_requests_are_not():
    checkpoints = [f"step_{number:08d}" for number in range(4)]
    ends = [{"code": 76, "step": n, "checkpoint": name} for n, name in enumerate(checkpoints)]
    assert decision(76, ends[:2], max_restarts=3, checkpoint="x").requeue
    assert not decision(76, ends[:3], max_restarts=3, checkpoint="x").requeue
    assert decision(75, ends, max_restarts=3, checkpoint="x").requeue
    requests = [{**end, "code": 75} for end in ends]
    assert decision(76, requests, max_restarts=1, checkpoint="x").requeue
    assert not decision(1, max_restarts=0).requeue


def test_every_code_has_a_meaning():
    assert meaning_of(137) == "killed by signal 9" and meaning_of(9) == "ended with exit code 9"
    assert len({meaning_of(code) for code in (0, 1, 2, 75, 76, 77)}) == 6


@pytest.mark.parametrize(
    ("srun", "ranks", "expected"),
    [
        (143, [(0, 1), (1, 143)], (1, 0)),
        (76, [(0, 1), (1, 76)], (1, 0)),
        (137, [(1, 2), (0, 137)], (2, 1)),
        (139, [(3, 139), (0, 143)], (139, 3)),
        (76, [(0, 76), (1, 75)], (76, 0)),
        (137, [], (137, None)),
        (2, [(1, 2), (0, 2)], (2, 1)),
    ],
)  # fmt: skip
def test_the_first_rank_that_failed_by_itself_decides(tmp_path, srun, ranks, expected):
    """``ranks``: rank and code, in the order in which they ended."""
    for number, (rank, code) in enumerate(ranks):
        (tmp_path / str(rank)).write_text(f"{code} node-{rank}\n", encoding="utf-8")
        os.utime(tmp_path / str(rank), (1000 + number, 1000 + number))
    code, rank, host = first_failure(tmp_path, srun)
    assert (code, rank) == expected
    assert host == ("" if rank is None else f"node-{rank}")


def test_a_torn_record_of_a_rank_is_ignored(tmp_path):
    (tmp_path / "0").write_text("", encoding="utf-8")
    assert first_failure(tmp_path, 137) == (137, None, "")
