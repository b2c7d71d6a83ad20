"""Whether a job that ended is requeued, from its exit code and the history of its submission.

Owns the rules, and no files: ``batch`` reads and writes the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from megatron_ko.errors import (
    EXIT_BAD_NODE,
    EXIT_BUG,
    EXIT_DONE,
    EXIT_PEER_LOST,
    EXIT_STOPPED,
    EXIT_USER_ERROR,
)

# Stopped on request; SIGUSR1 and SIGTERM before the first line of the program, which cannot handle them yet.
REQUESTS = {EXIT_STOPPED, 128 + 10, 128 + 15}
# A rank lost; killed by SIGABRT (NCCL's watchdog ends a rank whose collective timed out) or SIGKILL (a lost node, a full
# memory, the watchdog of the job); a node that the preflight blames.
LOSSES = {EXIT_PEER_LOST, 128 + 6, 128 + 9, EXIT_BAD_NODE}
MAX_WITHOUT_PROGRESS = 3
MEANINGS = {
    EXIT_DONE: "done",
    EXIT_BUG: "a rank crashed",
    EXIT_USER_ERROR: "a mistake that you can fix",
    EXIT_STOPPED: "stopped on request",
    EXIT_PEER_LOST: "a rank was lost",
    EXIT_BAD_NODE: "the preflight blames a node",
}


@dataclass(frozen=True)
class Decision:
    requeue: bool
    why: str
    """In words for people, without the exit code."""


def meaning_of(code: int) -> str:
    """What an exit code of a job means, such as ``killed by signal 9``."""
    if code in MEANINGS:
        return MEANINGS[code]
    return f"killed by signal {code - 128}" if 128 < code < 160 else f"ended with exit code {code}"


def decide(
    code: int,
    step: int,
    checkpoint: str | None,
    ends: Sequence[dict[str, Any]],
    max_restarts: int,
    *,
    stop_requested: bool,
) -> Decision:
    """Decides for a start that ended with ``code`` after ``step``; ``checkpoint`` is the newest one.

    ``ends`` are the earlier ends of the same submission, oldest first, each with code, step and checkpoint.
    """
    what = meaning_of(code)
    if code == EXIT_DONE:
        return Decision(False, what)
    if stop_requested:
        return Decision(False, "stopped by mko stop")
    if code == EXIT_USER_ERROR:
        return Decision(False, f"{what}: read the log, correct it, submit again")
    without_progress = _count_without_progress(checkpoint, ends)
    if without_progress > MAX_WITHOUT_PROGRESS:
        return Decision(False, f"{what}; {without_progress} starts in a row left no new checkpoint")
    if code in REQUESTS:
        return Decision(True, what)
    crashed = code not in LOSSES
    last = ends[-1] if ends else None
    if (
        crashed
        and last
        and _is_crash(last["code"])
        and (last["step"], last["checkpoint"]) == (step, checkpoint)
    ):
        return Decision(False, f"{what} twice at step {step} without a new checkpoint")
    failures = 1 + sum(end["code"] not in REQUESTS for end in ends)
    if failures > max_restarts:
        return Decision(False, f"{what}; {failures} failures exceed --max-restarts {max_restarts}")
    return Decision(True, what)


def _is_crash(code: int) -> bool:
    return code not in REQUESTS | LOSSES | {EXIT_DONE, EXIT_USER_ERROR}


def _count_without_progress(checkpoint: str | None, ends: Sequence[dict[str, Any]]) -> int:
    """Ends in a row, before this one, at which the newest checkpoint was the same."""
    count = 0
    for end in reversed(ends):
        if end["checkpoint"] != checkpoint:
            break
        count += 1
    return count
