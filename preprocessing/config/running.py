"""Configuration of the output folder, and where the folder keeps it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config.fields import FilePath, Flag, section
from megatron_ko.errors import DataError

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
    """Configuration files and overrides with an output folder replaced by the configuration that a run left in it.

    Raises DataError for another folder.
    """
    files: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        folder = Path(os.path.expanduser(argument))  # leaves unknown users to the loader
        if folder.is_dir():
            overrides.append(f"output.folder={json.dumps(argument, ensure_ascii=False)}")
            files.append(str(kept_configuration(folder)))
        else:
            files.append(argument)
    return [*overrides, *files]


def kept_configuration(folder: Path) -> Path:
    """The configuration file that a run left in its folder. Raises DataError without one."""
    path = folder / KEPT_CONFIGURATION
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; pass the output folder of a run", rule="missing-run")
    if not path.is_file():
        known = " or ".join(sorted(map(str, folder.glob("*.yaml")))[:3])
        remedy = f"pass {known}, or its output folder" if known else "run 'mko data run ...' first"
        raise DataError(
            f"{path}: not found, so {folder} is not the output folder of a run, or the run is older than this command; {remedy}",
            rule="not-a-run",
        )
    return path
