"""What the programs of this folder share: the sample, the clock, the answer. Standard library and zstandard only."""

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
    """Bytes of UTF-8."""
    return sum(len(text.encode()) for text in texts)


def timed(work: Callable[[], object]) -> dict[str, Any]:
    """``cpu_s`` of this process for ``work``."""
    begin = time.process_time()
    work()
    return {"cpu_s": time.process_time() - begin}


def answer(size: int, facts: dict[str, Any]) -> None:
    """Prints the JSON object a contestant owes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"bytes": size, "peak_rss_bytes": peak, **facts}))
