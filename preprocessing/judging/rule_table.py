"""The table of rules: the reason, the threshold and the columns of each, in the order in which they are applied.

Owns the comparison of a value (``rule_values``) with a threshold. ``rules`` applies the table to documents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.judging import rule_values
from preprocessing.judging.evidence import Columns, has_sentences
from preprocessing.judging.rule_values import column, share_of

FEW_LINES = 5
FEW_WORDS = 30
FEW_LIST_WORDS, FEW_WORDS_OF_SENTENCES = 12, 20
FEW_REPEATED_WORDS = 20


@dataclass(frozen=True)
class Rule:
    """The prefix of ``field`` in the configuration defines the comparison: ``min_``, ``max_``, otherwise a switch or choice."""

    reason: str
    field: str
    value: Callable[[Columns], np.ndarray]
    few: tuple[str, int] | None = None
    """A column and its minimum for the rule to apply."""
    is_shape: bool = False
    """Whether sentences of its own keep a document that fails, since its shape alone is no sign of bad text."""

    def fails(self, columns: Columns, threshold: Any) -> np.ndarray:
        """``[rows] bool``. A row without a value (null) does not fail. Shares are compared as float32, as they are stored."""
        value = self.value(columns)
        if isinstance(threshold, float):
            value, threshold = value.astype(np.float32), np.float32(threshold)
        if isinstance(threshold, list):
            failed = ~np.isin(value, np.array([*threshold, None], object))
        elif self.field.startswith("min_"):
            failed = value < threshold
        elif self.field.startswith("max_"):
            failed = value > threshold
        else:
            failed = value > 0
        if self.few is not None:
            failed = failed & (columns(self.few[0]) >= self.few[1])
        return failed & ~has_sentences(columns) if self.is_shape and failed.any() else failed


_LINES, _TEXT_LINES, _WORDS = ("lines", FEW_LINES), ("text_lines", FEW_LINES), ("words", FEW_WORDS)
PROSE = (
    Rule("too_short", "min_characters", column("characters")),
    Rule("too_long", "max_characters", column("characters")),
    Rule("too_few_words", "min_words", rule_values.spoken_words),
    Rule("too_many_words", "max_words", rule_values.spoken_words),
    Rule("unbroken", "max_characters_per_word", share_of("visible", "words")),
    Rule("lorem", "lorem", rule_values.lorem, is_shape=True),
    Rule("mojibake", "max_mojibake_ratio", rule_values.mojibake),
    Rule("broken_jamo", "max_jamo_ratio", rule_values.jamo),
    Rule("spam", "spam", rule_values.spam),
    Rule("page_parts", "page_parts", rule_values.page_parts),
    Rule("symbol_ratio", "max_symbol_ratio", rule_values.symbols, is_shape=True),
    Rule("letter_ratio", "min_letter_ratio", rule_values.letters, _WORDS, is_shape=True),
    Rule("hangul_ratio", "min_hangul_ratio", rule_values.hangul, is_shape=True),
    Rule("language", "languages", column("language")),
    Rule("rare_hangul", "max_rare_hangul", rule_values.rare_hangul, ("hangul", FEW_WORDS)),
    Rule("link_lines", "max_link_lines", rule_values.link_lines),
    Rule("number_lines", "max_number_lines", rule_values.number_lines, _TEXT_LINES, is_shape=True),
    Rule(
        "listed_words",
        "max_listed_words",
        rule_values.listed_words,
        ("list_words", FEW_LIST_WORDS),
        is_shape=True,
    ),
    Rule(
        "few_function_words",
        "min_function_words",
        rule_values.function_words,
        ("list_words", FEW_WORDS_OF_SENTENCES),
        is_shape=True,
    ),
    Rule("bullet_lines", "max_bullet_lines", share_of("bullet_lines", "text_lines"), _TEXT_LINES),
    Rule("ellipsis_lines", "max_ellipsis_lines", share_of("ellipsis_lines", "lines"), _LINES),
    Rule("short_lines", "max_short_lines", share_of("short_lines", "lines"), _LINES),
    Rule("ended_lines", "min_ended_lines", share_of("ended_lines", "lines"), _LINES),
    Rule("newline_ratio", "max_newline_ratio", share_of("newlines", "words"), _WORDS),
    Rule("repeated_lines", "max_repeated_lines", rule_values.repeated_lines, _LINES),
    Rule("duplicate_lines", "max_duplicate_lines", column("duplicate_lines"), _LINES),
    Rule("duplicate_paragraphs", "max_duplicate_paragraphs", column("duplicate_paragraphs"), _LINES),
    Rule(
        "duplicate_paragraph_characters",
        "max_duplicate_paragraph_characters",
        column("duplicate_paragraph_characters"),
        _LINES,
    ),
    Rule("repeated_pair", "max_repeated_pair", rule_values.repeated_pair, _WORDS, is_shape=True),
    Rule(
        "echoed_words", "max_echoed_words", rule_values.echoed_words, ("list_words", FEW_WORDS), is_shape=True
    ),
    Rule("repeated_words", "max_repeated_words", rule_values.repeated_words, ("words", FEW_REPEATED_WORDS)),
    *(Rule(name, f"max_{name}", column(name), _WORDS) for name in ("top_2_gram", "top_3_gram", "top_4_gram")),
    *(
        Rule(name, f"max_{name}", column(name), _WORDS)
        for name in (f"duplicate_{n}_gram" for n in range(5, 11))
    ),
    Rule("no_sentence_end", "min_sentence_ends", column("sentence_ends"), _WORDS),
    Rule("word_length", "min_word_length", column("mean_word_length"), _WORDS),
    Rule("word_length", "max_word_length", column("mean_word_length"), _WORDS),
    Rule(
        "alphabetic_words",
        "min_alphabetic_words",
        share_of("alphabetic_words", "blank_words"),
        _WORDS,
    ),
    Rule("stop_words", "min_stop_words", column("stop_words"), _WORDS),
)
CODE = (
    Rule("too_short", "min_characters", column("characters")),
    Rule("too_long", "max_characters", column("characters")),
    Rule("too_many_lines", "max_lines", column("lines")),
    Rule("generated", "generated", column("generated")),
    Rule("minified", "minified", column("minified")),
    Rule("long_lines", "max_line_characters", column("longest_line"), is_shape=True),
    Rule("mean_line_length", "max_mean_line_characters", rule_values.line_length, is_shape=True),
    Rule("data_file", "data_file", column("data_file")),
    Rule("alphabetic_ratio", "min_alphabetic_ratio", rule_values.alphabetic),
    Rule("alphanumeric_ratio", "min_alphanumeric_ratio", rule_values.alphanumeric),
    Rule("encoded_data", "max_encoded_share", column("encoded_data_share")),
    Rule("encoded_data", "max_encoded_run", column("encoded_data_longest")),
    Rule("few_comments", "min_comment_share", column("comment_share")),
    Rule("many_comments", "max_comment_share", column("comment_share")),
    Rule("secrets", "max_secrets", column("secrets")),
    Rule("license", "licenses", column("license_kind")),
    Rule("language", "languages", column("language")),
)


def rules_of(lang: str) -> tuple[Rule, ...]:
    """The rules of a language, in order."""
    return CODE if lang == "code" else PROSE


def fields_of(reason: str) -> list[str]:
    """The fields below ``filter.LANG`` that decide on a reason; empty for reasons of other steps."""
    return sorted({rule.field for rule in (*PROSE, *CODE) if rule.reason == reason})
