"""The values that rules compare with thresholds, from the columns of a document.

Owns what a rule measures where that is more than a column: shares and their weights. ``evidence`` has what is known of a document
beside them, ``rules`` the table of rules; it decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from preprocessing.judging import page_parts as page_phrases
from preprocessing.judging.advertising import (
    CROWDED_GROUPS,
    CROWDED_PER_1000,
    CROWDED_TERMS,
    MIN_GROUPS,
    MIN_PER_1000,
    MIN_TERMS,
)
from preprocessing.judging.evidence import (
    FUNCTION_WORDS_OF_TEXT,
    SYLLABLE_AMONG_CELLS,
    Columns,
    hangul_share,
    has_korean,
    has_sentences,
    is_beside_others,
    is_harmless,
    is_list,
    is_list_of_results,
    is_spoken,
    is_stuffed,
    is_table_of_pairs,
    speaks_beside_repeats,
    spoken_repeats,
    spoken_words,
)

# words of a line, on average, above which lines are sentences, not items, cells or turns of a chat
LONG_LINE = 12
# shares of the words with a letter or digit, below which they are a list of prices, echoes, entries
FUNCTION_WORDS_AMONG_PRICES, FUNCTION_WORDS_BETWEEN_ECHOES, FUNCTION_WORDS_OF_LISTS = 0.1, 0.25, 0.3
MIDDLE_LINE = 4  # words of a line, from which a document of keywords without any particle is no list of items
MANY_WORDS, MOSTLY = 60, 0.8
WORTH_AMONG_MIDDLE_LINES = 5  # what a function word counts there
HANGUL_OF_KOREAN = 0.5
DIGITS_OF_WORDS = 0.5  # of the letters, up to which a document consists of words
KEYWORDS_OF_ANY_SHAPE, FEWEST_KEYWORDS = 0.45, 8  # share and number in long lines
MARKS_OF_TOKENS = 0.4  # of the visible characters, from which sentences are lists of tokens between quotation marks and commas
# what a repeated line or sequence counts; in text that occurs twice, half of the lines are repeated
REPEATS_AMONG_SENTENCES, REPEATS_BESIDE_TEXT = 0.75, 0.5
FEW_SYMBOLS = 0.2  # of the words
KEYWORDS_OF_HEADLINES = 0.06  # of the words
PAIRS_OF_GOOD_TEXT = 0.5  # what the most frequent two words count without keywords
MOSTLY_KEYWORDS = 0.35  # from which a list is bad though half of it is listed
ECHOES_OF_ANY_TEXT = 0.4  # what an echo counts without words of searches, shops and menus
# beside a term of advertising and contact data; and of so many words, of which a tenth are of searches and shops in any report
KEYWORDS_OF_ADVERTISEMENTS, KEYWORDS_OF_LONG_ADVERTISEMENTS, MANY_ENTRIES = 0.09, 0.2, 1000
HARDLY_ANY_FUNCTION_WORDS = 0.05  # of the words, without which even lines without keywords are no text
WORDS_ABOUT_FILLER = 6
LINES_OF_MEAN = 5


def column(name: str) -> Callable[[Columns], np.ndarray]:
    return lambda of: of(name)


def share_of(above: str, below: str) -> Callable[[Columns], np.ndarray]:
    return lambda of: of(above) / np.maximum(of(below), 1)


def mojibake(of: Columns) -> np.ndarray:
    return (of("latin1") + of("replacement") + of("misread")) / np.maximum(of("visible"), 1)


def jamo(of: Columns) -> np.ndarray:
    return of("jamo") / np.maximum(of("hangul") + of("jamo"), 1)


def symbols(of: Columns) -> np.ndarray:
    """A share of the whole document, since what is left beside code and tables may be marks of lists."""
    others = of("visible") - of("letters") - of("digits") - of("plain")
    return _of_whole(of, others / np.maximum(of("visible"), 1))


def letters(of: Columns) -> np.ndarray:
    """1 for results with units and spans of years, such as the reigns of kings."""
    return np.where(is_list_of_results(of), 1, of("letters") / np.maximum(of("visible"), 1))


def hangul(of: Columns) -> np.ndarray:
    """At least a half for documents that are Korean as a whole although their sentences are not, such as lists of names below Korean
    headings, unless digits take the place of words."""
    share = hangul_share(of)
    is_korean = (of("language") == "ko") & (of("digits") <= DIGITS_OF_WORDS * of("letters"))
    is_korean &= of("hangul") > 0  # not laughter alone
    return np.where(is_korean, np.maximum(share, HANGUL_OF_KOREAN), share)


def alphabetic(of: Columns) -> np.ndarray:
    """A syllable counts twice, as a table of Korean titles and code has few letters."""
    return (of("letters") + (SYLLABLE_AMONG_CELLS - 1) * of("hangul")) / np.maximum(of("characters"), 1)


def alphanumeric(of: Columns) -> np.ndarray:
    return (of("letters") + of("digits")) / np.maximum(of("characters"), 1)


def rare_hangul(of: Columns) -> np.ndarray:
    return of("rare_hangul") / np.maximum(of("hangul"), 1)


def repeated_lines(of: Columns) -> np.ndarray:
    """A share of the whole document, since the lead-ins of many examples repeat by nature; three quarters among sentences, and half
    beside lines with function words that do not repeat."""
    share = of("duplicate_line_characters")
    weight = np.where(has_sentences(of), REPEATS_AMONG_SENTENCES, 1)
    weight = np.where(speaks_beside_repeats(of, share), REPEATS_BESIDE_TEXT, weight)
    return weight * _repeated_in_whole(of, share)


def _of_whole(of: Columns, share: np.ndarray) -> np.ndarray:
    return share * of("visible") / np.maximum(of("all_visible"), 1)


def _repeated_in_whole(of: Columns, share: np.ndarray) -> np.ndarray:
    """0 where hardly anything but code is in the document, whose lines repeat by nature."""
    return np.where(of("measured") == "everything", 0, _of_whole(of, share))


def line_length(of: Columns) -> np.ndarray:
    """The mean of code; a list, such as a change log with the address of each commit, has items instead of lines of code, and a few
    lines with Korean, such as a question or a flattened page, have no mean."""
    few = (of("lines") < LINES_OF_MEAN) & has_korean(of)
    return np.where((2 * of("bullet_lines") >= of("lines")) | few, 0, of("mean_line_length"))


def repeated_words(of: Columns) -> np.ndarray:
    """A share of the whole document; three quarters among sentences, as in a reference whose sections repeat lists of parameters."""
    is_text = has_sentences(of) & (of("plain") < MARKS_OF_TOKENS * of("visible"))
    share = np.where(is_text, REPEATS_AMONG_SENTENCES * spoken_repeats(of), of("repeated_words"))
    return _repeated_in_whole(of, share)


def link_lines(of: Columns) -> np.ndarray:
    """0 where at least as many paragraphs are code, since the links are sources of a notebook, and where most of the lines have a
    sentence."""
    links = np.maximum(of("link_lines"), 1)
    has_text = is_spoken(of, FUNCTION_WORDS_OF_TEXT) & (2 * of("sentence_ends") >= links)
    has_text &= of("spam_terms") == 0
    return np.where(
        has_text | (of("para_code") >= links), 0, of("link_lines") / np.maximum(of("text_lines"), 1)
    )


def number_lines(of: Columns) -> np.ndarray:
    """0 for tables of Korean names and their codes; a share of the whole document for lines without prices and keywords, such as results
    of tests beside code.

    Lines that equal others but for their digits are numbers, too, and prices where there are hardly any function words.
    """
    prices = np.where(is_spoken(of, FUNCTION_WORDS_AMONG_PRICES), 0, of("price_lines"))
    lines = np.maximum(of("number_lines"), np.maximum(of("series_lines"), prices))
    share = lines / np.maximum(of("text_lines"), 1)
    is_beside_code = is_harmless(of) & (of("measured") == "prose")
    share = np.where(is_beside_code, share * of("visible") / np.maximum(of("all_visible"), 1), share)
    return np.where(is_table_of_pairs(of) | is_list_of_results(of), 0, share)


def repeated_pair(of: Columns) -> np.ndarray:
    """0 for sentences, which have function words, for chats, whose names and times have signs, and where most letters are not Korean, as in
    versions of a product; half for text without keywords, which names the subject of its page again and again."""
    few = ~is_spoken(of, FUNCTION_WORDS_OF_TEXT) & (of("symbol_words") < FEW_SYMBOLS * of("words"))
    few &= 2 * of("hangul") >= of("letters")
    return np.where(few, of("top_2_gram"), 0) * np.where(is_harmless(of), PAIRS_OF_GOOD_TEXT, 1)


def listed_words(of: Columns) -> np.ndarray:
    """0 where function words show that pieces belong to sentences, as in poems of short lines, for lists without words of searches,
    shops and menus, and beside more links, tables and code; 1 where most words are such."""
    few = ~is_spoken(of, FUNCTION_WORDS_OF_LISTS)
    share = of("listed_words") / np.maximum(of("list_words"), 1)
    entries, keywords = np.maximum(of("entry_words"), 1), of("keywords")
    has_short_lines = is_list(of) | (of("list_words") < MIDDLE_LINE * of("lines"))
    is_bad = (keywords >= MOSTLY_KEYWORDS * entries) & has_short_lines
    is_bad |= keywords >= np.maximum(KEYWORDS_OF_ANY_SHAPE * entries, FEWEST_KEYWORDS)
    is_beside_titles = is_beside_others(of) & (of("measured") == "prose")
    is_kept = is_harmless(of) | is_beside_titles | is_table_of_pairs(of)
    return np.where(few & ~is_kept, np.where(is_bad, 1, share), 0)


def function_words(of: Columns) -> np.ndarray:
    """1 where lines are short: items, cells and turns of a chat are no sentences. In lines of middle length a few are enough.

    1 also where most letters are not Korean, since their function words are not counted, and for lists of short entries and
    headlines without keywords.
    """
    share = of("function_words") / np.maximum(spoken_words(of), 1)
    share = np.where(2 * of("hangul") >= of("letters"), share, 1)
    words, lines = of("list_words"), of("lines")
    is_middle = (
        (words >= MIDDLE_LINE * lines) & (words >= MANY_WORDS) & (of("hangul") >= MOSTLY * of("visible"))
    )
    is_text = (share >= HARDLY_ANY_FUNCTION_WORDS) | (of("sentence_ends") > 0)
    is_headline = is_text & (of("keywords") < KEYWORDS_OF_HEADLINES * of("entry_words"))
    share = np.where(is_headline | (is_list(of) & is_harmless(of)), 1, share)
    return np.where(
        words >= LONG_LINE * lines, share, np.where(is_middle, WORTH_AMONG_MIDDLE_LINES * share, 1)
    )


def echoed_words(of: Columns) -> np.ndarray:
    """0 where function words show that words belong to sentences; less without keywords."""
    few = ~is_spoken(of, FUNCTION_WORDS_BETWEEN_ECHOES)
    weight = np.where(is_stuffed(of), 1, ECHOES_OF_ANY_TEXT)
    return np.where(few, weight * of("echoed_words") / np.maximum(of("list_words"), 1), 0)


def lorem(of: Columns) -> np.ndarray:
    """0 where sentences of the document are about the filler text."""
    is_about = (of("function_words") >= WORDS_ABOUT_FILLER) & is_spoken(of, FUNCTION_WORDS_OF_TEXT)
    return np.where(is_about, 0, of("lorem"))


def page_parts(of: Columns) -> np.ndarray:
    """1.0 for a short document of what pages say around their content, otherwise 0.0."""
    parts, characters = of("page_parts"), of("characters")
    dense = 1000 * parts >= page_phrases.MIN_PER_1000 * np.maximum(characters, 1)
    return (dense & (parts >= page_phrases.MIN_PARTS)).astype(np.float64)


def spam(of: Columns) -> np.ndarray:
    """1.0 for advertisements, otherwise 0.0: for many terms of several groups and, in lists of keywords, for one term; without
    contact data, for terms that are nearly all of a document."""
    dense = 1000 * of("spam_terms") >= MIN_PER_1000 * np.maximum(of("characters"), 1)
    many = (of("spam_groups") >= MIN_GROUPS) & (of("spam_terms") >= MIN_TERMS)
    entries = of("entry_words")
    limit = np.where(entries >= MANY_ENTRIES, KEYWORDS_OF_LONG_ADVERTISEMENTS, KEYWORDS_OF_ADVERTISEMENTS)
    is_list = (entries > 0) & (of("keywords") >= limit * entries)
    is_list &= ~is_spoken(of, FUNCTION_WORDS_OF_TEXT)
    crowded = (of("spam_groups") >= CROWDED_GROUPS) & (of("spam_terms") >= CROWDED_TERMS)
    crowded &= 1000 * of("spam_terms") >= CROWDED_PER_1000 * np.maximum(of("characters"), 1)
    return ((((dense & many) | is_list) & (of("spam_contact") > 0)) | crowded).astype(np.float64)
