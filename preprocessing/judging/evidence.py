"""Evidence about a document, from its columns: sentences of its own, words of searches and shops, and the shapes that are no fault.

Owns what a rule needs to know beside its own value, since an unusual shape alone is no sign of bad text. ``rule_values`` weighs,
``rules`` decides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

# different function words (labeled lists, logs, menus and spam have up to 6), and all of them in what does not repeat
FUNCTION_WORDS_OF_SENTENCES, OWN_FUNCTION_WORDS = 9, 12
# the same of code with Korean, a share of whose letters is Hangul
FUNCTION_WORDS_AMONG_CODE, OWN_AMONG_CODE, KOREAN_AMONG_CODE = 5, 8, 0.05
# shares of the words
KEYWORDS_OF_BAD_TEXT, KEYWORDS_OF_BAD_LISTS = 0.15, 0.22
PRICES_OF_BAD_LISTS, FEW_PRICES = 0.2, 2  # share of the lines, lines
MOSTLY_ENTRIES = 0.5  # of the words
FUNCTION_WORDS_OF_TEXT = 0.2  # of the words with a letter or digit, below which they are a list
FUNCTION_WORDS_BESIDE_REPEATS = 8
HANGUL_OF_PAIRS = 0.33  # share of Hangul, doubled, in a table of names and their codes
FEW_LETTERS_BESIDE_CODE = 120
SYLLABLE_AMONG_CELLS = 2  # letters that a syllable is worth in documents without sentences

Columns = Callable[[str], np.ndarray]


def spoken_words(of: Columns) -> np.ndarray:
    return of("words") - of("symbol_words")


def is_spoken(of: Columns, share: float) -> np.ndarray:
    """Whether at least a share of the words with a letter or digit are function words."""
    return of("function_words") >= share * np.maximum(spoken_words(of), 1)


def spoken_repeats(of: Columns) -> np.ndarray:
    """The share of words with a letter or digit in repeated sequences, if signs, such as frames of tables, repeat first."""
    repeated = of("repeated_words") * of("words") - of("symbol_words")
    return np.maximum(repeated, 0) / np.maximum(spoken_words(of), 1)


@functools.lru_cache(maxsize=1)  # each rule of shape asks for the same columns
def has_sentences(of: Columns) -> np.ndarray:
    """Whether a document has sentences of its own: many different function words in what does not repeat, Korean ones among code,
    and few words of searches, shops and menus. Rules of shape do not drop such a document.
    """
    own = (1 - spoken_repeats(of)) * of("function_words")
    is_code = of("lang") == "code"
    speaks = of("stop_words") >= np.where(is_code, FUNCTION_WORDS_AMONG_CODE, FUNCTION_WORDS_OF_SENTENCES)
    speaks &= own >= np.where(is_code, OWN_AMONG_CODE, OWN_FUNCTION_WORDS)
    return speaks & ~is_stuffed(of) & (~is_code | has_korean(of))


def has_korean(of: Columns) -> np.ndarray:
    """Whether a share of the letters of code is Hangul."""
    return of("hangul") >= KOREAN_AMONG_CODE * of("letters")


def is_stuffed(of: Columns) -> np.ndarray:
    """Whether a searched text has many words of searches, shops and menus."""
    limit = np.where(is_list(of), KEYWORDS_OF_BAD_LISTS, KEYWORDS_OF_BAD_TEXT)
    return (of("entry_words") > 0) & (of("keywords") >= limit * of("entry_words"))


def is_harmless(of: Columns) -> np.ndarray:
    """Whether a searched text has hardly any words of searches, shops and menus, and no prices: a roster, an index."""
    is_priced = of("price_lines") >= np.maximum(PRICES_OF_BAD_LISTS * of("lines"), FEW_PRICES)
    return (of("entry_words") > 0) & ~is_stuffed(of) & ~is_priced


def is_list(of: Columns) -> np.ndarray:
    """Whether most words are in entries of one or two words, between more separators than ``listed_words`` knows."""
    return of("short_entry_words") >= MOSTLY_ENTRIES * np.maximum(of("entry_words"), 1)


def speaks_beside_repeats(of: Columns, share: np.ndarray) -> np.ndarray:
    """Lines with function words, of which enough do not repeat: verses with a refrain, a page that holds its content twice."""
    own = (1 - share) * of("function_words") >= FUNCTION_WORDS_BESIDE_REPEATS
    return is_spoken(of, FUNCTION_WORDS_OF_TEXT) & own


def is_list_of_results(of: Columns) -> np.ndarray:
    """Most lines have a Korean name of their own and numbers with units, as standings and records have."""
    return is_harmless(of) & (2 * of("result_lines") >= of("text_lines"))


def is_table_of_pairs(of: Columns) -> np.ndarray:
    """Most rows have a Korean name and a code, a number or a word of another language; prices are no codes."""
    is_table = (of("measured") == "text") & (hangul_share(of) >= HANGUL_OF_PAIRS)
    return is_table & (2 * of("pair_lines") >= of("text_lines")) & (2 * of("series_lines") < of("pair_lines"))


def is_beside_others(of: Columns) -> np.ndarray:
    """Whether the lines that count are the smaller part of the document, beside links, tables and code."""
    return 2 * of("visible") <= of("all_visible")


def hangul_share(of: Columns) -> np.ndarray:
    """A syllable counts twice in tables and lists of titles, since a glossary has each word in both languages, and beside code,
    whose names are in the sentences about it. A few titles around code decide nothing.
    """
    hangul, others = of("hangul"), of("letters") + of("digits") - of("hangul")
    is_beside = is_beside_others(of)
    weighted = hangul * np.where((of("measured") == "text") | is_beside, SYLLABLE_AMONG_CELLS, 1)
    few = is_beside & (hangul + others < FEW_LETTERS_BESIDE_CODE)
    return np.where(few, 1.0, weighted / np.maximum(weighted + others, 1))
