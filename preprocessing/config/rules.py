"""Configuration of the rules that drop documents, per language.

A threshold is a number or ``off``; without a value, the preset's applies (``preprocessing/judging/presets``).
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


def _check_number(
    number_type: type, minimum: float, maximum: float, description: str
) -> Callable[[Any], Any]:
    """Returns a validator whose message lists all alternatives."""

    def check(value: Any) -> Any:
        accepted = (int,) if number_type is int else (int, float)
        if value is None or value == OFF:
            return value
        if isinstance(value, bool) or not isinstance(value, accepted) or not minimum <= value <= maximum:
            raise ValueError(f"should be {description} or off; remove it to use the preset's value")
        return number_type(value)

    return check


Count = Annotated[
    Union[int, Literal["off"], None],
    BeforeValidator(_check_number(int, 0, INT64_MAX, f"an integer from 0 to {INT64_MAX}")),
]
Share = Annotated[
    Union[float, Literal["off"], None], BeforeValidator(_check_number(float, 0, 1, "a number from 0 to 1"))
]
Number = Annotated[
    Union[float, Literal["off"], None],
    BeforeValidator(_check_number(float, 0, 1e18, "a number from 0 to 1e18")),
]


def is_of(annotation: Any, kind: Any) -> bool:
    """Whether the type of a field, as ``get_type_hints`` gives it with its sentence, is Count, Share or Number."""
    return kind.__metadata__[0] in getattr(annotation, "__metadata__", ())


Languages = Union[list[Language], Literal["off"], None]
LicenseKinds = Union[list[LicenseKind], Literal["off"], None]
Switch = Union[Flag, None]


@section
class ProseRules:
    # Lines that count are sentences and items of lists; see preprocessing/judging/prose.py
    preset: Preset | None = None
    """Preset for thresholds that are not set here; defaults to filter.preset."""
    min_characters: Count = None
    """Minimum characters of a document."""
    max_characters: Count = None
    """Maximum characters of a document."""
    min_words: Count = None
    """Minimum words (runs of Hangul, letters or digits)."""
    max_words: Count = None
    """Maximum words (runs of Hangul, letters or digits)."""
    lorem: Switch = None
    """Drops filler text (lorem ipsum), except in documents with sentences of their own."""
    max_mojibake_ratio: Share = None
    """Maximum ratio of signs of a wrong decoding (replacement characters, runs of Latin-1 letters) to visible characters."""
    max_jamo_ratio: Share = None
    """Maximum ratio of jamo behind another letter, other than laughter and tears, to Hangul."""
    spam: Switch = None
    """Drops advertisements: at least two distinct spam terms, a contact or link, and a high density of terms; in lists with words
    of searches and shops, one term and a contact."""
    page_parts: Switch = None
    """Drops documents of at most some 600 characters that are a footer, a cookie banner, a page of an error, a form to log in, or
    buttons: four different phrases of such, one in 50 characters, and no sentences beside them."""
    max_symbol_ratio: Share = None
    """Maximum ratio of symbols (neither letters, digits nor plain punctuation) in the text that counts to the visible characters of the
    document. Sentences of its own keep a document."""
    min_letter_ratio: Share = None
    """Minimum ratio of letters to visible characters (thirty or more words). Sentences of its own keep a document."""
    min_hangul_ratio: Share = None
    """Minimum ratio of Hangul syllables to letters and digits. Documents of words that are Korean as a whole have at least a half.
    Sentences of its own keep a document."""
    languages: Languages = None
    """Allowed languages, as detected from the text."""
    max_rare_hangul: Share = None
    """Maximum share of Hangul syllables outside the 2,350 of KS X 1001 (thirty or more syllables): a sign of a wrong decoding."""
    max_link_lines: Share = None
    """Maximum share of lines that consist mostly of links to other sites, outside of code, in documents with more of them than
    examples of code, and without a sentence in most of the lines."""
    max_number_lines: Share = None
    """Maximum share of lines with at least as many digits as letters, or with a time and hardly any Hangul, outside of code
    (five or more lines). Lines that equal an earlier one but for their digits count, too, and prices where function words are
    hardly any; tables of names and their codes, and results with units, do not. Sentences of its own keep a document."""
    max_listed_words: Share = None
    """Maximum share of words in pieces of one or two words between commas, bars and line ends, where function words are few
    (twelve or more words): lists of keywords, menus. Lists with hardly any words of searches, shops and menus, such as rosters and
    indexes, do not count, nor do tables of names and codes, and lists beside more links, tables and code."""
    min_function_words: Share = None
    """Minimum share of words that equal or end in a stop word, in Korean texts of long lines (twelve words a line on average, twenty
    words): words without grammar, such as keywords in a row. From four words a line on, a fifth of it, from sixty words on. Lists and
    headlines are exempt if hardly any of their words are of searches, shops and menus."""
    max_bullet_lines: Share = None
    """Maximum share of lines that start with a bullet, outside of code (five or more lines)."""
    max_ellipsis_lines: Share = None
    """Maximum share of lines that end with an ellipsis (five or more lines)."""
    max_short_lines: Share = None
    """Maximum share of lines of at most 30 characters (five or more lines)."""
    min_ended_lines: Share = None
    """Minimum share of lines that end with . ! ? or a quotation mark (five or more lines)."""
    max_newline_ratio: Number = None
    """Maximum ratio of line ends to words (thirty or more words)."""
    max_repeated_lines: Share = None
    """Maximum share of the visible characters of a document in lines of prose that repeat an earlier line (five or more lines).
    Three quarters of the share count beside sentences of its own, as in references, half of it beside lines with function words that
    do not repeat, as in verse and in pages that hold their content twice."""
    max_duplicate_lines: Share = None
    """Maximum share of lines that repeat an earlier line (five or more lines)."""
    max_duplicate_paragraphs: Share = None
    """Maximum share of paragraphs that repeat an earlier paragraph (five or more lines)."""
    max_duplicate_paragraph_characters: Share = None
    """Maximum share of visible characters in paragraphs that repeat an earlier paragraph (five or more lines)."""
    max_echoed_words: Share = None
    """Maximum share of words that occur earlier in their line, where function words are few (thirty or more words): keywords
    that are repeated one after another. Four tenths of it count without words of searches, shops and menus."""
    max_repeated_pair: Share = None
    """Maximum share of characters in the most frequent two-word sequence, where function words are few and most letters Korean (thirty
    or more words): stuffing with keywords. Half of it counts without words of searches, shops and menus."""
    max_repeated_words: Share = None
    """Maximum share of the three-word sequences of a document that repeat an earlier one (twenty or more words), tables and code
    counted as text that does not. Three quarters of the share of words, without signs, count beside sentences of its own."""
    max_top_2_gram: Share = None
    """Maximum share of characters in the most frequent two-word sequence (thirty or more words)."""
    max_top_3_gram: Share = None
    """Maximum share of characters in the most frequent three-word sequence (thirty or more words)."""
    max_top_4_gram: Share = None
    """Maximum share of characters in the most frequent four-word sequence (thirty or more words)."""
    max_duplicate_5_gram: Share = None
    """Maximum share of characters in five-word sequences that repeat an earlier one (thirty or more words)."""
    max_duplicate_6_gram: Share = None
    """Maximum share of characters in six-word sequences that repeat an earlier one (thirty or more words)."""
    max_duplicate_7_gram: Share = None
    """Maximum share of characters in seven-word sequences that repeat an earlier one (thirty or more words)."""
    max_duplicate_8_gram: Share = None
    """Maximum share of characters in eight-word sequences that repeat an earlier one (thirty or more words)."""
    max_duplicate_9_gram: Share = None
    """Maximum share of characters in nine-word sequences that repeat an earlier one (thirty or more words)."""
    max_duplicate_10_gram: Share = None
    """Maximum share of characters in ten-word sequences that repeat an earlier one (thirty or more words)."""
    min_sentence_ends: Count = None
    """Minimum sentence ends (punctuation marks, and Korean lines ending with 다 요 죠 까; thirty or more words)."""
    min_word_length: Number = None
    """Minimum mean characters of words with a letter or digit (thirty or more words)."""
    max_word_length: Number = None
    """Maximum mean characters of words with a letter or digit (thirty or more words)."""
    max_characters_per_word: Number = None
    """Maximum visible characters per word; excludes text without blanks, such as one syllable repeated many times."""
    min_alphabetic_words: Share = None
    """Minimum share of words between blanks that contain a letter (thirty or more words)."""
    min_stop_words: Count = None
    """Minimum distinct stop words (Korean particles and endings, English function words; thirty or more words)."""


@section
class CodeRules:
    preset: Preset | None = None
    """Preset for thresholds that are not set here; defaults to filter.preset."""
    min_characters: Count = None
    """Minimum characters of a document."""
    max_characters: Count = None
    """Maximum characters of a document."""
    max_lines: Count = None
    """Maximum lines with a visible character."""
    max_line_characters: Count = None
    """Maximum characters of a line. Korean sentences of its own keep a document."""
    max_mean_line_characters: Number = None
    """Maximum mean characters per line (five or more lines if they have Korean). Korean sentences of its own keep a document."""
    min_alphabetic_ratio: Share = None
    """Minimum ratio of letters to all characters; a syllable counts twice."""
    min_alphanumeric_ratio: Share = None
    """Minimum ratio of letters and digits to all characters."""
    generated: Switch = None
    """Drops generated files."""
    minified: Switch = None
    """Drops minified files."""
    data_file: Switch = None
    """Drops files that consist mostly of numbers, encoded data or a table."""
    max_encoded_share: Share = None
    """Maximum share of bytes in base64, lists of bytes and escaped characters."""
    max_encoded_run: Count = None
    """Maximum bytes of a block of base64, lists of bytes or escaped characters."""
    min_comment_share: Share = None
    """Minimum share of visible bytes in comments and docstrings."""
    max_comment_share: Share = None
    """Maximum share of visible bytes in comments and docstrings."""
    max_secrets: Count = None
    """Maximum passwords, keys and tokens in a file (clean masks them in any case)."""
    licenses: LicenseKinds = None
    """License classes to keep, such as [permissive, none]. none: no license was found; unknown: the license was not
    recognized."""
    languages: Languages = None
    """Allowed languages, as detected from the text."""


@section
class FilterConfig:
    preset: Preset = "default"
    """Preset for thresholds that are not set below. Each language may set its own; for a language that a preset does not
    cover, the preset default applies."""
    ko: ProseRules = Field(default_factory=ProseRules)
    """Rules for Korean documents. Each value overrides the preset's; off (for true/false fields: false) disables a rule."""
    en: ProseRules = Field(default_factory=ProseRules)
    """Rules for English documents."""
    mixed: ProseRules = Field(default_factory=ProseRules)
    """Rules for documents in both languages."""
    other: ProseRules = Field(default_factory=ProseRules)
    """Rules for documents in other languages."""
    code: CodeRules = Field(default_factory=CodeRules)
    """Rules for source code."""
