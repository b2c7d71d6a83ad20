"""One HTML page about the data of a finished run, without scripts or outside files.

Owns the command; what the page shows is in ``preprocessing/report``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from megatron_ko.config.loading import Loaded
from megatron_ko.files import write_text
from preprocessing.config.pipeline import Config
from preprocessing.running.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="where to write (default OUTPUT/report.html)")


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    from preprocessing.report.facts import read_facts
    from preprocessing.report.page import page

    context = Context(loaded)
    made = page(read_facts(context))
    path = Path(arguments.out).expanduser() if arguments.out else context.folder / "report.html"
    write_text(path, made)
    print(f"wrote {path}")
    return 0
