"""Operation ``merge-lora``: adds the adapters of a LoRA run to its base, as a checkpoint of weights."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools.endpoints import (
    check_apart,
    convert_dtype,
    describe_checkpoint,
    open_source,
    verify_output,
    write_as_checkpoint,
)
from checkpoint_tools.formats import mcore
from checkpoint_tools.options.conversion import MergeLora
from megatron_ko.formats.run_folder import newest_checkpoint


def run(options: MergeLora) -> int:
    base = Path(options.base).expanduser() if options.base else None
    source = open_source(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)",
        lambda folder: mcore.open_merged(newest_checkpoint(folder), base),
    )  # fmt: skip
    if base is not None:
        check_apart(options.dst, base, "the base")
    store = convert_dtype(source, options, newest_checkpoint(options.src).dtype)
    if options.dry_run:
        return describe_checkpoint(store, source, options)
    written = write_as_checkpoint(store, source, options.dst, options.overwrite, options.allow_nonfinite)
    return verify_output(store, written, options, source)
