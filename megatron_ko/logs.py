"""Standard logging with one format: rank 0 speaks at INFO, the others at WARNING."""

from __future__ import annotations

import logging
import sys


def set_up_logging(rank: int = 0) -> None:
    level = logging.INFO if rank == 0 else logging.WARNING
    prefix = "" if rank == 0 else f"[rank {rank}] "
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {prefix}%(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("torch", "megatron", "matplotlib", "fsspec", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
