"""Writes, merges, splits, shuffles, checks and describes pairs of token files (.bin and .idx), also of other programs.

Owns the commands; ``token_files`` and ``token_shuffle`` handle the bytes. An existing pair is overwritten only with
``--overwrite``, and a new pair appears only when it is complete.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.config.cli import positive
from megatron_ko.errors import DataError
from megatron_ko.tables import format_table, terminal_width, width_of
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import add_workers
from preprocessing.tokens.pair_folders import expand_folders, refuse_folders, tokenizer_of

if TYPE_CHECKING:
    from preprocessing.tokens.token_files import Pair

log = logging.getLogger(__name__)
TAKE_FOLDERS = ("validate", "info")
"""Commands that only read: a folder stands for all pairs in it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    encode = commands.add_parser(
        "encode", help="encode text files to one pair, like Megatron-LM's preprocess_data.py",
        description="Encodes every document of text files, unchanged, to one pair; the bytes are the same for any number of "
        "processes. Skips documents without text. A killed command starts from the beginning; a pipeline ('mko data run') resumes.",
    )  # fmt: skip
    encode.add_argument(
        "text", nargs="+", metavar="TEXT",
        help=".jsonl, .parquet or plain files (.gz, .zst, ...), folders of them, or the output folder of a pipeline",
    )  # fmt: skip
    encode.add_argument("--tokenizer", type=Path, required=True, metavar="FOLDER", help="tokenizer folder")
    encode.add_argument(
        "--field",
        default="text",
        metavar="NAME",
        help="field of a record that contains its text (default: text)",
    )
    encode.add_argument("--no-eod", action="store_true", help="do not end documents with the EOD token")
    encode.add_argument(
        "--engine", choices=("auto", "bpe", "fastokens", "gigatoken", "sentencepiece", "tokenizers"), default="auto",
        help="encoding engine (default: auto, the fastest one that gives the ids of the reference)",
    )  # fmt: skip
    add_workers(encode)
    merge = _command(commands, "merge", "join the documents of several pairs, in order, to one pair")
    split = _command(commands, "split", "split one pair into several: PREFIX-00000, PREFIX-00001 and so on")
    size = split.add_mutually_exclusive_group(required=True)
    size.add_argument("--documents", type=positive, metavar="N", help="documents per pair")
    size.add_argument(
        "--tokens", type=positive, metavar="N", help="tokens per pair; pairs end between documents"
    )
    size.add_argument(
        "--shares", type=float, nargs="+", metavar="X", help="shares of the tokens, such as 98 2"
    )
    shuffle = _command(commands, "shuffle", "write the documents of several pairs in a random order")
    shuffle.add_argument(
        "--seed", type=int, default=1234, metavar="N", help="seed that determines the order (default: 1234)"
    )
    shuffle.add_argument(
        "--memory-mib",
        type=positive,
        default=1024,
        metavar="N",
        help="MiB of memory for tokens (default: 1024)",
    )
    written = "write PREFIX.bin and PREFIX.idx"
    numbered = "write PREFIX-00000.bin, PREFIX-00000.idx and so on"
    for writer, files in ((encode, written), (merge, written), (split, numbered), (shuffle, written)):
        writer.add_argument("--out", type=Path, required=True, metavar="PREFIX", help=files)
        writer.add_argument("--overwrite", action="store_true", help="overwrite existing pairs")
    validate = _command(
        commands, "validate", "check that pairs are complete, ids are in range and EOD ends each document"
    )
    validate.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FOLDER",
        help="tokenizer for the checks of ids and EOD, and to decode samples",
    )
    validate.add_argument("--vocab-size", type=positive, metavar="N", help="every id must be below N")
    validate.add_argument(
        "--eod", type=int, metavar="ID", help="token that must end every document and occur nowhere else"
    )
    validate.add_argument(
        "--samples", type=int, default=3, metavar="N", help="documents to decode (default: 3)"
    )
    _command(commands, "info", "show token type, documents, tokens, lengths and tokenizer of pairs")


