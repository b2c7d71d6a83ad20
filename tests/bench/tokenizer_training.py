"""CPU time and peak memory of training tokenizers, compared with the forecast of ``tokenizers/forecast.py``.

    python -m tests.bench.tokenizer_training [--megabytes 5 15 40] [--kinds bpe unigram byte_bpe] FILES...

Each training runs in its own process, on parts of the files (JSON lines, plain or compressed, or text).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def texts(paths: list[str], size: int) -> Iterator[str]:
    """Texts of about ``size`` bytes, from all files in turn."""
    from preprocessing.tokenizers.text_files import batches_of, parts_of

    sources = [
        (text for batch in batches_of(p) for text in batch["text"].to_pylist()) for p in parts_of(paths)
    ]
    while sources and size > 0:
        for source in list(sources):
            text = next(source, None)
            if text is None:
                sources.remove(source)
            elif size > 0:
                size -= len(text.encode("utf-8"))
                yield text


def train_once(kind: str, megabytes: float, vocab_size: int, paths: list[str]) -> dict[str, object]:
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.tokenizers import byte_level, trainers
    from preprocessing.tokenizers.forecast import forecast

    settings = TokenizerConfig(type=kind, vocab_size=vocab_size)  # type: ignore[arg-type]
    size = 0

    def count_bytes() -> Iterator[str]:
        nonlocal size
        for text in texts(paths, int(megabytes * 1e6)):
            size += len(text.encode("utf-8"))
            yield text

    for _ in count_bytes():  # reads everything once, so that the memory of reading counts as before
        pass
    size, before, start = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    (byte_level.train if kind == "byte_bpe" else trainers.train)(count_bytes(), settings)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected = forecast(settings, size)
    return {
        "kind": kind, "bytes": size, "vocab_size": vocab_size, "cpu_s": round(seconds, 2),
        "cpu_s_forecast": round(expected.seconds, 2), "peak_bytes": peak << 10, "before_bytes": before << 10,
        "peak_bytes_forecast": expected.memory_bytes,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--megabytes", nargs="+", type=float, default=[5, 15, 40])
    parser.add_argument("--kinds", nargs="+", default=["bpe", "unigram", "byte_bpe"])
    parser.add_argument("--vocab-sizes", nargs="+", type=int, default=[32_000])
    parser.add_argument("--here", action="store_true", help="train in this process and print one JSON line")
    options = parser.parse_args()
    if options.here:
        result = train_once(options.kinds[0], options.megabytes[0], options.vocab_sizes[0], options.files)
        print(json.dumps(result))
        return
    for kind in options.kinds:
        for vocab_size in options.vocab_sizes:
            for megabytes in options.megabytes:
                command = [sys.executable, "-m", "tests.bench.tokenizer_training", *options.files, "--here"]
                command += ["--kinds", kind, "--megabytes", str(megabytes), "--vocab-sizes", str(vocab_size)]
                subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


if __name__ == "__main__":
    main()
