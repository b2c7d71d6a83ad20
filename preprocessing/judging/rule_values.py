"""The values that rules compare with thresholds, from the columns of a document.

Owns what a rule measures where that is more than a column: shares, and the documents that a rule does not apply to, such as
references, tables of pairs, lists of names, results and verse. ``rules`` has the table of rules and decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from preprocessing.judging.advertising import MIN_GROUPS, MIN_PER_1000, MIN_TERMS

# words of a line, on average, above which lines are sentences, not items, cells or turns of a chat
LONG_LINE = 12
FEW_AMONG_PRICES, FEW_BETWEEN_ECHOES = 0.1, 0.25
MIDDLE_LINE = 4  # words of a line, from which a document of keywords without any particle is no list of items
MANY_WORDS, MOSTLY = 60, 0.8
WORTH_AMONG_MIDDLE_LINES = 5  # what a function word counts there
FEW_FUNCTION_WORDS = 0.3  # of the words with a letter or digit
SYLLABLE_AMONG_CELLS = 2  # letters that a syllable is worth in documents without sentences
FEW_LETTERS_BESIDE_CODE = 60
HANGUL_OF_KOREAN = 0.5
DIGITS_OF_WORDS = 0.5  # of the letters, up to which a document consists of words
KEYWORDS_OF_ANY_SHAPE, FEWEST_KEYWORDS = 0.45, 8  # share and number in long lines
# Different function words of a document with sentences (lists, logs, menus and templates have up to 6), and all of them in
# what does not repeat
FUNCTION_WORDS_OF_SENTENCES, OWN_FUNCTION_WORDS = 9, 12
MARKS_OF_TOKENS = 0.4  # of the visible characters, from which sentences are lists of tokens between quotation marks and commas
KOREAN_AMONG_CODE = 0.08  # of the letters
REPEATS_AMONG_SENTENCES, REPEATS_OF_VERSE = 0.75, 0.5  # what a repeated line or sequence counts
HANGUL_OF_PAIRS = 0.33  # share of Hangul, doubled, in a table of names and their codes
FEW_FUNCTION_WORDS_OF_PAIRS, FEW_SYMBOLS = 0.2, 0.2
PAIRS_OF_GOOD_TEXT = 0.5  # what the most frequent two words count without keywords
# shares of the words, and of the lines
KEYWORDS_OF_BAD_TEXT, KEYWORDS_OF_BAD_LISTS, PRICES_OF_BAD_LISTS = 0.15, 0.22, 0.2
KEYWORDS_OF_HEADLINES = 0.06
# what an echo counts without words of searches, shops and menus, and the share from which lines consist of echoes
ECHOES_OF_ANY_TEXT, MANY_ECHOES = 0.4, 0.3
FEW_PRICES = 2  # lines
MOSTLY_KEYWORDS, KEYWORDS_WITH_CONTACT = 0.35, 0.2  # from which a list is bad though half of it is listed
MANY_ENTRIES = 1000  # words, of which a tenth are of searches and shops in any report
KEYWORDS_OF_ADVERTISEMENTS = 0.09  # beside a term of advertising and contact data
MOSTLY_ENTRIES = 0.5  # of the words
HARDLY_ANY_FUNCTION_WORDS = 0.05  # of the words, without which even lines without keywords are no text
FEW_FUNCTION_WORDS_OF_VERSE, FUNCTION_WORDS_OF_VERSE, LONGEST_VERSE = 0.2, 8, 25  # share, words, characters
WORDS_ABOUT_FILLER = 6

Columns = Callable[[str], np.ndarray]


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


def hangul(of: Columns) -> np.ndarray:
    """At least a half for documents that are Korean as a whole although their sentences are not, such as lists of names below Korean
    headings, unless digits take the place of words."""
    share = hangul_share(of)
    is_korean = (of("language") == "ko") & (of("digits") <= DIGITS_OF_WORDS * of("letters"))
    return np.where(is_korean, np.maximum(share, HANGUL_OF_KOREAN), share)


def hangul_share(of: Columns) -> np.ndarray:
    """A syllable counts twice in tables and lists of titles, since a glossary has each word in both languages, and beside code,
    whose names are in the sentences about it. A few titles around code decide nothing.
    """
    hangul, others = of("hangul"), of("letters") + of("digits") - of("hangul")
    is_beside_code = 2 * of("visible") <= of("all_visible")
    weighted = hangul * np.where((of("measured") == "text") | is_beside_code, SYLLABLE_AMONG_CELLS, 1)
    few = is_beside_code & (hangul + others < FEW_LETTERS_BESIDE_CODE)
    return np.where(few, 1.0, weighted / np.maximum(weighted + others, 1))


def alphabetic(of: Columns) -> np.ndarray:
    """A syllable counts twice, as a table of Korean titles and code has few letters."""
    return (of("letters") + (SYLLABLE_AMONG_CELLS - 1) * of("hangul")) / np.maximum(of("characters"), 1)


def alphanumeric(of: Columns) -> np.ndarray:
    return (of("letters") + of("digits")) / np.maximum(of("characters"), 1)


def spoken_words(of: Columns) -> np.ndarray:
    return of("words") - of("symbol_words")


def rare_hangul(of: Columns) -> np.ndarray:
    return of("rare_hangul") / np.maximum(of("hangul"), 1)


def has_sentences(of: Columns) -> np.ndarray:
    """Whether a document has sentences of its own: many different function words in what does not repeat, Korean ones among code,
    and few words of searches, shops and menus. Rules of shape do not drop such a document.
    """
    own = (1 - of("repeated_words")) * of("function_words")
    speaks = (of("stop_words") >= FUNCTION_WORDS_OF_SENTENCES) & (own >= OWN_FUNCTION_WORDS)
    is_code = of("lang") == "code"
    return speaks & ~_is_stuffed(of) & (~is_code | (of("hangul") >= KOREAN_AMONG_CODE * of("letters")))


def repeated_lines(of: Columns) -> np.ndarray:
    """A share of the whole document, since the lead-ins of many examples repeat by nature; three quarters among sentences, and half in
    verse, where refrains repeat."""
    share = of("duplicate_line_characters")
    weight = np.where(has_sentences(of), REPEATS_AMONG_SENTENCES, 1)
    return np.where(_is_verse(of, share), REPEATS_OF_VERSE, weight) * _of_whole(of, share)


def _of_whole(of: Columns, share: np.ndarray) -> np.ndarray:
    return share * of("visible") / np.maximum(of("all_visible"), 1)


def _is_verse(of: Columns, share: np.ndarray) -> np.ndarray:
    """Short lines with function words, of which enough do not repeat."""
    words = of("function_words")
    is_spoken = (words >= FEW_FUNCTION_WORDS_OF_VERSE * spoken_words(of)) & (
        (1 - share) * words >= FUNCTION_WORDS_OF_VERSE
    )
    return is_spoken & (of("mean_line_length") <= LONGEST_VERSE)


def line_length(of: Columns) -> np.ndarray:
    """The mean of code; a list, such as a change log with the address of each commit, has items instead of lines of code."""
    return np.where(2 * of("bullet_lines") >= of("lines"), 0, of("mean_line_length"))


def repeated_words(of: Columns) -> np.ndarray:
    """A share of the whole document; three quarters among sentences, as in a reference whose sections repeat lists of parameters."""
    is_spoken = has_sentences(of) & (of("plain") < MARKS_OF_TOKENS * of("visible"))
    return np.where(is_spoken, REPEATS_AMONG_SENTENCES, 1) * _of_whole(of, of("repeated_words"))


def link_lines(of: Columns) -> np.ndarray:
    """0 where at least as many paragraphs are code, since the links are sources of a notebook, and where most of the lines have a
    sentence."""
    links = np.maximum(of("link_lines"), 1)
    is_spoken = of("function_words") >= FEW_FUNCTION_WORDS_OF_PAIRS * spoken_words(of)
    is_spoken &= (2 * of("sentence_ends") >= links) & (of("spam_terms") == 0)
    return np.where(
        is_spoken | (of("para_code") >= links), 0, of("link_lines") / np.maximum(of("text_lines"), 1)
    )


def number_lines(of: Columns) -> np.ndarray:
    """0 for tables of Korean names and their codes.

    Lines that equal others but for their digits are numbers, too, and prices where there are hardly any function words.
    """
    is_spoken = of("function_words") >= FEW_AMONG_PRICES * spoken_words(of)
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
    is_table = (of("measured") == "text") & (hangul_share(of) >= HANGUL_OF_PAIRS)
    return is_table & (2 * of("pair_lines") >= of("text_lines")) & (2 * of("series_lines") < of("pair_lines"))


def repeated_pair(of: Columns) -> np.ndarray:
    """0 for sentences, which have function words, and for chats, whose names and times have signs; half for text without keywords, and
    0 for its lists, titles and cells, which name the subject of their page again and again."""
    words, symbols = of("words"), of("symbol_words")
    spoken = np.maximum(spoken_words(of), 1)
    few = (of("function_words") < FEW_FUNCTION_WORDS_OF_PAIRS * spoken) & (symbols < FEW_SYMBOLS * words)
    is_good = _is_good_list(of)
    is_index = is_good & (_is_list(of) | (of("measured") == "text"))
    return np.where(few & ~is_index, of("top_2_gram"), 0) * np.where(is_good, PAIRS_OF_GOOD_TEXT, 1)


def _is_stuffed(of: Columns) -> np.ndarray:
    """Whether a searched text has many words of searches, shops and menus."""
    limit = np.where(_is_list(of), KEYWORDS_OF_BAD_LISTS, KEYWORDS_OF_BAD_TEXT)
    return (of("entry_words") > 0) & (of("keywords") >= limit * of("entry_words"))


def _is_good_list(of: Columns) -> np.ndarray:
    """Whether a searched text has hardly any words of searches, shops and menus, and no prices or contact data: a roster, an index."""
    prices = np.maximum(PRICES_OF_BAD_LISTS * of("lines"), FEW_PRICES)
    return (of("entry_words") > 0) & ~_is_stuffed(of) & (of("price_lines") < prices)


def _is_list(of: Columns) -> np.ndarray:
    """Whether most words are in entries of one or two words, between more separators than ``listed_words`` knows."""
    return of("short_entry_words") >= MOSTLY_ENTRIES * np.maximum(of("entry_words"), 1)


def listed_words(of: Columns) -> np.ndarray:
    """0 where function words show that pieces belong to sentences, as in poems of short lines, for tables of pairs, and for
    lists without words of searches, shops and menus; 1 where most words are such."""
    few = of("function_words") < FEW_FUNCTION_WORDS * np.maximum(spoken_words(of), 1)
    share = of("listed_words") / np.maximum(of("list_words"), 1)
    limit = np.where(of("spam_contact") > 0, KEYWORDS_WITH_CONTACT, MOSTLY_KEYWORDS)
    entries = np.maximum(of("entry_words"), 1)
    is_stuffed = of("keywords") >= limit * entries
    is_stuffed &= _is_list(of) | (of("list_words") < MIDDLE_LINE * of("lines"))
    is_stuffed |= of("keywords") >= np.maximum(KEYWORDS_OF_ANY_SHAPE * entries, FEWEST_KEYWORDS)
    share = np.where(is_stuffed, 1, share)
    return np.where(few & ~_is_table_of_pairs(of) & ~_is_good_list(of), share, 0)


def function_words(of: Columns) -> np.ndarray:
    """1 where lines are short: items, cells and turns of a chat are no sentences. In lines of middle length a few are enough.

    1 also where most letters are not Korean, since their function words are not counted, and for lists of short entries and
    headlines that have neither keywords nor echoes.
    """
    share = of("function_words") / np.maximum(spoken_words(of), 1)
    share = np.where(2 * of("hangul") >= of("letters"), share, 1)
    words, lines = of("list_words"), of("lines")
    is_middle = (
        (words >= MIDDLE_LINE * lines) & (words >= MANY_WORDS) & (of("hangul") >= MOSTLY * of("visible"))
    )
    is_list, is_text = _is_list(of), (share >= HARDLY_ANY_FUNCTION_WORDS) | (of("sentence_ends") > 0)
    limit = np.where(is_list, KEYWORDS_OF_BAD_LISTS, KEYWORDS_OF_HEADLINES) * of("entry_words")
    is_clean = (of("entry_words") > 0) & (of("keywords") < limit) & (_echoes(of) < MANY_ECHOES)
    share = np.where(is_clean & (is_list | is_text), 1, share)
    return np.where(
        words >= LONG_LINE * lines, share, np.where(is_middle, WORTH_AMONG_MIDDLE_LINES * share, 1)
    )


def echoed_words(of: Columns) -> np.ndarray:
    """0 where function words show that words belong to sentences; less without keywords."""
    few = of("function_words") < FEW_BETWEEN_ECHOES * spoken_words(of)
    return np.where(few, _echoes(of), 0)


def _echoes(of: Columns) -> np.ndarray:
    share = of("echoed_words") / np.maximum(of("list_words"), 1)
    return np.where(_is_stuffed(of), 1, ECHOES_OF_ANY_TEXT) * share


def lorem(of: Columns) -> np.ndarray:
    """0 where sentences of the document are about the filler text."""
    words = of("function_words")
    is_about = (words >= WORDS_ABOUT_FILLER) & (words >= FEW_FUNCTION_WORDS_OF_PAIRS * spoken_words(of))
    return np.where(is_about, 0, of("lorem"))


def spam(of: Columns) -> np.ndarray:
    """1.0 for advertisements, otherwise 0.0: for many terms of several groups and, in lists of keywords, for one term."""
    dense = 1000 * of("spam_terms") >= MIN_PER_1000 * np.maximum(of("characters"), 1)
    many = (of("spam_groups") >= MIN_GROUPS) & (of("spam_terms") >= MIN_TERMS)
    entries = of("entry_words")
    limit = np.where(entries >= MANY_ENTRIES, KEYWORDS_WITH_CONTACT, KEYWORDS_OF_ADVERTISEMENTS)
    is_list = (entries > 0) & (of("keywords") >= limit * entries)
    is_list &= of("function_words") < FEW_FUNCTION_WORDS_OF_PAIRS * np.maximum(spoken_words(of), 1)
    return (((dense & many) | is_list) & (of("spam_contact") > 0)).astype(np.float64)
