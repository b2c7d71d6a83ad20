"""The language of a document: ``ko``, ``en``, ``code``, ``mixed`` or ``other``.

Owns the decision from the counts of ``kernels.languages``. Characters and signs classify a line as Korean, Latin,
another script or code. Latin lines are English when English function words prevail in the document, so German, French
and Indonesian are ``other``, like Japanese and Chinese. A document is ``mixed`` when both Korean and English have a
substantial share. Text outside of fenced code decides, unless there is hardly any, so Korean prose with examples is Korean; so does
text outside of listings without fences (``kernels.listings``), which only Korean prose has. A document with Hangul that does
not seem Korean by that, or of English around formulas, is read again without front matter, addresses, tags, code spans and formulas, but
with the sentences that bare fences hold (``text.page_words``). A formula with tags is no code.
The rules are our own: cheap enough for every document, and meant only to distinguish these five.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import replace_rows, utf8_buffer
from preprocessing.text.characters import compose
from preprocessing.text.embedded_data import LONGEST_LITERAL, SCHEME
from preprocessing.text.page_words import (
    LONGEST_FORMULA,
    count_syllables,
    has_formulas,
    is_formula,
    open_prose,
    words_of_page,
)

LANGUAGE_COLUMNS = pa.schema(
    [("language", pa.string()), *((f"para_{name}", pa.int32()) for name in ("ko", "en", "code", "other"))]
)
# Shares are of visible characters; Korean, Chinese and Japanese characters count twice.
MIN_CODE = 0.6  # of code and of indented or commented lines, as source files contain much prose
MIN_CODE_BESIDE_FENCES = 0.8  # in Markdown with fenced code, whose tables of parameters have signs of code
MIN_CODE_AMONG_COMMENTS = 0.12  # of code; below it indented lines do not count as comments
MIN_MIXED = 0.25  # of the smaller of Korean and English in their sum
MIN_ENGLISH_WORDS = 0.03  # function words among words, in texts of FEW_WORDS or more
MIN_FOREIGN_WORDS = 0.05  # function words of other languages among words
MIN_PROSE = 0.05  # of text other than code, beside fenced code; below it a document is code
# weight of 75 syllables, with which a document is no file of fenced code, and of what must be prose even then
MIN_KOREAN_BESIDE_FENCES, MIN_PROSE_OF_NOTES = 150, 0.005
# function words among words in Korean prose, below which Latin lines are names and titles
MIN_ENGLISH_AMONG_KOREAN = 0.12
FEW_WORDS = 30
_EMBEDDED_DATA = (
    f"data:[A-Za-z0-9/+.;=-]{{1,80}};base64,[A-Za-z0-9+/=]*|[A-Za-z0-9+/=]{{{LONGEST_LITERAL + 1},}}"
)
MIN_KOREAN_AROUND_LISTING = (
    80  # weight of 40 syllables, as in kernels.listings; listings are searched from it on
)
# of a document that is read again by its words
MIN_SYLLABLES, MIN_ENGLISH_AROUND_FORMULAS = 20, 5
_REREAD = ("code", "other", "mixed")
FEW_KOREAN = 4  # Korean is scarce where Latin text exceeds it by this factor


@dataclass(frozen=True)
class LanguageColumns:
    """``languages: [rows]`` and ``paragraphs: [rows, 4]``, the numbers of Korean, English, code and other paragraphs."""

    languages: np.ndarray
    paragraphs: np.ndarray

    def columns(self) -> dict[str, pa.Array]:
        """The columns of LANGUAGE_COLUMNS."""
        counts = [pa.array(np.ascontiguousarray(self.paragraphs[:, k]), pa.int32()) for k in range(4)]
        return dict(zip(LANGUAGE_COLUMNS.names, [pa.array(self.languages, pa.string()), *counts]))


def detect(column: pa.Array) -> LanguageColumns:
    """The language of each text of a large_string column; a text without letters is ``other``."""
    from preprocessing.kernels import language_words, languages

    column = _without_embedded_data(_compose(column))
    table = languages.count(*utf8_buffer(column), language_words.tables())
    counts = _by_name(table)
    found, english = _languages(counts)
    rows = np.flatnonzero((found != "ko") & (counts["ko"] >= MIN_KOREAN_AROUND_LISTING))
    if len(rows) and _leave_out_listings(column, table, rows):  # counts are parts of the table
        found, english = _languages(counts)
    is_fenced = _is_fenced(counts) & (counts["fenced"] >= counts["code"])
    is_candidate = np.isin(found, _REREAD)
    is_candidate |= (found == "en") & ((counts["fenced"] > 0) | (counts["ko"] >= 2 * MIN_SYLLABLES))
    _read_words(
        column, is_candidate, is_fenced, counts["english_words"] >= MIN_ENGLISH_AROUND_FORMULAS, found
    )
    _find_formulas(column, found)
    paragraphs = np.stack(
        [
            counts["para_ko"],
            np.where(english, counts["para_latin"], 0),
            counts["para_code"],
            counts["para_other"] + np.where(english, 0, counts["para_latin"]),
        ],
        axis=1,
    )
    return LanguageColumns(found, paragraphs.astype(np.int32))


def _find_formulas(column: pa.Array, found: np.ndarray) -> None:
    """Calls a text that is nothing but a formula with tags no code, so that its tags become text; writes to ``found``."""
    _, offsets = utf8_buffer(column)
    for row in np.flatnonzero((found == "code") & (np.diff(offsets) <= 3 * LONGEST_FORMULA)):
        text = column[row].as_py()
        if is_formula(text):
            found[row] = "ko" if re.search("[가-힣]", text) else "other"


def _compose(column: pa.Array) -> pa.Array:
    """The column with the rows of decomposed Hangul in NFC, as the counts know syllables only."""
    from preprocessing.kernels import canonical

    rows = np.flatnonzero(canonical.with_decomposed_hangul(*utf8_buffer(column)))
    return replace_rows(column, rows, [compose(column[row].as_py()) for row in rows]) if len(rows) else column


def _without_embedded_data(column: pa.Array) -> pa.Array:
    """The column without words of base64, such as pictures, fonts and packed definitions in front matter: letters of no language."""
    from preprocessing.kernels import suspects

    rows = np.flatnonzero(suspects.with_data(*utf8_buffer(column), LONGEST_LITERAL))
    if not len(rows):
        return column
    cut = pc.replace_substring_regex(column.take(pa.array(rows)), _EMBEDDED_DATA, SCHEME)
    return replace_rows(column, rows, cut)


def _read_words(
    column: pa.Array,
    is_candidate: np.ndarray,
    is_fenced: np.ndarray,
    is_english: np.ndarray,
    found: np.ndarray,
) -> None:
    """Decides candidates with Hangul, and with English around formulas, by their words alone, unless they become less Korean; writes
    to ``found``. Of those that consist of fences, only those with sentences in them are read. ``is_*: [rows] bool``."""
    from preprocessing.kernels import language_words, languages

    data, offsets = utf8_buffer(column)
    rows, texts = [], []
    for row in np.flatnonzero(is_candidate):
        is_korean = count_syllables(data[offsets[row] : offsets[row + 1]]) >= MIN_SYLLABLES
        if not (is_korean or is_english[row]):
            continue
        source = column[row].as_py()
        if not (is_korean or has_formulas(source)):
            continue
        opened = open_prose(source)
        if is_fenced[row] and opened == source:
            continue
        text = words_of_page(opened)
        if not is_korean or count_syllables(np.frombuffer(text.encode(), np.uint8)) >= MIN_SYLLABLES:
            rows.append(row)
            texts.append(text)
    if rows:
        table = languages.count(*utf8_buffer(pa.array(texts, pa.large_string())), language_words.tables())
        by_words, _ = _languages(_by_name(table))
        before = found[rows]
        is_better = np.isin(by_words, ("ko", "mixed")) | ((before != "mixed") & (by_words == "en"))
        found[rows] = np.where(is_better, by_words, before)


def _leave_out_listings(column: pa.Array, table: np.ndarray, rows: np.ndarray) -> bool:
    """Counts the rows that have listings again, without them: they become fenced code in ``table``, as do their paragraphs.

    Returns whether there are such rows.
    """
    from preprocessing.kernels import language_words, languages, listings

    data, offsets = utf8_buffer(column)
    found = listings.find_listings(data, offsets, rows)
    rows, counts = np.unique(found[:, 0], return_counts=True)
    if not len(rows):
        return False
    texts, listed = [], []
    for row, spans in zip(rows, np.split(found, np.cumsum(counts)[:-1])):
        edges = [offsets[row], *spans[:, 1:].ravel(), offsets[row + 1]]
        texts.append(b"".join(data[a:b].tobytes() for a, b in zip(edges[::2], edges[1::2])).decode())
        listed.append(sum(int((data[a:b] > 32).sum()) for _, a, b in spans))
    table[rows] = languages.count(*utf8_buffer(pa.array(texts, pa.large_string())), language_words.tables())
    table[rows, languages.COUNTS.index("fenced")] += np.array(listed)
    table[rows, languages.COUNTS.index("para_code")] += counts
    return True


def _latin_languages(counts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """``(english, foreign)``: whether the Latin lines of each document are English or another language.

    An accented letter counts as half a foreign function word. Lines of names and numbers are neither, but count as
    another language in a document with almost no Korean. A few words are English where Korean is scarce, otherwise only with
    a function word: they are rather names. So are Latin lines with few function words beside more Korean.
    """
    words, english_words = counts["latin_words"], counts["english_words"]
    others = counts["foreign_words"] + counts["accents"] / 2
    foreign = (others > english_words) & (others >= MIN_FOREIGN_WORDS * words)
    scarce = FEW_KOREAN * counts["ko"] < counts["latin"]
    few = (words < FEW_WORDS) & ((english_words > 0) | scarce)
    among_korean = (counts["ko"] >= counts["latin"]) & (counts["ko"] > 2 * counts["comment"])
    are_names = among_korean & (english_words < MIN_ENGLISH_AMONG_KOREAN * words)
    english = ~foreign & ~are_names & ((english_words >= np.maximum(MIN_ENGLISH_WORDS * words, 1)) | few)
    return english, foreign | (~english & scarce)


def _is_fenced(counts: dict[str, np.ndarray]) -> np.ndarray:
    """Whether hardly anything is outside of fenced code."""
    prose = counts["ko"] + counts["latin"] + counts["other"]
    visible = np.maximum(prose + counts["code"], 1) + counts["fenced"]
    is_note = (counts["ko"] >= MIN_KOREAN_BESIDE_FENCES) & (prose >= MIN_PROSE_OF_NOTES * visible)
    return (counts["fenced"] > 0) & (prose < MIN_PROSE * visible) & ~is_note


def _by_name(table: np.ndarray) -> dict[str, np.ndarray]:
    """The counts of ``kernels.languages``, parts of the table."""
    from preprocessing.kernels import languages

    return {name: table[:, i] for i, name in enumerate(languages.COUNTS)}


def _languages(counts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """``(languages, english)``: the language of each document, and whether its Latin lines are English."""
    english, foreign = _latin_languages(counts)
    ko, latin, code, other = (counts[name] for name in ("ko", "latin", "code", "other"))
    total = np.maximum(ko + latin + code + other, 1)
    min_code = np.where(counts["fenced"] > 0, MIN_CODE_BESIDE_FENCES, MIN_CODE)
    comments = np.where(code >= MIN_CODE_AMONG_COMMENTS * total, counts["comment"], 0)
    en = np.where(english, latin, 0)
    other = other + np.where(foreign, latin, 0)
    both = ko + en
    found = np.select(
        [
            _is_fenced(counts) | ((code > 0) & (code + comments >= min_code * total)),
            other >= both,  # also where all counts are 0
            np.minimum(ko, en) >= MIN_MIXED * both,
            ko >= en,
        ],
        np.array(["code", "other", "mixed", "ko"], object),
        np.array("en", object),
    )
    return found, english
