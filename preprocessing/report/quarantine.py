"""Records that could not be read, by cause: a count and a few examples of each, from ``quarantine.jsonl``.

Owns the grouping of causes that differ only in numbers and quoted values, and what the terminal shows of them. Personal
data in the examples is hidden; memory does not grow with the file.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError, Problem
from megatron_ko.tables import hang
from megatron_ko.wording import format_count
from preprocessing.pii.masking import anonymize
from preprocessing.readers.bad_records import LEFT_OUT

EXAMPLES = 2
RAW_CHARACTERS = 200
MAX_CAUSES = 1000
SHOWN_CAUSES = 3  # at the terminal
READ_ENTRIES = 100_000  # for the terminal, which shall not wait for a file of gigabytes
OTHER = "other causes"
# names of fields are few and informative; other quoted values and numbers vary by record
_VARYING = re.compile(r"(?<!field )(?:'[^']*'|\"[^\"]*\")|(?<![\w-])\d[\d.,]*\d|(?<![\w-])\d")
_MAX_CAUSE = 160


@dataclass
class BadRecords:
    """``examples``: entries ``file, line, cause, raw`` by cause. ``whole_files``: how many entries of a cause are about a file
    as a whole."""

    causes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    whole_files: Counter[str] = field(default_factory=Counter)

    def mistakes(self) -> list[tuple[str, int]]:
        """Causes with their counts, the most frequent first, without what is left out on purpose."""
        return [one for one in self.causes.most_common() if not one[0].startswith(LEFT_OUT)]


def read_bad_records(path: Path, entries: int | None = None) -> BadRecords:
    """Reads all entries, or as many as ``entries``. Raises DataError for an invalid line."""
    records = BadRecords()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(itertools.islice(file, entries), 1):
            try:
                entry = json.loads(line)
                cause, name = generalize(entry["cause"]), entry["file"]
            except (ValueError, KeyError, TypeError) as error:
                message = f"is not an entry of a bad record ({error}); run 'mko data clean ...' again"
                raise DataError([Problem(f"{path}:{number}", "", message, "invalid-quarantine")]) from None
            cause = _limit(records.causes, cause)
            records.causes[cause] += 1
            records.whole_files[cause] += not entry.get("line")
            records.files[_limit(records.files, name)] += 1
            examples = records.examples.setdefault(cause, [])
            if len(examples) < EXAMPLES:
                examples.append(
                    {**entry, "raw": anonymize(entry.get("raw", "")[: 2 * RAW_CHARACTERS])[:RAW_CHARACTERS]}
                )
    return records


def describe_mistakes(path: Path, bad: int) -> str:
    """The number of records and of whole files that could not be read, together ``bad``, and below it the most frequent causes
    of the first READ_ENTRIES, those of whole files first."""
    records = read_bad_records(path, READ_ENTRIES)
    mistakes = sorted(records.mistakes(), key=lambda one: -records.whole_files[one[0]])
    files = sum(records.whole_files[cause] for cause, _ in mistakes)
    part = f"; of its first {READ_ENTRIES:,} entries" if records.causes.total() == READ_ENTRIES else ""
    lines = [f"{_count(bad - files, files)} could not be read, see {path}{part}:"]
    for cause, count in mistakes[:SHOWN_CAUSES]:
        whole, first = records.whole_files[cause], records.examples[cause][0]
        place = f"{first['file']}:{first['line']}" if first.get("line") else first["file"]
        text = cause if count > 1 else _shorten(first["cause"])
        lines += hang(
            f"  - {_count(count - whole, whole)}, {'such as ' * (count > 1)}{place}: {text}", len("  - ")
        )
    if len(mistakes) > SHOWN_CAUSES:
        lines.append(f"  and {format_count(len(mistakes) - SHOWN_CAUSES, 'more cause')}")
    return "\n".join(lines)


def _count(records: int, files: int) -> str:
    counts = [format_count(records, "record")] if records or not files else []
    return " and ".join([*counts, format_count(files, "whole file")] if files else counts)


def generalize(cause: str) -> str:
    """Replaces the parts of a cause that vary by record."""
    return _shorten(_VARYING.sub("…", " ".join(cause.split())))


def _shorten(cause: str) -> str:
    return cause if len(cause) <= _MAX_CAUSE else cause[:_MAX_CAUSE] + "…"


def _limit(counts: Counter[str], name: str) -> str:
    """The name itself, or OTHER if there are too many names."""
    return name if name in counts or len(counts) < MAX_CAUSES else OTHER
