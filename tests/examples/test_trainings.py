"""Trainings of the recipes that have no other guard: one of other inputs never continues in an old run folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["growth", "importance", "kanana", "redwhale"])
def test_a_training_of_other_inputs_replaces_the_old_run_folder(name: str, tmp_path: Path) -> None:
    recipe = import_module(f"examples.{name}.__main__")
    plan = recipe.steps_of(recipe.parse(["--runs", str(tmp_path)]))
    trainings = [step for step in plan if step.command[:2] == ("mko", "train")]
    assert trainings
    for step in trainings:
        assert f"run.folder={step.replaced}" in step.command, step.name
