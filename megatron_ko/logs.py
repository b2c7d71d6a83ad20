"""Standard logging with one format: rank 0 speaks at INFO, the others at WARNING; a run keeps a copy per rank."""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def set_up_logging(rank: int = 0, folder: Path | None = None) -> None:
    """To stderr, and to ``folder``/rank_00000.log, made when the rank has something to say."""
    level = logging.INFO if rank == 0 else logging.WARNING
    prefix = "" if rank == 0 else f"[rank {rank}] "
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(logging.Formatter(f"%(asctime)s {prefix}%(message)s", "%H:%M:%S"))
    handlers: list[logging.Handler] = [screen]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = logging.FileHandler(folder / f"rank_{rank:05d}.log", encoding="utf-8", delay=True)
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(kept)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    for chatty in ("torch", "megatron", "fsspec", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
