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
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

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
        "grow": ["grow", str(source), str(out), "--name", "kanana"],
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
                facts[name].append(timed(lambda: watch(command)))
            facts[name][-1]["bytes"] = sum(path.stat().st_size for path in out.glob("*.safetensors"))
            shutil.rmtree(out)
    pace = {
        name: statistics.median(fact["bytes"] / fact["wall_s"] for fact in runs) for name, runs in facts.items()
    }
    return {
        "bench": "surgery",
        "gb": round(size / 1e9, 3),
        "rounds": rounds,
        "gb_s": {name: round(value / 1e9, 3) for name, value in pace.items()},
        "vs_cp": {name: round(pace[name] / pace["copy"], 3) for name in operations},
        "peak_rss_gib": {name: max(fact["peak_rss_gib"] for fact in facts[name]) for name in operations},
    }


if __name__ == "__main__":
    main()
