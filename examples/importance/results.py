"""The table of six rows over all seeds, and its comparison with Kanana's.

Owns the rows, the arithmetic over ``metrics.jsonl`` files and the text, which also reports an order that is not reproduced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from megatron_ko.files import write_json, write_text
from megatron_ko.wording import format_count

PAPERS_WORST = {"unaligned", "first_layer"}
RESOLVED = 2.0
"""Standard deviations over seeds from which on a difference counts."""


@dataclass(frozen=True)
class Row:
    """One way to score; ``options`` of mko checkpoint prune, ``paper``: Kanana's average of six tasks, 1.3B, 25B tokens."""

    name: str
    title: str
    options: tuple[str, ...]
    paper: float


ROWS = (
    Row("best", "aligned, product, sum, L2, mean", (), 36.41),
    Row("unaligned", "heads not aligned with groups", ("--no-align-heads",), 20.13),
    Row("gate_up", "mean of gate and up", ("--ffn-score", "gate_up"), 36.04),
    Row("first_layer", "no sum over layers", ("--no-layer-sum",), 13.81),
    Row("batch_mean", "mean over samples", ("--batch", "mean"), 35.65),
    Row("sequence_l2", "L2 over positions", ("--sequence", "l2"), 34.25),
)


def summary(parents: Sequence[Path], students: Mapping[str, Sequence[Path]], folder: Path) -> str:
    """Writes ``results.json`` and ``results.md`` into ``folder`` and returns the text to print.

    ``students``: run folders by name of the row, one per seed, in the order of ``parents``.
    """
    before = {name: [_validations(run)[0] for run in runs] for name, runs in students.items()}
    after = {name: [_validations(run)[-1] for run in runs] for name, runs in students.items()}
    whole = [_validations(run)[-1] for run in parents]
    lines = [
        f"Mean bits per byte over {format_count(len(whole[0]), 'validation set')}, lower is better; "
        f"{format_count(len(parents), 'seed')}, mean and standard deviation.",
        "",
        "| row | pruned | trained again | minus the first row | Kanana |",
        "|---|--:|--:|--:|--:|",
        f"| (the model itself) | | {_spread([_mean(one) for one in whole])} | | |",
    ]
    for row in ROWS:
        difference = _differences(after, row.name)
        cells = [
            row.title, _spread([_mean(one) for one in before[row.name]]), _spread([_mean(one) for one in after[row.name]]),
            "" if row.name == ROWS[0].name else _spread(difference, sign=True), f"{row.paper:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {claim}" for claim in claims(after))]
    text = "\n".join(lines) + "\n"
    write_json(folder / "results.json", {"parent": whole, "pruned": before, "recovered": after})
    write_text(folder / "results.md", text)
    return f"\n{text}\nwrote {folder / 'results.md'} and results.json"


def claims(after: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """What the numbers say about Kanana's order: each row against the first, and the two worst rows."""
    found = []
    for row in ROWS[1:]:
        differences = _differences(after, row.name)
        worse = "worse" if fmean(differences) > 0 else "better"
        verdict = (
            f"{worse} than the first row"
            if _is_resolved(differences)
            else "not resolved against the first row"
        )
        found.append(f"{row.title}: {verdict} ({_spread(differences, sign=True)} bits per byte)")
    means = {row.name: fmean(_mean(one) for one in after[row.name]) for row in ROWS}
    worst = sorted(means, key=lambda name: means[name])[-2:]
    if set(worst) != PAPERS_WORST:
        verdict = f"not the paper's ({', '.join(sorted(PAPERS_WORST))})"
    elif all(_is_resolved(_differences(after, name)) for name in worst):
        verdict = "as in the paper"
    else:
        verdict = "the paper's two, but not resolved"
    found.append(f"the two worst rows are {worst[1]} and {worst[0]}: {verdict}")
    return found


def _differences(after: Mapping[str, Sequence[Mapping[str, float]]], name: str) -> list[float]:
    """Of each seed, the row minus the first row."""
    return [_mean(one) - _mean(first) for one, first in zip(after[name], after[ROWS[0].name], strict=True)]


def _is_resolved(differences: Sequence[float]) -> bool:
    return len(differences) > 1 and abs(fmean(differences)) > RESOLVED * stdev(differences)


def _validations(run: Path) -> list[dict[str, float]]:
    """Bits per byte by validation set of each validation, in order."""
    records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [record["bits_per_byte"] for record in records if record["kind"] == "valid"]


def _mean(bits: Mapping[str, float]) -> float:
    return fmean(bits.values())


def _spread(values: Sequence[float], sign: bool = False) -> str:
    mean = f"{fmean(values):+.4f}" if sign else f"{fmean(values):.3f}"
    digits = 4 if sign else 3
    return f"{mean} ± {stdev(values):.{digits}f}" if len(values) > 1 else mean
