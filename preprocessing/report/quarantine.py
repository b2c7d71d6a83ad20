"""Records that could not be read, by cause: a count and a few examples of each, from ``quarantine.jsonl``.

Owns which causes are the same: those that differ in numbers and quoted values only. Personal data in the examples is
hidden; what is kept does not grow with the file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.pii.masking import anonymize

EXAMPLES = 2
RAW_CHARACTERS = 200
MAX_CAUSES = 1000
OTHER = "other causes"
# names of fields are few and worth telling; other quoted values and numbers are of the record
_VARYING = re.compile(r"(?<!field )(?:'[^']*'|\"[^\"]*\")|(?<![\w-])\d[\d.,]*\d|(?<![\w-])\d")
_MAX_CAUSE = 160


@dataclass
class BadRecords:
    """``examples``: entries ``file, line, cause, raw`` by cause."""

    causes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read_bad_records(path: Path) -> BadRecords:
    """Raises DataError for a line that is no entry."""
    found = BadRecords()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                cause, name = kind_of(entry["cause"]), entry["file"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}:{number}: is no entry of a bad record ({error}); run 'python -m preprocessing clean ...' again"
                ) from None
            cause = _bounded(found.causes, cause)
            found.causes[cause] += 1
            found.files[_bounded(found.files, name)] += 1
            examples = found.examples.setdefault(cause, [])
            if len(examples) < EXAMPLES:
                examples.append(
                    {**entry, "raw": anonymize(entry["raw"][: 2 * RAW_CHARACTERS])[:RAW_CHARACTERS]}
                )
    return found


def kind_of(cause: str) -> str:
    """A cause without what differs from record to record."""
    short = _VARYING.sub("…", " ".join(cause.split()))
    return short if len(short) <= _MAX_CAUSE else short[:_MAX_CAUSE] + "…"


def _bounded(counts: Counter[str], name: str) -> str:
    return name if name in counts or len(counts) < MAX_CAUSES else OTHER
