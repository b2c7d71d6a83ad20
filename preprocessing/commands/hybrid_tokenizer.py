"""Merges a Korean SentencePiece model, cleaned by rules, with a base tokenizer (RedWhale).

Owns the command and its files: the tokenizer folder, ``decisions.tsv``, ``hybrid.json``. ``tokenizers/hybrid.py`` chooses
the pieces; ``tokenizers/donor.py`` trains or reads the Korean model.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.config.cli import positive
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import (
    DECISIONS,
    add_base,
    add_decisions,
    add_workers,
    open_base,
)

if TYPE_CHECKING:
    from preprocessing.tokenizers.hybrid import Choice
    from preprocessing.tokenizers.proof import Proof
    from preprocessing.tokenizers.token_use import Amount

SUMMARY = "hybrid.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from preprocessing.tokenizers.hybrid_rules import DEFAULT_RULES, SENTENCES

    add = parser.add_argument
    add_base(parser, "merge with")
    add("--text", required=True, nargs="+", metavar="PATH",
        help="filtered text: files, folders, or the output folder of a pipeline; pieces are learned from its Korean and counted in all of it")  # fmt: skip
    add("--out", required=True, type=Path, metavar="FOLDER", help="folder for the merged tokenizer")
    add(
        "--new",
        type=positive,
        default=20_000,
        metavar="N",
        help="maximum number of new tokens; the most frequent are kept (default: 20000)",
    )
    add(
        "--min-count",
        type=positive,
        default=1,
        metavar="N",
        help="minimum occurrences of a new piece in the text (default: 1)",
    )
    add("--rules", default=DEFAULT_RULES, metavar="RULE,...",
        help=f"rules that drop pieces of the Korean model (default: {DEFAULT_RULES}). " + "; ".join(
            f"{name}: {SENTENCES[name]}" for name in ("digits", "hangul", "syllables", "length")))  # fmt: skip
    add(
        "--donor",
        type=Path,
        metavar="MODEL",
        help="Korean SentencePiece model whose pieces are used instead of training one",
    )
    add(
        "--donor-size",
        type=positive,
        metavar="N",
        help="size of the Korean model to train, in pieces (default: twice --new)",
    )
    add(
        "--sample-mb",
        type=positive,
        default=100,
        metavar="N",
        help="maximum megabytes of Korean text to train on (default: 100)",
    )
    add_decisions(parser)
    add("--compare", nargs="+", default=[], metavar="PATH",
        help="more text, such as English and code, to compare the base and the result on; not used for the selection")  # fmt: skip
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    from megatron_ko.errors import ConfigError
    from megatron_ko.files import scratch_folder, write_json
    from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
    from preprocessing.running.processes import cores
    from preprocessing.running.worker_pool import WorkerPool
    from preprocessing.tokenizers import donor, hybrid
    from preprocessing.tokenizers.appending import append
    from preprocessing.tokenizers.decisions import NO_OVERRIDES, read_overrides, write_decisions
    from preprocessing.tokenizers.derived_proof import prove_derived
    from preprocessing.tokenizers.hybrid_rules import Rules, reason_against
    from preprocessing.tokenizers.text_files import parts_of
    from preprocessing.tokenizers.token_use import use_of

    if arguments.donor and arguments.donor_size:
        raise ConfigError(
            "--donor and --donor-size exclude each other: an existing model has its size; remove one of them",
            rule="exclusive-options",
        )
    settings = hybrid.Settings(arguments.new, arguments.min_count, Rules.of(arguments.rules))
    base = open_base(arguments.base, arguments.allow_unreachable)
    overrides = read_overrides(arguments.decisions, reason_against) if arguments.decisions else NO_OVERRIDES
    parts = parts_of(arguments.text)
    compared = [*parts, *(parts_of(arguments.compare) if arguments.compare else [])]
    with scratch_folder(arguments.out / ".work") as work, WorkerPool(arguments.workers or cores()) as pool:
        alone = append(base, [], work / "base")  # refuses a base that cannot be written before work starts
        amounts = donor.amounts_of(parts, pool)
        if arguments.donor:
            pieces = donor.read_donor(arguments.donor)
        else:
            model = donor.train_donor(
                parts, amounts, arguments.donor_size, arguments.new, arguments.sample_mb * 1_000_000
            )
            (work / "donor.model").write_bytes(model)
            pieces = donor.read_donor(work / "donor.model")
        choice = hybrid.choose(base, pieces, parts, work, settings, pool, overrides)
        merged = append(base, choice.surfaces, work / "hybrid")
        before = use_of(alone.info.folder, compared, pool, "count base tokens")
        after = use_of(merged.info.folder, compared, pool, "count merged tokens")
        proof = prove_derived(base, merged.info.folder, compared, work / "proof")
        write_decisions(arguments.out / DECISIONS, choice.decisions)
        rows = ratios(before.languages, after.languages)
        summary = _summary(arguments, base.size, len(pieces), choice, proof, rows)
        write_json(arguments.out / SUMMARY, summary)
        info = copy_tokenizer_folder(merged.info.folder, arguments.out)
    print(_report(arguments, base.size, info.vocab_size, len(pieces), choice, proof, rows))
    return 0


def ratios(before: dict[str, Amount], after: dict[str, Amount]) -> dict[str, dict[str, float]]:
    """By language: size of the text, and its tokens with the base and with the result; TR = tokens(new) / tokens(base)."""
    return {
        lang: {
            "documents": amount.documents,
            "bytes": amount.bytes,
            "tokens_base": amount.tokens,
            "tokens": after[lang].tokens,
            "bytes_per_token_base": round(amount.bytes / max(amount.tokens, 1), 4),
            "bytes_per_token": round(amount.bytes / max(after[lang].tokens, 1), 4),
            "token_ratio": round(after[lang].tokens / max(amount.tokens, 1), 4),
        }
        for lang, amount in before.items()
    }


def _summary(
    arguments: argparse.Namespace,
    base_size: int,
    donor_size: int,
    choice: Choice,
    proof: Proof,
    rows: dict[str, Any],
) -> dict[str, Any]:
    return {
        "base": str(arguments.base),
        "base_size": base_size,
        "donor": str(arguments.donor) if arguments.donor else "trained on the Korean of the text",
        "donor_size": donor_size,
        "rules": arguments.rules,
        "min_count": arguments.min_count,
        "new_tokens": len(choice.surfaces) + len(choice.needed),
        "needed": len(choice.needed),
        "dropped": choice.by_rule,
        "languages": rows,
        "texts_compared_between_readers": proof.texts,
        "readers": proof.readers,
    }


def _report(
    arguments: argparse.Namespace,
    base_size: int,
    size: int,
    donor_size: int,
    choice: Choice,
    proof: Proof,
    rows: dict[str, Any],
) -> str:
    from megatron_ko.tables import format_table, wrap
    from megatron_ko.wording import format_bytes
    from preprocessing.tokenizers.hybrid_rules import SENTENCES

    rules = [("rule", "dropped", "reason")]
    rules += [(rule, f"{count:,}", SENTENCES[rule]) for rule, count in choice.by_rule.items()]
    heads = (
        "language",
        "documents",
        "text",
        "bytes per token\nof the base",
        "bytes per token\nmerged",
        "token\nratio",
    )
    languages = [heads]
    languages += [
        (
            lang,
            f"{row['documents']:,}",
            format_bytes(row["bytes"]),
            f"{row['bytes_per_token_base']:.2f}",
            f"{row['bytes_per_token']:.2f}",
            f"{row['token_ratio']:.3f}",
        )
        for lang, row in rows.items()
    ]
    total = len(choice.surfaces) + len(choice.needed)
    sentences = (
        f"{format_count(total, 'new token')} from {format_count(donor_size, 'Korean piece')}, {len(choice.needed):,} of them "
        f"intermediate pieces of longer ones; {format_count(base_size, 'token')} before, {size:,} after",
        f"all readers agree on {format_count(proof.texts, 'text')}: {', '.join(proof.readers)}",
        "edit the table of decisions and pass it with --decisions to change the choice",
    )
    return "\n".join(
        [
            "",
            *format_table(rules, sentences=True),
            "",
            *format_table(languages),
            "",
            *(line for sentence in sentences for line in wrap(sentence)),
            f"tokenizer  {arguments.out}",
            f"decisions  {arguments.out / DECISIONS}",
        ]
    )
