"""Adds Korean tokens to a tokenizer that has few: EEVE's selection in rounds, every decision in a table to edit.

Owns the command and its files: the tokenizer folder, ``decisions.tsv``, ``extension.json``, and ``counted/``, the counts
that a second run with other settings reuses. ``tokenizers/selection.py`` selects the pieces.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.config.cli import Parser, positive
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import (
    DECISIONS,
    add_base,
    add_decisions,
    add_workers,
    open_base,
)

if TYPE_CHECKING:
    from preprocessing.tokenizers.extension_check import SampleCheck
    from preprocessing.tokenizers.selection import Selection
    from preprocessing.tokenizers.text_files import TextPart

SUMMARY, COUNTED = "extension.json", "counted"


def add_arguments(parser: Parser) -> None:
    add_base(parser, "extend")
    parser.add_argument(
        "--text", required=True, nargs="+", metavar="PATH",
        help="Korean text to count: files, folders, or the output folder of a pipeline",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="folder for the extended tokenizer"
    )
    parser.add_argument(
        "--intermediate-size", type=positive, default=40_000, metavar="N",
        help="size of the Korean tokenizer whose pieces are the candidates (default: 40000)",
    )  # fmt: skip
    parser.add_argument(
        "--min-count", type=_min_count, default=None, metavar="auto|N",
        help="minimum occurrences of a new token in the text (default: auto, 6000 per 100 GB of Korean text, at least 50)",
    )  # fmt: skip
    parser.words["min_count"] = ["auto"]
    add_decisions(parser)
    parser.add_argument(
        "--max-new",
        type=positive,
        metavar="N",
        help="maximum number of new tokens; the most frequent are kept",
    )
    parser.add_argument(
        "--multiple-of",
        type=positive,
        default=1,
        metavar="N",
        help="make the size of the vocabulary a multiple of N, such as 128 (default: 1)",
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        default=30,
        metavar="N",
        help="maximum number of rounds; stops early when nothing changes (default: 30)",
    )
    parser.add_argument(
        "--compare", nargs="+", default=[], metavar="PATH",
        help="more text, such as English and code, to compare the base and the result on; not used for the selection",
    )  # fmt: skip
    parser.add_argument(
        "--counts",
        type=Path,
        metavar="FOLDER",
        help=f"folder for the counts, reused by later runs (default: OUT/{COUNTED})",
    )
    add_workers(parser)


def _min_count(value: str) -> int | None:
    return None if value == "auto" else positive(value)


def run(arguments: argparse.Namespace) -> int:
    from megatron_ko.files import write_json
    from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
    from preprocessing.running.processes import cores
    from preprocessing.steps.kernel_groups import compile_for
    from preprocessing.tokenizers import extension_check, selection
    from preprocessing.tokenizers.appending import append
    from preprocessing.tokenizers.decisions import NO_OVERRIDES, read_overrides, write_decisions
    from preprocessing.tokenizers.text_files import parts_of

    base = open_base(arguments.base, arguments.allow_unreachable)
    overrides = NO_OVERRIDES
    if arguments.decisions:
        overrides = read_overrides(arguments.decisions, selection.reason_against)
    parts, compared = parts_of(arguments.text), parts_of(arguments.compare) if arguments.compare else []
    workers = arguments.workers or cores()
    settings = selection.Settings(
        arguments.intermediate_size,
        arguments.min_count,
        arguments.max_new,
        arguments.multiple_of,
        arguments.rounds,
    )
    folder = arguments.counts or arguments.out / COUNTED
    compile_for(["extend"])
    chosen = selection.select(base, parts, folder, settings, workers, overrides)
    extension = append(base, chosen.surfaces, folder / "extended")
    checked = extension_check.check(
        folder / "base", extension.info.folder, base.size, chosen.cut, [*parts, *compared]
    )
    write_decisions(arguments.out / DECISIONS, chosen.decisions)
    write_json(arguments.out / SUMMARY, _summary(chosen, checked, parts, arguments))
    info = copy_tokenizer_folder(extension.info.folder, arguments.out)
    print(_report(chosen, checked, arguments.out, info.vocab_size))
    return 0


def _summary(
    chosen: Selection, checked: SampleCheck, parts: list[TextPart], arguments: argparse.Namespace
) -> dict[str, Any]:
    return {
        "base": str(arguments.base),
        "base_size": chosen.base_size,
        "new_tokens": len(chosen.surfaces) + len(chosen.needed),
        "needed": len(chosen.needed),
        "min_count": chosen.min_count,
        "intermediate_size": arguments.intermediate_size,
        "text": {
            "documents": chosen.words.documents,
            "bytes": chosen.words.bytes,
            "korean_bytes": chosen.words.korean_bytes,
            "different_words": chosen.words.words,
            "words": chosen.words.words_seen,
        },
        "rounds": [vars(entry) for entry in chosen.rounds],
        "languages": {lang: vars(usage) for lang, usage in sorted(checked.languages.items())},
        "documents_without_hangul_unchanged": checked.unchanged,
        "texts_compared_between_readers": checked.texts,
    }


def _report(chosen: Selection, checked: SampleCheck, out: Path, size: int) -> str:
    from megatron_ko.tables import format_table, wrap
    from megatron_ko.wording import format_bytes

    total = len(chosen.surfaces) + len(chosen.needed)
    dropped = sum(not row.keep for row in chosen.decisions)
    rounds = [("round", "new\ntokens", "inter-\nmediate", "dropped", "added", "tokens of\nKorean words")]
    rounds += [
        (
            str(r.number),
            f"{r.new_tokens:,}",
            f"{r.needed:,}",
            f"{r.dropped:,}",
            f"{r.added:,}",
            f"{r.korean_tokens:,}",
        )
        for r in chosen.rounds
    ]
    rows = [
        ("language", "sample", "bytes per token\nof the base", "bytes per token\nextended", "token\nratio")
    ]
    for lang, usage in sorted(checked.languages.items()):
        before, after = (usage.bytes / max(count, 1) for count in (usage.base_tokens, usage.tokens))
        ratio = usage.tokens / max(usage.base_tokens, 1)
        rows.append((lang, format_bytes(usage.bytes), f"{before:.2f}", f"{after:.2f}", f"{ratio:.3f}"))
    frequent = [
        row.surface
        for row in chosen.decisions
        if row.keep and row.origin != "needed" and len(row.surface) > 2
    ]
    sentences = (
        f"{format_count(total, 'new token')}, {len(chosen.needed):,} of them intermediate pieces of longer ones; "
        f"{format_count(size, 'token')} in total"
        + ("" if size % 64 else f" (a multiple of {64 if size % 128 else 128})"),
        f"each occurs at least {chosen.min_count:,} times in {format_bytes(chosen.words.korean_bytes)} of Korean text; examples: "
        + " ".join(f"{surface!r}" for surface in frequent[:8]),
        f"same ids in {format_count(checked.unchanged, 'document')} without Hangul; all readers agree on "
        f"{format_count(checked.texts, 'text')}",
        f"dropped {format_count(dropped, 'piece')}; edit the table of decisions and pass it with --decisions to change that",
    )
    return "\n".join(
        [
            "",
            *format_table(rounds),
            "",
            *format_table(rows),
            "",
            *(line for sentence in sentences for line in wrap(sentence)),
            f"tokenizer  {out}",
            f"decisions  {out / DECISIONS}",
        ]
    )
