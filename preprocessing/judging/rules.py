"""Decides from columns, never from text, which documents are dropped and why.

Owns the table of rules: the value of each (``rule_values``) and its columns. Thresholds come from the configuration and its
presets (``presets.values``). The first failed rule of the table is the reason.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError
from preprocessing.config.rules import FilterConfig
from preprocessing.judging import rule_values
from preprocessing.judging.evidence import Columns, has_sentences
from preprocessing.judging.presets.values import Thresholds, thresholds

FEW_LINES = 5
FEW_WORDS = 30
FEW_LIST_WORDS, FEW_WORDS_OF_SENTENCES = 12, 20
FEW_REPEATED_WORDS = 20

Verdicts = Iterator[tuple[str, np.ndarray]]


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
    Rule("too_short", "min_characters", rule_values.column("characters")),
    Rule("too_long", "max_characters", rule_values.column("characters")),
    Rule("too_few_words", "min_words", rule_values.spoken_words),
    Rule("too_many_words", "max_words", rule_values.spoken_words),
    Rule("unbroken", "max_characters_per_word", rule_values.share_of("visible", "words")),
    Rule("lorem", "lorem", rule_values.lorem, is_shape=True),
    Rule("mojibake", "max_mojibake_ratio", rule_values.mojibake),
    Rule("broken_jamo", "max_jamo_ratio", rule_values.jamo),
    Rule("spam", "spam", rule_values.spam),
    Rule("symbol_ratio", "max_symbol_ratio", rule_values.symbols, is_shape=True),
    Rule(
        "letter_ratio", "min_letter_ratio", rule_values.share_of("letters", "visible"), _WORDS, is_shape=True
    ),
    Rule("hangul_ratio", "min_hangul_ratio", rule_values.hangul, is_shape=True),
    Rule("language", "languages", rule_values.column("language")),
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
    Rule("bullet_lines", "max_bullet_lines", rule_values.share_of("bullet_lines", "text_lines"), _TEXT_LINES),
    Rule("ellipsis_lines", "max_ellipsis_lines", rule_values.share_of("ellipsis_lines", "lines"), _LINES),
    Rule("short_lines", "max_short_lines", rule_values.share_of("short_lines", "lines"), _LINES),
    Rule("ended_lines", "min_ended_lines", rule_values.share_of("ended_lines", "lines"), _LINES),
    Rule("newline_ratio", "max_newline_ratio", rule_values.share_of("newlines", "words"), _WORDS),
    Rule("repeated_lines", "max_repeated_lines", rule_values.repeated_lines, _LINES),
    Rule("duplicate_lines", "max_duplicate_lines", rule_values.column("duplicate_lines"), _LINES),
    Rule(
        "duplicate_paragraphs", "max_duplicate_paragraphs", rule_values.column("duplicate_paragraphs"), _LINES
    ),
    Rule(
        "duplicate_paragraph_characters",
        "max_duplicate_paragraph_characters",
        rule_values.column("duplicate_paragraph_characters"),
        _LINES,
    ),
    Rule("repeated_pair", "max_repeated_pair", rule_values.repeated_pair, _WORDS, is_shape=True),
    Rule(
        "echoed_words", "max_echoed_words", rule_values.echoed_words, ("list_words", FEW_WORDS), is_shape=True
    ),
    Rule("repeated_words", "max_repeated_words", rule_values.repeated_words, ("words", FEW_REPEATED_WORDS)),
    *(
        Rule(name, f"max_{name}", rule_values.column(name), _WORDS)
        for name in ("top_2_gram", "top_3_gram", "top_4_gram")
    ),
    *(
        Rule(name, f"max_{name}", rule_values.column(name), _WORDS)
        for name in (f"duplicate_{n}_gram" for n in range(5, 11))
    ),
    Rule("no_sentence_end", "min_sentence_ends", rule_values.column("sentence_ends"), _WORDS),
    Rule("word_length", "min_word_length", rule_values.column("mean_word_length"), _WORDS),
    Rule("word_length", "max_word_length", rule_values.column("mean_word_length"), _WORDS),
    Rule(
        "alphabetic_words",
        "min_alphabetic_words",
        rule_values.share_of("alphabetic_words", "blank_words"),
        _WORDS,
    ),
    Rule("stop_words", "min_stop_words", rule_values.column("stop_words"), _WORDS),
)
CODE = (
    Rule("too_short", "min_characters", rule_values.column("characters")),
    Rule("too_long", "max_characters", rule_values.column("characters")),
    Rule("too_many_lines", "max_lines", rule_values.column("lines")),
    Rule("generated", "generated", rule_values.column("generated")),
    Rule("minified", "minified", rule_values.column("minified")),
    Rule("long_lines", "max_line_characters", rule_values.column("longest_line"), is_shape=True),
    Rule("mean_line_length", "max_mean_line_characters", rule_values.line_length, is_shape=True),
    Rule("data_file", "data_file", rule_values.column("data_file")),
    Rule("alphabetic_ratio", "min_alphabetic_ratio", rule_values.alphabetic),
    Rule("alphanumeric_ratio", "min_alphanumeric_ratio", rule_values.alphanumeric),
    Rule("encoded_data", "max_encoded_share", rule_values.column("encoded_data_share")),
    Rule("encoded_data", "max_encoded_run", rule_values.column("encoded_data_longest")),
    Rule("few_comments", "min_comment_share", rule_values.column("comment_share")),
    Rule("many_comments", "max_comment_share", rule_values.column("comment_share")),
    Rule("secrets", "max_secrets", rule_values.column("secrets")),
    Rule("license", "licenses", rule_values.column("license_kind")),
    Rule("language", "languages", rule_values.column("language")),
)


def rules_of(lang: str) -> tuple[Rule, ...]:
    """The rules of a language, in order."""
    return CODE if lang == "code" else PROSE


def columns_of(batch: pa.RecordBatch | pa.Table) -> Columns:
    """Reads columns as numpy, each once: numbers as float64 (null is NaN), text as objects. Raises DataError for a missing
    column."""

    @functools.cache
    def of(name: str) -> np.ndarray:
        if name not in batch.schema.names:
            raise DataError(
                f"the column {name!r}, which a rule under 'filter' needs, is missing; run mko data measure again, or "
                "switch off the rule",
                rule="missing-column",
            )
        return _to_numpy(batch[name])

    return of


def _to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.dictionary_encode()
        codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        return np.array([*coded.dictionary.to_pylist(), None], object)[codes]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def apply_rules(batch: pa.RecordBatch | pa.Table, lang: str, limits: Thresholds) -> Verdicts:
    """``(reason, failed: [rows] bool)`` of every rule that has a threshold, in order."""
    columns = columns_of(batch)
    for rule in rules_of(lang):
        if rule.field in limits:
            yield rule.reason, rule.fails(columns, limits[rule.field])


def find_reasons(batch: pa.RecordBatch | pa.Table, config: FilterConfig) -> np.ndarray:
    """``[rows] object``: the reason to drop each row by the rules of its ``lang``; None for rows that stay."""
    langs = columns_of(batch)("lang")
    reasons = np.full(batch.num_rows, None, object)
    for lang in dict.fromkeys(langs):
        rows = np.flatnonzero(langs == lang)
        part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
        reasons[rows] = _first_reasons(part.num_rows, apply_rules(part, lang, thresholds(config, lang)))
    return reasons


def _first_reasons(rows: int, all_verdicts: Verdicts) -> np.ndarray:
    names: list[str | None] = [None]
    first = np.zeros(rows, np.int16)
    for reason, failed in all_verdicts:
        names.append(reason)
        first[failed & (first == 0)] = len(names) - 1
    return np.array(names, object)[first]


class Explanation(NamedTuple):
    """The verdict of one rule on one document; ``field`` is its name below ``filter.LANG``."""

    reason: str
    value: Any
    limit: Any
    passed: bool
    field: str


def explain(row: Mapping[str, Any], config: FilterConfig) -> list[Explanation]:
    """The verdict of every rule that is on, for one row of columns."""
    columns = columns_of(pa.RecordBatch.from_pylist([dict(row)]))
    limits = thresholds(config, row["lang"])
    explanations = []
    for rule in rules_of(row["lang"]):
        if rule.field in limits:
            limit = limits[rule.field]
            value = _to_python(rule.value(columns)[0], limit)
            passed = not rule.fails(columns, limit)[0]
            explanations.append(
                Explanation(rule.reason, value, _format_limit(rule, limit), passed, rule.field)
            )
    return explanations


def fields_of(reason: str) -> list[str]:
    """The fields below ``filter.LANG`` that decide on a reason; empty for reasons of other steps."""
    return sorted({rule.field for rule in (*PROSE, *CODE) if rule.reason == reason})


def _to_python(value: Any, threshold: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if threshold is True:
        return bool(value > 0)
    return None if np.isnan(value) else int(value) if isinstance(threshold, int) else round(float(value), 6)


def _format_limit(rule: Rule, threshold: Any) -> Any:
    if isinstance(threshold, list):
        return ", ".join(threshold)
    sign = {"min_": ">= ", "max_": "<= "}.get(rule.field[:4], "")
    return f"{sign}{threshold}" if sign else False
