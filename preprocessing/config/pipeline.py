"""Configuration of preprocessing: one frozen tree.

Owns the tree and the rules over several sections; names, types, bounds and the help sentence of each field are in
``preprocessing/config/``. Paths are relative to the working directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from megatron_ko.config.fields import NonNegativeInt, configuration
from megatron_ko.config.loading import Rule
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.deduplication import DeduplicateConfig, LinesConfig
from preprocessing.config.inputs import TEMPLATE_PLACE, Input
from preprocessing.config.languages import KINDS
from preprocessing.config.mixture import BalanceConfig, DomainConfig
from preprocessing.config.mixture_rules import CHECKS as MIXTURE_CHECKS
from preprocessing.config.rules import FilterConfig
from preprocessing.config.running import OutputConfig
from preprocessing.config.scoring import (
    DecontaminateConfig,
    ScoreConfig,
    evaluation_set_fields,
    minimum_words,
    score_thresholds,
    score_training,
)
from preprocessing.config.tokens import AnyTokenizerConfig, EncodeConfig, TokenizerConfig

# For these sizes the index stores int32, but megatron-core's fast cache reader assumes uint16.
AMBIGUOUS_SIZES = range(65_500, 65_537)
MIN_SPECIAL_TOKENS = 3  # of a byte-level tokenizer, which has no unknown token


@configuration
class Config:
    output: OutputConfig
    """Output folder."""
    inputs: dict[str, Input] = Field(min_length=1)
    """Inputs by name."""
    domains: dict[str, DomainConfig] = Field(min_length=1)
    """Domains of the corpus by name, each a training set; a document belongs to the first domain that matches."""
    clean: CleanConfig = Field(default_factory=CleanConfig)
    """Text normalization and personal data."""
    lines: LinesConfig = Field(default_factory=LinesConfig)
    """Lines that occur in many documents; off unless enabled."""
    score: ScoreConfig = Field(default_factory=ScoreConfig)
    """Quality and perplexity models; off unless a model is configured."""
    decontaminate: DecontaminateConfig = Field(default_factory=DecontaminateConfig)
    """Overlap with evaluation sets; off unless a set is configured."""
    filter: FilterConfig = Field(default_factory=FilterConfig)
    """Rules that drop documents."""
    deduplicate: DeduplicateConfig = Field(default_factory=DeduplicateConfig)
    """Exact and near duplicates."""
    balance: BalanceConfig = Field(default_factory=BalanceConfig)
    """Validation split, shares of the domains, stages."""
    tokenizer: AnyTokenizerConfig = Field(default_factory=TokenizerConfig)
    """Type, size and training text of the tokenizer, or the folder of an existing one."""
    encode: EncodeConfig = Field(default_factory=EncodeConfig)
    """Token files."""
    seed: NonNegativeInt = 1234
    """Seed of every random choice."""


def source_of(name: str, item: Any) -> str:
    return item.source or name


def _file_names(inputs: dict[str, Any], domains: dict[str, DomainConfig]) -> Iterator[tuple[str, str]]:
    for group, names in (("inputs", inputs), ("domains", domains)):
        for name in names:
            if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
                yield f"{group}.{name}", "becomes part of file names; use ASCII letters, digits, - and _"


def _known_sources(inputs: dict[str, Any], domains: dict[str, DomainConfig]) -> Iterator[tuple[str, str]]:
    known = {source_of(name, item) for name, item in inputs.items()}
    for name, domain in domains.items():
        for source in domain.sources:
            if source not in known:
                yield (
                    f"domains.{name}.sources",
                    f"unknown source {source!r}; known: {', '.join(sorted(known))}",
                )


def _template_fields(inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, item in inputs.items():
        for number, template in enumerate(getattr(item, "templates", ())):
            if not TEMPLATE_PLACE.search(template):
                yield (
                    f"inputs.{name}.templates.{number}",
                    f"{template!r} contains no field, so all documents would be identical; write fields as {{field}}",
                )


def _bands_divide_hashes(deduplicate: DeduplicateConfig) -> Iterable[tuple[str, str]]:
    if deduplicate.num_hashes % deduplicate.bands:
        yield (
            "deduplicate.bands",
            f"{deduplicate.bands} does not divide num_hashes = {deduplicate.num_hashes}; choose a divisor",
        )


def _vocabulary_size(tokenizer: AnyTokenizerConfig) -> Iterable[tuple[str, str]]:
    if not isinstance(tokenizer, TokenizerConfig):
        return
    placeholders = [f"<|{kind}|>" for kind in KINDS]
    fixed = (
        len({*placeholders, *tokenizer.symbols}) + len(tokenizer.control_tokens) + MIN_SPECIAL_TOKENS + 256
    )
    if tokenizer.vocab_size < fixed:
        yield (
            "tokenizer.vocab_size",
            f"{tokenizer.vocab_size} is too small: 256 bytes, special tokens and symbols alone need {fixed}; raise it",
        )
    if tokenizer.vocab_size in AMBIGUOUS_SIZES:
        yield (
            "tokenizer.vocab_size",
            f"{tokenizer.vocab_size}: readers of token files disagree about sizes from 65500 to 65536; choose another",
        )


def _distinct_tokens(tokenizer: AnyTokenizerConfig) -> Iterable[tuple[str, str]]:
    if not isinstance(tokenizer, TokenizerConfig):
        return
    taken = {"<unk>", "<s>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))}
    taken.update(f"<|{kind}|>" for kind in KINDS)  # placeholders of personal data
    for field in ("special_tokens", "symbols"):
        names = tokenizer.control_tokens if field == "special_tokens" else tokenizer.symbols
        for name in sorted(taken.intersection(names)):
            yield f"tokenizer.{field}", f"{name!r} is already a token; remove it"
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"tokenizer.{field}", f"{name!r} is one of the reserved tokens; remove it"
        taken.update(names)


RULES = (
    Rule(("inputs", "domains"), _file_names),
    Rule(("inputs", "domains"), _known_sources),
    Rule(("inputs",), _template_fields),
    *(Rule(("domains", "balance"), check) for check in MIXTURE_CHECKS),
    Rule(("deduplicate",), _bands_divide_hashes),
    Rule(("score",), score_thresholds),
    Rule(("score",), score_training),
    Rule(("decontaminate",), evaluation_set_fields),
    Rule(("decontaminate",), minimum_words),
    Rule(("tokenizer",), _vocabulary_size),
    Rule(("tokenizer",), _distinct_tokens),
)
