"""Views of the tokens: sets, available and target shares, stages of the training run."""

from __future__ import annotations

from typing import Any

from preprocessing.page.charts import Bar, stacked_bars
from preprocessing.page.number_text import share_text
from preprocessing.page.palette import shades_of
from preprocessing.report.facts import Facts


def domains_of(facts: Facts) -> list[str]:
    return list(facts.settings.domains)


def sets(facts: Facts) -> list[dict[str, Any]]:
    """A row per token set."""
    encoded = facts.steps["encode"]
    return [
        {
            **{key: entry[key] for key in ("name", "split", "documents", "text_bytes", "tokens")},
            "share": encoded["mixture"].get(entry["name"]) if entry["split"] == "train" else None,
            "epochs": encoded["epochs"].get(entry["name"]) if entry["split"] == "train" else None,
        }
        for entry in encoded["sets"]
    ]


def mixture(facts: Facts) -> Any:
    """Shares of the training tokens: available, target, and of each stage."""
    encoded = facts.steps["encode"]
    shades = shades_of(domains_of(facts))
    available = {entry["name"]: entry["tokens"] for entry in encoded["sets"] if entry["split"] == "train"}
    rows = [("available  보유량", available), ("target  목표", encoded["mixture"])]
    rows += [(f"stage {stage['name']}", stage["shares"]) for stage in encoded["stages"]]
    drawn = [(title, _bars(values, shades, title)) for title, values in rows]
    return stacked_bars(drawn, "Shares of the training tokens")


def _bars(values: dict[str, float], shades: dict[str, str], title: str) -> list[Bar]:
    total = sum(values.values()) or 1
    return [
        Bar(name, value, shades[name], share_text(value / total), f"{title}, {name}: {value / total:.2%}")
        for name, value in values.items()
        if value
    ]


def stages(facts: Facts) -> dict[str, Any] | None:
    """Shares and epochs by stage and domain; ``many``: more than ``balance.max_epochs`` so far."""
    stages = facts.steps["encode"]["stages"]
    if not stages:
        return None
    max_epochs = facts.settings.balance.max_epochs
    names = [name for name in domains_of(facts) if any(name in stage["shares"] for stage in stages)]
    rows = [
        {"name": name, "cells": [_cell(stage, name, max_epochs) for stage in stages]} for name in names
    ]  # fmt: skip
    return {"stages": stages, "rows": rows, "max_epochs": max_epochs}


def _cell(stage: dict[str, Any], name: str, max_epochs: float) -> dict[str, Any] | None:
    if not stage["shares"].get(name):
        return None
    so_far = stage["epochs_so_far"][name]
    return {
        "share": stage["shares"][name],
        "epochs": stage["epochs"][name],
        "so_far": so_far,
        "many": so_far > max_epochs,
    }
