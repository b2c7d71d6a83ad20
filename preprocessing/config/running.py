"""Configuration of the output folder, and where the folder keeps it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config.fields import FilePath, Flag, section

KEPT_CONFIGURATION = "steps/config.yaml"
"""The configuration of the latest command that ran steps in an output folder."""


@section
class OutputConfig:
    folder: FilePath
    """Folder of all outputs: the corpus (clean/), dropped/, quarantine.jsonl, funnel.json, tokenizer/, tokens/, stages/,
    manifest.json, and the results of steps, kept for the next run (steps/)."""
    allow_bad_records: Flag = False
    """Exits with code 0 even if some records could not be read; otherwise clean and run finish all other work and exit with 3."""


def with_kept_configurations(arguments: Sequence[str]) -> list[str]:
    """Configuration files and overrides with an output folder replaced by the configuration that a run left in it."""
    files: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        kept = Path(os.path.expanduser(argument)) / KEPT_CONFIGURATION  # leaves unknown users to the loader
        if kept.is_file():
            overrides.append(f"output.folder={json.dumps(argument, ensure_ascii=False)}")
        files.append(str(kept) if kept.is_file() else argument)
    return [*overrides, *files]
