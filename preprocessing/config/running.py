"""Configuration of the output folder, and where the folder keeps it."""

from __future__ import annotations

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
