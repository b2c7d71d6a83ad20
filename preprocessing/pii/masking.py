"""Masks personal data with placeholders.

Owns the order of the patterns, the search in a text, and masking of a whole column: ``matching.Matcher`` selects the
rows and then the lines that may contain personal data, and only those are read in Python. The other modules of
``preprocessing/pii/`` own the patterns. Masking is deterministic, and masking a masked text changes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from preprocessing.config.languages import KINDS
from preprocessing.documents import Counts, replace_rows
from preprocessing.pii import (
    commands,
    contact,
    credentials,
    door_codes,
    identity,
    ip_addresses,
    long_secrets,
    money,
    passwords,
    secret_columns,
)
from preprocessing.pii.candidates import Candidate, Candidates
from preprocessing.pii.pattern import Pattern, is_in_id, to_plain
from preprocessing.pii.table_columns import TitleLines
from preprocessing.text.matching import Engine

PLACEHOLDERS = {kind: f"<|{kind}|>" for kind in KINDS}
_NUMBERS = ("rrn", "driver", "phone", "card", "account")
_NAMES_OF_BLOTS = {kind: f"|{kind[:2]}|" for kind in KINDS}
CONTEXT_CHARACTERS = 80
EXAMPLE_CHARACTERS_BEFORE = 60

# The first pattern wins where two match, so the more certain checks come first.
PATTERNS: tuple[Pattern, ...] = (
    *credentials.PATTERNS,
    *passwords.PATTERNS,
    *long_secrets.PATTERNS,
    *commands.PATTERNS,
    *secret_columns.PATTERNS,
    *door_codes.PATTERNS,
    *contact.EMAILS,
    *identity.PATTERNS,
    *money.CARDS,
    *contact.PHONES,
    *money.ACCOUNTS,
    *ip_addresses.IPS,
)


@dataclass(frozen=True, order=True)
class Span:
    """Characters ``[start, end)`` of a text that are personal data."""

    start: int
    end: int
    kind: str


def find(text: str, kinds: Sequence[str] = KINDS) -> list[Span]:
    """Finds the personal data of a text, from left to right; spans do not overlap."""
    return find_with(text, [pattern for pattern in PATTERNS if pattern.kind in kinds])


def mask(text: str, kinds: Sequence[str] = KINDS) -> tuple[str, Counter[str]]:
    """Masks the personal data of ``kinds``; returns the text and the number of spans of each kind."""
    spans = find(text, kinds)
    return _mask_spans(text, spans), Counter(span.kind for span in spans)


def anonymize(text: str) -> str:
    """Hides the letters and digits of personal data but keeps its form; for examples in reports."""
    return _hide_spans(text, find(text))


def anonymize_all(texts: Sequence[str]) -> list[str]:
    """``anonymize`` for each text; faster where columns are masked, too, because it uses the same selection of lines."""
    hidden = list(texts)
    column = pa.array(texts, pa.large_string())
    for candidate in _candidates_of(KINDS, None).find(column):
        text, spans = _find_candidate(column, candidate)
        if spans:
            hidden[candidate.row] = _hide_spans(text, spans)
    return hidden


def find_with(text: str, patterns: Sequence[Pattern]) -> list[Span]:
    """Finds spans of ``patterns``, first those over several lines, then line by line."""
    spans, rest = _search("", text, [pattern for pattern in patterns if pattern.spans_lines])
    of_lines = [pattern for pattern in patterns if not pattern.spans_lines]
    lines = rest.split("\n")
    found = _find_in_lines(lines, dict.fromkeys(range(len(lines)), of_lines))
    return sorted([*spans, *_join_spans(lines, found)])


def _find_in_lines(lines: Sequence[str], patterns: Mapping[int, Sequence[Pattern]]) -> dict[int, list[Span]]:
    """Finds spans of the patterns of each line (in order), in characters of the line; only for lines with spans."""
    spans: dict[int, list[Span]] = {}
    title_lines = TitleLines(lines)
    searched: dict[int, str] = {}  # lines with spans, without them
    for number, of_line in patterns.items():
        title = title_lines.find(number)
        above = searched.get(title, lines[title]) if title >= 0 else ""
        if title < 0 and number:
            before = number - 2 if number > 1 and not lines[number - 1] else number - 1
            above = searched.get(before, lines[before])[-CONTEXT_CHARACTERS:]
        line_spans, rest = _search(above + "\n" if number else "", lines[number], of_line)
        if line_spans:
            searched[number] = rest
            spans[number] = line_spans
    return spans


def _join_spans(lines: list[str], found: Mapping[int, Sequence[Span]]) -> list[Span]:
    """The spans of lines (in order), in characters of the joined lines."""
    spans: list[Span] = []
    start = done = 0
    for number, of_line in found.items():
        start += sum(map(len, lines[done:number])) + number - done
        done = number
        spans += (Span(start + span.start, start + span.end, span.kind) for span in of_line)
    return sorted(spans)


def _search(above: str, line: str, patterns: Sequence[Pattern]) -> tuple[list[Span], str]:
    """Finds spans in a line, given the end of the line above or the first line of its table; also returns the line with its spans blotted out.

    A span is blotted out before the next pattern searches, and all patterns repeat until none finds more. Expressions
    and context words read a blot like a placeholder, so a masked text contains nothing to mask.
    """
    first = len(above)
    as_is = above + line
    plain = to_plain(as_is)
    spans: list[Span] = []
    while True:
        before = len(spans)
        for pattern in patterns:
            matches = pattern.regex.finditer(as_is if pattern.as_is else plain, first)
            may_be_id = pattern.kind in _NUMBERS
            parts = [
                part
                for match in matches
                if (part := pattern.check(match)) is not None and not (may_be_id and is_in_id(match))
            ]
            found = [Span(start, end, pattern.kind) for start, end in parts]
            if found:
                as_is, plain = (_replace_spans(text, found, _blot_of) for text in (as_is, plain))
                spans += (Span(span.start - first, span.end - first, span.kind) for span in found)
        if len(spans) == before:
            return spans, as_is[first:]


def _blot_of(span: Span) -> str:
    """As many characters as the span has, which look like its placeholder; long ones tell its kind."""
    length = span.end - span.start - 2
    name = _NAMES_OF_BLOTS[span.kind]
    return f"<{(name if len(name) <= length else '').ljust(length, '|')}>"


def _replace_spans(text: str, spans: Sequence[Span], replacement: Callable[[Span], str]) -> str:
    parts, end = [], 0
    for span in spans:
        parts += (text[end : span.start], replacement(span))
        end = span.end
    return "".join((*parts, text[end:]))


def _mask_spans(text: str, spans: Sequence[Span]) -> str:
    return _replace_spans(text, spans, lambda span: PLACEHOLDERS[span.kind])


def _hide_spans(text: str, spans: Sequence[Span]) -> str:
    return _replace_spans(text, spans, lambda span: re.sub(r"[^\W_]", "•", text[span.start : span.end]))


# --- columns ---------------------------------------------------------------------------------------------


def mask_column(
    column: pa.Array, ids: pa.Array, kinds: Sequence[str], counts: Counts, engine: Engine | None = None
) -> tuple[pa.Array, np.ndarray]:
    """Masks a large_string column as ``mask`` does; also returns the number of spans: ``[rows, len(KINDS)] int32``.

    Adds the number of each kind and a few anonymized examples to ``counts``.
    """
    numbers = np.zeros((len(column), len(KINDS)), np.int32)
    rows: list[int] = []
    texts: list[str] = []
    for candidate in _candidates_of(tuple(kinds), engine).find(column):
        text, spans = _find_candidate(column, candidate)
        if not spans:
            continue
        for span in spans:
            numbers[candidate.row, KINDS.index(span.kind)] += 1
        _count(text, spans, ids[candidate.row].as_py(), counts)
        rows.append(candidate.row)
        texts.append(_mask_spans(text, spans))
    return (replace_rows(column, np.array(rows), texts) if rows else column), numbers


@lru_cache(maxsize=16)
def _candidates_of(kinds: tuple[str, ...], engine: Engine | None) -> Candidates:
    return Candidates([pattern for pattern in PATTERNS if pattern.kind in kinds], engine)


def _find_candidate(column: pa.Array, candidate: Candidate) -> tuple[str, list[Span]]:
    """The text of a candidate and its spans. A text whose lines have none is not decoded as a whole."""
    if candidate.spans_lines:
        text = column[candidate.row].as_py()
        return text, find_with(text, candidate.patterns)
    found = _find_in_lines(candidate.lines, dict(sorted(candidate.of_lines.items())))
    if not found:
        return "", []
    text = column[candidate.row].as_py()
    return text, _join_spans(text.split("\n"), found)


def _count(text: str, spans: Sequence[Span], name: str, counts: Counts) -> None:
    """Adds spans to the counts, and an example of each kind that still needs one."""
    counts.masked.update(span.kind for span in spans)
    for kind in dict.fromkeys(span.kind for span in spans):
        if counts.wants_example(kind):
            counts.add_example(kind, name, *_make_example(text, spans, kind))


def _make_example(text: str, spans: Sequence[Span], kind: str) -> tuple[str, str]:
    """The anonymized text around the first span of a kind, before and after masking, to the end of its line."""
    first = next(span for span in spans if span.kind == kind)
    start = text.rfind("\n", 0, first.start) + 1
    end = text.find("\n", first.end)
    line = text[start : end if end >= 0 else len(text)]
    inside = [
        Span(s.start - start, s.end - start, s.kind)
        for s in spans
        if start <= s.start and s.end <= start + len(line)
    ]
    hidden = anonymize_all([_hide_spans(line, inside)])[0]
    cut = max(0, first.start - start - EXAMPLE_CHARACTERS_BEFORE)
    visible = [Span(s.start - cut, s.end - cut, s.kind) for s in inside if s.start >= cut]
    return hidden[cut:], _mask_spans(hidden[cut:], visible)
