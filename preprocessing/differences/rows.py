"""Lays out the segments of a document as rows: the text before beside the text after, aligned at their line feeds.

Owns the limits of what is shown. Of a long document only the neighborhoods of its changes are shown, with the number of
characters left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from preprocessing.differences.attribution import Segment

SHOWN_WHOLE = 3000  # characters of a document that is shown completely
BEGINNING = 600  # characters at the beginning of a longer one
NEIGHBORHOOD = 200  # characters around a change
LONGEST_CHANGE = 1500  # characters of one change; of a longer one the beginning and the end are shown
CHANGE_END = 300
MOST_SHOWN = 16_000  # characters of a document


@dataclass(frozen=True)
class Row:
    """Parts of one row. ``left_out``: characters that the row stands for instead; ``changes``: changes among them."""

    segments: list[Segment]
    left_out: int = 0
    changes: int = 0

    @property
    def is_changed(self) -> bool:
        return any(segment.kind != "kept" for segment in self.segments)


def rows_of(segments: Sequence[Segment], beginning: int = BEGINNING) -> list[Row]:
    """The rows of a document; ``beginning``: characters that are shown of a long unchanged beginning."""
    length = sum(len(segment.text) for segment in segments if segment.kind != "added")
    if length <= SHOWN_WHOLE:
        return _limit(_cut_lines([segments]))
    return _limit(_cut_lines(_neighborhoods(segments, beginning)))


# --- leaving out -----------------------------------------------------------------------------------------


def _neighborhoods(segments: Sequence[Segment], beginning: int) -> Iterator[list[Segment] | int]:
    """Groups of neighboring segments, and between them the numbers of characters left out."""
    group: list[Segment] = []
    last = len(segments) - 1
    for number, segment in enumerate(segments):
        if segment.kind != "kept":
            group.append(segment)
            continue
        before = NEIGHBORHOOD if number else beginning
        after = NEIGHBORHOOD if number < last else 0
        text = segment.text
        if len(text) <= before + after + NEIGHBORHOOD:
            group.append(segment)
            continue
        head = text[: _last_end(text, before)]
        tail = text[_first_start(text, len(text) - after) :] if after else ""
        group.append(Segment("kept", head))
        yield group
        yield len(text) - len(head) - len(tail)
        group = [Segment("kept", tail)] if tail else []
    yield group


def _last_end(text: str, position: int) -> int:
    """``position``, or the end of the last line before it where that is not far."""
    end = text.rfind("\n", position // 2, position) + 1
    return end or position


def _first_start(text: str, position: int) -> int:
    start = text.find("\n", position, position + (len(text) - position) // 2) + 1
    return start or position


def shorten_change(text: str) -> tuple[str, int, str]:
    """Beginning, number of characters left out, and end of a changed part."""
    if len(text) <= LONGEST_CHANGE:
        return text, 0, ""
    return text[: LONGEST_CHANGE - CHANGE_END], len(text) - LONGEST_CHANGE, text[-CHANGE_END:]


def _limit(rows: Iterator[Row]) -> list[Row]:
    """Replaces the rows after MOST_SHOWN characters by their number of characters and changes."""
    shown = left_out = changes = 0
    limited: list[Row] = []
    for row in rows:
        size = sum(min(len(segment.text), LONGEST_CHANGE) for segment in row.segments)
        if shown + size > MOST_SHOWN and shown:
            shown = MOST_SHOWN
            left_out += row.left_out + sum(len(s.text) for s in row.segments if s.kind != "added")
            changes += sum(s.kind != "kept" for s in row.segments)
        else:
            shown += size
            limited.append(row)
    return [*limited, Row([], left_out, changes)] if left_out or changes else limited


# --- lines -----------------------------------------------------------------------------------------------


def _cut_lines(groups: Iterator[list[Segment] | int] | list[Sequence[Segment]]) -> Iterator[Row]:
    for group in groups:
        if isinstance(group, int):
            yield Row([], group)
        else:
            yield from _rows_of_group(group)


def _rows_of_group(segments: Sequence[Segment]) -> Iterator[Row]:
    """A row ends at a line feed that both texts have; unchanged lines in a row are one row."""
    row: list[Segment] = []
    for segment in segments:
        if segment.kind != "kept":
            row.append(segment)
            continue
        text = segment.text
        if _is_changed(row) and not _ends_line(row):
            end = text.find("\n") + 1 or len(text)
            row.append(replace(segment, text=text[:end]))
            text = text[end:]
            if not text and not row[-1].text.endswith("\n"):
                continue
        if row and _is_changed(row):
            yield Row(row)
            row = []
        start = text.rfind("\n") + 1
        if text[:start]:
            yield Row([*row, replace(segment, text=text[:start])])
            row = []
        if text[start:]:
            row.append(replace(segment, text=text[start:]))
    if row:
        yield Row(row)


def _is_changed(row: list[Segment]) -> bool:
    return any(segment.kind != "kept" for segment in row)


def _ends_line(row: list[Segment]) -> bool:
    """Whether both sides of a row end with a line feed or are empty."""
    sides = ("".join(s.text for s in row if s.kind != hidden) for hidden in ("added", "removed"))
    return all(not side or side.endswith("\n") for side in sides)
