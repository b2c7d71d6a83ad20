"""Operations on the weights of a synthetic model against copying it, and the importance pass against a plain forward pass.

    python -m tests.bench.surgery [--billions N] [--rounds N] [--folder FOLDER]

Builds a bf16 LLaMA of about ``--billions`` parameters with random weights in ``--folder`` (needs four times its size), then
alternates, each in its own process and ending with ``sync``: ``mko checkpoint grow`` (Kanana's map), ``prune`` (a quarter of the
layers, nothing computed) and ``merge`` (the mean with itself), each with its verification, and ``cp -r`` of the source. Wall
seconds, because disks are what all wait for; ratios are of medians within one call.

Prints one JSON line: ``gb_s`` (GB written per second), ``vs_cp`` (seconds that ``cp`` takes for as many bytes as the operation
writes, divided by its own) and ``peak_rss_gib`` of each operation, and ``overhead``: the CPU seconds of the importance pass
of a small model divided by those of the same forward passes without it.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
from tests.bench import train_cpu
from tests.bench.convert import copy_once, timed, write_source
from tests.bench.footprint import watch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--billions", type=float, default=3.0, help="parameters of the model in billions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(measure(options.billions, options.rounds, Path(folder))))


def measure(billions: float, rounds: int, folder: Path) -> dict[str, Any]:
    source, out = folder / "source", folder / "out"
    size = write_source(source, billions)
    layers = json.loads((source / "config.json").read_text())["num_hidden_layers"]
    dropped = [str(number) for number in range(layers - max(1, layers // 4), layers)]
    operations = {
        "grow": [
            "grow",
            str(source),
            str(out),
            "--name",
            "kanana",
            "--layers",
            str(layers + 2 * round(layers / 8)),
        ],
        "prune": ["prune", str(source), str(out), "--drop-layers", *dropped],
        "merge": ["merge", str(source), str(out), "--others", str(source)],
    }
    facts: dict[str, list[dict[str, float]]] = {name: [] for name in ("copy", *operations)}
    for number in range(rounds):
        for name in list(facts) if number % 2 == 0 else list(facts)[::-1]:
            if name == "copy":
                facts[name].append(timed(lambda: copy_once(source, out)))
            else:
                command = [sys.executable, "-m", "checkpoint_tools", *operations[name]]
                facts[name].append(timed(functools.partial(watch, command)))
            facts[name][-1]["bytes"] = sum(path.stat().st_size for path in out.glob("*.safetensors"))
            shutil.rmtree(out)
    pace = {
        name: statistics.median(fact["bytes"] / fact["wall_s"] for fact in runs)
        for name, runs in facts.items()
    }
    return {
        "bench": "surgery",
        "gb": round(size / 1e9, 3),
        "rounds": rounds,
        "gb_s": {name: round(value / 1e9, 3) for name, value in pace.items()},
        "vs_cp": {name: round(pace[name] / pace["copy"], 3) for name in operations},
        "peak_rss_gib": {name: max(fact["peak_rss_gib"] for fact in facts[name]) for name in operations},
        "overhead": round(importance_overhead(folder, rounds), 3),
    }


def importance_overhead(folder: Path, rounds: int) -> float:
    """CPU seconds of the importance pass divided by those of the same forward passes without it: the median of pairs."""
    import torch

    from megatron_ko.training import distributed, importance, model

    torch.set_num_threads(1)
    run, parallel = RunConfig(folder=str(folder), device="cpu"), ParallelConfig()
    world = distributed.start(run, parallel, 0, 1, f"file://{folder / 'rendezvous'}")
    shape = replace(train_cpu.MODEL, hidden_size=1024, ffn_hidden_size=2816, heads=16, kv_groups=8)
    gpt = model.build_gpt(
        shape,
        parallel,
        PrecisionConfig(dtype="fp32"),
        vocab_size=train_cpu.VOCAB,
        device=world.device,
        seed=1,
    ).eval()
    config: Any = SimpleNamespace(model=shape, parallel=parallel, training=train_cpu.TRAINING)
    generator = torch.Generator().manual_seed(1)
    batches: Any = [train_cpu.random_batch(generator) for _ in range(train_cpu.MICRO_BATCHES)]
    passes = {"plain": importance.loss_of, "scored": importance.measure}
    ratios = []
    for number in range(rounds + 1):
        seconds = {}
        for name in list(passes) if number % 2 else list(passes)[::-1]:
            begin = time.process_time()
            passes[name](gpt, batches, world, config)
            seconds[name] = time.process_time() - begin
        ratios.append(seconds["scored"] / seconds["plain"])
    distributed.stop()
    return statistics.median(ratios[1:])  # the first pair allocates


if __name__ == "__main__":
    main()
