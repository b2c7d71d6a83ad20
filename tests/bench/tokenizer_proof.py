"""Proves that all readers of a tokenizer return the same ids, on whole files and generated strings, for each tokenizer type.

    python -m tests.bench.tokenizer_proof FILES... --work FOLDER [--kinds bpe unigram byte_bpe] [--strings 100000]
        [--python PYTHON ...]

Trains each type on the beginning of the files and encodes every document with SentencePiece, tokenizers, our encoder, and
AutoTokenizer of this Python and of each other PYTHON (with another version of transformers); prints one JSON line per type.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--kinds", nargs="+", default=["bpe", "unigram", "byte_bpe"])
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--train-megabytes", type=float, default=20)
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--python", action="append", default=[], help="interpreter with another transformers")
    options = parser.parse_args()
    for kind in options.kinds:
        print(json.dumps(prove_kind(kind, options)), flush=True)


def prove_kind(kind: str, options: argparse.Namespace) -> dict[str, object]:
    from megatron_ko.formats.tokenizer_folder import Tokenizer
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.steps.train_tokenizer import write_folder
    from preprocessing.tokenizers.hard_texts import generated_texts
    from preprocessing.tokenizers.proof import prove
    from preprocessing.tokenizers.text_files import batches_of, parts_of
    from tests.bench.tokenizer_training import texts

    settings = TokenizerConfig(type=kind, vocab_size=options.vocab_size, special_tokens=["<|fim_prefix|>"])  # type: ignore[arg-type]
    folder = options.work / kind
    start = time.process_time()
    info = write_folder(folder, texts(options.files, int(options.train_megabytes * 1e6)), settings)
    seconds = time.process_time() - start
    documents = (
        text
        for part in parts_of(options.files)
        for batch in batches_of(part)
        for text in batch["text"].to_pylist()
    )
    strings = generated_texts(options.strings, Tokenizer(folder).surfaces())
    proof = prove(
        folder,
        itertools.chain(strings, documents),
        options.work / f"{kind}-proof",
        [sys.executable, *options.python],
    )
    return {
        "kind": kind, "vocab_size": info.vocab_size, "train_cpu_s": round(seconds, 1), "texts": proof.texts,
        "readers": proof.readers, "text_bytes": (options.work / f"{kind}-proof" / "texts.jsonl").stat().st_size,
    }  # fmt: skip


if __name__ == "__main__":
    main()
