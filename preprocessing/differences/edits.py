"""Finds the edits that turn one text into another, in time nearly linear in their lengths.

Patience diff (Bram Cohen): tokens that occur once in both texts are anchors, and the gaps between them are compared again
with finer tokens: lines, then three words in a row, then words. Small gaps are compared character by character, and
texts that differ in blanks alone blank by blank.
"""

from __future__ import annotations

import bisect
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = re.compile(r"\w+|\s|[^\w\s]")
_BLANKS = re.compile(r"\s*")
_NO_BLANKS = re.compile(r"\S*")
_LEVELS = ((_LINES, 1), (_WORDS, 3), (_WORDS, 1))
"""Tokens, and how many of them in a row are one anchor; from coarse to fine."""
MAX_CELLS_OF_CHARACTERS = 40_000  # product of the lengths that are compared character by character
MAX_CELLS_OF_WORDS = 1_000_000  # product of the numbers of words
LARGEST_ISLAND = 2  # characters that two replacements have in common by chance
_BLOCK = 4096

Block = tuple[int, int, int]
"""Start in the old text, start in the new one, and length of a part that both have in common."""
Box = tuple[int, int, int, int]
"""Start and end in the old text, start and end in the new one."""


@dataclass(frozen=True)
class Edit:
    """Replaces the characters ``[start, end)`` of the old text by ``text``."""

    start: int
    end: int
    text: str


def find_edits(before: str, after: str) -> list[Edit]:
    """Edits in the order of the text; they do not touch each other."""
    edits, i, j = [], 0, 0
    for start, other, length in [*_common_blocks(before, after), (len(before), len(after), 0)]:
        if start > i or other > j:
            edits.append(Edit(i, start, after[j:other]))
        i, j = start + length, other + length
    return _without_islands(edits, before)


def _without_islands(edits: list[Edit], before: str) -> list[Edit]:
    """Joins replacements that only a character or two separate, which agree by chance."""
    joined: list[Edit] = []
    for edit in edits:
        last = joined[-1] if joined else None
        island = before[last.end : edit.start] if last else ""
        if (
            last
            and len(island) <= LARGEST_ISLAND
            and "\n" not in island
            and _replaces(last)
            and _replaces(edit)
        ):
            joined[-1] = Edit(last.start, edit.end, last.text + island + edit.text)
        else:
            joined.append(edit)
    return joined


def _replaces(edit: Edit) -> bool:
    return edit.end - edit.start > LARGEST_ISLAND and len(edit.text) > LARGEST_ISLAND


# --- common parts ----------------------------------------------------------------------------------------


def _common_blocks(before: str, after: str) -> list[Block]:
    """Common parts in order, adjacent ones joined."""
    blocks: list[Block] = []
    boxes: list[tuple[Box, int]] = [((0, len(before), 0, len(after)), 0)]
    while boxes:
        (a, b, c, d), level = boxes.pop()
        prefix = _shared_prefix(before[a:b], after[c:d])
        suffix = _shared_prefix(before[a + prefix : b][::-1], after[c + prefix : d][::-1])
        blocks += [(a, c, prefix), (b - suffix, d - suffix, suffix)]
        box = (a + prefix, b - suffix, c + prefix, d - suffix)
        if box[0] < box[1] and box[2] < box[3]:
            boxes += _split(before, after, box, level, blocks)
    joined: list[Block] = []
    for a, c, length in sorted(block for block in blocks if block[2]):
        if joined and (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]) == (a, c):
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + length)
        else:
            joined.append((a, c, length))
    return joined


