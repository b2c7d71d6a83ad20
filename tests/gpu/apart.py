"""Calls a function in a process of its own: one that has adapted torch to the CPU cannot use CUDA, and memory starts anew.

The result comes back as JSON. On the CPU the process is forked from a warm one (``tests/warm.py``).
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from megatron_ko.files import write_json
from megatron_ko.training import launch

TIMEOUT_S = 540.0


class ProcessFailed(RuntimeError):
    """The traceback of the process, or how it ended."""


def call_apart(
    device: str, function: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S, ranks: int = 1
) -> Any:
    """Returns ``function(init_method, *arguments)`` of the first rank, which JSON can express; functions must be importable by
    name. A rank is in the environment variable LOCAL_RANK."""
    method = "spawn" if device == "cuda" else "forkserver"
    if method == "forkserver":
        multiprocessing.get_context(method).set_forkserver_preload(["tests.warm"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        code = launch.run_ranks(ranks, partial(_call, function, arguments, path), method, timeout_s)
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if code or "value" not in result:
        raise ProcessFailed(result.get("error") or f"{function.__name__} ended with exit code {code}")
    return result["value"]


def _call(
    function: Callable[..., Any], arguments: tuple[Any, ...], path: Path, rank: int, init_method: str
) -> int:
    try:
        value = function(init_method, *arguments)
    except Exception:
        write_json(path, {"error": traceback.format_exc()})
        raise
    if rank == 0:
        write_json(path, {"value": value})
    return 0
