"""Our side: the steps themselves with one worker, or a part of them.

    python -m tests.bench.peers.ours clean|statistics|minhash SAMPLE.jsonl.zst FOLDER

``clean`` runs the steps clean, measure and filter like the command: reads the sample, normalizes and masks it, writes
Parquet, reads that for all columns and signatures, and judges. Every document passes through all three steps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from preprocessing.documents import BATCH_BYTES
from tests.bench.peers.protocol import answer, size_of, time_work

WARM_UP = 20  # documents
# The words that a number of an account needs are compiled only where there is such a number.
HINTED = '{"text": "신한은행 110-123-456789", "lang": "ko"}'.encode()
PERMUTATIONS, BANDS = 128, 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("clean", "statistics", "minhash"))
    parser.add_argument("sample", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    part = {"clean": clean, "statistics": statistics, "minhash": minhash}[options.part]
    answer(size_of(texts_of(options.sample)), part(options.sample, options.folder))


def texts_of(sample: Path) -> list[str]:
    return [json.loads(line)["text"] for line in lines_of(sample)]


def lines_of(sample: Path) -> list[bytes]:
    with pa.input_stream(str(sample), compression="zstd") as stream:
        return stream.read().splitlines()


def batches_of(texts: list[str]) -> Iterator[pa.Array]:
    """Columns of the size that the steps expect."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text.encode())
        if size > BATCH_BYTES:
            yield pa.array(batch, pa.large_string())
            batch, size = [], 0
    if batch:
        yield pa.array(batch, pa.large_string())


def clean(sample: Path, folder: Path) -> dict[str, Any]:
    """Times the three steps after a run on a few documents in another folder, which compiles and loads everything."""
    few = folder / "few.jsonl.zst"
    folder.mkdir(parents=True, exist_ok=True)
    with pa.output_stream(str(few), compression="zstd") as stream:
        stream.write(b"\n".join([*lines_of(sample)[:WARM_UP], HINTED]) + b"\n")
    run_steps(few, folder / "warm")
    return time_work(lambda: run_steps(sample, folder / "run"))


def run_steps(sample: Path, folder: Path) -> None:
    from megatron_ko.config.loading import load
    from preprocessing.config.pipeline import RULES, Config
    from preprocessing.running.processes import ProcessRunner
    from preprocessing.steps import pipeline

    loaded = load(Config, [str(write_config(folder, [sample], folder / "data"))], [], RULES)
    for step in ("clean", "measure", "filter"):
        pipeline.run(loaded, step, ProcessRunner(1))


def write_config(folder: Path, samples: list[Path], output: Path) -> Path:
    """Writes a configuration with defaults for files of JSON lines; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.yaml"
    config = {
        "output": {"folder": str(output)},
        "inputs": {"sample": {"type": "jsonl", "paths": [str(sample) for sample in samples]}},
        "domains": {"all": {}},
        "tokenizer": {"vocab_size": 8000, "sample_bytes": 20_000_000, "english_only": False},
    }
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


def statistics(sample: Path, folder: Path) -> dict[str, Any]:
    from preprocessing.judging.prose import measure

    columns = list(batches_of(texts_of(sample)))
    measure(columns[0].slice(0, WARM_UP), "ko")
    return time_work(lambda: [measure(column, "ko") for column in columns])


def minhash(sample: Path, folder: Path) -> dict[str, Any]:
    from preprocessing.documents import utf8_buffer
    from preprocessing.kernels import minhash as kernel

    seeds = kernel.hash_seeds(PERMUTATIONS, 1)

    def sign(column: pa.Array) -> None:
        _, signature = kernel.signatures(*utf8_buffer(column), seeds)
        kernel.band_values(signature, BANDS)

    columns = list(batches_of(texts_of(sample)))
    sign(columns[0].slice(0, WARM_UP))

    def sign_all() -> None:
        for column in columns:
            sign(column)

    return time_work(sign_all)


if __name__ == "__main__":
    main()
