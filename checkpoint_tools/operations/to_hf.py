"""Operation ``to-hf``: converts a megatron_ko checkpoint to a Hugging Face folder."""

from __future__ import annotations

from checkpoint_tools.endpoints import convert_dtype, open_source, verify_output, write_as_hf
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.options import ToHf


def run(options: ToHf) -> int:
    source = open_source(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    store = convert_dtype(source, options)
    folder = write_as_hf(
        store, source, options.dst, options.overwrite, options.max_shard_gb, options.allow_nonfinite
    )
    return verify_output(store, hf.open_hf(folder), folder, options, source)
