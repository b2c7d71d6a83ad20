"""The configuration of preprocessing: one frozen tree.

Owns names, types, bounds and the sentence that documents each field (shown by ``--help``), and the rules over
several fields. Paths are relative to the working directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Fraction,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
    section,
)
from megatron_ko.config.loading import Rule

LANGUAGES = ("ko", "en", "code", "mixed")
Language = Literal["ko", "en", "code", "mixed"]
Kind = Literal["rrn", "phone", "card", "account", "email", "ip"]
# Between these sizes the index says int32 while megatron-core's fast cache reader assumes uint16.
TRAP_SIZES = range(65_500, 65_537)


@section
class OutputConfig:
    folder: FilePath
    """Folder of everything that is written: clean/, dropped/, tokenizer/, tokens/, manifest.json, funnel.json."""


@section
class JsonlInput:
    type: Literal["jsonl"]
    """One JSON object a line, plain or compressed (.gz, .zst)."""
    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns (**, *, {a,b}) relative to the working directory; each must match a file."""
    lang: Literal["ko", "en", "code", "mixed", "record"] = "record"
    """Language of every document, or record: the field lang_field of each record."""
    source: str | None = None
    """Name of the source in counts and domains; the name of the input when not given."""
    text_field: str = "text"
    """Field of the text."""
    templates: list[str] = Field(default_factory=list)
    """Text made of several fields, such as "{en}\\n\\n{ko}", instead of text_field; of several, one by hash of the id."""
    id_field: str = "id"
    """Field of the identity; records without it are named by file and line."""
    lang_field: str = "lang"
    """Field of the language (with lang: record)."""
    markup: Literal["auto", "none", "html", "mediawiki"] = "auto"
    """Markup to remove; auto: mediawiki for a source named wiki, else HTML in documents that hold tags."""


@section
class TextInput:
    type: Literal["text"]
    """One document per file; files named .jsonl, .jsonl.gz, .jsonl.zst are read as records with a field text."""
    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns (**, *, {a,b}) relative to the working directory; each must match a file."""
    lang: Language
    """Language of every document."""
    source: str | None = None
    """Name of the source in counts and domains; the name of the input when not given."""
    markup: Literal["auto", "none", "html", "mediawiki"] = "auto"
    """Markup to remove; auto: mediawiki for a source named wiki, else HTML in documents that hold tags."""


@section
class StdlibInput:
    type: Literal["python_stdlib"]
    """Source code of the running Python's standard library without its tests, one document per module."""
    max_bytes: PositiveInt = 1_500_000
    """Bytes to take; the modules are chosen by the seed."""
    source: str | None = None
    """Name of the source in counts and domains; the name of the input when not given."""


Input = Annotated[Union[JsonlInput, TextInput, StdlibInput], Field(discriminator="type")]


@section
class DomainConfig:
    sources: list[str] = Field(default_factory=list)
    """Sources that belong to the domain; every source when empty."""
    langs: list[Language] = Field(default_factory=list)
    """Languages that belong to the domain; every language when empty."""
    share: PositiveFloat | None = None
    """Share of training tokens; shares are scaled to sum 1. Given for all domains or for none."""
    max_bytes: PositiveInt | None = None
    """Bytes of training text kept at most, chosen by hash of the document."""


@section
class ProseRules:
    min_characters: PositiveInt | None = 40
    """Shortest document in characters."""
    max_characters: PositiveInt | None = 10_000_000
    """Longest document in characters."""
    min_hangul_ratio: Fraction | None = None
    """Hangul syllables over letters and digits, at least."""
    max_symbol_ratio: Fraction | None = 0.35
    """Symbols (neither letter, digit nor plain punctuation) over visible characters, at most."""
    max_bullet_lines: Fraction | None = 0.9
    """Share of lines that start with a bullet, at most (documents of five lines or more)."""
    max_repeated_lines: Fraction | None = 0.3
    """Visible characters in lines seen before in the document, as a share, at most (five lines or more)."""
    max_repeated_words: Fraction | None = 0.6
    """Share of three-word sequences seen before in the document, at most (documents of thirty words or more)."""
    max_jamo_ratio: Fraction | None = 0.3
    """Single jamo other than laughter and tears over Hangul, at most."""
    max_mojibake_ratio: Fraction | None = 0.05
    """Signs of a wrong decoding (replacement characters, Latin-1 letters in a row) over visible characters, at most."""
    spam: Flag = True
    """Drops advertisements: two different spam terms, a contact or link, and a density of terms."""
    lorem: Flag = True
    """Drops filler text."""


@section
class KoreanRules(ProseRules):
    min_characters: PositiveInt | None = 30
    """Shortest document in characters."""
    min_hangul_ratio: Fraction | None = 0.2
    """Hangul syllables over letters and digits, at least."""


