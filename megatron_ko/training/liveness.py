"""Signs of life of a run, and the requests that ``mko stop`` and ``mko save`` leave in its run folder.

Rank 0 writes the heartbeat, at most once a second, and looks for requests then; ``distributed.stop_requested`` lets all ranks
agree on them. Owns no signals: a stop request becomes SIGUSR1 of rank 0's own process.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from pathlib import Path

from megatron_ko.formats.job_folder import HEARTBEAT, SAVE_REQUEST, STOP_REQUEST

log = logging.getLogger(__name__)
EVERY_S = 1.0


class _Rank:
    """State of this process: the run folder that it looks after (rank 0 only), and what all ranks have agreed on."""

    run: Path | None = None
    last = 0.0
    failed = False
    save_wanted = False
    save_agreed = False


def begin(run: Path | None) -> None:
    """Starts signs of life of a run; every rank calls it, those other than rank 0 with None."""
    _Rank.run, _Rank.last, _Rank.failed = run, 0.0, False
    _Rank.save_wanted = _Rank.save_agreed = False
    beat()


def beat() -> None:
    """Writes the heartbeat and reads requests, unless that was done within the last second."""
    run, now = _Rank.run, time.monotonic()
    if run is None or now - _Rank.last < EVERY_S:
        return
    _Rank.last = now
    _write_heartbeat(run)
    _Rank.save_wanted = (run / SAVE_REQUEST).exists()
    if (run / STOP_REQUEST).exists():
        os.kill(os.getpid(), signal.SIGUSR1)


def _write_heartbeat(run: Path) -> None:
    """Reports a heartbeat that cannot be written, such as to a full disk, once; the run goes on."""
    record = {"time": round(time.time(), 3), "pid": os.getpid()}
    partial = run / f".{HEARTBEAT}.tmp"  # no fsync: after a power failure nothing is alive
    try:
        partial.write_text(json.dumps(record) + "\n", encoding="utf-8")
        partial.replace(run / HEARTBEAT)
    except OSError as error:
        if not _Rank.failed:
            log.warning(
                "%s cannot be written (%s); a watchdog will take the run for hung",
                run / HEARTBEAT,
                error.strerror,
            )
        _Rank.failed = True


def save_wanted() -> bool:
    """Whether this rank has read a save request."""
    return _Rank.save_wanted


def agree_on_save(wanted: bool) -> None:
    """Notes what all ranks have agreed on."""
    _Rank.save_agreed = wanted


def save_requested() -> bool:
    """Whether all ranks save after this step, because ``mko save`` asks for it; the same on every rank."""
    return _Rank.save_agreed


def saved() -> None:
    """Fulfills save requests after a save."""
    _Rank.save_wanted = _Rank.save_agreed = False
    if _Rank.run is not None:
        (_Rank.run / SAVE_REQUEST).unlink(missing_ok=True)
