"""Arguments shared by the commands that derive a tokenizer from another: base, processes, table of decisions.

Also owns the check of a base before work starts.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_ko.config.cli import positive

if TYPE_CHECKING:
    from preprocessing.tokenizers.bases import Base

log = logging.getLogger(__name__)
DECISIONS = "decisions.tsv"


def add_base(parser: argparse.ArgumentParser, purpose: str) -> None:
    """The positional BASE and ``--allow-unreachable``."""
    parser.add_argument(
        "base", metavar="BASE",
        help=f"tokenizer to {purpose}: a folder with tokenizer.model or tokenizer.json (byte-level BPE), or a SentencePiece BPE model",
    )  # fmt: skip
    parser.add_argument(
        "--allow-unreachable", action="store_true",
        help="accept a base with pieces to which no text is encoded; they keep their ids",
    )  # fmt: skip


def add_decisions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decisions", type=Path, metavar="TABLE",
        help=f"a {DECISIONS} whose decisions you edited, or to which you added rows",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (default: all cores)")


def open_base(path: str, allow_unreachable: bool) -> Base:
    """Opens a base and logs its warnings. Raises DataError with all its fatal defects."""
    from preprocessing.tokenizers.bases import read_base

    base = read_base(path, allow_unreachable)
    for warning in base.check():
        log.warning("%s: %s", path, warning)
    return base
