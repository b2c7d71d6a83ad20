"""The table of all seeds, and what it says about RedWhale's two claims.

Owns the arithmetic over ``expansion.json`` files and its text; a claim that does not hold is said not to hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from megatron_ko.files import read_json, write_json, write_text

FIVE = ("random", "mean", "decompose-input", "decompose-output", "decompose")
"""The five that RedWhale compares (its list is unpublished; this is the reading of this project)."""
MEASURES = ("loss", "accuracy", "bits_per_byte")


def summary(reports: Sequence[Path], folder: Path, korean_share: float) -> str:
    """Writes ``results.json`` and ``results.md`` into ``folder``; returns the text for people."""
    read = [read_json(path) for path in reports]
    texts = {
        Path(judged["text"]).parent.name: [_scores(report, number) for report in read]
        for number, judged in enumerate(read[0]["judged"])
    }
    tables = {lang: _averages(runs) for lang, runs in texts.items()}
    claims = _claims(texts["korean"])
    header = (
        f"{len(read)} base models ({read[0]['old_tokens']:,} tokens; {korean_share:.1%} of their training tokens Korean), "
        f"{read[0]['new_tokens']:,} new tokens, before any training; mean and standard deviation over seeds"
    )
    parts = [header]
    for lang, rows in tables.items():
        parts += ["", f"**{lang.capitalize()}**", "", *_markdown(rows)]
    parts += ["", *(f"- {claim}" for claim in claims)]
    text = "\n".join(parts) + "\n"
    write_json(
        folder / "results.json",
        {"seeds": len(read), "korean_share": korean_share, "texts": tables, "claims": claims},
    )
    write_text(folder / "results.md", text)
    return f"\n{text}\nwrote {folder / 'results.md'} and results.json"


def _scores(report: dict[str, Any], number: int) -> dict[str, dict[str, float]]:
    return report["judged"][number]["scores"]


def _averages(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "ln_vocab_size": runs[0][name]["ln_vocab_size"],
            "tokens": runs[0][name]["tokens"],
            **{measure: [run[name][measure] for run in runs] for measure in MEASURES},
        }
        for name in runs[0]
    }


def _markdown(rows: dict[str, dict[str, Any]]) -> list[str]:
    found = ["| initialisation | loss | ln V | accuracy | bits per byte |", "|---|--:|--:|--:|--:|"]
    best = min((name for name in rows if not name.startswith("before")), key=lambda n: fmean(rows[n]["loss"]))
    for name, row in rows.items():
        cells = [_spread(row["loss"], 2), f"{row['ln_vocab_size']:.2f}"]
        cells += [_spread(row["accuracy"], 4), _spread(row["bits_per_byte"], 2)]
        shown = f"**{name}**" if name == best else name
        found.append(f"| {shown} | " + " | ".join(cells) + " |")
    return found


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{fmean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def _claims(runs: Sequence[dict[str, dict[str, float]]]) -> list[str]:
    """RedWhale: decomposition of both matrices is the best of its five, and the initial loss falls with it."""
    order = sorted(FIVE, key=lambda name: fmean(run[name]["loss"] for run in runs))
    best = [min(FIVE, key=lambda name: run[name]["loss"]) for run in runs]
    won = best.count("decompose")
    found = [
        f"order of RedWhale's five on Korean, lowest loss first: {', '.join(order)}; decompose is the lowest in "
        f"{won} of {len(runs)} models"
    ]
    falls = [run["random"]["loss"] - run["decompose"]["loss"] for run in runs]
    worst = max(FIVE, key=lambda name: fmean(run[name]["loss"] for run in runs))
    from_worst = fmean(run[worst]["loss"] - run["decompose"]["loss"] for run in runs)
    found.append(
        f"fall of the initial loss with decompose: {_spread(falls, 2)} from random, {from_worst:.2f} from {worst}"
    )
    if len(runs) > 1:
        found.append(_resolved(falls))
    return found


def _resolved(falls: Sequence[float]) -> str:
    """The rule of this project: a difference counts above two standard deviations over seeds."""
    mean, spread = fmean(falls), stdev(falls)
    if abs(mean) <= 2 * spread or math.isclose(mean, 0.0):
        return "decompose against random: not resolved (within two standard deviations over seeds)"
    return f"decompose against random: {'lower' if mean > 0 else 'higher'} by more than two standard deviations over seeds"
