"""The table of decisions about new pieces, ``decisions.tsv``: written, edited by a person, read again.

Owns its columns and what an edited row means. One row a piece: surface (a JSON string, so that blanks are seen), count,
origin (intermediate, syllable, needed, hand), decision (keep, drop), reason. A row whose decision is not what its reason
says was decided by a person, and so was a row without a reason of ours; the others are decided afresh.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import DataError
from megatron_ko.files import write_text

COLUMNS = ("surface", "count", "origin", "decision", "reason")
KEEP, DROP = "keep", "drop"
# the first word of a reason, and what the rule decided for it
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
        named = json.dumps(self.surface, ensure_ascii=False)
        return "\t".join((named, str(self.count), self.origin, decision, self.reason)) + "\n"


@dataclass(frozen=True)
class Forced:
    """What a person decided: surface to line number, in the order of the lines."""

    keep: dict[str, int]
    drop: dict[str, int]
    path: Path | None = None

    def refuse_known(self, known: Container[str]) -> None:
        """Raises DataError when a piece that is to be kept is no new one."""
        for surface in self.keep:
            if surface in known:
                raise DataError(
                    f"{self.place(surface)}: {surface!r} is a token of the base already; drop the line"
                )

    def place(self, surface: str) -> str:
        """For messages."""
        return f"{self.path}:{self.keep.get(surface) or self.drop.get(surface)}"


NOTHING_FORCED = Forced({}, {})


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    write_text(path, "\t".join(COLUMNS) + "\n" + "".join(row.to_line() for row in decisions))


def read_forced(path: Path, is_possible: Callable[[str], str | None]) -> Forced:
    """The decisions of a person in an edited table. ``is_possible`` says why a piece cannot be kept, or None.

    Raises DataError with all problems and their lines: wrong rows, a surface twice, pieces that cannot be kept.
    """
    keep, drop, first_line, problems = {}, {}, {}, []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.split("\t")[0] == COLUMNS[0]):
            continue
        try:
            surface, decision, reason = _fields(line)
            if surface in first_line:
                raise ValueError(
                    f"{surface!r} stands in line {first_line[surface]} already; keep one of the two"
                )
            first_line[surface] = number
            if RULES.get(reason.partition(":")[0].strip()) == decision:
                continue
            problem = is_possible(surface) if decision == KEEP else None
            if problem:
                raise ValueError(f"{surface!r} cannot be kept: {problem}; drop the line")
            (keep if decision == KEEP else drop)[surface] = number
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    if problems:
        shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
        raise DataError("\n".join(shown))
    return Forced(keep, drop, path)


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def _fields(line: str) -> tuple[str, str, str]:
    """Surface, decision, reason. Raises ValueError."""
    fields = line.rstrip("\r").split("\t")
    if not 4 <= len(fields) <= 5:
        raise ValueError(f"{len(fields)} columns instead of {', '.join(COLUMNS)}, separated by tabs")
    try:
        surface = json.loads(fields[0])
    except ValueError:
        surface = None
    if not isinstance(surface, str) or not surface:
        raise ValueError(
            f'surface {fields[0]!r} is not a JSON string; write it in quotes as in "말", " 말" (a spreadsheet takes them '
            "away: use a text editor)"
        )
    if fields[3] not in (KEEP, DROP):
        raise ValueError(f"decision {fields[3]!r} is neither {KEEP} nor {DROP}")
    return surface, fields[3], fields[4] if len(fields) == 5 else ""