def _command(commands: Any, name: str, sentence: str) -> argparse.ArgumentParser:
    verb, rest = sentence.split(" ", 1)
    parser = commands.add_parser(name, help=sentence, description=f"{verb.capitalize()}s {rest}.")
    takes = "PREFIX, PREFIX.bin or PREFIX.idx"
    if name in TAKE_FOLDERS:
        takes += ", or a folder of pairs, such as the output folder of a pipeline"
    parser.add_argument("pairs", nargs="+", metavar="PREFIX", help=takes)
    return parser


def run(arguments: argparse.Namespace) -> int:
    if arguments.command in TAKE_FOLDERS:
        arguments.pairs = expand_folders(arguments.pairs)
    elif "pairs" in arguments:
        refuse_folders(arguments.pairs, arguments.command)
    run_command = {
        "encode": _encode, "merge": _merge, "split": _split, "shuffle": _shuffle, "validate": _validate, "info": _info,
    }[arguments.command]  # fmt: skip
    return run_command(arguments)


# --- writing ---------------------------------------------------------------------------------------------


def _encode(arguments: argparse.Namespace) -> int:
    from preprocessing.running.processes import cores
    from preprocessing.steps.kernel_groups import compile_for
    from preprocessing.tokens.encode_files import encode_files, parts_to_encode

    _check_target(arguments, [arguments.out], [])
    compile_for(["tokens-encode"])
    facts = encode_files(
        parts_to_encode(arguments.text), arguments.tokenizer, arguments.out, arguments.field, arguments.engine,
        not arguments.no_eod, arguments.workers or cores(),
    )  # fmt: skip
    if facts["empty"]:
        log.warning("skipped %s without text", format_count(facts["empty"], "document"))
    _log_pair(arguments.out, facts)
    log.info("%.1f MB of text, encoded with %s", facts["text_bytes"] / 1e6, ", ".join(facts["engines"]))
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from preprocessing.tokens.token_files import copy_documents, full_extent, open_pair

    _check_target(arguments, [arguments.out], arguments.pairs)
    facts = copy_documents([full_extent(open_pair(name)) for name in arguments.pairs], arguments.out)
    _log_pair(arguments.out, facts)
    return 0


def _split(arguments: argparse.Namespace) -> int:
    from preprocessing.tokens.token_files import Extent, copy_documents, open_pair

    if len(arguments.pairs) != 1:
        raise DataError(
            f"split takes one pair, not {len(arguments.pairs)}; merge them first", rule="several-pairs"
        )
    pair = open_pair(arguments.pairs[0])
    runs = _runs(pair, arguments)
    targets = [arguments.out.with_name(f"{arguments.out.name}-{number:05d}") for number in range(len(runs))]
    _check_target(arguments, targets, arguments.pairs)
    for (first, last), target in zip(runs, targets):
        _log_pair(target, copy_documents([Extent(pair.prefix, first, last)], target))
    return 0


def _runs(pair: Pair, arguments: argparse.Namespace) -> list[tuple[int, int]]:
    """``(first, last)`` documents of each part."""
    from preprocessing.tokens.token_files import cut_by_shares, cut_by_tokens

    if arguments.documents:
        return [
            (first, min(first + arguments.documents, pair.documents))
            for first in range(0, pair.documents, arguments.documents)
        ]
    if arguments.tokens:
        return [(run[0][1], run[0][2]) for run in cut_by_tokens([pair.lengths()], arguments.tokens)]
    if min(arguments.shares) <= 0:
        raise DataError(
            f"--shares: {min(arguments.shares):g} must be above 0; remove it", rule="share-not-positive"
        )
    return cut_by_shares(pair.lengths(), arguments.shares)


def _shuffle(arguments: argparse.Namespace) -> int:
    from preprocessing.tokens.token_files import prefix_of
    from preprocessing.tokens.token_shuffle import shuffle_documents

    _check_target(arguments, [arguments.out], arguments.pairs)
    prefixes = [prefix_of(name) for name in arguments.pairs]
    _log_pair(
        arguments.out,
        shuffle_documents(prefixes, arguments.out, arguments.seed, arguments.memory_mib << 20),
    )
    return 0


