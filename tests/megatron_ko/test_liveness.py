"""Heartbeats and requests of rank 0: at most one a second, and a full disk does not end a run.

Work between two steps beats while it computes or writes, here or in a process of its own, and not while it only waits.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from megatron_ko.formats.job_folder import HEARTBEAT, SAVE_REQUEST, STOP_REQUEST, read_heartbeat, request
from megatron_ko.training import liveness
from tests import ranks


@pytest.fixture(autouse=True)
def _end():
    yield
    liveness.begin(None)


def test_a_heartbeat_is_written_at_most_once_a_second(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(liveness.time, "monotonic", lambda: now[0])
    liveness.begin(tmp_path)
    assert read_heartbeat(tmp_path) is not None
    (tmp_path / HEARTBEAT).unlink()
    now[0] += 0.9
    liveness.beat()
    assert read_heartbeat(tmp_path) is None
    now[0] += 0.2
    liveness.beat()
    assert read_heartbeat(tmp_path) is not None


def test_only_rank_0_writes(tmp_path):
    liveness.begin(None)
    liveness.beat()
    assert not list(tmp_path.iterdir()) and not liveness.save_wanted()


def test_requests_are_read_and_a_save_fulfills_its_own(tmp_path, monkeypatch):
    signals = []
    monkeypatch.setattr(liveness.os, "kill", lambda pid, number: signals.append(number))
    request(tmp_path, SAVE_REQUEST)
    liveness.begin(tmp_path)
    assert liveness.save_wanted() and not liveness.save_requested() and not signals
    liveness.agree_on_save(True)
    assert liveness.save_requested()
    liveness.saved()
    assert not liveness.save_requested() and not (tmp_path / SAVE_REQUEST).exists()
    request(tmp_path, STOP_REQUEST)
    liveness.begin(tmp_path)
    assert signals == [signal.SIGUSR1]


def test_a_heartbeat_that_cannot_be_written_is_reported_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(liveness, "EVERY_S", 0.0)
    with caplog.at_level(logging.WARNING):
        liveness.begin(tmp_path / "gone")
        liveness.beat()
    assert len(caplog.records) == 1 and HEARTBEAT in caplog.text


# --- work between steps ----------------------------------------------------------------------------------

SPIN = "while True: pass"
WRITE = "import sys, time\nwith open(sys.argv[1], 'wb') as file:\n    while True: file.seek(0), file.write(bytes(2**20)), time.sleep(0.1)"
SLEEP = "import time\nwhile True: time.sleep(0.01)"


def _beats_within(
    seconds: float, run: object, monkeypatch: pytest.MonkeyPatch, wait: Callable[[], None]
) -> int:
    """Number of heartbeats of a work that waits for ``seconds``, without those of its begin and its end."""
    beats = []
    monkeypatch.setattr(liveness, "EVERY_S", 0.0)
    monkeypatch.setattr(liveness, "LOOK_S", 0.5)
    monkeypatch.setattr(liveness, "_write_heartbeat", lambda run: beats.append(run))
    with liveness.working(run):  # type: ignore[arg-type]
        begun, end = len(beats), time.monotonic() + seconds
        while time.monotonic() < end:
            wait()
        return len(beats) - begun


@pytest.mark.parametrize(("program", "lives"), [(SPIN, True), (WRITE, True), (SLEEP, False)])
def test_a_work_in_a_child_beats_only_while_the_child_does_something(tmp_path, monkeypatch, program, lives):
    child = subprocess.Popen([sys.executable, "-S", "-c", program, str(tmp_path / "written")])
    try:
        time.sleep(0.5)  # the start of the interpreter is work, too
        beats = _beats_within(2.5, tmp_path, monkeypatch, lambda: time.sleep(0.1))
        os.kill(child.pid, signal.SIGSTOP)
        stopped = _beats_within(2.5, tmp_path, monkeypatch, lambda: time.sleep(0.1))
    finally:
        child.kill()
        child.wait()
    assert (beats > 0) == lives and stopped == 0


def test_a_work_of_this_process_beats_until_its_longest_time(tmp_path, monkeypatch):
    assert _beats_within(2.0, tmp_path, monkeypatch, lambda: None) > 0
    monkeypatch.setattr(liveness, "LONGEST_S", 0.0)
    assert _beats_within(2.0, tmp_path, monkeypatch, lambda: None) == 0


def test_ranks_without_a_run_folder_start_no_thread(monkeypatch):
    monkeypatch.setattr(liveness.threading, "Thread", None)  # calling it would fail
    with liveness.working():
        assert not liveness._Rank.works


def _wait_for_main(rank: int, init_method: str, work_s: float, fails: bool) -> tuple[bool, str]:
    """Work of rank 0 on two ranks whose collectives may take two seconds."""
    import datetime

    import torch
    import torch.distributed as dist

    from megatron_ko.training import main_rank

    main_rank.MEET_EVERY_S = 0.2
    limit = datetime.timedelta(seconds=2)
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=2, timeout=limit)

    def work() -> None:
        assert rank == 0
        time.sleep(work_s)
        if fails:
            raise OSError("the disk is full")

    done, error = main_rank.on_main_rank(work, (OSError,), torch.device("cpu"))
    dist.barrier()
    dist.destroy_process_group()
    return done, str(error)


@pytest.mark.ranks
def test_the_other_ranks_wait_for_rank_0_longer_than_for_a_collective():
    assert ranks.on_ranks(2, _wait_for_main, 5.0, False) == [(True, "None"), (True, "None")]


@pytest.mark.ranks
def test_every_rank_learns_that_the_work_of_rank_0_failed():
    assert ranks.on_ranks(2, _wait_for_main, 0.0, True) == [(False, "the disk is full"), (False, "None")]
