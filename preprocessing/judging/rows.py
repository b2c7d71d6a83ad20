"""Counts what tells a reference from lists of prices and keywords: pairs, results, prices, series, echoes and keywords.

Owns the patterns and the limits of the search. Only documents of short cells, entries or numbers, or with few function words
in long rows, can be such lists; all others have zeros. A row is a row of a table, an item or a line.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from preprocessing.judging import list_words

FEW_FUNCTION_WORDS = 0.25  # of the words with a letter or digit, below which a document is searched
# shares of repeated three-word sequences, of digits and of the most frequent two words, from which it is searched, too
MANY_REPEATS, MANY_DIGITS, MANY_PAIRS = 0.25, 0.1, 0.1
FEW_SYLLABLES = 10
MIN_WORDS_OF_ECHO = 6  # words of a row in which a repeated word is an echo
MAX_DECIMALS = 1  # cells of a row with a decimal number, above which it is a row of measurements or odds
LONGEST_CODE = 60  # characters of a cell that is a code

COLUMNS = pa.schema(
    [
        # rows with a Korean cell and a cell of another script or digits, but no price or time
        ("pair_lines", pa.int32()),
        ("price_lines", pa.int32()),  # rows with an amount of money, a share, a time or contact data
        ("series_lines", pa.int32()),  # rows that equal an earlier one but for their digits
        ("echoed_words", pa.int32()),  # words that occur earlier in their row
        # rows of a shape of their own with a Korean name and two numbers behind it, or years, that are no prices and no measurements
        ("result_lines", pa.int32()),
        ("entry_words", pa.int32()),  # words between blanks, separators and marks of lists
        ("short_entry_words", pa.int32()),  # of them, those in entries of one or two words
        ("keywords", pa.int32()),  # of them, those of searches, shops, menus and grids
    ]
)
_HANGUL = re.compile("[가-힣]")
_CODE = re.compile(r"[^\W_]")
_PRICE = re.compile(
    r"[0-9](?:,[0-9]{3}(?![0-9]| ?(?:명|개|건|회|곳|권|표|점|가구|세대|톤|km|kg))| ?(?:[만억천]? ?원|달러|엔(?![가-힣])|%))|[₩$€£¥] ?[0-9]|(?<![0-9-])[0-9]{2,4}-[0-9]{3,4}(?:-[0-9]{4})?(?![0-9-])"
    r"|<.(?:phone|email).>|[0-9]{2}:[0-9]{2}:[0-9]{2}",
    re.ASCII,
)
_CONTACT = re.compile("<.(?:phone|email).>")
_DEATH = re.compile(
    "별세|(?:[부모]친|[장시빙][부모인]|남편|부인)상(?![가-힣])"
)  # in an obituary, which tells whom to call
_DECIMAL = re.compile(r"[+-]?[0-9,]*\.[0-9]+")
_AMOUNT = re.compile(r"약? ?[0-9][0-9.,~–-]{0,12} ?[가-힣]{1,2}")
_NAME = re.compile("[가-힣]{2}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_NUMBER_WITH_UNIT = re.compile("[0-9] ?[가-힣]")
_YEARS = re.compile("(?:1[0-9]|20)[0-9]{2} ?[~–-]")
_NAME_AND_YEARS = re.compile(f"{_NAME.pattern}[^0-9]*{_YEARS.pattern}")
_HAS_DIGIT = re.compile("[0-9]")
_DIGITS = re.compile(r"[0-9]+(?:[.,:/-][0-9]+)*")
_SEPARATORS = "|,/#;:>·ㆍ•→"


def may_be_lists(columns: dict[str, pa.Array]) -> np.ndarray:
    """``[rows] bool``: documents that are searched, by the columns of ``measures`` and ``prose``.

    Those of short entries with few function words; Korean ones of short cells or numbers, those with long rows or numbers and
    few function words, and titles that repeat two words.
    """

    def of(name: str) -> np.ndarray:
        return columns[name].to_numpy(zero_copy_only=False)

    few = of("function_words") < FEW_FUNCTION_WORDS * (of("words") - of("symbol_words"))
    listed = 2 * of("listed_words") >= np.maximum(of("list_words"), 1)
    entries = 4 * of("listed_words") >= np.maximum(of("list_words"), 1)
    numbers = 4 * of("number_lines") >= np.maximum(of("text_lines"), 1)
    repeats = of("repeated_words") >= MANY_REPEATS
    series = (few | repeats) & (of("digits") >= MANY_DIGITS * of("visible"))
    echoes = few & (of("list_words") >= (MIN_WORDS_OF_ECHO - 1) * of("lines"))
    cells = (of("measured") == "text") & (listed | numbers)
    titles = (of("measured") == "text") & few & (of("top_2_gram") >= MANY_PAIRS)
    return (of("hangul") >= FEW_SYLLABLES) & (series | echoes | cells | titles) | (entries & few)


def count_rows(text: pa.Array, searched: np.ndarray) -> dict[str, pa.Array]:
    """The COLUMNS of a large_string column of the text that counts, with tabs between cells. ``searched: [rows] bool``."""
    counts = np.zeros((len(text), len(COLUMNS)), np.int32)
    for row in np.flatnonzero(searched).tolist():
        counts[row] = _count(text[row].as_py())
    return {field.name: pa.array(counts[:, i], field.type) for i, field in enumerate(COLUMNS)}


def _count(text: str) -> tuple[int, ...]:
    pairs = prices = series = echoes = results = 0
    shapes: set[str] = set()
    for line in text.split("\n"):
        if line.isascii() or not _HANGUL.search(line):
            continue
        if _HAS_DIGIT.search(line):
            is_price = _is_priced(line)
            shape = _DIGITS.sub("0", line)
            series += shape in shapes
            results += not is_price and shape not in shapes and _is_result(line)
            shapes.add(shape)
        else:
            is_price = "<" in line and _is_priced(line)
        prices += is_price
        pairs += not is_price and "\t" in line and _is_pair(line)
        if line.count(" ") + line.count("\t") + 1 >= MIN_WORDS_OF_ECHO:
            words = [
                bare for word in line.split() if not word.isascii() and (bare := word.strip(_SEPARATORS))
            ]
            echoes += len(words) - len(set(words)) if len(words) >= MIN_WORDS_OF_ECHO else 0
    return pairs, prices, series, echoes, results, *list_words.count_words(text)


def _is_priced(line: str) -> bool:
    price = _PRICE.search(line)
    if price and _CONTACT.fullmatch(price[0]) and _DEATH.search(line):
        price = _PRICE.search(line, price.end())
    return price is not None


def _is_result(line: str) -> bool:
    name = _NAME.search(line)
    if not name:
        return False
    if len(_NUMBER_WITH_UNIT.findall(line, name.end())) > 1:
        return True
    numbers = _NUMBER.findall(line, name.end())
    if len(numbers) > 1 and sum("." in number for number in numbers) <= MAX_DECIMALS:
        return True
    return _YEARS.search(line) is not None and _NAME_AND_YEARS.search(line) is not None


def _is_pair(line: str) -> bool:
    cells = [cell.strip() for cell in line.split("\t")]
    if sum(_DECIMAL.fullmatch(cell) is not None for cell in cells) > MAX_DECIMALS:
        return False
    names = [_HANGUL.search(cell) is not None and not _AMOUNT.fullmatch(cell) for cell in cells]
    return any(names) and any(
        not named and len(cell) <= LONGEST_CODE and _CODE.search(cell) for cell, named in zip(cells, names)
    )
