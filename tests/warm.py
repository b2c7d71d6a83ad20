"""Imported once by the fork server: ranks start from a process that has torch and megatron-core already."""

from megatron_ko.training import (
    distributed,
)  # noqa: F401

distributed.import_megatron("cpu")
