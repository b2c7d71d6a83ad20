"""Reads and writes ``decisions.tsv``, the table of decisions about new pieces that a person may edit.

Owns the columns and the meaning of an edited row. One row per piece: surface (a JSON string, so that blanks are
visible), count, origin (intermediate, syllable, needed, hand), decision (keep, drop), reason. A row whose decision
differs from its reason, or that has none of our reasons, is a decision by hand; all other rows are decided anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import write_text

COLUMNS = ("surface", "count", "origin", "decision", "reason")
KEEP, DROP = "keep", "drop"
NEEDED = "needed: longer pieces are built from it"
MAX_PROBLEMS = 20  # in one error
# the first word of a reason, and the decision that follows from it
RULES = {"frequent": KEEP, "needed": KEEP, "rare": DROP, "budget": DROP, "blocked": DROP, "refused": DROP}


@dataclass(frozen=True)
class Decision:
    surface: str
    count: int
    origin: str
    keep: bool
    reason: str

    def to_line(self) -> str:
        decision = KEEP if self.keep else DROP
        surface = json.dumps(self.surface, ensure_ascii=False)
        return "\t".join((surface, str(self.count), self.origin, decision, self.reason)) + "\n"


@dataclass(frozen=True)
class Overrides:
    """Decisions by hand: surface to line number, in the order of the lines."""

    keep: dict[str, int]
    drop: dict[str, int]
    path: Path | None = None

    def refuse_known(self, known: Container[str]) -> None:
        """Raises DataError when a piece to keep is not new."""
        for surface in self.keep:
            if surface in known:
                raise self.error(surface, "is already a token of the base; delete the line", "known-piece")

    def error(self, surface: str, message: str, rule: str) -> DataError:
        """The error of the line that decides about ``surface``."""
        return DataError([Problem(self.where(surface), "", f"{surface!r} {message}", rule)])

    def where(self, surface: str) -> str:
        """``file:line`` of the decision."""
        return f"{self.path}:{self.keep.get(surface) or self.drop.get(surface)}"


NO_OVERRIDES = Overrides({}, {})


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    write_text(path, "\t".join(COLUMNS) + "\n" + "".join(row.to_line() for row in decisions))


def read_overrides(path: Path, reason_against: Callable[[str], str | None]) -> Overrides:
    """Reads the decisions by hand of an edited table. ``reason_against``: why a piece cannot be kept, or None.

    Raises DataError with all problems and their lines: malformed rows, duplicate surfaces, pieces that cannot be kept.
    """
    keep, drop, first_line, problems = {}, {}, {}, []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.split("\t")[0] == COLUMNS[0]):
            continue
        try:
            surface, decision, reason = _fields(line)
            if surface in first_line:
                message = f"duplicate {surface!r}: line {first_line[surface]} has it too; keep one of the two"
                raise _BadRow(message, "duplicate-piece")
            first_line[surface] = number
            if RULES.get(reason.partition(":")[0].strip()) == decision:
                continue
            against = reason_against(surface) if decision == KEEP else None
            if against:
                raise _BadRow(f"{surface!r} cannot be kept: {against}; delete the line", "impossible-piece")
            (keep if decision == KEEP else drop)[surface] = number
        except _BadRow as bad:
            problems.append(Problem(f"{path}:{number}", "", *bad.args))
    if problems:
        raise DataError(limit_problems(problems))
    return Overrides(keep, drop, path)


def limit_problems(problems: Sequence[Problem]) -> list[Problem]:
    """The first MAX_PROBLEMS, and the number of the others."""
    more = len(problems) - MAX_PROBLEMS
    return [*problems[:MAX_PROBLEMS], *([Problem("", "", f"and {more:,} more")] if more > 0 else [])]


class _BadRow(Exception):
    """A row that cannot be read: message and rule."""


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the path", rule="unreadable-file"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8", rule="not-utf8"
        ) from None


def _fields(line: str) -> tuple[str, str, str]:
    """Surface, decision, reason. Raises _BadRow."""
    fields = line.rstrip("\r").split("\t")
    if not 4 <= len(fields) <= 5:
        message = f"has {len(fields)} columns; expected {', '.join(COLUMNS)}, separated by tabs"
        raise _BadRow(message, "wrong-columns")
    try:
        surface = json.loads(fields[0])
    except ValueError:
        surface = None
    if not isinstance(surface, str) or not surface:
        message = (
            f'surface {fields[0]!r} is not a JSON string; quote it like "말" or " 말" (a spreadsheet removes the quotes: '
            "use a text editor)"
        )
        raise _BadRow(message, "unquoted-surface")
    if fields[3] not in (KEEP, DROP):
        raise _BadRow(f"decision {fields[3]!r} must be {KEEP} or {DROP}", "unknown-decision")
    return surface, fields[3], fields[4] if len(fields) == 5 else ""
