"""``python -m examples.report RUNS``: writes ``RUNS/report.html`` from the files of a finished main job."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from megatron_ko.errors import exit_code_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes one self-contained HTML page about a main job: data, training, verification, samples."""
    parser = argparse.ArgumentParser(prog="python -m examples.report", description=main.__doc__)
    parser.add_argument(
        "runs", metavar="RUNS", help="folder of runs, such as runs/quickstart (data/ and train/ in it)"
    )
    parser.add_argument("--out", metavar="FILE", help="where to write (default RUNS/report.html)")
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: _main(Path(given.runs), Path(given.out or Path(given.runs) / "report.html")))


def _main(runs: Path, out: Path) -> int:
    from examples.report.collect import read_facts
    from examples.report.page import write_report

    write_report(read_facts(runs), out)
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
