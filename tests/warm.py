"""Imported once by the fork server: ranks start from a process that has torch and megatron-core already."""

from megatron_ko import (  # noqa: F401
    attention,
    checkpoint,
    data,
    distributed,
    evaluate,
    metrics,
    model,
    optimizer,
    reporting,
    step,
)

distributed.import_megatron("cpu")
