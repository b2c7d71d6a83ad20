"""Removes tokens that a text never uses from a tokenizer, and writes the id map for ``mko checkpoint prune-vocab``.

Owns the command and its files: the tokenizer folder, ``id_map.json``, ``decisions.tsv``. ``tokenizers/pruning.py`` chooses
the tokens.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_ko.config.cli import positive
from megatron_ko.errors import DataError, Problem
from megatron_ko.formats import id_map
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import DECISIONS, add_base, add_workers, open_base

if TYPE_CHECKING:
    from preprocessing.tokenizers.bases import Base
    from preprocessing.tokenizers.decisions import Decision
    from preprocessing.tokenizers.proof import Proof
    from preprocessing.tokenizers.pruning import Comparison, Pruning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_base(parser, "prune")
    add("--text", required=True, nargs="+", metavar="PATH",
        help="text that must keep its tokens, in all its languages: files, folders, or the output folder of a pipeline")  # fmt: skip
    add("--out", required=True, type=Path, metavar="FOLDER", help="folder for the pruned tokenizer")
    add("--min-count", type=positive, default=1, metavar="N",
        help="minimum occurrences of a token in the text (default: 1)")  # fmt: skip
    add("--keep", type=Path, metavar="FILE",
        help='tokens to keep in any case, one per line, as text or as a JSON string such as " the"; a decisions.tsv also works')  # fmt: skip
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    from megatron_ko.files import scratch_folder
    from megatron_ko.formats.id_map import IdMap, write_id_map
    from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
    from preprocessing.running.processes import cores
    from preprocessing.running.worker_pool import WorkerPool
    from preprocessing.tokenizers import pruning
    from preprocessing.tokenizers.appending import append
    from preprocessing.tokenizers.decisions import write_decisions
    from preprocessing.tokenizers.derived_folders import info_of
    from preprocessing.tokenizers.derived_proof import prove_derived
    from preprocessing.tokenizers.text_files import parts_of
    from preprocessing.tokenizers.token_use import use_of

    base = open_base(arguments.base, arguments.allow_unreachable)
    source = info_of(base)
    keep = read_keep(arguments.keep, base) if arguments.keep else []
    parts = parts_of(arguments.text)
    with scratch_folder(arguments.out / ".work") as work, WorkerPool(arguments.workers or cores()) as pool:
        whole = append(base, [], work / "whole").info.folder
        counts = use_of(whole, parts, pool, "count tokens").counts
        if not counts.any():
            raise DataError(
                f"--text: no token in {len(parts):,} parts; name text that must keep its tokens",
                rule="no-text",
            )
        decided = pruning.decide(base, counts, arguments.min_count, keep)
        info = pruning.write_pruned(base, decided, work / "pruned")
        compared = pruning.compare(whole, work / "pruned", decided, parts, pool)
        proof = prove_derived(base, work / "pruned", parts, work / "proof")
        rows = _decisions(base, decided, counts.tolist())
        write_decisions(arguments.out / DECISIONS, rows)
        new_ids = IdMap(source.fingerprint, info.fingerprint, decided.old_ids)
        write_id_map(arguments.out / id_map.NAME, new_ids)
        copy_tokenizer_folder(work / "pruned", arguments.out)
    print(_report(arguments, decided, compared, proof))
    return 0


def read_keep(path: Path, base: Base) -> list[int]:
    """Ids of the tokens that a file lists. Raises DataError with all lines that are not tokens."""
    from preprocessing.tokenizers.decisions import COLUMNS, limit_problems

    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text ({error}); check --keep", rule="unreadable-file"
        ) from None
    ids, problems = [], []
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip("\r").split("\t")
        if not line.strip() or fields[0] == COLUMNS[0] or (len(fields) > 3 and fields[3] == "drop"):
            continue
        surface = _surface(fields[0])
        if surface in base.vocabulary.ids:
            ids.append(base.vocabulary.ids[surface])
        else:
            message = f"{surface!r} is not a token of {base.folder}; correct or delete the line"
            problems.append(Problem(f"{path}:{number}", "", message, "unknown-token"))
    if problems:
        raise DataError(limit_problems(problems))
    return ids


def _surface(field: str) -> str:
    """The value of a JSON string, or the text itself."""
    if not (field.startswith('"') and field.endswith('"') and len(field) > 1):
        return field
    try:
        value = json.loads(field)
    except ValueError:
        return field
    return value if isinstance(value, str) else field


def _decisions(base: Base, decided: Pruning, counts: list[int]) -> list[Decision]:
    """One row per token by old id, kept tokens first."""
    from preprocessing.tokenizers.decisions import Decision
    from preprocessing.tokenizers.pruning import REASONS

    rows = [
        Decision(
            base.vocabulary.format_piece(base.vocabulary.names[n] or ""),
            counts[n],
            "base",
            r != "unused",
            f"{r}: {REASONS[r]}",
        )
        for n, r in enumerate(decided.reasons)
        if r
    ]
    return sorted(rows, key=lambda row: not row.keep)


def _report(arguments: argparse.Namespace, decided: Pruning, compared: Comparison, proof: Proof) -> str:
    from megatron_ko.tables import format_table, wrap
    from preprocessing.tokenizers.pruning import REASONS

    counts = Counter(decided.reasons)
    rows = [("reason", "tokens", "meaning")]
    rows += [(name, f"{counts[name]:,}", sentence) for name, sentence in REASONS.items() if counts[name]]
    unchanged = compared.documents - compared.changed
    sentences = [
        f"{format_count(len(decided.reasons), 'id')} before, {len(decided.old_ids):,} after",
        f"tokens unchanged in {unchanged:,} of {format_count(compared.documents, 'document')}",
    ]
    if compared.changed:
        sentences.append(
            f"removed tokens in {format_count(compared.changed, 'document')}: the text takes {compared.tokens_after:,} tokens instead of "
            f"{compared.tokens_before:,}"
        )
    sentences.append(f"all readers agree on {format_count(proof.texts, 'text')}: {', '.join(proof.readers)}")
    return "\n".join(
        [
            "",
            *format_table(rows, sentences=True),
            "",
            *(line for sentence in sentences for line in wrap(sentence)),
            f"tokenizer  {arguments.out}",
            f"id map     {arguments.out / id_map.NAME} (for 'mko checkpoint prune-vocab')",
            f"decisions  {arguments.out / DECISIONS}",
        ]
    )