@section
class EnglishRules(ProseRules):
    min_characters: PositiveInt | None = 80
    """Shortest document in characters."""
    max_jamo_ratio: Fraction | None = None
    """Single jamo other than laughter and tears over Hangul, at most."""


@section
class MixedRules(ProseRules):
    min_characters: PositiveInt | None = 20
    """Shortest document in characters."""
    max_repeated_lines: Fraction | None = None
    """Off: names and code are the same in both languages."""
    max_repeated_words: Fraction | None = None
    """Off: names and code are the same in both languages."""


@section
class CodeRules:
    min_characters: PositiveInt | None = 40
    """Shortest document in characters."""
    max_characters: PositiveInt | None = 1_000_000
    """Longest document in characters."""
    max_line_characters: PositiveInt | None = 1000
    """Longest line in characters."""
    max_mean_line_characters: PositiveFloat | None = 100.0
    """Mean length of the lines in characters, at most."""
    min_alphabetic_ratio: Fraction | None = 0.25
    """Letters over all characters, at least."""


@section
class CleanConfig:
    ko: KoreanRules = Field(default_factory=KoreanRules)
    """Rules for Korean documents."""
    en: EnglishRules = Field(default_factory=EnglishRules)
    """Rules for English documents."""
    mixed: MixedRules = Field(default_factory=MixedRules)
    """Rules for documents in both languages."""
    code: CodeRules = Field(default_factory=CodeRules)
    """Rules for source code."""
    squeeze_to: PositiveInt = 3
    """Longest run of the same emotion (laughing or crying jamo, !, ?, ~, hearts, stars) in prose."""
    keep_old_hangul: Flag = False
    """Keeps conjoining jamo that form complete syllables of Middle Korean; stray ones are always removed."""
    mask: list[Kind] = Field(default_factory=lambda: ["rrn", "phone", "card", "account", "email", "ip"])
    """Personal data replaced by placeholders such as <|rrn|>."""


@section
class DeduplicateConfig:
    threshold: PositiveFloat = Field(default=0.7, le=1.0)
    """Jaccard similarity of five-word sequences from which a document is a near duplicate."""
    num_hashes: PositiveInt = 120
    """Hash functions of a MinHash signature."""
    bands: PositiveInt = 24
    """Bands of the signature; documents that agree in one band are compared. Divides num_hashes."""
    max_compared: PositiveInt = 64
    """Survivors of one band value a document is compared with, at most; keeps the work linear."""


@section
class BalanceConfig:
    valid_fraction: OpenFraction = 0.02
    """Share of a domain's bytes that validates, documents chosen by hash of the id; at least one document."""
    token_budget: PositiveInt | None = None
    """Tokens of the training run to plan for: epochs per domain are reported, shares follow UniMax if none are given."""
    max_epochs: PositiveFloat = 4.0
    """Epochs of a domain above which is warned, and the cap of UniMax (arXiv:2304.09151)."""


@section
class TokenizerConfig:
    vocab_size: PositiveInt
    """Number of pieces including control, byte and placeholder pieces."""
    sample_bytes: PositiveInt = 100_000_000
    """Bytes of training text the pieces are learned from at most, split over the domains by share; small domains repeat."""
    character_coverage: PositiveFloat = Field(default=0.9999, le=1.0)
    """Share of characters that get a piece of their own; the rest is written in bytes."""
    english_only: Flag = True
    """Also trains a tokenizer of the same size on the English and code part, to compare efficiency."""


@section
class Config:
    output: OutputConfig
    """Where results go."""
    inputs: dict[str, Input] = Field(min_length=1)
    """What is read, by name."""
    domains: dict[str, DomainConfig] = Field(min_length=1)
    """Training sets by name; a document belongs to the first domain that matches."""
    clean: CleanConfig = Field(default_factory=CleanConfig)
    """Normalisation, personal data, and the rules that drop documents."""
    deduplicate: DeduplicateConfig = Field(default_factory=DeduplicateConfig)
    """Exact and near duplicates."""
    balance: BalanceConfig = Field(default_factory=BalanceConfig)
    """Domains, validation split, shares."""
    tokenizer: TokenizerConfig
    """SentencePiece BPE."""
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
    given = [name for name, domain in domains.items() if domain.share is not None]
    if given and len(given) < len(domains):
        missing = next(name for name in domains if name not in given)
        yield f"domains.{missing}", "has no share while others have; give all domains a share, or none"


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


RULES = (
    Rule(("inputs", "domains"), _names),
    Rule(("deduplicate",), _bands),
    Rule(("tokenizer",), _vocabulary),
)
