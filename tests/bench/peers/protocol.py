"""Shared by the programs of this folder: reading the sample, timing, output. Uses the standard library and zstandard only."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any


def texts_of(sample: str) -> list[str]:
    """The texts of a ``.jsonl.zst`` file."""
    import io

    import zstandard

    with open(sample, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8")
        return [json.loads(line)["text"] for line in lines]


def size_of(texts: list[str]) -> int:
    """UTF-8 bytes of the texts."""
    return sum(len(text.encode()) for text in texts)


def time_work(work: Callable[[], object]) -> dict[str, Any]:
    """Runs ``work``; returns the CPU seconds of this process as ``cpu_s``."""
    begin = time.process_time()
    work()
    return {"cpu_s": time.process_time() - begin}


def answer(size: int, facts: dict[str, Any]) -> None:
    """Prints the JSON object of a contestant."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"bytes": size, "peak_rss_bytes": peak, **facts}))
