"""Renders docs/gpu/RESULTS.md from the JSON files of acceptances that ran on a GPU.

python -m tests.gpu.results [FILE ...]      copies the files into docs/gpu/results/ first, named after command, card and date

Files with parts of one command, of the same source on the same card, become one. Of an error its last line is kept: tracebacks
name the folders of a machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.files import read_json, write_json, write_text
from tests.gpu.record import FORMAT
from tests.gpu.shapes import ROOT

PAGE = ROOT / "docs" / "gpu" / "RESULTS.md"
FOLDER = ROOT / "docs" / "gpu" / "results"
HEAD = """# GPU acceptance: results

Rendered by `python -m tests.gpu.results` from the files in `docs/gpu/results/`; nothing here is typed by hand. [How to run
it](README.md).
"""
NOT_RUN = """
**The acceptance has not run on a GPU yet.** Until it has, every statement about a GPU in these pages comes from source code and
from runs on the CPU.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    files = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    for record in join([read_record(file) for file in files]):
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_json(FOLDER / f"{name_of(record)}.json", without_tracebacks(record))
    write_text(PAGE, render(read_all(FOLDER)))
    return 0


def join(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Makes one record of those that a command wrote with ``--parts`` for the same source on the same card; of a part that ran
    twice, the later run counts."""
    joined: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in sorted(records, key=lambda record: record["date"]):
        key = tuple(str(record[name]) for name in ("command", "commit", "source_sha256", "card", "versions"))
        first = joined.setdefault(key, {**record, "parts": {}, "seconds": 0.0})
        first["parts"] |= record["parts"]
        first["seconds"] = round(first["seconds"] + record["seconds"], 1)
        first["complete"] = first["complete"] and record["complete"]
        first["passed"] = first["complete"] and all(part["passed"] for part in first["parts"].values())
    return list(joined.values())


def without_tracebacks(value: Any) -> Any:
    """``value`` with the last line of each ``error`` in it."""
    if not isinstance(value, dict):
        return value
    return {
        key: inner.strip().splitlines()[-1][:400]
        if key == "error" and inner.strip()
        else without_tracebacks(inner)
        for key, inner in value.items()
    }


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The records in ``folder``, the newest first."""
    records = [read_record(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    return sorted(records, key=lambda record: record["date"], reverse=True)


def read_record(path: Path) -> dict[str, Any]:
    """Raises ValueError for a file that no acceptance on a GPU wrote."""
    record = read_json(path)
    if record.get("format") != FORMAT:
        raise ValueError(f"{path}: its format is not {FORMAT!r}")
    if record["tiny"] or record["device"] != "cuda":
        raise ValueError(
            f"{path}: is a dry run (device {record['device']}, tiny {record['tiny']}), not a result"
        )
    return record


def name_of(record: Mapping[str, Any]) -> str:
    words = f"{record['command']} {record['card']['name']} {record['date'][:16]}"
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def render(records: Sequence[Mapping[str, Any]]) -> str:
    """The whole page."""
    if not records:
        return HEAD + NOT_RUN
    return HEAD + "".join("\n" + "\n".join(_lines_of(record)) + "\n" for record in records)


def _lines_of(record: Mapping[str, Any]) -> Iterator[str]:
    card, parts = record["card"], record["parts"]
    checks = [check for part in parts.values() for check in part.get("checks", ())]
    passed = sum(check["passed"] for check in checks)
    state = "" if record["complete"] else "; the command did not come to its end"
    yield f"## accept-{record['command']}: {card['name']}, {record['date'][:10]}"
    yield ""
    yield f"{passed} of {len(checks)} targets met in {record['seconds']:.0f} s{state}."
    yield ""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    capability = ".".join(map(str, card["capability"]))
    yield f"{card['memory_gib']:.1f} GiB, compute capability {capability}, driver {card['driver']}; {versions}."
    commit = record["commit"] or f"a copied tree with source {record['source_sha256'][:16]}"
    yield f"Commit: {commit}."
    for name, part in parts.items():
        yield ""
        yield f"### {name}, {record['command']}"
        yield ""
        if "error" in part:
            yield f"Ended with an error: `{part['error'].strip().splitlines()[-1][:200]}`"
            yield ""
        if part.get("checks"):
            yield "| target | measured | | met |"
            yield "|---|---|---|---|"
            yield from (_check_line(check) for check in part["checks"])
            yield ""
        numbers = dict(_flat(part.get("numbers", {})))
        if numbers:
            yield "| number | value |"
            yield "|---|---|"
            yield from (f"| {key} | {_format(value)} |" for key, value in numbers.items())


def _check_line(check: Mapping[str, Any]) -> str:
    limit = f"{check['relation']} {_format(check['limit'])}"
    return f"| {check['name']} | {_format(check['value'])} | {limit} | {'yes' if check['passed'] else '**no**'} |"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers by dotted name; a list of them is one cell, and kernels are named with their shares."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield name, "; ".join(f"{entry['share']:.1%} {entry['name'][:50]}" for entry in value[:5])
    elif isinstance(value, list):
        yield name, ", ".join(map(_format, value))
    else:
        yield name, value


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
