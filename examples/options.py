"""Types of the options that several recipes share."""

from __future__ import annotations

import argparse

from megatron_ko.config.cli import bounded

_seed = bounded(1, 2**31 - 1)


def seeds(text: str) -> tuple[int, ...]:
    """Type of an argument: different positive numbers between commas."""
    numbers = tuple(_seed(part) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} names a number twice; the seeds must differ")
    return numbers
