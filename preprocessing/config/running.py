"""Where results go and how the work is cut."""

from __future__ import annotations

from megatron_ko.config.fields import FilePath, Flag, section


@section
class OutputConfig:
    folder: FilePath
    """Folder of everything that is written: the corpus (clean/), dropped/, quarantine.jsonl, funnel.json, tokenizer/,
    tokens/, stages/, manifest.json, and what is kept between runs (steps/)."""
    allow_bad_records: Flag = False
    """Ends with exit code 0 although records could not be read; else clean and run end with 3, everything else done."""
