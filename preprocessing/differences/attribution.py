"""Attributes each difference between a document and its cleaned text to the rule that made it.

Owns the recomputation of a document with the plain functions, rule by rule, and the composition of their edits into
segments of the first and the last text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from preprocessing.config.cleaning import CleanConfig
from preprocessing.differences.edits import Edit, find_edits
from preprocessing.markup.conversion import CONVERTERS
from preprocessing.pii import masking
from preprocessing.steps import lines
from preprocessing.steps.text_operations import operations_for

MAIN_CONTENT = "main_content"
"""Rule of the reader that extracts the main content of a page."""
MASK = "mask"
UNEXPLAINED = "unexplained"
"""Rule of the differences between the recomputed text and the text that the run wrote."""


@dataclass(frozen=True)
class Segment:
    """A part of both texts (``kept``), of the old one (``removed``) or of the new one (``added``, also by a replacement).

    ``rule``: the first rule that removed the part, or the last that added it; empty where it is kept.
    """

    kind: Literal["kept", "removed", "added"]
    text: str
    rule: str = ""


@dataclass(frozen=True)
class Stage:
    """One change at work. ``spans``: the personal data that it replaced, in which case their kinds are the rules."""

    rule: str
    before: str
    after: str
    spans: Sequence[masking.Span] = ()

    @property
    def rules(self) -> set[str]:
        """Every rule that changed text."""
        return {span.kind for span in self.spans} or {self.rule}

    def edits(self) -> list[tuple[str, Edit]]:
        """The edits of ``before`` with their rules, in order."""
        if self.spans:
            return [
                (span.kind, Edit(span.start, span.end, masking.PLACEHOLDERS[span.kind]))
                for span in self.spans
            ]
        return [(self.rule, edit) for edit in find_edits(self.before, self.after)]


def rule_names(config: CleanConfig) -> list[str]:
    """Every rule that changes text, in the order of the changes."""
    formats = ("none", *CONVERTERS)
    operations = [
        op.name for name in formats for lang in ("ko", "code") for op in operations_for(lang, name, config)
    ]
    names = [MAIN_CONTENT, *CONVERTERS, *operations, *config.mask, lines.CHANGE, UNEXPLAINED]
    return list(dict.fromkeys(names))


def clean_in_stages(text: str, lang: str, markup_format: str, config: CleanConfig) -> Iterator[Stage]:
    """Cleans a document as step ``clean`` does; yields the changes, in order."""
    for operation in operations_for(lang, markup_format, config):
        before, text = text, operation.apply(text)
        yield from stage_between(operation.name, before, text)
    spans = masking.find(text, config.mask)
    if spans:
        yield Stage(MASK, text, masking.mask(text, config.mask)[0], spans)


def stage_between(rule: str, before: str, after: str) -> list[Stage]:
    """The change that ``rule`` made; empty where it made none."""
    return [Stage(rule, before, after)] if before != after else []


# --- composition -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """A part of the current text: characters of the first text from ``start``, or the ``text`` that ``rule`` added."""

    size: int
    start: int = -1
    text: str = ""
    rule: str = ""

    def part(self, first: int, end: int) -> _Piece:
        start = self.start + first if self.start >= 0 else -1
        return _Piece(end - first, start, self.text[first:end], self.rule)


def compose(text: str, stages: Sequence[Stage]) -> list[Segment]:
    """Segments of ``text`` and of the text after the last stage, in their order; in a gap, removals come first."""
    pieces = [_Piece(len(text), 0)]
    removals: list[tuple[int, int, str]] = []
    for stage in stages:
        pieces = _edit(pieces, stage, removals)
    return _join(_in_order(text, pieces, sorted(removals)))


def _edit(pieces: list[_Piece], stage: Stage, removals: list[tuple[int, int, str]]) -> list[_Piece]:
    """The pieces after a stage; adds what it removed of the first text to ``removals``."""
    changed: list[_Piece] = []
    todo = pieces[::-1]
    position = 0
    for rule, edit in stage.edits():
        position = _move(todo, changed, position, edit.start)
        lost: list[_Piece] = []
        position = _move(todo, lost, position, edit.end)
        removals += [(piece.start, piece.start + piece.size, rule) for piece in lost if piece.start >= 0]
        if edit.text:
            changed.append(_Piece(len(edit.text), -1, edit.text, rule))
    return [*changed, *todo[::-1]]


def _move(todo: list[_Piece], to: list[_Piece], position: int, end: int) -> int:
    """Moves the pieces up to the character ``end`` from ``todo`` (in reverse order) to ``to``; returns ``end``."""
    while position < end:
        piece = todo.pop()
        taken = min(piece.size, end - position)
        to.append(piece.part(0, taken))
        if taken < piece.size:
            todo.append(piece.part(taken, piece.size))
        position += taken
    return position


def _in_order(
    text: str, pieces: Sequence[_Piece], removals: Sequence[tuple[int, int, str]]
) -> Iterator[Segment]:
    rest = iter([*removals, (len(text), len(text), "")])
    removal = next(rest)
    done = 0
    added: list[Segment] = []
    for piece in [*pieces, _Piece(0, len(text))]:
        if piece.start < 0:
            added.append(Segment("added", piece.text, piece.rule))
            continue
        while done < piece.start:
            assert removal[0] == done, "every character of the first text is kept or removed"
            yield Segment("removed", text[removal[0] : removal[1]], removal[2])
            done, removal = removal[1], next(rest)
        yield from added
        added = []
        yield Segment("kept", text[piece.start : piece.start + piece.size])
        done = piece.start + piece.size


def _join(segments: Iterator[Segment]) -> list[Segment]:
    """Joins neighbors of one kind and rule."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if last and (last.kind, last.rule) == (segment.kind, segment.rule):
            joined[-1] = replace(last, text=last.text + segment.text)
        elif segment.text:
            joined.append(segment)
    return joined
