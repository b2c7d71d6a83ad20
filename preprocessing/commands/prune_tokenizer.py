"""A tokenizer without the tokens that a text never uses, and the map of ids that prune-vocab needs.

Owns the command and what it writes: the tokenizer folder, ``id_map.json``, ``decisions.tsv``. What stays is decided in
``tokenizers/pruning.py``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_ko.config.cli import positive
from megatron_ko.errors import DataError
from megatron_ko.formats import id_map
from preprocessing.commands.tokenizer_arguments import DECISIONS, add_base, add_workers, open_base

if TYPE_CHECKING:
    from preprocessing.tokenizers.bases import Base
    from preprocessing.tokenizers.decisions import Decision
    from preprocessing.tokenizers.pruning import Compared, Pruning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_base(parser, "prune")
    add("--text", required=True, nargs="+", metavar="PATH",
        help="text that must keep its tokens, all languages of it: files, folders, or the output folder of a pipeline")  # fmt: skip
    add("--out", required=True, type=Path, metavar="FOLDER", help="the pruned tokenizer")
    add("--min-count", type=positive, default=1, metavar="N", help="tokens seen fewer times go (default 1)")
    add("--keep", type=Path, metavar="FILE",
        help='tokens that stay in any case, one a line as text or as a JSON string such as " the"; a decisions.tsv will do')  # fmt: skip
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
    keep = kept_ids(arguments.keep, base) if arguments.keep else []
    parts = parts_of(arguments.text)
    with scratch_folder(arguments.out / ".work") as work, WorkerPool(arguments.workers or cores()) as pool:
        whole = append(base, [], work / "whole").info.folder
        counts = use_of(whole, parts, pool, "count tokens").counts
        if not counts.any():
            raise DataError(f"--text: no token in {len(parts):,} parts; give text that must keep its tokens")
        made = pruning.decide(base, counts, arguments.min_count, keep)
        info = pruning.write_pruned(base, made, work / "pruned")
        compared = pruning.compare(whole, work / "pruned", made, parts, pool)
        proof = prove_derived(base, work / "pruned", parts, work / "proof")
        rows = _decisions(base, made, counts.tolist())
        write_decisions(arguments.out / DECISIONS, rows)
        found = IdMap(source.fingerprint, info.fingerprint, made.old_ids)
        write_id_map(arguments.out / id_map.NAME, found)
        copy_tokenizer_folder(work / "pruned", arguments.out)
    print(_report(arguments, made, compared, f"{proof.texts:,} texts: {', '.join(proof.readers)}"))
    return 0


def kept_ids(path: Path, base: Base) -> list[int]:
    """Ids of the tokens that a file names. Raises DataError with all lines that name none."""
    from preprocessing.tokenizers.decisions import COLUMNS

    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error}); check --keep") from None
    found, problems = [], []
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip("\r").split("\t")
        if not line.strip() or fields[0] == COLUMNS[0] or (len(fields) > 3 and fields[3] == "drop"):
            continue
        surface = _surface(fields[0])
        if surface in base.vocabulary.ids:
            found.append(base.vocabulary.ids[surface])
        else:
            problems.append(
                f"{path}:{number}: {surface!r} is no token of {base.folder}; correct or drop the line"
            )
    if problems:
        more = [f"and {len(problems) - 20:,} more"] if len(problems) > 20 else []
        raise DataError("\n".join([*problems[:20], *more]))
    return found


def _surface(field: str) -> str:
    """A JSON string, or the text itself."""
    if not (field.startswith('"') and field.endswith('"') and len(field) > 1):
        return field
    try:
        value = json.loads(field)
    except ValueError:
        return field
    return value if isinstance(value, str) else field


def _decisions(base: Base, made: Pruning, counts: list[int]) -> list[Decision]:
    """One row a token by old id: those that stay first."""
    from preprocessing.tokenizers.decisions import Decision
    from preprocessing.tokenizers.pruning import REASONS

    rows = [
        Decision(
            base.vocabulary.shown(base.vocabulary.names[n] or ""),
            counts[n],
            "base",
            r != "unused",
            f"{r}: {REASONS[r]}",
        )
        for n, r in enumerate(made.reasons)
        if r
    ]
    return sorted(rows, key=lambda row: not row.keep)


def _report(arguments: argparse.Namespace, made: Pruning, compared: Compared, proved: str) -> str:
    from megatron_ko.tables import table
    from preprocessing.tokenizers.pruning import REASONS

    counts = Counter(made.reasons)
    rows = [("reason", "tokens", "")]
    rows += [(name, f"{counts[name]:,}", sentence) for name, sentence in REASONS.items() if counts[name]]
    whole = compared.documents - compared.changed
    lines = [
        "",
        *table(rows),
        "",
        f"{len(made.reasons):,} ids before, {len(made.old_ids):,} now",
        f"{whole:,} of {compared.documents:,} documents keep every token under the map of ids",
    ]
    if compared.changed:
        lines.append(
            f"{compared.changed:,} use tokens that are gone: the text takes {compared.tokens_after:,} tokens instead of "
            f"{compared.tokens_before:,}"
        )
    return "\n".join(
        [
            *lines,
            f"all readers agree on {proved}",
            f"tokenizer   {arguments.out}",
            f"map of ids  {arguments.out / id_map.NAME}   (for python -m checkpoint_tools prune-vocab)",
            f"decisions   {arguments.out / DECISIONS}",
        ]
    )
