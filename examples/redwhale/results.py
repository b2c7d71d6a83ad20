"""The table of all seeds, and what it says about RedWhale's two claims.

Owns the arithmetic over ``expansion.json`` files and its text; a claim that does not hold is said not to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from megatron_ko.files import read_json, write_json, write_text

FIVE = ("random", "mean", "decompose-input", "decompose-output", "decompose")
"""The five that RedWhale compares (its list is unpublished; this is the reading of this project)."""
MEASURES = ("loss", "accuracy", "bits_per_byte")


def summary(reports: Mapping[float, Sequence[Path]], folder: Path) -> str:
    """``reports``: by share of Korean in the bases' training, one file a seed. Writes ``results.json`` and ``results.md``.

    Returns the text for people.
    """
    parts: list[str] = []
    saved = []
    for share, paths in reports.items():
        read = [read_json(path) for path in paths]
        texts = {
            Path(judged["text"]).parent.name: _averages([_scores(report, number) for report in read])
            for number, judged in enumerate(read[0]["judged"])
        }
        claims = _claims(texts["korean"])
        models = f"{len(read)} base model{'s' if len(read) > 1 else ''}"
        parts += ["", f"### {share:.0%} Korean in the base's training"]
        parts += [
            "",
            f"{models} of {read[0]['old_tokens']:,} tokens, {read[0]['new_tokens']:,} new ones, before any training.",
        ]
        for lang, rows in texts.items():
            parts += [
                "",
                f"Judged on {lang.capitalize()} ({rows['random']['tokens']:,} tokens):",
                "",
                *_markdown(rows),
            ]
        parts += ["", *(f"- {claim}" for claim in claims)]
        saved.append({"korean_share": share, "seeds": len(read), "texts": texts, "claims": claims})
    text = "\n".join(parts[1:]) + "\n"
    write_json(folder / "results.json", {"bases": saved})
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
    found = ["| initialization | loss | ln V | accuracy | bits per byte |", "|---|--:|--:|--:|--:|"]
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


def _claims(rows: dict[str, dict[str, Any]]) -> list[str]:
    """RedWhale: decomposition of both matrices is the best of its five, and the initial loss falls with it.

    Whether one is lower is asked model by model: the difference over seeds, against twice its standard deviation.
    """
    losses = {name: rows[name]["loss"] for name in FIVE}
    order = sorted(FIVE, key=lambda name: fmean(losses[name]))
    seeds = range(len(losses["random"]))
    won = sum(min(FIVE, key=lambda name: losses[name][seed]) == "decompose" for seed in seeds)
    found = [
        f"RedWhale's five on Korean, lowest loss first: {', '.join(order)}; decompose is the lowest of them in "
        f"{won} of {len(seeds)}"
    ]
    for name in [name for name in FIVE if name != "decompose"]:
        falls = [other - own for other, own in zip(losses[name], losses["decompose"])]
        found.append(f"decompose against {name}: loss {_verdict(falls)}")
    return found


def _verdict(falls: Sequence[float]) -> str:
    """The rule of this project: a difference counts above two standard deviations over seeds."""
    lower = fmean(falls) >= 0
    text = f"{_spread([fall if lower else -fall for fall in falls], 2)} {'lower' if lower else 'higher'}"
    if len(falls) == 1:
        return text + " (one model: nothing is resolved)"
    return text + (
        "" if abs(fmean(falls)) > 2 * stdev(falls) else " (within two standard deviations: not resolved)"
    )
