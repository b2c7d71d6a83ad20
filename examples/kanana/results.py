"""The table of the chain over all seeds, and its comparison with Kanana's two claims.

Owns the arithmetic over ``metrics.jsonl`` files and the text, which also reports a claim that is not reproduced. Numbers are bits
per byte, the mean over the validation sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from megatron_ko.files import write_json, write_text
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count

RESOLVED = 2.0
"""Standard deviations over seeds from which on a difference counts."""
TIED_AT_MOST = 0.005
"""Part by which the model with tied embeddings may be worse: nothing is lost."""


@dataclass(frozen=True)
class Row:
    """One kind of model: ``flops`` of its training with the teacher's forward passes, and its run folders, one per seed."""

    name: str
    title: str
    parameters: int
    tokens: int
    flops: float
    runs: tuple[Path, ...]


def summarize(rows: Sequence[Row], folder: Path) -> str:
    """Writes ``results.json`` and ``results.md`` into ``folder`` and returns the text to print."""
    values = {row.name: [validations(run) for run in row.runs] for row in rows}
    ends = {name: [bits[-1] for bits in runs] for name, runs in values.items()}
    scratch = next(row for row in rows if row.name == "scratch")
    cells = [("model", "parameters", "tokens", "compute", "pruned", "bits per byte")]
    for row in rows:
        starts = [
            bits[0] for bits in values[row.name] if len(bits) > 1
        ]  # a run from weights validates them first
        cells.append(
            (row.title, f"{row.parameters:,}", f"{row.tokens:,}", f"{row.flops / scratch.flops:.2f}",
             f"{fmean(starts):.3f}" if starts else "", spread(ends[row.name]))
        )  # fmt: skip
    seeds = format_count(len(ends["scratch"]), "seed")
    title = f"bits per byte (mean ± deviation over {seeds}, one teacher), lower is better:"
    text = "\n".join([title, "", *format_table(cells, width=80), "", *claims(ends)])
    saved = [
        {**vars(row), "runs": [run.name for run in row.runs], "bits_per_byte": values[row.name]}
        for row in rows
    ]
    write_json(folder / "results.json", {"rows": saved, "claims": claims(ends)})
    write_text(folder / "results.md", f"```\n{text}\n```\n")
    return f"\n{text}\n\nwrote {folder / 'results.md'} and results.json"


def claims(ends: Mapping[str, Sequence[float]]) -> list[str]:
    """What the numbers say about Kanana's claims: against the model from scratch, the teacher's part in it, the tie, and, where it
    was trained, a corrected teacher."""
    found = [
        f"{title}: {verdict(differences(ends, name, other))}"
        for title, name, other in (
            ("distilled against from scratch", "distilled_quarter", "scratch"),
            ("the same with untied embeddings", "distilled_untied", "scratch_untied"),
            ("distilled against without teacher", "distilled_quarter", "text_quarter"),
            ("tied against untied", "distilled_quarter", "distilled_untied"),
            ("corrected teacher against the teacher", "distilled_corrected", "distilled_untied"),
        )
        if name in ends
    ]
    pairs = zip(ends["distilled_quarter"], ends["distilled_untied"], strict=True)
    lost = fmean(tied / untied - 1 for tied, untied in pairs)
    limit = f"{TIED_AT_MOST:.1%}"
    word = (
        f"nothing is lost (at most {limit})"
        if lost <= TIED_AT_MOST
        else f"more than the {limit} that count as nothing"
    )
    return [*found, f"tying by averaging: {lost:+.2%}, {word}"]


def differences(ends: Mapping[str, Sequence[float]], name: str, other: str) -> list[float]:
    """Of each seed, ``name`` minus ``other``."""
    return [one - two for one, two in zip(ends[name], ends[other], strict=True)]


def verdict(values: Sequence[float]) -> str:
    word = "better" if fmean(values) < 0 else "worse"
    if not is_resolved(values):
        word = "not resolved" if len(values) > 1 else "one seed: not resolved"
    return f"{spread(values, sign=True)} bits per byte, {word}"


def is_resolved(values: Sequence[float]) -> bool:
    return len(values) > 1 and abs(fmean(values)) > RESOLVED * stdev(values)


def validations(run: Path) -> list[float]:
    """Mean bits per byte of each validation, in order."""
    records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [fmean(record["bits_per_byte"].values()) for record in records if record["kind"] == "valid"]


def spread(values: Sequence[float], sign: bool = False) -> str:
    mean = f"{fmean(values):+.3f}" if sign else f"{fmean(values):.3f}"
    return f"{mean} ± {stdev(values):.3f}" if len(values) > 1 else mean
