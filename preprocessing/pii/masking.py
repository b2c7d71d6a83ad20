"""Personal data to placeholders.

Owns the order of the kinds, where they are in a text, and masking over a whole column: ``matching.Matcher`` picks the
rows that can hold any, then their lines, and only those are read in Python. What each kind looks like is in
``preprocessing/pii/``. Masking is deterministic, and what is masked holds nothing to mask.
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
from preprocessing.pii import contact, credentials, identity, money
from preprocessing.pii.candidates import Candidate, Candidates
from preprocessing.pii.pattern import DASHES, WIDE, Pattern
from preprocessing.text.matching import Engine

PLACEHOLDERS = {kind: f"<|{kind}|>" for kind in KINDS}
CONTEXT_CHARACTERS = 80
EXAMPLE_CHARACTERS_BEFORE = 60

# What two kinds could claim is taken by the first: the more certain checks come first.
PATTERNS: tuple[Pattern, ...] = (
    *credentials.PATTERNS,
    *contact.EMAILS,
    *identity.PATTERNS,
    *money.CARDS,
    *contact.PHONES,
    *money.ACCOUNTS,
    *contact.IPS,
)
_UNUSUAL = re.compile(f"[{WIDE}{DASHES[1:]}]")


@dataclass(frozen=True, order=True)
class Span:
    """Characters ``[start, end)`` of a text that are personal data."""

    start: int
    end: int
    kind: str


def find(text: str, kinds: Sequence[str] = KINDS) -> list[Span]:
    """Personal data of a text from left to right; spans do not overlap."""
    return _find(text, [pattern for pattern in PATTERNS if pattern.kind in kinds])


def mask(text: str, kinds: Sequence[str] = KINDS) -> tuple[str, Counter[str]]:
    """The text with every kind of ``kinds`` masked, and how many of each were found."""
    spans = find(text, kinds)
    return _masked(text, spans), Counter(span.kind for span in spans)


def anonymize(text: str) -> str:
    """The text with the letters and digits of personal data hidden but their form kept; for examples in reports."""
    return _hidden(text, find(text))


def _find(text: str, patterns: Sequence[Pattern]) -> list[Span]:
    """Spans of some patterns, first of those that span lines, then line by line."""
    spans, seen = _search("", text, [pattern for pattern in patterns if pattern.spans_lines])
    of_lines = [pattern for pattern in patterns if not pattern.spans_lines]
    lines = seen.split("\n")
    return sorted([*spans, *_find_in_lines(lines, dict.fromkeys(range(len(lines)), of_lines))])


def _find_in_lines(lines: list[str], patterns: Mapping[int, Sequence[Pattern]]) -> list[Span]:
    """Spans, in characters of the lines joined, of the patterns of each line (in order)."""
    spans: list[Span] = []
    start = done = 0
    last, seen = -1, ""  # the line searched before, and what is left of it
    for number, of_line in patterns.items():
        start += sum(map(len, lines[done:number])) + number - done
        above = seen if last == number - 1 else lines[number - 1]
        found, seen = _search(above[-CONTEXT_CHARACTERS:] + "\n" if number else "", lines[number], of_line)
        done = last = number
        spans += (Span(start + span.start, start + span.end, span.kind) for span in found)
    return sorted(spans)


def _search(above: str, line: str, patterns: Sequence[Pattern]) -> tuple[list[Span], str]:
    """Spans of a line under the end of the line above, and the line as the next one sees it.

    What is found is blotted out before the next pattern looks, until none finds more. A blot reads like a placeholder
    to expressions and context words, so that a masked text has nothing left to find.
    """
    first = len(above)
    as_is = above + line
    plain = _plain(as_is)
    spans: list[Span] = []
    while True:
        before = len(spans)
        for pattern in patterns:
            matches = pattern.regex.finditer(as_is if pattern.as_is else plain, first)
            for start, end in [part for match in matches if (part := pattern.check(match)) is not None]:
                as_is, plain = _blotted(as_is, start, end), _blotted(plain, start, end)
                spans.append(Span(start - first, end - first, pattern.kind))
        if len(spans) == before:
            return spans, as_is[first:]


def _blotted(text: str, start: int, end: int) -> str:
    return f"{text[:start]}<{'|' * (end - start - 2)}>{text[end:]}"


def _plain(text: str) -> str:
    """Full-width characters, dashes and blanks as ASCII; the same length."""
    return _UNUSUAL.sub(lambda match: _ascii(match[0]), text)


def _ascii(character: str) -> str:
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return "-" if "\u2010" <= character <= "\u2015" or character == "\u2212" else " "


def _replaced(text: str, spans: Sequence[Span], replacement: Callable[[Span], str]) -> str:
    parts, end = [], 0
    for span in spans:
        parts += (text[end : span.start], replacement(span))
        end = span.end
    return "".join((*parts, text[end:]))


def _masked(text: str, spans: Sequence[Span]) -> str:
    return _replaced(text, spans, lambda span: PLACEHOLDERS[span.kind])


def _hidden(text: str, spans: Sequence[Span]) -> str:
    return _replaced(text, spans, lambda span: re.sub(r"[^\W_]", "•", text[span.start : span.end]))


# --- columns ---------------------------------------------------------------------------------------------


def mask_column(
    column: pa.Array, ids: pa.Array, kinds: Sequence[str], counts: Counts, engine: Engine | None = None
) -> tuple[pa.Array, np.ndarray]:
    """The large_string column masked as by ``mask``, and how many were found: ``[rows, len(KINDS)] int32``.

    ``counts`` gets the number of each kind and a few anonymised examples.
    """
    found = np.zeros((len(column), len(KINDS)), np.int32)
    rows: list[int] = []
    texts: list[str] = []
    for candidate in _candidates(tuple(kinds), engine).of(column):
        text = column[candidate.row].as_py()
        spans = _find_candidate(text, candidate)
        if not spans:
            continue
        for span in spans:
            found[candidate.row, KINDS.index(span.kind)] += 1
        _count(text, spans, ids[candidate.row].as_py(), counts)
        rows.append(candidate.row)
        texts.append(_masked(text, spans))
    return (replace_rows(column, np.array(rows), texts) if rows else column), found


@lru_cache(maxsize=16)
def _candidates(kinds: tuple[str, ...], engine: Engine | None) -> Candidates:
    return Candidates([pattern for pattern in PATTERNS if pattern.kind in kinds], engine)


def _find_candidate(text: str, candidate: Candidate) -> list[Span]:
    if candidate.spans_lines:
        return _find(text, candidate.patterns)
    return _find_in_lines(text.split("\n"), dict(sorted(candidate.lines.items())))


def _count(text: str, spans: Sequence[Span], name: str, counts: Counts) -> None:
    """Adds spans to the counts, and an example for each kind that still wants one."""
    counts.masked.update(span.kind for span in spans)
    for kind in dict.fromkeys(span.kind for span in spans):
        if counts.wants_example(kind):
            counts.add_example(kind, name, *_example(text, spans, kind))


def _example(text: str, spans: Sequence[Span], kind: str) -> tuple[str, str]:
    """Before and after the first span of a kind, from a little in front of it to the end of its line; anonymised."""
    first = next(span for span in spans if span.kind == kind)
    start = text.rfind("\n", 0, first.start) + 1
    end = text.find("\n", first.end)
    line = text[start : end if end >= 0 else len(text)]
    inside = [
        Span(s.start - start, s.end - start, s.kind)
        for s in spans
        if start <= s.start and s.end <= start + len(line)
    ]
    hidden = anonymize(_hidden(line, inside))
    cut = max(0, first.start - start - EXAMPLE_CHARACTERS_BEFORE)
    shown = [Span(s.start - cut, s.end - cut, s.kind) for s in inside if s.start >= cut]
    return hidden[cut:], _masked(hidden[cut:], shown)
