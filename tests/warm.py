"""Imported once by the fork server: ranks start from a process that has already imported what a run needs."""

import gc
import importlib

from megatron_ko.training import distributed

MODULES = (
    "torch._dynamo",  # torch's Adam imports it, which takes longer than a tiny run
    "megatron.core.dist_checkpointing.strategies.fully_parallel",
    "megatron_ko.train",
    "checkpoint_tools.operations.from_hf",
    *(f"megatron_ko.training.{name}" for name in ("checkpoint", "data", "evaluate", "model", "reporting", "step")),
)  # fmt: skip

distributed.import_megatron("cpu")
for module in MODULES:
    importlib.import_module(module)
gc.collect()
gc.freeze()  # a collection in a rank would read, and so copy, all of these objects
