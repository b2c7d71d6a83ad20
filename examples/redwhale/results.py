"""The table of all seeds, and its comparison with RedWhale's two claims.

Owns the arithmetic over ``expansion.json`` files and its text, which also reports a claim that is not reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from megatron_ko.files import read_json, write_json, write_text
from megatron_ko.wording import format_count

FIVE = ("random", "mean", "decompose-input", "decompose-output", "decompose")
"""The five initializations that RedWhale compares (its list is unpublished; this is our interpretation)."""
MEASURES = ("loss", "accuracy", "bits_per_byte")


def summary(reports: Mapping[float, Sequence[Path]], folder: Path) -> str:
    """Writes ``results.json`` and ``results.md`` and returns the text to print.

    ``reports``: files by share of Korean in the bases' training, one per seed.
    """
    parts: list[str] = []
    saved = []
    for share, paths in reports.items():
        expansions = [read_json(path) for path in paths]
        first = expansions[0]
        texts = {
            Path(judged["text"]).parent.name: _by_seed([_scores(report, number) for report in expansions])
            for number, judged in enumerate(first["judged"])
        }
        claims = _claims(texts["korean"])
        models = format_count(len(expansions), "base model")
        parts += ["", f"### {share:.0%} Korean in the base's training"]
        parts += [
            "",
            f"{models} of {first['old_tokens']:,} tokens, {first['new_tokens']:,} new ones, before any training.",
        ]
        for lang, rows in texts.items():
            parts += [
                "",
                f"Judged on {lang.capitalize()} ({rows['random']['tokens']:,} tokens):",
                "",
                *_markdown(rows),
            ]
        parts += ["", *(f"- {claim}" for claim in claims)]
        saved.append({"korean_share": share, "seeds": len(expansions), "texts": texts, "claims": claims})
    text = "\n".join(parts[1:]) + "\n"
    write_json(folder / "results.json", {"bases": saved})
    write_text(folder / "results.md", text)
    return f"\n{text}\nwrote {folder / 'results.md'} and results.json"


def _scores(report: dict[str, Any], number: int) -> dict[str, dict[str, float]]:
    return report["judged"][number]["scores"]


def _by_seed(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Scores by initialization, each measure as a list over seeds."""
    return {
        name: {
            "ln_vocab_size": runs[0][name]["ln_vocab_size"],
            "tokens": runs[0][name]["tokens"],
            **{measure: [run[name][measure] for run in runs] for measure in MEASURES},
        }
        for name in runs[0]
    }


def _markdown(rows: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| initialization | loss | ln V | accuracy | bits per byte |", "|---|--:|--:|--:|--:|"]
    best = min((name for name in rows if not name.startswith("before")), key=lambda n: fmean(rows[n]["loss"]))
    for name, row in rows.items():
        cells = [_spread(row["loss"], 2), f"{row['ln_vocab_size']:.2f}"]
        cells += [_spread(row["accuracy"], 4), _spread(row["bits_per_byte"], 2)]
        label = f"**{name}**" if name == best else name
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{fmean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def _claims(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Compares with RedWhale's claims: decomposition of both matrices is the best of its five and lowers the initial loss.

    Differences are taken per model: their mean over seeds against twice their standard deviation.
    """
    losses = {name: rows[name]["loss"] for name in FIVE}
    order = sorted(FIVE, key=lambda name: fmean(losses[name]))
    seeds = range(len(losses["random"]))
    wins = sum(min(FIVE, key=lambda name: losses[name][seed]) == "decompose" for seed in seeds)
    claims = [
        f"RedWhale's five on Korean, lowest loss first: {', '.join(order)}; decompose is lowest in "
        f"{wins} of {len(seeds)} models"
    ]
    for name in [name for name in FIVE if name != "decompose"]:
        falls = [other - own for other, own in zip(losses[name], losses["decompose"])]
        claims.append(f"decompose against {name}: loss {_verdict(falls)}")
    return claims


def _verdict(falls: Sequence[float]) -> str:
    """A difference is resolved when it exceeds two standard deviations over seeds."""
    lower = fmean(falls) >= 0
    text = f"{_spread([fall if lower else -fall for fall in falls], 2)} {'lower' if lower else 'higher'}"
    if len(falls) == 1:
        return text + " (one model: nothing is resolved)"
    return text + (
        "" if abs(fmean(falls)) > 2 * stdev(falls) else " (within two standard deviations: not resolved)"
    )
