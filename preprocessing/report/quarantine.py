"""Records that could not be read, by cause: a count and a few examples of each, from ``quarantine.jsonl``.

Owns the grouping of causes that differ only in numbers and quoted values. Personal data in the examples is hidden; memory
does not grow with the file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError, Problem
from preprocessing.pii.masking import anonymize

EXAMPLES = 2
RAW_CHARACTERS = 200
MAX_CAUSES = 1000
OTHER = "other causes"
# names of fields are few and informative; other quoted values and numbers vary by record
_VARYING = re.compile(r"(?<!field )(?:'[^']*'|\"[^\"]*\")|(?<![\w-])\d[\d.,]*\d|(?<![\w-])\d")
_MAX_CAUSE = 160


@dataclass
class BadRecords:
    """``examples``: entries ``file, line, cause, raw`` by cause."""

    causes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read_bad_records(path: Path) -> BadRecords:
    """Raises DataError for an invalid line."""
    records = BadRecords()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                cause, name = generalize(entry["cause"]), entry["file"]
            except (ValueError, KeyError, TypeError) as error:
                message = f"is not an entry of a bad record ({error}); run 'mko data clean ...' again"
                raise DataError([Problem(f"{path}:{number}", "", message, "invalid-quarantine")]) from None
            cause = _limit(records.causes, cause)
            records.causes[cause] += 1
            records.files[_limit(records.files, name)] += 1
            examples = records.examples.setdefault(cause, [])
            if len(examples) < EXAMPLES:
                examples.append(
                    {**entry, "raw": anonymize(entry["raw"][: 2 * RAW_CHARACTERS])[:RAW_CHARACTERS]}
                )
    return records


def generalize(cause: str) -> str:
    """Replaces the parts of a cause that vary by record."""
    short = _VARYING.sub("…", " ".join(cause.split()))
    return short if len(short) <= _MAX_CAUSE else short[:_MAX_CAUSE] + "…"


def _limit(counts: Counter[str], name: str) -> str:
    """The name itself, or OTHER if there are too many names."""
    return name if name in counts or len(counts) < MAX_CAUSES else OTHER