def _check_target(arguments: argparse.Namespace, targets: Sequence[Path], pairs: Sequence[str]) -> None:
    from preprocessing.tokens.token_files import prefix_of

    read = {prefix_of(name).resolve() for name in pairs}
    for target in targets:
        if target.resolve() in read:
            raise DataError(
                f"{target}: is both input and output; choose another --out", rule="output-is-input"
            )
        for path in (Path(f"{target}.bin"), Path(f"{target}.idx")):
            if path.exists() and not arguments.overwrite:
                raise DataError(
                    f"{path}: already exists; choose another --out, or add --overwrite", rule="output-exists"
                )


def _log_pair(target: Path, facts: dict[str, Any]) -> None:
    log.info(
        "%s: %s, %s",
        target,
        format_count(facts["documents"], "document"),
        format_count(facts["tokens"], "token"),
    )


# --- reading ---------------------------------------------------------------------------------------------


def _validate(arguments: argparse.Namespace) -> int:
    """Prints all problems; returns 2 if a pair has one."""
    from preprocessing.steps.validate import content_problems
    from preprocessing.tokens.token_files import open_pair

    tokenizer, vocab_size, eod = None, arguments.vocab_size, arguments.eod
    if arguments.tokenizer is not None:
        from megatron_ko.formats.tokenizer_folder import Tokenizer

        tokenizer = Tokenizer(arguments.tokenizer)
        vocab_size = vocab_size or tokenizer.info.vocab_size
        eod = tokenizer.info.eos_id if eod is None else eod
    worst = 0
    for name in arguments.pairs:
        try:
            pair = open_pair(name)
            problems = content_problems(pair, vocab_size, eod)
        except DataError as error:
            pair, problems = None, [str(problem) for problem in error.problems]
        worst = 2 if problems else worst
        print("\n".join(problems) if problems else f"{name}: no problems")
        if pair is not None and tokenizer is not None and arguments.samples > 0:
            _show_samples(pair, tokenizer, arguments.samples)
    return worst


def _show_samples(pair: Pair, tokenizer: Any, samples: int) -> None:
    import numpy as np

    starts = pair.starts()
    for number in np.unique(np.linspace(0, pair.documents - 1, samples).astype(int)).tolist():
        ids = pair.ids[starts[number] : min(starts[number + 1], starts[number] + 64)]
        print(f"  document {number}: {tokenizer.decode(ids)[:200]!r}")


def _info(arguments: argparse.Namespace) -> int:
    import numpy as np

    from preprocessing.tokens.token_files import open_pair, prefix_of

    rows: list[tuple[str, ...]] = [
        ("pair", "type", "documents", "sequences", "tokens", "shortest", "median", "longest", "MB")
    ]
    for name in arguments.pairs:
        pair = open_pair(name)
        lengths = pair.lengths()
        shape = (lengths.min(), np.median(lengths), lengths.max()) if len(lengths) else (0, 0, 0)
        counts = [f"{n:,}" for n in (pair.documents, len(pair.index.lengths), pair.tokens)]
        size = f"{pair.ids.nbytes / 1e6:.2f}"
        rows.append((str(pair.prefix), pair.index.dtype, *counts, *(f"{int(n):,}" for n in shape), size))
    print("\n".join(_format_pairs(rows)))
    tokenizers = dict.fromkeys(tokenizer_of(prefix_of(name)) for name in arguments.pairs)
    if list(tokenizers) != [None]:
        names = [name or "unknown where no manifest.json is beside a pair" for name in tokenizers]
        print("\n".join(f"tokenizer  {name}" for name in names))
    return 0


def _format_pairs(rows: list[tuple[str, ...]]) -> list[str]:
    """One line per pair, or the name of each pair above its numbers if the lines would exceed the terminal's width."""
    lines = format_table(rows, 2, width=10_000)
    if max(map(width_of, lines)) <= terminal_width():
        return lines
    head, *numbers = format_table([("", *row[1:]) for row in rows], 2)
    names = [row[0] for row in rows[1:]]
    return [head, *(line for name, row in zip(names, numbers, strict=True) for line in (name, row))]
