"""Configuration of the tokenizer, trained or existing, and of the token files."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import AfterValidator, Field

from megatron_ko.config.fields import FilePath, Flag, NonNegativeInt, PositiveFloat, PositiveInt, section


def _check_token(text: str) -> str:
    if not text.isprintable() or any(blank in text for blank in " \u2581\u00a0"):
        raise ValueError(
            f"contains a blank, U+2581 or a control character ({text!r}); use printable characters"
        )
    return text


def _check_distinct(tokens: list[str]) -> list[str]:
    duplicates = sorted({token for token in tokens if tokens.count(token) > 1})
    if duplicates:
        raise ValueError(f"duplicate tokens: {', '.join(duplicates)}; list each token once")
    return tokens


Token = Annotated[str, Field(min_length=2, max_length=64), AfterValidator(_check_token)]
Tokens = Annotated[
    list[Token],
    AfterValidator(_check_distinct),
]


@section
class TokenizerConfig:
    type: Literal["bpe", "unigram", "byte_bpe"] = "bpe"
    """bpe and unigram: SentencePiece with byte fallback for rare characters; byte_bpe: byte-level BPE within words, trained
    with Hugging Face tokenizers (no tokenizer.model)."""
    vocab_size: PositiveInt = Field(default=32_000, le=2**24)
    """Number of pieces, including control, byte and placeholder pieces."""
    sample_bytes: PositiveInt = 100_000_000
    """Maximum bytes of training text for the tokenizer, divided among the domains by share; small domains repeat."""
    character_coverage: PositiveFloat = Field(default=0.9999, ge=0.98, le=1.0)
    """Share of the text's characters covered by pieces of single characters; other characters become bytes. byte_bpe ignores
    it."""
    split_digits: Flag = True
    """One token per digit; false: numbers are learned like other text (byte_bpe: up to three digits)."""
    split_scripts: Flag = True
    """Pieces do not mix Hangul, Latin, Han and punctuation; false: fewer tokens, but pieces such as '),'. bpe and unigram
    only."""
    max_piece_characters: PositiveInt = Field(default=16, le=512)
    """Maximum length of a piece in characters (byte_bpe: in bytes)."""
    morphemes: Literal["none", "mecab"] = "none"
    """mecab: pieces are learned within the morphemes that mecab-ko finds in Hangul words; encoding does not use mecab-ko.
    Requires the extra [morphemes]."""
    symbols: Tokens = Field(default_factory=list)
    """Texts that are always a single token, in addition to the placeholders of personal data."""
    special_tokens: Tokens = Field(default_factory=list)
    """Control tokens in addition to <unk>, <s>, </s> and <pad>, such as for fill-in-the-middle or chat; text is never
    encoded to them."""
    reserved_tokens: NonNegativeInt = Field(default=0, le=4096)
    """Number of further control tokens, <|reserved_0|>, <|reserved_1|>, ..."""
    proof_strings: PositiveInt = 100_000
    """Maximum generated texts on which all readers of the tokenizer must agree at the end of training, besides documents; a
    small corpus gets one per 100 bytes of its training split, at least 10,000."""
    english_only: Flag = True
    """Also trains a tokenizer of the same size on the English and code text, to compare efficiency."""

    @property
    def control_tokens(self) -> list[str]:
        """``special_tokens`` and the reserved tokens."""
        return [*self.special_tokens, *(f"<|reserved_{i}|>" for i in range(self.reserved_tokens))]


@section
class ExistingTokenizerConfig:
    type: Literal["existing"]
    """Takes a tokenizer that exists, such as that of a model to continue, and proves it like a trained one. Its ids stay."""
    folder: FilePath
    """Hugging Face folder with tokenizer.json, tokenizer folder of this project, or SentencePiece model (a folder with
    tokenizer.model, or the file), such as models/base."""
    eos_token: str | None = Field(default=None, min_length=1)
    """Token that ends documents (EOD), such as <|end_of_text|>; defaults to the tokenizer's own. Text is never encoded to it."""
    proof_strings: PositiveInt = 100_000
    """Generated texts, at most, that all readers of the tokenizer must agree on, beside documents; a small corpus gets one
    per 100 bytes of its training split, at least 10,000."""


AnyTokenizerConfig = Annotated[
    Union[TokenizerConfig, ExistingTokenizerConfig],
    Field(discriminator="type"),
]


@section
class EncodeConfig:
    engine: Literal["auto", "bpe", "sentencepiece", "tokenizers", "fastokens", "gigatoken"] = "auto"
    """Library that encodes text: the reference (sentencepiece if there is a tokenizer.model, else tokenizers) or a faster
    engine, abandoned at the first id that differs from the reference. auto: bpe, built in, then fastokens if installed."""
    shard_tokens: PositiveInt | None = None
    """Approximate tokens per pair of .bin and .idx files, split between documents; defaults to one pair per domain and
    split."""
