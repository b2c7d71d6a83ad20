"""Runs test functions on gloo ranks, forked from a warm process, with a hard timeout.

``on_ranks(n, function, *arguments)`` calls ``function(rank, init_method, *arguments)`` in every rank and returns
the results in the order of ranks. Functions must be importable by name (module level).
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from megatron_ko.preflight import Preflight, preflight
from megatron_ko.training import launch

TIMEOUT_S = 120.0
ATTEMPTS = 2
CONNECTION_LOST = "lost"  # written by a rank whose gloo could not connect it
"""Gloo opens dozens of groups per test; once in thousands of tests a busy machine lets it lose a connection that it is opening."""


def on_ranks(
    count: int, function: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S
) -> list[Any]:
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.warm"])
    code = 0
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as folder:
            target = partial(_call, function, arguments, folder)
            code = launch.run_ranks(count, target, "forkserver", timeout_s)
            if code == 0:
                return [pickle.loads((Path(folder) / f"{rank}").read_bytes()) for rank in range(count)]
            if not (Path(folder) / CONNECTION_LOST).exists():
                break
    raise AssertionError(f"a rank ended with exit code {code} (124: after {timeout_s} s)")


def _call(function: Callable[..., Any], arguments: tuple, folder: str, rank: int, init_method: str) -> int:
    try:
        result = function(rank, init_method, *arguments)
    except RuntimeError as error:
        if "connectFullMesh failed" in str(error):
            (Path(folder) / CONNECTION_LOST).touch()
        raise
    (Path(folder) / f"{rank}").write_bytes(pickle.dumps(result))
    return 0


def train(config: str, overrides: list[str], ranks: int = 1) -> None:
    """Runs a complete training in ``ranks`` warm ranks; raises AssertionError unless it ends with exit code 0."""
    on_ranks(ranks, _train, preflight([config], overrides, ranks))


def _train(rank: int, init_method: str, checked: Preflight) -> int:
    from megatron_ko.train import train as train_rank

    code = train_rank(checked, rank, init_method)
    assert code == 0, code
    return code
