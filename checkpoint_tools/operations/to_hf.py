"""Operation ``to-hf``: a checkpoint of ours as a Hugging Face folder."""

from __future__ import annotations

from checkpoint_tools.ends import converted, destination, opened, verified
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import check_exportable
from checkpoint_tools.options import ToHf


def run(options: ToHf) -> int:
    source = opened(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    store = converted(source, options)
    check_exportable(store.origin, store.model)
    folder = destination(options.dst, source, options.overwrite, hf.clear_hf, "an export")
    hf.write_hf(store, folder, options.max_shard_gb)
    return verified(store, hf.open_hf(folder), folder, options)
