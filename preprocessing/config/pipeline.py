"""The configuration of preprocessing: one frozen tree.

Owns the tree and the rules over several sections; names, types, bounds and the sentence that documents each field
(shown by ``--help``) are in ``preprocessing/config/``. Paths are relative to the working directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from megatron_ko.config.fields import NonNegativeInt, section
from megatron_ko.config.loading import Rule
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.deduplication import DeduplicateConfig, LinesConfig
from preprocessing.config.inputs import TEMPLATE_PLACE, Input
from preprocessing.config.languages import KINDS
from preprocessing.config.mixture import BalanceConfig, DomainConfig
from preprocessing.config.mixture_rules import problems as mixture_problems
from preprocessing.config.rules import FilterConfig
from preprocessing.config.running import OutputConfig
from preprocessing.config.scoring import (
    DecontaminateConfig,
    ScoreConfig,
    decontaminate_problems,
    score_problems,
)
from preprocessing.config.tokens import EncodeConfig, TokenizerConfig

# Between these sizes the index says int32 while megatron-core's fast cache reader assumes uint16.
TRAP_SIZES = range(65_500, 65_537)


@section
class Config:
    output: OutputConfig
    """Where results go."""
    inputs: dict[str, Input] = Field(min_length=1)
    """What is read, by name."""
    domains: dict[str, DomainConfig] = Field(min_length=1)
    """Training sets by name; a document belongs to the first domain that matches."""
    clean: CleanConfig = Field(default_factory=CleanConfig)
    """Normalisation and personal data."""
    lines: LinesConfig = Field(default_factory=LinesConfig)
    """Lines that stand in many documents; off unless enabled."""
    score: ScoreConfig = Field(default_factory=ScoreConfig)
    """Quality models and perplexity; off unless a model is named."""
    decontaminate: DecontaminateConfig = Field(default_factory=DecontaminateConfig)
    """Overlap with evaluation sets; off unless a set is named."""
    filter: FilterConfig = Field(default_factory=FilterConfig)
    """Rules that drop documents."""
    deduplicate: DeduplicateConfig = Field(default_factory=DeduplicateConfig)
    """Exact and near duplicates."""
    balance: BalanceConfig = Field(default_factory=BalanceConfig)
    """Domains, validation split, shares."""
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    """Kind and size of the tokenizer, and what it is learned from."""
    encode: EncodeConfig = Field(default_factory=EncodeConfig)
    """Token files."""
    seed: NonNegativeInt = 1234
    """Seed of every choice."""


def source_of(name: str, item: Any) -> str:
    return item.source or name


def _names(inputs: dict[str, Any], domains: dict[str, DomainConfig]) -> Iterator[tuple[str, str]]:
    for kind, names in (("inputs", inputs), ("domains", domains)):
        for name in names:
            if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
                yield f"{kind}.{name}", "is used in file names; use letters, digits, - and _"
    known = {source_of(name, item) for name, item in inputs.items()}
    for name, domain in domains.items():
        for source in domain.sources:
            if source not in known:
                yield f"domains.{name}.sources", f"{source!r} is no source; known: {', '.join(sorted(known))}"


def _templates(inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, item in inputs.items():
        for number, template in enumerate(getattr(item, "templates", ())):
            if not TEMPLATE_PLACE.search(template):
                yield (
                    f"inputs.{name}.templates.{number}",
                    f"{template!r} names no field, so every document would be the same; write fields as {{field}}",
                )


def _bands(deduplicate: DeduplicateConfig) -> Iterable[tuple[str, str]]:
    if deduplicate.num_hashes % deduplicate.bands:
        yield (
            "deduplicate.bands",
            f"{deduplicate.bands} does not divide num_hashes = {deduplicate.num_hashes}",
        )


def _vocabulary(tokenizer: TokenizerConfig) -> Iterable[tuple[str, str]]:
    if tokenizer.vocab_size in TRAP_SIZES:
        yield (
            "tokenizer.vocab_size",
            f"{tokenizer.vocab_size}: readers disagree on the token type from 65500 to 65536; stay outside",
        )
    taken = {"<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))}
    taken.update(f"<|{kind}|>" for kind in KINDS)  # placeholders of personal data
    for field in ("special_tokens", "symbols"):
        names = tokenizer.control_tokens if field == "special_tokens" else tokenizer.symbols
        for name in sorted(taken.intersection(names)):
            yield f"tokenizer.{field}", f"{name!r} is a token already; leave it out"
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"tokenizer.{field}", f"{name!r} is one of the reserved tokens; leave it out"
        taken.update(names)


RULES = (
    Rule(("inputs", "domains"), _names),
    Rule(("inputs",), _templates),
    Rule(("domains", "balance"), mixture_problems),
    Rule(("deduplicate",), _bands),
    Rule(("score",), score_problems),
    Rule(("decontaminate",), decontaminate_problems),
    Rule(("tokenizer",), _vocabulary),
)
