"""Finds the text of a document that the rules for prose read.

Owns the kinds of lines and the choice: sentences and items of lists count; headings, tables, lines of links, markup (rules,
front matter, directives, tags), code and listings without fences do not. A document with hardly any sentences, such as a table or a list of titles,
is measured by its headings, cells and titles of links; one with hardly any text outside of code, by everything.
``line_kinds`` defines the kinds; the kernels ``structure`` and ``prose`` find them in whole columns.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import utf8_buffer
from preprocessing.judging import advertising, measures, page_parts, rows
from preprocessing.judging.line_kinds import BLANK, CODE, HEADING, KINDS, LINK, LISTING, PROSE, TABLE

LEVELS = ("prose", "text", "everything")
# visible characters of sentences that are enough where they are not lost among titles and cells
MIN_PROSE = 100
MIN_PROSE_AMONG_TEXT = 0.05  # of the text outside of code, for MIN_PROSE
MIN_PROSE_SHARE = 0.5  # of the text outside of code, below MIN_PROSE
MIN_TEXT_SHARE = 0.02  # of all visible characters; below it everything counts
_COUNTED = np.zeros((len(LEVELS), len(KINDS)), np.bool_)
_COUNTED[0, [BLANK, PROSE]] = True
_COUNTED[1, [BLANK, PROSE, HEADING, TABLE, LINK]] = True
_COUNTED[2] = True
_OUTSIDE_CODE = np.array([kind != CODE for kind in range(len(KINDS))])

# 0 where everything counts: code has no lists of words
_OF_LISTS = ("list_words", "listed_words", "rare_hangul")

COLUMNS = pa.schema(
    [
        # the lines that count: prose, text (also headings, tables, links) or everything
        ("measured", pa.string()),
        ("all_visible", pa.int32()),  # visible characters of all lines
        ("text_lines", pa.int32()),  # visible lines other than markup and code
        ("link_lines", pa.int32()),  # of them, mostly links to other sites
        ("number_lines", pa.int32()),  # of them, mostly digits, or with a time
        # different phrases of footers, cookie banners, errors and forms, in short documents
        ("page_parts", pa.int32()),
        *rows.COLUMNS,
    ]
)


@dataclass(frozen=True)
class Prose:
    """``text``: lines that count, without marks; ``stripped: [rows] bool``: whether they have no code; ``bullets: [rows]``
    counts marks; ``leave_out_code`` makes a column of some rows (increasing), without lines of code."""

    text: pa.Array
    stripped: np.ndarray
    bullets: np.ndarray
    leave_out_code: Callable[[np.ndarray], pa.Array]
    columns: dict[str, pa.Array]


def measure(column: pa.Array, lang: str) -> dict[str, pa.Array]:
    """The columns of ``measures``, ``advertising`` and this module, for each document of a large_string column.

    ``characters`` and ``bytes`` are of whole documents; advertising is searched outside of code; the rest measures lines
    that count.
    """
    from preprocessing.kernels.characters import count_characters

    prose = find_prose(column)
    measured = measures.measure(prose.text, lang)
    columns = dict(zip(measured.schema.names, measured.columns))
    bullets = columns["bullet_lines"].to_numpy() + prose.bullets
    lists = {name: columns[name].to_numpy() * prose.stripped for name in _OF_LISTS}
    return {
        **columns,
        **{name: pa.array(numbers, pa.int32()) for name, numbers in lists.items()},
        "characters": pa.array(count_characters(*utf8_buffer(column)), pa.int32()),
        "bytes": pc.cast(pc.binary_length(column), pa.int32()),
        "bullet_lines": pa.array(bullets, pa.int32()),
        **prose.columns,
        "page_parts": page_parts.count(column),
        **advertising.measure(column, read=prose.leave_out_code),
        **rows.count_rows(prose.text, rows.may_be_lists({**columns, **prose.columns})),
    }


def find_prose(column: pa.Array) -> Prose:
    """Finds the text that counts in each document of a large_string column."""
    from preprocessing.kernels import prose, structure

    data, offsets = utf8_buffer(column)
    first, ends, kinds, flags, visible = kinds_of_lines(column)
    levels = _choose_levels(
        visible, _count_numbers(offsets, first, ends, (kinds == PROSE) & (flags == structure.NUMBER))
    )
    stripped, lines, every = levels < 2, (first, ends, kinds), np.arange(len(column))
    text, starts, bullets = prose.copy_lines(data, offsets, lines, every, _COUNTED[levels], stripped)

    def leave_out_code(some: np.ndarray) -> pa.Array:
        counted = np.repeat(_OUTSIDE_CODE[np.newaxis], len(some), axis=0)
        text, starts, _ = prose.copy_lines(data, offsets, lines, some, counted, np.zeros(len(some), np.bool_))
        return _to_column(text, starts)

    values = {
        "measured": pa.array(LEVELS).take(pa.array(levels)),
        "all_visible": visible.sum(axis=1),
        **dict(zip(("text_lines", "link_lines", "number_lines"), prose.count_lines(first, kinds, flags).T)),
    }
    columns = {name: pa.array(value, COLUMNS.field(name).type) for name, value in values.items()}
    return Prose(_to_column(text, starts), stripped, bullets, leave_out_code, columns)


def kinds_of_lines(
    column: pa.Array,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``(first, ends, kinds, flags, visible)`` of ``kernels.structure``, with the listings."""
    from preprocessing.kernels import listings, structure

    data, offsets = utf8_buffer(column)
    first, ends, kinds, flags, visible, may_list = structure.line_kinds(data, offsets)
    rows = np.flatnonzero(may_list)
    if len(rows):
        found = listings.find_listings(data, offsets, rows)
        listings.relabel(data, found, first, ends, kinds, flags, visible, PROSE, LISTING)
    return first, ends, kinds, flags, visible


def counted_kinds(measured: str) -> list[int]:
    """The kinds of lines that count in a document, by its column ``measured``."""
    return [kind for kind in range(len(KINDS)) if _COUNTED[LEVELS.index(measured), kind]]


def _count_numbers(
    offsets: np.ndarray, first: np.ndarray, ends: np.ndarray, are_numbers: np.ndarray
) -> np.ndarray:
    """``[rows]``: bytes of lines that ``are_numbers: [lines] bool``, such as the dates of an index of posts."""
    lines = np.flatnonzero(are_numbers)
    rows = np.searchsorted(first, lines, "right") - 1
    begins = np.where(lines == first[rows], offsets[rows], ends[lines - 1] + 1)
    return np.bincount(rows, ends[lines] - begins, len(first) - 1)


def _choose_levels(visible: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """``[rows]``: indices of LEVELS, from the visible characters by kind ``[rows, kinds]``; ``numbers`` are no sentences."""
    text, everything = visible[:, PROSE : LINK + 1].sum(axis=1), visible.sum(axis=1)
    prose = np.maximum(visible[:, PROSE] - numbers, 0)
    some = (prose >= MIN_PROSE) & (prose >= MIN_PROSE_AMONG_TEXT * text)
    enough = some | (prose >= MIN_PROSE_SHARE * text)
    return np.where(text < MIN_TEXT_SHARE * everything, 2, np.where(enough, 0, 1))


def _to_column(data: np.ndarray, starts: np.ndarray) -> pa.Array:
    return pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))
