"""Thresholds of the rules that drop documents, per language.

Each is a number, ``off``, or left out: then the preset says it (``preprocessing/judging/presets``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from megatron_ko.config.fields import INT64_MAX, Flag, section
from preprocessing.config.languages import Language

OFF = "off"
Preset = Literal["default", "ko", "fineweb2", "fineweb", "gopher", "starcoder"]
LicenseKind = Literal["permissive", "copyleft", "unknown", "none"]


def _number(kind: type, least: float, most: float, said: str) -> Callable[[Any], Any]:
    """A validator that says all alternatives in one message."""

    def check(value: Any) -> Any:
        accepted = (int,) if kind is int else (int, float)
        if value is None or value == OFF:
            return value
        if isinstance(value, bool) or not isinstance(value, accepted) or not least <= value <= most:
            raise ValueError(f"should be {said}, or off; leave it out for the value of the preset")
        return kind(value)

    return check


def _choices(value: Any) -> Any:
    if value is None or value == OFF or isinstance(value, list):
        return value
    raise ValueError("should be a list, or off; leave it out for the value of the preset")


Count = Annotated[
    Union[int, Literal["off"], None], BeforeValidator(_number(int, 0, INT64_MAX, "a whole number from 0 on"))
]
Share = Annotated[
    Union[float, Literal["off"], None], BeforeValidator(_number(float, 0, 1, "a number from 0 to 1"))
]
Number = Annotated[
    Union[float, Literal["off"], None], BeforeValidator(_number(float, 0, 1e18, "a number from 0 on"))
]
Languages = Annotated[Union[list[Language], Literal["off"], None], BeforeValidator(_choices)]
LicenseKinds = Annotated[Union[list[LicenseKind], Literal["off"], None], BeforeValidator(_choices)]
Switch = Union[Flag, None]


@section
class ProseRules:
    preset: Preset | None = None
    """Where thresholds come from that are not given here; filter.preset when not given."""
    min_characters: Count = None
    """Shortest document in characters."""
    max_characters: Count = None
    """Longest document in characters."""
    min_words: Count = None
    """Fewest words (runs of Hangul, letters or digits)."""
    max_words: Count = None
    """Most words (runs of Hangul, letters or digits)."""
    lorem: Switch = None
    """Drops filler text (lorem ipsum)."""
    max_mojibake_ratio: Share = None
    """Signs of a wrong decoding (replacement characters, Latin-1 letters in a row) over visible characters, at most."""
    max_jamo_ratio: Share = None
    """Single jamo other than laughter and tears over Hangul, at most."""
    spam: Switch = None
    """Drops advertisements: two different spam terms, a contact or link, and a density of terms."""
    max_symbol_ratio: Share = None
    """Symbols (neither letter, digit nor plain punctuation) over visible characters, at most."""
    min_hangul_ratio: Share = None
    """Hangul syllables over letters and digits, at least."""
    languages: Languages = None
    """Languages that the text itself may be found to be in."""
    max_bullet_lines: Share = None
    """Share of lines that start with a bullet, at most (documents of five lines or more)."""
    max_ellipsis_lines: Share = None
    """Share of lines that end in an ellipsis, at most (five lines or more)."""
    max_short_lines: Share = None
    """Share of lines of at most 30 characters, at most (five lines or more)."""
    min_ended_lines: Share = None
    """Share of lines that end in . ! ? or a quotation mark, at least (five lines or more)."""
    max_newline_ratio: Number = None
    """Line ends over words, at most (thirty words or more)."""
    max_repeated_lines: Share = None
    """Visible characters in lines seen before in the document, as a share, at most (five lines or more)."""
    max_duplicate_lines: Share = None
    """Share of lines seen before in the document, at most (five lines or more)."""
    max_duplicate_paragraphs: Share = None
    """Share of paragraphs seen before in the document, at most (five lines or more)."""
    max_duplicate_paragraph_characters: Share = None
    """Visible characters in paragraphs seen before, as a share, at most (five lines or more)."""
    max_repeated_words: Share = None
    """Share of three-word sequences seen before in the document, at most (documents of thirty words or more)."""
    max_top_2_gram: Share = None
    """Characters in the most frequent two words, as a share, at most (thirty words or more)."""
    max_top_3_gram: Share = None
    """Characters in the most frequent three words, as a share, at most (thirty words or more)."""
    max_top_4_gram: Share = None
    """Characters in the most frequent four words, as a share, at most (thirty words or more)."""
    max_duplicate_5_gram: Share = None
    """Characters in five-word sequences seen before, as a share, at most (thirty words or more)."""
    max_duplicate_6_gram: Share = None
    """Characters in six-word sequences seen before, as a share, at most (thirty words or more)."""
    max_duplicate_7_gram: Share = None
    """Characters in seven-word sequences seen before, as a share, at most (thirty words or more)."""
    max_duplicate_8_gram: Share = None
    """Characters in eight-word sequences seen before, as a share, at most (thirty words or more)."""
    max_duplicate_9_gram: Share = None
    """Characters in nine-word sequences seen before, as a share, at most (thirty words or more)."""
    max_duplicate_10_gram: Share = None
    """Characters in ten-word sequences seen before, as a share, at most (thirty words or more)."""
    min_sentence_ends: Count = None
    """Fewest ends of sentences (marks, and Korean lines ending in 다 요 죠 까), of thirty words or more."""
    min_word_length: Number = None
    """Mean length of words with a letter or digit, at least (thirty words or more)."""
    max_word_length: Number = None
    """Mean length of words with a letter or digit, at most (thirty words or more)."""
    max_characters_per_word: Number = None
    """Visible characters for each word, at most: text without blanks, such as one syllable again and again."""
    min_alphabetic_words: Share = None
    """Share of words between blanks that hold a letter, at least (thirty words or more)."""
    min_stop_words: Count = None
    """Fewest different stop words (Korean particles and endings, English function words), of thirty words or more."""


@section
class CodeRules:
    preset: Preset | None = None
    """Where thresholds come from that are not given here; filter.preset when not given."""
    min_characters: Count = None
    """Shortest document in characters."""
    max_characters: Count = None
    """Longest document in characters."""
    max_lines: Count = None
    """Most lines that hold a visible character."""
    max_line_characters: Count = None
    """Longest line in characters."""
    max_mean_line_characters: Number = None
    """Mean length of the lines in characters, at most."""
    min_alphabetic_ratio: Share = None
    """Letters over all characters, at least."""
    min_alphanumeric_ratio: Share = None
    """Letters and digits over all characters, at least."""
    generated: Switch = None
    """Drops files that a program wrote."""
    minified: Switch = None
    """Drops minified files."""
    data_file: Switch = None
    """Drops files that are mostly numbers, encoded data or a table."""
    max_encoded_share: Share = None
    """Bytes of base64, lists of bytes and escaped characters over all bytes, at most."""
    max_encoded_run: Count = None
    """Longest block of base64, lists of bytes or escaped characters in bytes."""
    min_comment_share: Share = None
    """Visible bytes in comments and docstrings over all, at least."""
    max_comment_share: Share = None
    """Visible bytes in comments and docstrings over all, at most."""
    max_secrets: Count = None
    """Most passwords, keys and tokens found (they are masked wherever they are found)."""
    licenses: LicenseKinds = None
    """Kinds of licenses that are kept, such as [permissive, none]; none: no license was found, unknown: it was not
    recognized."""
    languages: Languages = None
    """Languages that the text itself may be found to be in."""


@section
class FilterConfig:
    preset: Preset = "default"
    """Where thresholds come from that are not given below; each language may name its own, and a language that a preset
    says nothing of has the thresholds of default."""
    ko: ProseRules = Field(default_factory=ProseRules)
    """Rules for Korean documents. Each value goes before the preset's; off (of a true/false: false) switches a rule off."""
    en: ProseRules = Field(default_factory=ProseRules)
    """Rules for English documents."""
    mixed: ProseRules = Field(default_factory=ProseRules)
    """Rules for documents in both languages."""
    other: ProseRules = Field(default_factory=ProseRules)
    """Rules for documents in other languages."""
    code: CodeRules = Field(default_factory=CodeRules)
    """Rules for source code."""