def _split(before: str, after: str, box: Box, level: int, blocks: list[Block]) -> Iterator[tuple[Box, int]]:
    """Adds the common parts of a box to ``blocks``; yields the boxes that are to be compared further."""
    a, b, c, d = box
    if _without_blanks(before[a:b]) == _without_blanks(after[c:d]):
        blocks += _align_blanks(before[a:b], after[c:d], a, c)
        return
    if (b - a) * (d - c) <= MAX_CELLS_OF_CHARACTERS:
        blocks += _compare(before[a:b], after[c:d], a, c)
        return
    for finer in range(level, len(_LEVELS)):
        anchors = _anchors(before[a:b], after[c:d], *_LEVELS[finer])
        if anchors:
            i, j = a, c
            for start, other, length in anchors:
                yield (i, a + start, j, c + other), finer
                blocks.append((a + start, c + other, length))
                i, j = a + start + length, c + other + length
            yield (i, b, j, d), finer
            return
    old, new = _WORDS.findall(before[a:b]), _WORDS.findall(after[c:d])
    if len(old) * len(new) <= MAX_CELLS_OF_WORDS:
        blocks += _compare(old, new, a, c)


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _align_blanks(old: str, new: str, a: int, c: int) -> Iterator[Block]:
    """Common parts of two texts that differ in blanks alone and start at the characters ``a`` and ``c``."""
    i = j = 0
    while i < len(old) or j < len(new):
        blank, other = _end(_BLANKS, old, i), _end(_BLANKS, new, j)
        prefix = _shared_prefix(old[i:blank], new[j:other])
        suffix = _shared_prefix(old[i + prefix : blank][::-1], new[j + prefix : other][::-1])
        yield a + i, c + j, prefix
        yield a + blank - suffix, c + other - suffix, suffix
        length = min(_end(_NO_BLANKS, old, blank) - blank, _end(_NO_BLANKS, new, other) - other)
        yield a + blank, c + other, length
        i, j = blank + length, other + length


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    assert match is not None, "the pattern also matches nothing"
    return match.end()


def _compare(old: Sequence[str], new: Sequence[str], a: int, c: int) -> Iterator[Block]:
    """Common parts of two sequences of tokens that start at the characters ``a`` and ``c``."""
    starts, others = _offsets(old, a), _offsets(new, c)
    for i, j, size in difflib.SequenceMatcher(None, old, new, autojunk=len(old) > 2000).get_matching_blocks():
        yield starts[i], others[j], starts[i + size] - starts[i]


def _offsets(tokens: Sequence[str], start: int) -> list[int]:
    offsets = [start]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    return offsets


def _anchors(before: str, after: str, pattern: re.Pattern[str], run: int) -> list[Block]:
    """Tokens that begin a run of ``run`` tokens which occurs once in each text, in the order of both texts."""
    old, new = pattern.findall(before), pattern.findall(after)
    mine, others = _positions_of_unique(old, run), _positions_of_unique(new, run)
    pairs = [(i, others[key]) for key, i in mine.items() if key in others and key[0].strip()]
    starts, other_starts = _offsets(old, 0), _offsets(new, 0)
    return [(starts[i], other_starts[j], len(old[i])) for i, j in _longest_increasing(pairs)]


def _positions_of_unique(tokens: list[str], run: int) -> dict[tuple[str, ...], int]:
    keys = list(zip(*(tokens[k:] for k in range(run))))
    counts = Counter(keys)
    return {key: i for i, key in enumerate(keys) if counts[key] == 1}


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of ``pairs`` (increasing in the first number) that also increases in the second."""
    tails: list[int] = []  # smallest last number of a subsequence, by length
    ends: list[int] = []  # its pair
    previous: list[int] = []
    for n, (_, j) in enumerate(pairs):
        length = bisect.bisect_left(tails, j)
        tails[length : length + 1] = [j]
        ends[length : length + 1] = [n]
        previous.append(ends[length - 1] if length else -1)
    chain, n = [], ends[-1] if ends else -1
    while n >= 0:
        chain.append(pairs[n])
        n = previous[n]
    return chain[::-1]


def _shared_prefix(old: str, new: str) -> int:
    """Length of the common prefix, in characters."""
    most = min(len(old), len(new))
    start = 0
    while start < most and old[start : start + _BLOCK] == new[start : start + _BLOCK]:
        start += _BLOCK
    start = min(start, most)
    end = min(start + _BLOCK, most)
    while start < end and old[start] == new[start]:
        start += 1
    return start
