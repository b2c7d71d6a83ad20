"""Decides from columns, never from text, which documents are dropped and why.

Owns the table of rules: the value of each, its columns, and the documents that it does not apply to. Thresholds come
from the configuration and its presets (``presets.values``). The first failed rule of the table is the reason.
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
from preprocessing.judging.advertising import MIN_GROUPS, MIN_PER_1000, MIN_TERMS
from preprocessing.judging.presets.values import Thresholds, thresholds

FEW_LINES = 5
FEW_WORDS = 30
FEW_LIST_WORDS, FEW_WORDS_OF_SENTENCES = 12, 20
FEW_REPEATED_WORDS = 20
LONG_LINE = (
    12  # words of a line, on average, above which lines are sentences, not items, cells or turns of a chat
)
FEW_AMONG_PRICES, FEW_BETWEEN_ECHOES = 0.1, 0.25
MIDDLE_LINE = 4  # words of a line, from which a document of keywords without any particle is no list of items
MANY_WORDS, MOSTLY = 60, 0.8
WORTH_AMONG_MIDDLE_LINES = 5  # what a function word counts there
FEW_FUNCTION_WORDS = 0.3  # of the words with a letter or digit
SYLLABLE_AMONG_CELLS = 2  # letters that a syllable is worth in documents without sentences
STRUCTURE_OF_REFERENCE = 0.05  # of the visible characters: headings, code, tags and tables
VARIETY_OF_REFERENCE = 200  # words that do not repeat
REPEATS_OF_REFERENCE = 0.75  # what a repeated sequence of a reference counts
MOSTLY_STRUCTURE, REPEATS_BESIDE_STRUCTURE = 0.5, 0.5
FUNCTION_WORDS_OF_REFERENCE = 12  # in lines that do not repeat
HANGUL_OF_PAIRS = 0.33  # share of Hangul, doubled, in a table of names and their codes
FEW_FUNCTION_WORDS_OF_PAIRS, FEW_SYMBOLS = 0.2, 0.2
KEYWORDS_OF_BAD_TEXT, KEYWORDS_OF_BAD_LISTS, PRICES_OF_BAD_LISTS = (
    0.15,
    0.22,
    0.2,
)  # of the words, of the lines
MOSTLY_KEYWORDS, KEYWORDS_WITH_CONTACT = 0.35, 0.2  # from which a list is bad though half of it is listed
KEYWORDS_OF_ADVERTISEMENTS = 0.09  # beside a term of advertising and contact data
MOSTLY_ENTRIES, NAMES_OF_ROSTER = 0.5, 0.15  # of the words
WORDS_OF_SENTENCE = 30
REPEATS_OF_VERSE = 0.5  # what a repeated line of verse counts
FEW_FUNCTION_WORDS_OF_VERSE, FUNCTION_WORDS_OF_VERSE, LONGEST_VERSE = 0.2, 8, 25  # share, words, characters
WORDS_ABOUT_FILLER = 6

Columns = Callable[[str], np.ndarray]
Verdicts = Iterator[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Rule:
    """The prefix of ``field`` in the configuration defines the comparison: ``min_``, ``max_``, otherwise a switch or choice."""

    reason: str
    field: str
    value: Callable[[Columns], np.ndarray]
    few: tuple[str, int] | None = None
    """A column and its minimum for the rule to apply."""

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
        return failed if self.few is None else failed & (columns(self.few[0]) >= self.few[1])


def _column(name: str) -> Callable[[Columns], np.ndarray]:
    return lambda of: of(name)


def _share(above: str, below: str) -> Callable[[Columns], np.ndarray]:
    return lambda of: of(above) / np.maximum(of(below), 1)


def _mojibake(of: Columns) -> np.ndarray:
    return (of("latin1") + of("replacement") + of("misread")) / np.maximum(of("visible"), 1)


def _jamo(of: Columns) -> np.ndarray:
    return of("jamo") / np.maximum(of("hangul") + of("jamo"), 1)


def _symbols(of: Columns) -> np.ndarray:
    return (of("visible") - of("letters") - of("digits") - of("plain")) / np.maximum(of("visible"), 1)


def _hangul(of: Columns) -> np.ndarray:
    """A syllable counts twice in tables and lists of titles, since a glossary has each word in both languages."""
    hangul, others = of("hangul"), of("letters") + of("digits") - of("hangul")
    weighted = hangul * np.where(of("measured") == "text", SYLLABLE_AMONG_CELLS, 1)
    return weighted / np.maximum(weighted + others, 1)


def _alphanumeric(of: Columns) -> np.ndarray:
    return (of("letters") + of("digits")) / np.maximum(of("characters"), 1)


def _spoken_words(of: Columns) -> np.ndarray:
    return of("words") - of("symbol_words")


def _rare_hangul(of: Columns) -> np.ndarray:
    return of("rare_hangul") / np.maximum(of("hangul"), 1)


def _repeated_lines(of: Columns) -> np.ndarray:
    """A share of the whole document, since the lead-ins of many examples repeat by nature; three quarters in a reference, and
    half in verse, where refrains repeat."""
    share = of("duplicate_line_characters")
    whole = share * of("visible") / np.maximum(of("all_visible"), 1)
    weight = np.where(_has_own_sentences(of, share), REPEATS_OF_REFERENCE, 1)
    return np.where(_is_verse(of, share), REPEATS_OF_VERSE, weight) * whole


def _is_verse(of: Columns, share: np.ndarray) -> np.ndarray:
    """Short lines with function words, of which enough do not repeat."""
    function_words = of("function_words")
    is_spoken = function_words >= FEW_FUNCTION_WORDS_OF_VERSE * _spoken_words(of)
    own = (1 - share) * function_words >= FUNCTION_WORDS_OF_VERSE
    return is_spoken & own & (of("mean_line_length") <= LONGEST_VERSE)


def _repeated_words(of: Columns) -> np.ndarray:
    """Three quarters of the share in a reference with headings or code, whose sections repeat lists of parameters; half where
    nearly all of it is code and tables."""
    share = of("repeated_words")
    is_structured = of("visible") <= (1 - STRUCTURE_OF_REFERENCE) * of("all_visible")
    part = np.minimum(
        1, 2 * of("visible") / np.maximum(of("all_visible"), 1)
    )  # less variety among code and tables
    is_varied = ((1 - share) * of("words") >= VARIETY_OF_REFERENCE * part) | _has_own_sentences(of, share)
    weight = np.where(part < MOSTLY_STRUCTURE, REPEATS_BESIDE_STRUCTURE, REPEATS_OF_REFERENCE)
    return np.where(is_structured & is_varied, weight * share, share)


def _has_own_sentences(of: Columns, share: np.ndarray) -> np.ndarray:
    """Whether what does not repeat, all but ``share: [rows]``, has function words, as sentences about each part have."""
    function_words = of("function_words")
    is_spoken = function_words >= FEW_FUNCTION_WORDS * _spoken_words(of)
    return is_spoken & ((1 - share) * function_words >= FUNCTION_WORDS_OF_REFERENCE)


def _number_lines(of: Columns) -> np.ndarray:
    """0 for tables of Korean names and their codes.

    Lines that equal others but for their digits are numbers, too, and prices where there are hardly any function words.
    """
    is_spoken = of("function_words") >= FEW_AMONG_PRICES * _spoken_words(of)
    lines = np.maximum(
        of("number_lines"), np.maximum(of("series_lines"), np.where(is_spoken, 0, of("price_lines")))
    )
    return np.where(
        _is_table_of_pairs(of) | _is_list_of_results(of), 0, lines / np.maximum(of("text_lines"), 1)
    )


def _is_list_of_results(of: Columns) -> np.ndarray:
    """Most lines have a Korean name of their own and numbers with units, as standings and records have."""
    return _is_good_list(of) & (2 * of("result_lines") >= of("text_lines"))


def _is_table_of_pairs(of: Columns) -> np.ndarray:
    """Most rows have a Korean name and a code, a number or a word of another language; prices are no codes."""
    is_table = (of("measured") == "text") & (_hangul(of) >= HANGUL_OF_PAIRS)
    return is_table & (2 * of("pair_lines") >= of("text_lines")) & (2 * of("series_lines") < of("pair_lines"))


def _repeated_pair(of: Columns) -> np.ndarray:
    """0 for sentences, which have function words, for chats, whose names and times have signs, and for lists without keywords."""
    words, symbols = of("words"), of("symbol_words")
    spoken = np.maximum(_spoken_words(of), 1)
    stuffed = (of("function_words") < FEW_FUNCTION_WORDS_OF_PAIRS * spoken) & (symbols < FEW_SYMBOLS * words)
    return np.where(stuffed & ~(_is_good_list(of) & _is_list(of)), of("top_2_gram"), 0)


def _is_good_list(of: Columns) -> np.ndarray:
    """Whether a searched text has hardly any words of searches, shops and menus, and no prices or contact data: a roster, an index."""
    words = of("entry_words")
    limit = np.where(_is_list(of), KEYWORDS_OF_BAD_LISTS, KEYWORDS_OF_BAD_TEXT)
    return (
        (words > 0)
        & (of("keywords") < limit * words)
        & (of("price_lines") < PRICES_OF_BAD_LISTS * np.maximum(of("lines"), 1))
    )


def _is_list(of: Columns) -> np.ndarray:
    """Whether most words are in entries of one or two words, between more separators than ``listed_words`` knows."""
    return of("short_entry_words") >= MOSTLY_ENTRIES * np.maximum(of("entry_words"), 1)


def _listed_words(of: Columns) -> np.ndarray:
    """0 where function words show that pieces belong to sentences, as in poems of short lines, for tables of pairs, and for
    lists without words of searches, shops and menus; 1 where most words are such."""
    few = of("function_words") < FEW_FUNCTION_WORDS * np.maximum(_spoken_words(of), 1)
    share = of("listed_words") / np.maximum(of("list_words"), 1)
    limit = np.where(of("spam_contact") > 0, KEYWORDS_WITH_CONTACT, MOSTLY_KEYWORDS)
    is_stuffed = of("keywords") >= limit * np.maximum(of("entry_words"), 1)
    is_stuffed &= _is_list(of) | (of("list_words") < MIDDLE_LINE * of("lines"))
    share = np.where(is_stuffed, 1, share)
    return np.where(few & ~_is_table_of_pairs(of) & ~_is_good_list(of), share, 0)


def _function_words(of: Columns) -> np.ndarray:
    """1 where lines are short: items, cells and turns of a chat are no sentences. In lines of middle length a few are enough.

    1 also where most letters are not Korean, since their function words are not counted, and for lists of short entries, of
    names, and of notes that end as sentences do, if nothing in them is for sale.
    """
    share = of("function_words") / np.maximum(_spoken_words(of), 1)
    share = np.where(2 * of("hangul") >= of("letters"), share, 1)
    words, lines = of("list_words"), of("lines")
    is_middle = (
        (words >= MIDDLE_LINE * lines) & (words >= MANY_WORDS) & (of("hangul") >= MOSTLY * of("visible"))
    )
    is_roster = of("name_words") >= NAMES_OF_ROSTER * np.maximum(of("entry_words"), 1)
    is_notes = WORDS_OF_SENTENCE * of("sentence_ends") >= of("words")
    share = np.where(_is_good_list(of) & (_is_list(of) | is_roster | is_notes), 1, share)
    return np.where(
        words >= LONG_LINE * lines, share, np.where(is_middle, WORTH_AMONG_MIDDLE_LINES * share, 1)
    )


def _echoed_words(of: Columns) -> np.ndarray:
    """0 where function words show that words belong to sentences."""
    few = of("function_words") < FEW_BETWEEN_ECHOES * _spoken_words(of)
    return np.where(few, of("echoed_words") / np.maximum(of("list_words"), 1), 0)


def _lorem(of: Columns) -> np.ndarray:
    """0 where sentences of the document are about the filler text."""
    words = of("function_words")
    is_about = (words >= WORDS_ABOUT_FILLER) & (words >= FEW_FUNCTION_WORDS_OF_PAIRS * _spoken_words(of))
    return np.where(is_about, 0, of("lorem"))


def _spam(of: Columns) -> np.ndarray:
    """1.0 for advertisements, otherwise 0.0: for many terms of several groups and, in lists of keywords, for one term."""
    dense = 1000 * of("spam_terms") >= MIN_PER_1000 * np.maximum(of("characters"), 1)
    many = (of("spam_groups") >= MIN_GROUPS) & (of("spam_terms") >= MIN_TERMS)
    entries = of("entry_words")
    is_list = (entries > 0) & (of("keywords") >= KEYWORDS_OF_ADVERTISEMENTS * entries)
    is_list &= of("function_words") < FEW_FUNCTION_WORDS_OF_PAIRS * np.maximum(_spoken_words(of), 1)
    return (((dense & many) | is_list) & (of("spam_contact") > 0)).astype(np.float64)


_LINES, _TEXT_LINES, _WORDS = ("lines", FEW_LINES), ("text_lines", FEW_LINES), ("words", FEW_WORDS)
PROSE = (
    Rule("too_short", "min_characters", _column("characters")),
    Rule("too_long", "max_characters", _column("characters")),
    Rule("too_few_words", "min_words", _spoken_words),
    Rule("too_many_words", "max_words", _spoken_words),
    Rule("unbroken", "max_characters_per_word", _share("visible", "words")),
    Rule("lorem", "lorem", _lorem),
    Rule("mojibake", "max_mojibake_ratio", _mojibake),
    Rule("broken_jamo", "max_jamo_ratio", _jamo),
    Rule("spam", "spam", _spam),
    Rule("symbol_ratio", "max_symbol_ratio", _symbols),
    Rule("letter_ratio", "min_letter_ratio", _share("letters", "visible"), _WORDS),
    Rule("hangul_ratio", "min_hangul_ratio", _hangul),
    Rule("language", "languages", _column("language")),
    Rule("rare_hangul", "max_rare_hangul", _rare_hangul, ("hangul", FEW_WORDS)),
    Rule("link_lines", "max_link_lines", _share("link_lines", "text_lines")),
    Rule("number_lines", "max_number_lines", _number_lines, _TEXT_LINES),
    Rule("listed_words", "max_listed_words", _listed_words, ("list_words", FEW_LIST_WORDS)),
    Rule("few_function_words", "min_function_words", _function_words, ("list_words", FEW_WORDS_OF_SENTENCES)),
    Rule("bullet_lines", "max_bullet_lines", _share("bullet_lines", "text_lines"), _TEXT_LINES),
    Rule("ellipsis_lines", "max_ellipsis_lines", _share("ellipsis_lines", "lines"), _LINES),
    Rule("short_lines", "max_short_lines", _share("short_lines", "lines"), _LINES),
    Rule("ended_lines", "min_ended_lines", _share("ended_lines", "lines"), _LINES),
    Rule("newline_ratio", "max_newline_ratio", _share("newlines", "words"), _WORDS),
    Rule("repeated_lines", "max_repeated_lines", _repeated_lines, _LINES),
    Rule("duplicate_lines", "max_duplicate_lines", _column("duplicate_lines"), _LINES),
    Rule("duplicate_paragraphs", "max_duplicate_paragraphs", _column("duplicate_paragraphs"), _LINES),
    Rule(
        "duplicate_paragraph_characters",
        "max_duplicate_paragraph_characters",
        _column("duplicate_paragraph_characters"),
        _LINES,
    ),
    Rule("repeated_pair", "max_repeated_pair", _repeated_pair, _WORDS),
    Rule("echoed_words", "max_echoed_words", _echoed_words, ("list_words", FEW_WORDS)),
    Rule("repeated_words", "max_repeated_words", _repeated_words, ("words", FEW_REPEATED_WORDS)),
    *(
        Rule(name, f"max_{name}", _column(name), _WORDS)
        for name in ("top_2_gram", "top_3_gram", "top_4_gram")
    ),
    *(
        Rule(name, f"max_{name}", _column(name), _WORDS)
        for name in (f"duplicate_{n}_gram" for n in range(5, 11))
    ),
    Rule("no_sentence_end", "min_sentence_ends", _column("sentence_ends"), _WORDS),
    Rule("word_length", "min_word_length", _column("mean_word_length"), _WORDS),
    Rule("word_length", "max_word_length", _column("mean_word_length"), _WORDS),
    Rule("alphabetic_words", "min_alphabetic_words", _share("alphabetic_words", "blank_words"), _WORDS),
    Rule("stop_words", "min_stop_words", _column("stop_words"), _WORDS),
)
CODE = (
    Rule("too_short", "min_characters", _column("characters")),
    Rule("too_long", "max_characters", _column("characters")),
    Rule("too_many_lines", "max_lines", _column("lines")),
    Rule("generated", "generated", _column("generated")),
    Rule("minified", "minified", _column("minified")),
    Rule("long_lines", "max_line_characters", _column("longest_line")),
    Rule("mean_line_length", "max_mean_line_characters", _column("mean_line_length")),
    Rule("data_file", "data_file", _column("data_file")),
    Rule("alphabetic_ratio", "min_alphabetic_ratio", _share("letters", "characters")),
    Rule("alphanumeric_ratio", "min_alphanumeric_ratio", _alphanumeric),
    Rule("encoded_data", "max_encoded_share", _column("encoded_data_share")),
    Rule("encoded_data", "max_encoded_run", _column("encoded_data_longest")),
    Rule("few_comments", "min_comment_share", _column("comment_share")),
    Rule("many_comments", "max_comment_share", _column("comment_share")),
    Rule("secrets", "max_secrets", _column("secrets")),
    Rule("license", "licenses", _column("license_kind")),
    Rule("language", "languages", _column("language")),
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
