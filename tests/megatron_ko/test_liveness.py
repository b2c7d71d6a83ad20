"""Heartbeats and requests of rank 0: at most one a second, and a full disk does not end a run."""

from __future__ import annotations

import logging
import signal

import pytest

from megatron_ko.formats.job_folder import HEARTBEAT, SAVE_REQUEST, STOP_REQUEST, read_heartbeat, request
from megatron_ko.training import liveness


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
