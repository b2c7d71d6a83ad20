"""The tokenizer and the token files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from megatron_ko.config.fields import Flag, NonNegativeInt, PositiveFloat, PositiveInt, section


def _token(text: str) -> str:
    if not text.isprintable() or any(blank in text for blank in " \u2581\u00a0"):
        raise ValueError(f"holds a blank, U+2581 or a control character ({text!r}); use printable characters")
    return text


def _distinct(tokens: list[str]) -> list[str]:
    twice = sorted({token for token in tokens if tokens.count(token) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once; name each once")
    return tokens


Tokens = Annotated[
    list[Annotated[str, Field(min_length=2, max_length=64), AfterValidator(_token)]],
    AfterValidator(_distinct),
]


@section
class TokenizerConfig:
    type: Literal["bpe", "unigram", "byte_bpe"] = "bpe"
    """bpe and unigram: SentencePiece with bytes for rare characters; byte_bpe: pairs of bytes merged within words, with
    the trainer of Hugging Face (no tokenizer.model)."""
    vocab_size: PositiveInt = 32_000
    """Number of pieces including control, byte and placeholder pieces."""
    sample_bytes: PositiveInt = 100_000_000
    """Bytes of training text the pieces are learned from at most, split over the domains by share; small domains repeat."""
    character_coverage: PositiveFloat = Field(default=0.9999, ge=0.98, le=1.0)
    """Share of characters that get a piece of their own; the rest is written in bytes. byte_bpe needs none."""
    split_digits: Flag = True
    """One token per digit; otherwise numbers are learned as text (byte_bpe: up to three digits)."""
    split_scripts: Flag = True
    """Pieces do not cross Hangul, Latin, Han and punctuation; fewer tokens without, but pieces such as '),'. Of bpe and
    unigram only."""
    max_piece_characters: PositiveInt = Field(default=16, le=512)
    """Length of the longest piece, in characters (byte_bpe: in bytes)."""
    morphemes: Literal["none", "mecab"] = "none"
    """mecab: pieces are learned within the morphemes that mecab-ko finds in Hangul words; text is encoded without it.
    Needs the extra [morphemes]."""
    symbols: Tokens = Field(default_factory=list)
    """Texts that are one token wherever they stand, beside the placeholders of personal data."""
    special_tokens: Tokens = Field(default_factory=list)
    """Tokens that no text becomes, beside <unk>, <s>, </s> and <pad>: for fill-in-the-middle, chat, later use."""
    reserved_tokens: NonNegativeInt = Field(default=0, le=4096)
    """Number of further such tokens, <|reserved_0|>, <|reserved_1|>, ..."""
    proof_strings: PositiveInt = 100_000
    """Generated texts, at most, that all readers of the tokenizer must agree on at the end of training, beside documents;
    a small corpus gets one per 100 bytes of its training split, at least 10,000."""
    english_only: Flag = True
    """Also trains a tokenizer of the same size on the English and code part, to compare efficiency."""

    @property
    def control_tokens(self) -> list[str]:
        """``special_tokens`` and the reserved ones."""
        return [*self.special_tokens, *(f"<|reserved_{i}|>" for i in range(self.reserved_tokens))]


@section
class EncodeConfig:
    engine: Literal["auto", "bpe", "sentencepiece", "tokenizers", "fastokens", "gigatoken"] = "auto"
    """What turns text into ids: the reference (sentencepiece with tokenizer.model, else tokenizers), or a faster engine,
    used only while it gives the ids of the reference; auto: bpe, our own, then fastokens where it is installed."""
    shard_tokens: PositiveInt | None = None
    """Tokens in a pair of .bin and .idx, cut between documents; one pair for each domain and split when not given."""
