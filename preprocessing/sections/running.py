"""Where results go and how the work is cut."""

from __future__ import annotations

from megatron_ko.config.fields import FilePath, section


@section
class OutputConfig:
    folder: FilePath
    """Folder of everything that is written: clean/, dropped/, tokenizer/, tokens/, manifest.json, funnel.json."""
