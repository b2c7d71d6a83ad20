"""Imported once by the fork server: ranks start from a process that has already imported torch and megatron-core."""

from megatron_ko.training import (
    distributed,
)  # noqa: F401

distributed.import_megatron("cpu")
