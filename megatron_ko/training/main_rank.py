"""Work of rank 0 that the other ranks wait for, however long it takes.

Owns the waiting: a collective that waits for the whole work would fail after ``run.timeout_s``, so all ranks meet every second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.distributed as dist

from megatron_ko.training import liveness
from megatron_ko.training.distributed import on_all_ranks, on_any_rank

MEET_EVERY_S = 1.0


def on_main_rank(
    work: Callable[[], None], errors: tuple[type[Exception], ...], device: torch.device
) -> tuple[bool, Exception | None]:
    """Runs ``work`` in a thread of rank 0. Returns on every rank whether it succeeded, and on rank 0 its error. Collective.

    ``errors`` are those that the caller explains; rank 0 raises all others, and the other ranks lose it.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True) if dist.get_rank() == 0 else None
    with liveness.working():
        if thread is not None:
            thread.start()
        while on_any_rank(_is_running(thread), device):
            pass
    error = raised[0] if raised else None
    if error is not None and not isinstance(error, errors):
        raise error
    return on_all_ranks(error is None, device), error


def _is_running(thread: threading.Thread | None) -> bool:
    """Whether the work goes on after another second of it; the other ranks wait for this answer."""
    if thread is None:
        return False
    thread.join(MEET_EVERY_S)
    return thread.is_alive()
