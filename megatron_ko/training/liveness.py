"""Signs of life of a run, and the requests that ``mko stop`` and ``mko save`` leave in its run folder.

Rank 0 writes the heartbeat, at most once a second, and looks for requests then; ``distributed.stop_requested`` lets all ranks
agree on them. Between steps, ``working`` writes it while rank 0 computes, reads or writes, and no longer: a rank that hangs
does nothing of the three. Owns no signals: a stop request becomes SIGUSR1 of rank 0's own process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from megatron_ko.formats.job_folder import HEARTBEAT, SAVE_REQUEST, STOP_REQUEST

log = logging.getLogger(__name__)
EVERY_S = 1.0
LOOK_S = 2.0
"""Seconds between two looks at what a long work does."""
BUSY = 0.05
"""Cores: less is what idle threads need."""
MOVING = 100_000
"""Bytes per second read and written: less is logs and idle connections."""
LONGEST_S = 6 * 3600.0
"""Longest work between two steps, in seconds; then it counts as hung, whatever it does."""


class _Rank:
    """State of this process: the run folder that it looks after (rank 0 only), and what all ranks have agreed on."""

    run: Path | None = None
    last = 0.0
    lock = threading.Lock()
    failed = False
    works = False
    """Whether ``working`` beats."""
    save_wanted = False
    save_agreed = False


def begin(run: Path | None) -> None:
    """Starts signs of life of a run; every rank calls it, those other than rank 0 with None."""
    _Rank.run, _Rank.last, _Rank.failed = run, 0.0, False
    _Rank.save_wanted = _Rank.save_agreed = False
    beat()


def beat() -> None:
    """Writes the heartbeat and reads requests, unless that was done within the last second."""
    run = _Rank.run
    with _Rank.lock:  # against the thread of ``working``
        now = time.monotonic()
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


# --- work between steps ----------------------------------------------------------------------------------


@contextlib.contextmanager
def working(run: Path | None = None) -> Iterator[None]:
    """Writes the heartbeat of a long work, every LOOK_S seconds in which it has done something, for at most LONGEST_S.

    Counts the processor time of this process and its children and the bytes they read and write. Waiting for other ranks is
    not work: a collective has a time limit of its own, ``run.timeout_s``. ``run`` is the run folder before ``begin``. Other
    ranks than rank 0 do nothing here. Also a decorator; may be nested.
    """
    if run is not None:
        begin(run)
    if _Rank.run is None or _Rank.works:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_beat_while_busy, args=(over,), daemon=True)
    _Rank.works = True
    beat()
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        beat()
        _Rank.works = False
        if run is not None:
            _Rank.run = None


def _beat_while_busy(over: threading.Event) -> None:
    own = psutil.Process()
    end, then = time.monotonic() + LONGEST_S, time.monotonic()
    processes = [own]  # short work does not search for children
    before = _work_of(processes)
    while not over.wait(LOOK_S) and time.monotonic() < end:
        done, seconds = _work_of(processes), time.monotonic() - then
        computed, moved = (
            sum(done[pid][part] - before[pid][part] for pid in before.keys() & done.keys()) for part in (0, 1)
        )
        if computed > BUSY * seconds or moved > MOVING * seconds:
            beat()
        # the search reads much of /proc, so it comes before what counts as the next work
        processes, then = [own, *own.children(recursive=True)], time.monotonic()
        before = _work_of(processes)


def _work_of(processes: Sequence[psutil.Process]) -> dict[int, tuple[float, int]]:
    """Seconds of processor time, and bytes read and written, of each process so far, by its id."""
    work: dict[int, tuple[float, int]] = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # ended, or of another user
            times, counts = process.cpu_times(), process.io_counters()
            # bytes of system calls, and those of mapped files, which only the disk counts
            moved = counts.read_chars + counts.write_chars + counts.read_bytes + counts.write_bytes
            work[process.pid] = (times.user + times.system, moved)
    return work


# --- requests to save ------------------------------------------------------------------------------------


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
    with _Rank.lock:
        _Rank.save_wanted = _Rank.save_agreed = False
        if _Rank.run is not None:
            (_Rank.run / SAVE_REQUEST).unlink(missing_ok=True)
