"""Conversion of a synthetic model from Hugging Face's format to ours and back, against copying it and transformers.

    python -m tests.bench.convert [--billions N] [--rounds N] [--folder FOLDER] [--peer]

Builds a bf16 LLaMA of about ``--billions`` parameters with random weights in ``--folder`` (needs four times its size), then
alternates, each in its own process and ending with ``sync``: ``from-hf`` and ``to-hf`` with their verification, ``cp -r`` of
the same bytes twice, and with ``--peer`` loading and saving by transformers, twice. Wall seconds, because disks are
what both wait for; ratios are of medians within one call.

Prints one JSON line: ``gb_s`` (GB of weights converted per second, both directions), ``vs_cp`` and ``vs_transformers``
(their seconds divided by ours), ``peak_rss_gib``, ``checksum_cost`` (of a training checkpoint, see ``tests.bench.checksums``),
and the wall and CPU seconds of each part, the latter because they depend less
on what else the machine does. The weights that come back must be equal.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import checksums
from tests.bench.footprint import watch

HIDDEN, FFN, HEADS, GROUPS, VOCAB = 2560, 8192, 20, 4, 32000
TRANSFORMERS = """
import sys, torch
from transformers import AutoModelForCausalLM
AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).save_pretrained(sys.argv[2], max_shard_size="5GB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--billions", type=float, default=3.0, help="parameters of the model in billions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument(
        "--peer", action="store_true", help="measure transformers, which holds the whole model"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(measure(options, Path(folder))))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    source = folder / "source"
    size = write_source(source, options.billions)
    parts: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        racers = [_convert, _copy, *([_transform] if options.peer else [])]
        for racer in racers if number % 2 == 0 else racers[::-1]:
            for name, facts in racer(folder, source).items():
                parts.setdefault(name, []).append(facts)
    seconds, cpu_seconds = (
        {name: statistics.median(f[key] for f in facts) for name, facts in parts.items()}
        for key in ("wall_s", "cpu_s")
    )
    ours = seconds["from_hf"] + seconds["to_hf"]
    result = {
        "bench": "convert",
        "gb": round(size / 1e9, 3),
        "rounds": options.rounds,
        "gb_s": round(2 * size / 1e9 / ours, 3),
        "vs_cp": round(seconds["copy"] / ours, 3),
        "peak_rss_gib": max(f["peak_rss_gib"] for name in ("from_hf", "to_hf") for f in parts[name]),
        "checksum_cost": checksums.measure(options.rounds, folder / "checksums")["checksum_cost"],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }
    if options.peer:
        result["vs_transformers"] = round(seconds["transformers"] / ours, 3)
        result["transformers_peak_rss_gib"] = max(f["peak_rss_gib"] for f in parts["transformers"])
    return result


def write_source(folder: Path, billions: float) -> int:
    """Writes a Hugging Face folder without tokenizer; returns the bytes of its weights."""
    import torch

    from checkpoint_tools.formats import hf
    from checkpoint_tools.formats.store import Store
    from megatron_ko.config.model import ModelConfig

    a_layer = HIDDEN * (HIDDEN * 2 + 2 * HIDDEN * GROUPS // HEADS + 3 * FFN)
    layers = max(1, round((billions * 1e9 - 2 * HIDDEN * VOCAB) / a_layer))
    model = ModelConfig(
        layers=layers, hidden_size=HIDDEN, ffn_hidden_size=FFN, heads=HEADS, kv_groups=GROUPS,
        max_sequence_length=4096, tied_embeddings=False,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)

    def read(name: str) -> torch.Tensor:
        return (torch.randn(store.shape(name), generator=generator) * 0.02).to(torch.bfloat16)

    store = Store("synthetic", model, VOCAB, "bf16", read)
    hf.write_hf(store, folder, max_shard_gb=5.0)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _convert(folder: Path, source: Path) -> dict[str, dict[str, float]]:
    ours, back = folder / "ours", folder / "back"
    command = [sys.executable, "-m", "checkpoint_tools"]
    facts = {
        "from_hf": timed(lambda: watch([*command, "from-hf", str(source), str(ours)])),
        "to_hf": timed(lambda: watch([*command, "to-hf", str(ours), str(back)])),
    }
    for path in source.glob("*.safetensors"):
        if subprocess.run(["cmp", "--silent", path, back / path.name]).returncode:
            raise SystemExit(f"{path.name}: other bytes came back")
    return _without(facts, ours, back)


def _copy(folder: Path, source: Path) -> dict[str, dict[str, float]]:
    once, twice = folder / "copy-1", folder / "copy-2"

    def run() -> dict[str, float]:
        copy_once(source, once)
        subprocess.run(["sync"], check=True)
        return copy_once(once, twice)

    return _without({"copy": timed(run)}, once, twice)


def copy_once(source: Path, target: Path) -> dict[str, float]:
    """``cp -r``, as ``timed`` wants it."""
    subprocess.run(["cp", "-r", "--reflink=never", source, target], check=True)
    return {}


def _transform(folder: Path, source: Path) -> dict[str, dict[str, float]]:
    once, twice = folder / "peer-1", folder / "peer-2"

    def run() -> dict[str, float]:
        peaks = [
            watch([sys.executable, "-c", TRANSFORMERS, str(a), str(b)])["peak_rss_gib"]
            for a, b in ((source, once), (once, twice))
        ]
        return {"peak_rss_gib": max(peaks)}

    return _without({"transformers": timed(run)}, once, twice)


def timed(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Facts of the work, its wall seconds until everything is on the disk, and the CPU seconds of its processes."""
    begin, before = time.monotonic(), _cpu_s()
    facts = work()
    subprocess.run(["sync"], check=True)
    return {
        **facts,
        "wall_s": round(time.monotonic() - begin, 2),
        "cpu_s": round(_cpu_s() - before, 2),
    }


def _cpu_s() -> float:
    """CPU seconds, also the system's, of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _without(facts: dict[str, dict[str, float]], *folders: Path) -> dict[str, dict[str, float]]:
    for folder in folders:
        shutil.rmtree(folder)
    return facts


if __name__ == "__main__":
    main()
