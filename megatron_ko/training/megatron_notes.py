"""Silences warnings of torch and megatron-core on which users cannot act; all other warnings appear."""

from __future__ import annotations

import logging
import warnings

# Logger and beginning of its message.
_LOGGED = {
    "megatron.core.models.gpt.gpt_model": "GPTModel IS DEPRECATED",  # docs/megatron_core.md
    "megatron.core.distributed.distributed_data_parallel": "DistributedDataParallel: full_param_layout not provided",
    "megatron.core.dist_checkpointing.strategies.common": "load_common is deprecated",
    "megatron.core.dist_checkpointing.strategies.torch": "MCore's async save is deprecated",
    "torch.utils.cpp_extension": "No CUDA runtime is found",
}


def silence() -> None:
    """Call this before importing megatron-core. Idempotent."""
    for name in _LOGGED:
        logging.getLogger(name).addFilter(_is_for_users)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
    warnings.filterwarnings("ignore", message="MimoModelConfig is experimental")


def _is_for_users(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_LOGGED[record.name])
