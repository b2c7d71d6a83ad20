"""Splits the text of one language: every fifth document judges, the others train.

Owns the split. Both parts are JSON lines with the field ``text``; a document has at most MAX_CHARACTERS.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from checkpoint_tools.texts import documents
from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from megatron_ko.wording import format_count

EVERY = 5
MAX_CHARACTERS = 4000
"""Longer documents are cut, so that one long document does not dominate the judgment."""
MAX_BYTES = 40_000_000
"""Maximum UTF-8 bytes of text per language."""


def split(files: Sequence[Path], folder: Path) -> None:
    """Writes ``learn.jsonl`` and ``judge.jsonl`` into ``folder``. Raises DataError when one of them would be empty."""
    number = size = 0
    with atomic_file(folder / "learn.jsonl", "w") as learn, atomic_file(folder / "judge.jsonl", "w") as judge:
        for file in files:
            for text in documents(file):
                number += 1
                size += len(text.encode())
                part = judge if number % EVERY == 0 else learn
                for start in range(0, len(text), MAX_CHARACTERS):
                    record = {
                        "id": f"{file.name}-{number}-{start}",
                        "text": text[start : start + MAX_CHARACTERS],
                    }
                    part.write(json.dumps(record, ensure_ascii=False) + "\n")
                if size > MAX_BYTES:
                    break
    if number < EVERY:
        names = ", ".join(str(file) for file in files)
        raise DataError(
            f"{names}: {format_count(number, 'document')}; at least {EVERY} are needed, one to judge on",
            rule="too-few-documents",
        )
