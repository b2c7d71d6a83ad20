"""Writes one HTML page about the data of a finished run, without scripts or external files.

Owns the command; ``preprocessing/report`` builds the page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from megatron_ko.config.loading import Loaded
from megatron_ko.files import write_text
from preprocessing.config.pipeline import Config
from preprocessing.running.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="file to write (default: OUTPUT/report.html)")


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    from preprocessing.report.facts import read_facts
    from preprocessing.report.page import page

    context = Context(loaded)
    html = page(read_facts(context))
    path = Path(arguments.out).expanduser() if arguments.out else context.folder / "report.html"
    write_text(path, html)
    print(f"wrote {path}")
    return 0
