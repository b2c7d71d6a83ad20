"""Samples documents in favor of the new tokens of an extended tokenizer, as Parquet.

Owns the command; ``tokenizers/bias.py`` has the weights and the choice.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from megatron_ko.config.cli import positive
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import add_workers

MARKER = "sample.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tokenizer", metavar="TOKENIZER", help="folder of the extended tokenizer")
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument(
        "--base-size", type=positive, metavar="N", help="size of the base: ids from N on are new"
    )
    base.add_argument("--base", metavar="FOLDER|MODEL", help="the base, which defines its size")
    parser.add_argument(
        "--text", required=True, nargs="+", metavar="PATH",
        help="documents to choose from: files, folders, or the output folder of a pipeline",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="folder for the sample: one Parquet file per part of the text",
    )
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument(
        "--share", type=_share, metavar="S", help="size of the sample, as a share of the bytes of the text"
    )
    size.add_argument("--bytes", type=positive, metavar="N", help="size of the sample in bytes of text")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the selection of documents (default: 1)"
    )
    add_workers(parser)


def _share(value: str) -> float:
    share = float(value)
    if not 0 < share <= 1 or math.isnan(share):
        raise argparse.ArgumentTypeError(f"{value} must be above 0 and at most 1")
    return share


def run(arguments: argparse.Namespace) -> int:
    from megatron_ko.errors import DataError
    from megatron_ko.files import locked_folder, write_json
    from megatron_ko.formats.tokenizer_folder import Tokenizer
    from megatron_ko.wording import format_bytes
    from preprocessing.running.processes import cores
    from preprocessing.running.worker_pool import WorkerPool
    from preprocessing.tokenizers import bias
    from preprocessing.tokenizers.bases import read_base
    from preprocessing.tokenizers.encoders import choose as choose_engine
    from preprocessing.tokenizers.extension_check import sample
    from preprocessing.tokenizers.text_files import parts_of

    folder = Path(arguments.tokenizer).expanduser()
    info = Tokenizer(folder).info
    base_size = arguments.base_size or read_base(arguments.base).size
    if base_size >= info.vocab_size:
        raise DataError(
            f"{folder}: has {info.vocab_size:,} tokens, so none is new beyond a base of {base_size:,}; name the extended "
            "tokenizer and the size of its base",
            rule="no-new-tokens",
        )
    parts = parts_of(arguments.text)
    texts = [text for batch in sample(parts, 1 << 20) for text in batch["text"].to_pylist()]
    new = bias.NewTokens(folder, choose_engine(folder, "auto", texts), info.fingerprint, base_size)
    wanted = arguments.bytes or arguments.share
    with locked_folder(arguments.out), WorkerPool(arguments.workers or cores()) as pool:
        (arguments.out / MARKER).unlink(missing_ok=True)
        report = bias.choose(parts, new, arguments.out, wanted, arguments.seed, pool)
    write_json(arguments.out / MARKER, report)
    print(
        f"chosen: {report['documents']:,} of {format_count(report['documents_read'], 'document')}, {format_bytes(report['bytes'])} of "
        f"{format_bytes(report['bytes_read'])}\n"
        f"new tokens, mean of the documents: {100 * report['mean_share_before']:.2f} % in the text, "
        f"{100 * report['mean_share_after']:.2f} % in the sample\n"
        f"share that 95 % of the documents do not exceed: {100 * report['q95']:.2f} %\n"
        f"sample: {arguments.out}/*.parquet"
    )
    return 0
