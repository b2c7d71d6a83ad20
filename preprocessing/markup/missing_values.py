"""Sentences of wikis with a value that only the wiki has: counts of its pages, figures of its database, ages of today.

Owns the mark HOLE that stands for such a value, and its removal. A sentence with a hole is wrong or no sentence, so what is removed
with the hole is the least that can be read without it: the part of a list in parentheses or the clause, else the sentence, cell or item.
"""

from __future__ import annotations

import re

HOLE = "\x0e"
SENTENCES_WITH_HOLES = "sentences with a value that only the wiki has"
_IN_PARENTHESES = re.compile(
    rf"[ \t]?(?P<open>[(（])(?P<inside>[^()（）\n{HOLE}]{{0,500}}{HOLE}[^()（）\n]{{0,500}})(?P<close>[)）])"
)
_PART = re.compile(r"[^,;、，]+[,;、，]?[ \t]*")
_CELL = re.compile(r"(?:[^|\\]|\\.)+")
# Marks of quotations, items, headings and notes at the beginning of a line
_LINE_MARK = re.compile(
    r"[ \t]*(?:>[ \t]*)*(?:[-*+][ \t]+|[0-9]{1,6}\.[ \t]+|#{1,6}[ \t]+|\[\^[^\]\n]{1,100}\]:[ \t]*)?"
)
_END_OF_SENTENCE = re.compile(
    r"(?:(?<=[가-힣)\]\"'”’»][.?!])|(?<=[a-z]{3}[.?!])|(?<=[0-9]{4}\.)(?=[ \t]+[A-Z]))[ \t]+|(?<=[。！？])"
)


# A clause about one thing, which has its own verb: the population is 5,
_CLAUSE = re.compile(
    rf"(?:(?<=, )|^)(?:[가-힣]{{1,10}} ){{0,2}}[가-힣]{{1,10}}[은는] (?:약 )?{HOLE}[^,.{HOLE}]{{0,40}}, (?=[^{HOLE}]*$)"
)


def remove_holes(markdown: str) -> tuple[str, int]:
    """The text without holes, and how many sentences, cells and items were removed with them."""
    if HOLE not in markdown:
        return markdown, 0
    lines: list[str] = []
    count = 0
    for line in markdown.split("\n"):
        if HOLE in line:
            line, removed = _without_holes(line)
            count += removed
            if removed and not line.strip():
                continue
        lines.append(line)
    return "\n".join(lines), count


def _without_holes(line: str) -> tuple[str, int]:
    while HOLE in line and (shorter := _IN_PARENTHESES.sub(_other_parts, line)) != line:
        line = shorter
    if HOLE not in line:
        return line, 0
    count = 0

    def without_sentences(text: str) -> str:
        nonlocal count
        sentences = _split(text)
        count += sum(HOLE in sentence for sentence in sentences)
        sentences = [_CLAUSE.sub("", sentence) if HOLE in sentence else sentence for sentence in sentences]
        return "".join(sentence for sentence in sentences if HOLE not in sentence).rstrip()

    if line.startswith("|"):
        return _CELL.sub(
            lambda cell: f" {without_sentences(cell[0].strip())} " if HOLE in cell[0] else cell[0], line
        ), count
    mark = _LINE_MARK.match(line)
    start = mark.end() if mark else 0
    text = without_sentences(line[start:])
    return (line[:start] + text if text else ""), count


def _other_parts(match: re.Match[str]) -> str:
    """The parts of a list in parentheses that have no hole; nothing without one."""
    parts = [part for part in _PART.findall(match["inside"]) if HOLE not in part]
    text = "".join(parts).strip().rstrip(",;、，").rstrip()
    before = match[0][: match.start("open") - match.start()]
    return f"{before}{match['open']}{text}{match['close']}" if text else ""


def _split(text: str) -> list[str]:
    ends = [match.end() for match in _END_OF_SENTENCE.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]
