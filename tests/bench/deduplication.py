"""Recall and precision of deduplication against the exact similarity of all pairs, and its speed.

    python -m tests.bench.deduplication [FILE.jsonl.zst ...] [--documents N] [--threshold T] [--peers]

Reads documents from the files in turn (generates them without files) and adds copies with replaced words, so that true
similarities spread from 0.3 to 1. Pairs: all pairs of documents whose sets of five-word sequences have at least the
similarity ``--threshold``, without exact duplicates. Documents: those that greedy stars over these pairs drop. ``--peers``
measures the signatures of rensa and datasketch, which must be installed, from the same sequences, built with a regular
expression. Prints one JSON line; speeds are MB of text per CPU second.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import utf8_buffer
from preprocessing.duplicates.numbering import load_array, read_numbering
from preprocessing.duplicates.signatures import sign
from preprocessing.kernels import minhash
from preprocessing.kernels.shingles import sequence_sets
from tests.preprocessing.duplicates import WORDS, deduplicated

GRADES = (0.3, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 0.97)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    originals = options.documents // 2
    texts = real_texts(options.files, originals) if options.files else invented_texts(originals)
    texts = with_copies(texts, options.documents - len(texts))
    with tempfile.TemporaryDirectory() as folder:
        result = compare(texts, Path(folder), options.threshold)
    result |= paces(texts) | (peers(texts) if options.peers else {})
    print(json.dumps({"bench": "deduplication", **result}))


# --- documents ---------------------------------------------------------------------------------------------


def real_texts(files: list[Path], count: int) -> list[str]:
    readers = [_texts(file) for file in files]
    texts: list[str] = []
    while readers and len(texts) < count:
        for reader in list(readers):
            text = next(reader, None)
            if text is None:
                readers.remove(reader)
            elif text:
                texts.append(text)
    return texts[:count]


def _texts(file: Path) -> Iterator[str]:
    with pa.input_stream(str(file), compression="zstd" if file.suffix == ".zst" else None) as raw:
        for line in io.TextIOWrapper(raw, "utf-8"):
            record = json.loads(line)
            yield record.get("text") or record.get("ko") or ""


def invented_texts(count: int) -> list[str]:
    rng = random.Random(0)
    return [
        " ".join(rng.choice(WORDS) + str(rng.randrange(40)) for _ in range(rng.randrange(8, 400)))
        for _ in range(count)
    ]


def with_copies(texts: list[str], count: int) -> list[str]:
    """The texts and ``count`` copies with an expected similarity to their original of GRADES, in turn.

    Replacing a word changes five sequences, so the share ``s = (1 - p) ** 5`` remains, with similarity ``s / (2 - s)``.
    """
    rng = random.Random(1)
    copies = []
    for n in range(count):
        similarity = GRADES[n % len(GRADES)]
        replaced = 1 - (2 * similarity / (1 + similarity)) ** 0.2
        words = rng.choice(texts).split(" ")
        copies.append(" ".join(f"새{rng.randrange(10**6)}" if rng.random() < replaced else w for w in words))
    return [*texts, *copies]


# --- recall and precision ----------------------------------------------------------------------------------


@numba.njit()
def all_pairs(flat, starts, threshold, most):
    """``later << 32 | earlier`` of all pairs of rows with at least the similarity ``threshold``, exact; at most ``most``."""
    pairs = np.empty(most, np.uint64)
    size = 0
    for later in range(len(starts) - 1):
        for earlier in range(later):
            a, b = starts[later + 1] - starts[later], starts[earlier + 1] - starts[earlier]
            if min(a, b) < threshold * max(a, b):
                continue
            alike = minhash.jaccard(
                flat, starts[later], starts[later + 1], starts[earlier], starts[earlier + 1]
            )
            if alike >= threshold and size < most:
                pairs[size] = (np.uint64(later) << np.uint64(32)) | np.uint64(earlier)
                size += 1
    return pairs[:size].copy()


def compare(texts: list[str], folder: Path, threshold: float) -> dict[str, Any]:
    """Compares our result with all pairs; ids, and hence numbers, are in the order of ``texts``."""
    rows = [{"id": f"d{n:07d}", "text": text} for n, text in enumerate(texts)]
    start = time.process_time()
    decisions, outcome, context = deduplicated(folder, rows, batch_rows=512, threshold=threshold)
    seconds = time.process_time() - start
    ours = _our_pairs(context)
    exact = {n for n, decision in enumerate(decisions) if decision["reason"] == "exact_duplicate"}
    start = time.process_time()
    pairs = all_pairs(*sequence_sets(*utf8_buffer(pa.array(texts, pa.large_string()))), threshold, 10**7)
    brute_force_s = time.process_time() - start
    true = {(p >> 32, p & 0xFFFFFFFF) for p in pairs.tolist()}
    true = {pair for pair in true if not exact & set(pair)}
    near = {n for n, decision in enumerate(decisions) if decision["reason"] == "near_duplicate"}
    truly = greedy_stars(true)
    return {
        "documents": len(texts),
        "threshold": threshold,
        "true_pairs": len(true),
        "pair_recall": ratio(len(ours & true), len(true)),
        "pair_precision": ratio(len(ours & true), len(ours)),
        "true_near_duplicates": len(truly),
        "document_recall": ratio(len(near & truly), len(truly)),
        "document_precision": ratio(len(near & truly), len(near)),
        "exact_duplicates": outcome.summary["exact_duplicates"],
        "step_cpu_s": round(seconds, 2),
        "brute_force_cpu_s": round(brute_force_s, 2),
    }


def ratio(part: int, whole: int) -> float:
    return round(part / whole, 5) if whole else 1.0


def _our_pairs(context: Any) -> set[tuple[int, int]]:
    rows = read_numbering(context).rows
    pairs = set()
    for name in (name for name in context.tasks if name.startswith("all.pairs.")):
        for pair in load_array(context.path("deduplicate", name, ".npy"))["pair"].tolist():
            pairs.add((int(rows[pair >> 32]), int(rows[pair & 0xFFFFFFFF])))
    return pairs


def greedy_stars(pairs: set[tuple[int, int]]) -> set[int]:
    """Documents that are dropped: those with an earlier neighbor that is not dropped itself."""
    gone: set[int] = set()
    for later, earlier in sorted(pairs):
        if earlier not in gone:
            gone.add(later)
    return gone


# --- speed -------------------------------------------------------------------------------------------------


def paces(texts: list[str]) -> dict[str, float]:
    """Speed of all columns of signatures, and of their MinHash part (sequences, hashes, bands) alone."""
    column = pa.array(texts, pa.large_string())
    config = DeduplicateConfig()
    seeds = minhash.hash_seeds(config.num_hashes, 1)

    def hashes_only() -> None:
        minhash.band_values(minhash.signatures(*utf8_buffer(column), seeds)[1], config.bands)

    size = sum(len(text.encode()) for text in texts) / 1e6
    return {
        "minhash_mb_per_s": round(size / _seconds(hashes_only), 1),
        "columns_mb_per_s": round(size / _seconds(lambda: sign(column, config, 1)), 1),
    }


def peers(texts: list[str]) -> dict[str, float]:
    """Speed of rensa's R-MinHash, all documents in one call, and of datasketch, with 128 permutations each."""
    from datasketch import MinHash  # type: ignore[import-not-found]
    from rensa import RMinHash  # type: ignore[import-not-found]

    split = re.compile(r"[가-힣]+|[a-z_]+|\d+").findall

    def sequences(text: str) -> list[str]:
        words = split(text.lower())
        return [" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))]

    def rensa() -> None:
        RMinHash.digest_matrix_from_token_sets([sequences(text) for text in texts], 128, 1)

    def datasketch() -> None:
        for text in texts:
            signature = MinHash(num_perm=128, seed=1)
            signature.update_batch([sequence.encode() for sequence in sequences(text)])

    size = sum(len(text.encode()) for text in texts) / 1e6
    return {
        "rensa_mb_per_s": round(size / _seconds(rensa, 2), 1),
        "datasketch_mb_per_s": round(size / _seconds(datasketch, 1), 1),
    }


def _seconds(work: Callable[[], Any], rounds: int = 5) -> float:
    """CPU seconds of the fastest round; more than two rounds follow a warm-up, which compiles."""
    if rounds > 2:
        work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
