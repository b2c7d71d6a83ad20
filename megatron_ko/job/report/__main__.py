"""``mko report RUNS`` writes ``RUNS/report.html`` from the files of a finished main job."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.config.cli import Parser
from megatron_ko.errors import exit_code_of


def parser() -> Parser:
    made = Parser(
        prog="mko report",
        description="Writes the HTML report of a job, one self-contained page: data, training, verification, samples.",
    )
    made.add_argument(
        "runs", metavar="RUNS", help="folder of runs, such as runs/quickstart (data/ and train/ in it)"
    )
    made.add_argument("--out", metavar="FILE", help="file to write (default: RUNS/report.html)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code_of(lambda: _main(parser().parse(arguments)))


def _main(given: argparse.Namespace) -> int:
    runs = Path(given.runs)
    out = Path(given.out or runs / "report.html")
    from megatron_ko.job.report.collect import read_facts
    from megatron_ko.job.report.page import write_report

    write_report(read_facts(runs), out)
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
