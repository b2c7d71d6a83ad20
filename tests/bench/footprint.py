"""Memory and CPU time of ``mko data``, step by step, on synthetic corpora of growing size.

Owns the sampling: every step is its own process; its memory and CPU time, with those of all its workers, are read several
times per second. Cost is linear when an additional GB takes the same CPU seconds at every size.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench import synthetic
from tests.bench.peers.ours import write_config

PAUSE_S = 0.1
SAMPLED = "train-tokenizer"  # reads a sample of fixed size, so it has no cost per GB
WARM_UP_GB = 0.003  # compiles the kernels and measures the fixed cost of a step


def measure(folder: Path, gigabytes: list[float], workers: int) -> dict[str, Any]:
    """``peak_rss_gib`` over all sizes, CPU seconds per additional GB from size to size, and the cost of each step."""
    _measure_size(folder, WARM_UP_GB, workers)
    sizes = [WARM_UP_GB, *sorted(gigabytes)]
    runs = [_measure_size(folder, size, workers) for size in sizes]
    totals = [sum(step["cpu_s"] for name, step in steps.items() if name != SAMPLED) for steps in runs]
    additional = {
        f"{small:g} to {large:g}": round((totals[i + 1] - totals[i]) / (large - small), 1)
        for i, (small, large) in enumerate(zip(sizes, sizes[1:]))
    }
    return {
        "peak_rss_gib": max(step["peak_rss_gib"] for steps in runs for step in steps.values()),
        "cpu_s_per_gb": additional,
        "steps": {f"{size:g}": steps for size, steps in zip(sizes, runs)},
    }


def _measure_size(folder: Path, gigabytes: float, workers: int) -> dict[str, dict[str, float]]:
    """Runs every step on a corpus of this size, in order, each as its own command."""
    from megatron_ko.config.loading import load
    from preprocessing.config.pipeline import RULES, Config
    from preprocessing.steps.pipeline import steps_of

    shutil.rmtree(folder, ignore_errors=True)
    paths = synthetic.write(folder / "text", int(gigabytes * 1e9))
    config = write_config(folder, paths, folder / "data")
    steps = steps_of(load(Config, [str(config)], [], RULES).config)
    command = [sys.executable, "-m", "preprocessing"]
    return {step: watch([*command, step, str(config), "--workers", str(workers)]) for step in steps}


def watch(command: list[str]) -> dict[str, float]:
    """Runs a command; returns the peak memory of all its processes together, CPU and wall seconds."""
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        peak, cpu = _sample(process)
        errors = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}:\n{errors[-3000:]}")
    return {
        "peak_rss_gib": round(peak / 2**30, 3),
        "cpu_s": round(cpu, 2),
        "wall_s": round(time.monotonic() - begin, 2),
    }


def _sample(process: subprocess.Popen[str]) -> tuple[int, float]:
    """Largest sum of resident bytes of all processes, and the sum of their last sampled CPU seconds."""
    root = psutil.Process(process.pid)
    peak, seconds = 0, {}
    while process.poll() is None:
        resident = 0
        for one in _family(root):
            try:
                with one.oneshot():
                    resident += one.memory_info().rss
                    times = one.cpu_times()
                    seconds[one.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue  # it ended between the listing and the sample
        peak = max(peak, resident)
        time.sleep(PAUSE_S)
    return peak, sum(seconds.values())


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
