"""Summary of a job on the terminal: results, paths, durations, suggestions."""

from __future__ import annotations

import shlex
from pathlib import Path

from megatron_ko.job.report.collect import Facts, read_facts
from megatron_ko.job.steps import duration
from megatron_ko.wording import format_count


def summarize(runs: Path, folder: Path, times: list[tuple[str, float, bool]]) -> str:
    """Formats the summary. ``times`` has title, seconds and whether it ran now, for each step."""
    facts = read_facts(runs)
    return "\n".join(["", *_results(facts), "", *_paths(runs), "", *_times(times), "", *_next(runs, folder)])


def _results(facts: Facts) -> list[str]:
    baseline, valid = facts.valid[0], facts.valid[-1]
    width = max(len("validation"), *(len(name) for name in valid["loss"]))
    has_baseline = baseline["step"] == 0  # that of the initial weights
    before = {n: f"  {b:10.3f}" for n, b in baseline["bits_per_byte"].items()} if has_baseline else {}
    lines = [f"  {'validation':<{width}}   loss   bits/byte{'  before training' if has_baseline else ''}"]
    lines += [
        f"  {name:<{width}}  {loss:5.3f}  {valid['bits_per_byte'][name]:10.3f}{before.get(name, '')}"
        for name, loss in valid["loss"].items()
    ]
    lines += ["", f"  export  {facts.verification['weights']['summary']}"]
    if logits := facts.verification.get("logits"):
        lines.append(
            f"          logits of {format_count(logits['positions'], 'token')}, largest difference {logits['difference']:.2g} "
            f"(tolerance {logits['tolerance']:g}), greedy tokens equal {logits['agreement']:.0%}"
        )
    return lines


def _paths(runs: Path) -> list[str]:
    paths = (
        ("report", runs / "report.html"),
        ("data report", runs / "data" / "report.html"),
        ("clean text", runs / "data" / "clean"),
        ("dropped text", runs / "data" / "dropped"),
        ("tokenizer", runs / "data" / "tokenizer"),
        ("run", runs / "train"),
        ("Hugging Face", runs / "train" / "hf"),
        ("samples", runs / "train" / "samples.json"),
    )
    return [f"  {name:<13} {path}" for name, path in paths]


def _times(times: list[tuple[str, float, bool]]) -> list[str]:
    width = max(len(title) for title, _, _ in times)
    lines = [f"  {title:<{width}}  {duration(s):>15}{'' if ran else '  reused'}" for title, s, ran in times]
    total = sum(seconds for _, seconds, ran in times if ran)
    return [*lines, f"  {'this time':<{width}}  {duration(total):>15}"]


def _next(runs: Path, folder: Path) -> list[str]:
    model, report, train = (
        shlex.quote(str(p)) for p in (runs / "train" / "hf", runs / "report.html", folder / "train.yaml")
    )
    lines = [
        "  next",
        f"    xdg-open {report}",
        f"    mko generate {model} --prompt '한글은 '",
        f"    mko plan {train} --world-size 4 parallel.pipeline=2",
    ]
    if folder.parts[:1] == ("examples",):
        lines.append("    mko init my_run      # a configuration for your own text")
    return lines
