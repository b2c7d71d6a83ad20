"""Samples per second against megatron-core's BlendedDataset, and the start with very large data.

    python -m tests.bench.data_loader [--rounds N] [--sequence-length S]

Prints one JSON line:
``vs_megatron``: samples per CPU second of ``data.order: windows`` divided by those of ``megatron``, on the same files, in one process,
in alternating rounds (median of the rounds);
``startup_s``, ``startup_cpu_s``, ``startup_rss_gib``: seconds from the manifest of 1,000 sets of 10 million documents each (sparse
files) to sample 2,000, and the memory this takes: the peak of the process less what the imports of torch and megatron-core take.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from megatron_ko.config.training import ParallelConfig, RunConfig
from megatron_ko.files import write_json
from megatron_ko.formats.manifest import HEADER, INDEX_MAGIC, read_manifest
from megatron_ko.planning.mixing import Mixing
from megatron_ko.training import data, distributed
from megatron_ko.training.window_samples import WindowSamples
from tests.tiny_data import write_index

SHARES = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
DOCUMENTS, MEAN_TOKENS = 10_000, 600
SAMPLES = 500  # in a round
LARGE_SETS, LARGE_DOCUMENTS, LARGE_TOKENS = 1_000, 10_000_000, 6_600_000_000
FIRST_SAMPLES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sequence-length", type=int, default=4096)
    parser.add_argument("--start", metavar="FOLDER", help="measure the start alone, with the data in FOLDER")
    options = parser.parse_args()
    if options.start:
        print(json.dumps(_start(Path(options.start), options.sequence_length)))
        return
    with tempfile.TemporaryDirectory() as name:
        large = Path(name) / "large"
        _write_large(large)
        command = [sys.executable, "-m", "tests.bench.data_loader", "--start", str(large)]
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
        result = {"bench": "data_loader", **_compare(Path(name), options.rounds, options.sequence_length)}
        print(json.dumps({**result, **json.loads(output)}))


def _compare(folder: Path, rounds: int, length: int) -> dict[str, float | list[float]]:
    _write_sets(folder)
    manifest = read_manifest(folder / "manifest.json")
    run = RunConfig(folder=str(folder), device="cpu")
    distributed.start(run, ParallelConfig(), 0, 1, f"file://{folder / 'meeting'}")
    theirs = data.build_training_data(
        manifest, SHARES, samples=rounds * SAMPLES, sequence_length=length, seed=1, cache=folder / "index"
    )
    ours = WindowSamples(manifest, Mixing(SHARES, seed=1), seed=1, sequence_length=length)
    rates: dict[str, list[float]] = {"windows": [], "megatron": []}
    for number in range(rounds):
        for name, read in (("windows", ours.__getitem__), ("megatron", theirs.__getitem__)):
            rates[name].append(_rate(read, number * SAMPLES))
    distributed.stop()
    ratios = [a / b for a, b in zip(rates["windows"], rates["megatron"])]
    return {
        "vs_megatron": round(statistics.median(ratios), 2),
        "vs_megatron_range": [round(min(ratios), 2), round(max(ratios), 2)],
        **{f"{name}_per_cpu_s": round(statistics.median(found)) for name, found in rates.items()},
        "sequence_length": length,
    }


def _rate(read: Callable[[int], object], first: int) -> float:
    begin = time.process_time()
    for number in range(first, first + SAMPLES):
        read(number)
    return SAMPLES / (time.process_time() - begin)


def _start(folder: Path, length: int) -> dict[str, float]:
    imports = _peak_gib()
    begin, cpu = time.monotonic(), time.process_time()
    manifest = read_manifest(folder / "manifest.json")
    samples = WindowSamples(manifest, Mixing(manifest.mixture, seed=1), seed=1, sequence_length=length)
    for number in range(FIRST_SAMPLES):
        samples[number]
    seconds = time.monotonic() - begin
    return {
        "startup_s": round(seconds, 2),
        "startup_cpu_s": round(time.process_time() - cpu, 2),
        "startup_rss_gib": round(_peak_gib() - imports, 3),
        "imports_rss_gib": round(imports, 2),
    }


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


# --- data ---------------------------------------------------------------------------------------------------


def _write_sets(folder: Path) -> None:
    random = np.random.default_rng(0)
    entries = []
    for name in SHARES:
        lengths = np.maximum(2, random.lognormal(np.log(MEAN_TOKENS) - 0.5, 1.0, DOCUMENTS)).astype(np.int64)
        tokens = random.integers(3, 1000, int(lengths.sum()), dtype=np.uint16)
        tokens.tofile(folder / f"{name}.bin")
        write_index(folder / f"{name}.idx", lengths.tolist())
        entries.append(_entry(folder, name, DOCUMENTS, len(tokens), "uint16"))
    _write_manifest(folder, entries, SHARES)


def _write_large(folder: Path) -> None:
    """Files of holes, which take no room on disk; only the headers of the indices are written."""
    folder.mkdir()
    shares = np.random.default_rng(0).pareto(1.2, LARGE_SETS) + 0.01
    entries = []
    for number in range(LARGE_SETS):
        name = f"s{number:04d}"
        with open(folder / f"{name}.bin", "wb") as file:
            file.truncate(4 * LARGE_TOKENS)
        with open(folder / f"{name}.idx", "wb") as file:
            file.write(HEADER.pack(INDEX_MAGIC, 1, 4, LARGE_DOCUMENTS, LARGE_DOCUMENTS + 1))
            file.truncate(HEADER.size + 12 * LARGE_DOCUMENTS + 8 * (LARGE_DOCUMENTS + 1))
        entries.append(_entry(folder, name, LARGE_DOCUMENTS, LARGE_TOKENS, "int32"))
    total = float(shares.sum())
    _write_manifest(
        folder, entries, {e["name"]: float(share) / total for e, share in zip(entries, shares.tolist())}
    )


def _entry(folder: Path, name: str, documents: int, tokens: int, dtype: str) -> dict:
    sizes = {f"{kind}_bytes": (folder / f"{name}.{kind}").stat().st_size for kind in ("bin", "idx")}
    return {
        "name": name, "split": "train", "prefix": name, "dtype": dtype, "documents": documents,
        "tokens": tokens, "text_bytes": 3 * tokens, "max_id": 999, **sizes,
    }  # fmt: skip


def _write_manifest(folder: Path, entries: list[dict], mixture: dict[str, float]) -> None:
    tokenizer = {"folder": "tokenizer", "fingerprint": "none", "vocab_size": 1000, "eod_id": 2}
    content = {"format": "megatron_ko-data-1", "tokenizer": tokenizer, "sets": entries, "mixture": mixture}
    write_json(folder / "manifest.json", content)


if __name__ == "__main__":
    main()
