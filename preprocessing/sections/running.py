"""Where results go and how the work is cut."""

from __future__ import annotations

from megatron_ko.config.fields import FilePath, section


@section
class OutputConfig:
    folder: FilePath
    """Folder of everything that is written: the corpus (clean/), dropped/, quarantine.jsonl, funnel.json, tokenizer/,
    tokens/, stages/, manifest.json, and what is kept between runs (steps/)."""
