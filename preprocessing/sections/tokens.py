"""The tokenizer and the token files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from megatron_ko.config.fields import Flag, PositiveFloat, PositiveInt, section


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
class EncodeConfig:
    engine: Literal["auto", "bpe", "sentencepiece", "tokenizers", "fastokens", "gigatoken"] = "auto"
    """What turns text into ids: the reference (sentencepiece with tokenizer.model, else tokenizers), or a faster engine,
    used only while it gives the ids of the reference; auto: bpe, our own, then fastokens where it is installed."""
    shard_tokens: PositiveInt | None = None
    """Tokens in a pair of .bin and .idx, cut between documents; one pair for each domain and split when not given."""
