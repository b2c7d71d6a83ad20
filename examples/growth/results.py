"""The table of growth: the dip, the steps until the parent's loss is regained, and the end, beside the parent at equal compute.

Owns the arithmetic over ``metrics.jsonl`` files and the text. Numbers are bits per byte, the mean over the validation sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from megatron_ko.files import write_json, write_text
from megatron_ko.tables import format_table


@dataclass(frozen=True)
class Row:
    """One further training: ``regained_step`` is None if no validation reached the parent's bits per byte."""

    name: str
    layers: int
    steps: int
    compute: float
    start: float
    regained_step: int | None
    end: float


def summarize(trainings: Mapping[str, tuple[Path, int, float]], parent: Path, folder: Path) -> str:
    """Writes ``results.json`` and ``results.md`` into ``folder`` and returns the text to print.

    ``trainings``: run folder, layers and FLOPs per step by name. The last one is the parent's, the measure of equal compute.
    """
    reached = _validations(parent)[-1][1]
    rows = [_row_of(name, *training, reached) for name, training in trainings.items()]
    cells = [("model", "layers", "steps", "compute", "at first", "regained\nat step", "at the end")]
    cells += [
        (row.name, str(row.layers), str(row.steps), f"{row.compute / rows[-1].compute:.3f}", f"{row.start:.3f}",
         "-" if row is rows[-1] else "never" if row.regained_step is None else str(row.regained_step),
         f"{row.end:.3f}")
        for row in rows
    ]  # fmt: skip
    title = f"bits per byte, lower is better; the parent has {reached:.3f} before it is grown:"
    claims = [
        f"{row.name}: {row.end - rows[-1].end:+.3f} against the parent at equal compute" for row in rows[:-1]
    ]
    text = "\n".join([title, "", *format_table(cells), "", *claims])
    write_json(folder / "results.json", {"parent": reached, "rows": [asdict(row) for row in rows]})
    write_text(folder / "results.md", f"```\n{text}\n```\n")
    return f"\n{text}\n\nwrote {folder / 'results.md'} and results.json"


def _row_of(name: str, run: Path, layers: int, flops_per_step: float, reached: float) -> Row:
    (_, start), *later = _validations(run)
    regained = next((step for step, bits in later if bits <= reached), None)
    steps, end = later[-1]
    return Row(name, layers, steps, steps * flops_per_step, start, regained, end)


def _validations(run: Path) -> list[tuple[int, float]]:
    """Step and mean bits per byte of each validation; the first is before the first step where a run starts from weights."""
    records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [(r["step"], fmean(r["bits_per_byte"].values())) for r in records if r["kind"] == "valid"]
