"""Speed of this rank's device and of the network between ranks, measured in seconds before a run.

Owns the two measurements of ``mko preflight``: a matrix product on each rank alone, and an all-reduce within each host and over
all ranks. ``operations.verdicts`` compares ranks.
"""

from __future__ import annotations

import datetime
import os
import time
from typing import Any

import torch
import torch.distributed as dist

TIMEOUT_S = 120
"""Limit of a collective here: a network that needs longer is broken."""


def measure(
    device: str, rank: int, world_size: int, per_host: int, init_method: str = "env://"
) -> dict[str, Any]:
    """Returns ``matmul_tflops``, ``host_gbps`` and ``world_gbps`` (bus bandwidth of all-reduce, in 1e9 bytes per second, NCCL's
    convention: 2 (n - 1) / n times the bytes, over the time), each None where it does not apply. Collective.

    ``per_host``: consecutive ranks of each host.
    """
    local = int(os.environ.get("LOCAL_RANK", rank % per_host))
    where = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    if device == "cuda":
        torch.cuda.set_device(where)
    facts: dict[str, Any] = {"torch_cuda": torch.version.cuda, "matmul_tflops": _matmul(where)}
    if world_size == 1:
        return {**facts, "host_gbps": None, "world_gbps": None}
    dist.init_process_group(
        "nccl" if device == "cuda" else "gloo", init_method=init_method, rank=rank, world_size=world_size,
        timeout=datetime.timedelta(seconds=TIMEOUT_S),
    )  # fmt: skip
    try:
        own = None
        for first in range(0, world_size, per_host):  # every rank takes part in making every group
            members = list(range(first, first + per_host))
            group = dist.new_group(members)
            own = group if rank in members else own
        host = _all_reduce(where, own, per_host) if per_host > 1 else None
        world = _all_reduce(where, None, world_size) if world_size > per_host else None
    finally:
        dist.destroy_process_group()
    return {**facts, "host_gbps": host, "world_gbps": world}


def _matmul(where: torch.device, rounds: int = 5) -> float:
    """TFLOP/s of a square product in bf16 (fp32 on the CPU), the best of ``rounds``."""
    size, dtype = (8192, torch.bfloat16) if where.type == "cuda" else (256, torch.float32)
    left, right = (torch.randn(size, size, device=where, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _best(lambda: left @ right, where, rounds) / 1e12


def _all_reduce(where: torch.device, group: Any, ranks: int, rounds: int = 5) -> float:
    count = (1 << 26) if where.type == "cuda" else (1 << 16)
    values = torch.ones(count, device=where)
    seconds = _best(lambda: dist.all_reduce(values, group=group), where, rounds)
    return 2 * (ranks - 1) / ranks * values.numel() * 4 / seconds / 1e9


def _best(run: Any, where: torch.device, rounds: int) -> float:
    """Shortest time of ``rounds`` runs after one that warms up, in seconds."""
    times = []
    for _ in range(rounds + 1):
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        begin = time.perf_counter()
        run()
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        times.append(time.perf_counter() - begin)
    return max(min(times[1:]), 1e-9)
