"""What a run has written, read back: records of its metrics and its curve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LOSS, NORM = 1e-5, 2e-4  # of one run in two layouts: loss absolute, gradient norm relative


def records(run: Path, kind: str, name: str = "metrics.jsonl") -> list[dict]:
    """The records of one kind in a file of the run folder, in order."""
    lines = (run / name).read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def curve(run: Path) -> dict[int, tuple[float, float]]:
    """Loss and gradient norm by step."""
    return {r["step"]: (r["loss"], r["gradient_norm"]) for r in records(run, "train")}


def assert_equal_curves(actual: dict, expected: dict) -> None:
    assert sorted(actual) == sorted(expected)
    for step, (loss, norm) in expected.items():
        assert actual[step][0] == pytest.approx(loss, abs=LOSS), f"loss of step {step}"
        assert actual[step][1] == pytest.approx(norm, rel=NORM), f"gradient norm of step {step}"
