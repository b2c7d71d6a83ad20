"""All readers of a tokenizer give the same ids, on whole files and on generated strings, for each kind of tokenizer.

    python -m tests.bench.tokenizer_proof FILES... --work FOLDER [--kinds bpe unigram byte_bpe] [--strings 100000]
        [--python PYTHON ...]

Trains each kind on the beginning of the files and asks SentencePiece, tokenizers, our encoder, and AutoTokenizer of this
Python and of each other PYTHON (with another version of transformers) about every document; one JSON line per kind.
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
    given = parser.parse_args()
    for kind in given.kinds:
        print(json.dumps(prove_kind(kind, given)), flush=True)


def prove_kind(kind: str, given: argparse.Namespace) -> dict[str, object]:
    from megatron_ko.formats.tokenizer_folder import Tokenizer
    from preprocessing.config.tokens import TokenizerConfig
    from preprocessing.steps.train_tokenizer import write_folder
    from preprocessing.tokenizers.hard_texts import generated_texts
    from preprocessing.tokenizers.proof import prove
    from preprocessing.tokenizers.text_files import batches_of, parts_of
    from tests.bench.tokenizer_training import texts

    settings = TokenizerConfig(type=kind, vocab_size=given.vocab_size, special_tokens=["<|fim_prefix|>"])  # type: ignore[arg-type]
    folder = given.work / kind
    start = time.process_time()
    info = write_folder(folder, texts(given.files, int(given.train_megabytes * 1e6)), settings)
    trained = time.process_time() - start
    documents = (
        text
        for part in parts_of(given.files)
        for batch in batches_of(part)
        for text in batch["text"].to_pylist()
    )
    strings = generated_texts(given.strings, Tokenizer(folder).surfaces())
    proof = prove(
        folder,
        itertools.chain(strings, documents),
        given.work / f"{kind}-proof",
        [sys.executable, *given.python],
    )
    return {
        "kind": kind, "vocab_size": info.vocab_size, "train_cpu_s": round(trained, 1), "texts": proof.texts,
        "readers": proof.readers, "text_bytes": (given.work / f"{kind}-proof" / "texts.jsonl").stat().st_size,
    }  # fmt: skip


if __name__ == "__main__":
    main()
