"""Distilled runs: every layout like one rank, one rank like plain torch; checkpoints of the student alone; refusals before the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from megatron_ko.formats.checkpoint_folder import Checkpoint
from tests import ranks
from tests.run_records import LOSS, NORM, records
from tests.tiny_run import tiny_config, write_tiny_run

pytestmark = pytest.mark.ranks
STEPS = 10
SHORT = {
    "training": {"steps": STEPS, "global_batch_size": 4, "micro_batch_size": 1, "sequence_length": 32},
    "evaluation": {"max_sequences": 4},
    "checkpoint": {"every_steps": 6},
    "schedule": {"type": "constant"},
    "optimizer": {"learning_rate": 5e-4},
}
TEACHER = {"layers": 2, "hidden_size": 96, "ffn_hidden_size": 160, "heads": 6, "vocab_multiple": 128}
"""Half as deep as the student and wider, with another padding of the vocabulary."""
LAYOUTS: dict[str, tuple[int, list[str]]] = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
    "CP2 x PP2": (4, ["parallel.context=2", "parallel.pipeline=2"]),
}
LOSSES: dict[str, dict[str, Any]] = {
    "forward": {"loss": {"type": "forward_kl"}, "temperature": 2.0},
    "reverse": {"loss": {"type": "reverse_kl"}, "language_model_weight": 0.5},
    "jsd": {"loss": {"type": "jsd", "beta": 0.25}},
    "top-k": {"loss": {"type": "top_k", "k": 24}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``data/``, ``train.yaml`` and ``teacher/``, a run whose newest checkpoint is opinionated."""
    folder = tmp_path_factory.mktemp("distillation")
    write_tiny_run(folder)
    config = tiny_config(folder) | {key: dict(value) for key, value in SHORT.items()}
    config["model"] |= TEACHER
    config["run"]["folder"] = str(folder / "teacher")
    config["training"]["steps"] = 30
    config["checkpoint"] = {"every_steps": 30}
    config["optimizer"]["learning_rate"] = 1e-2
    ranks.train(write(folder / "teacher.yaml", config), [])
    return folder


def write(path: Path, config: dict) -> str:
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path)


def write_run(folder: Path, run: Path, distillation: dict | None, **sections: Any) -> str:
    """A configuration of a student of the teacher in ``folder``, which writes to ``run``."""
    config = tiny_config(folder) | {key: dict(value) for key, value in SHORT.items()} | sections
    config["run"]["folder"] = str(run)
    if distillation is not None:
        config["distillation"] = {"teacher": str(folder / "teacher"), "chunk_length": 24, **distillation}
    return write(run.parent / f"{run.name}.yaml", config)


def curve(run: Path) -> list[tuple[float, float, float]]:
    """Cross-entropy, divergence and gradient norm of each step."""
    return [(r["loss"], r["distillation"], r["gradient_norm"]) for r in records(run, "train")]


def assert_same_curves(actual: Path, expected: Path) -> None:
    assert len(curve(actual)) == len(curve(expected)) == STEPS
    for step, (own, other) in enumerate(zip(curve(actual), curve(expected)), 1):
        assert own[:2] == pytest.approx(other[:2], abs=LOSS), f"losses of step {step}"
        assert own[2] == pytest.approx(other[2], rel=NORM), f"gradient norm of step {step}"


@pytest.fixture(scope="module")
def one_rank(folder, tmp_path_factory):
    """The run on one rank, once per loss: (configuration, run folder)."""
    runs: dict[str, tuple[str, Path]] = {}

    def run(name: str) -> tuple[str, Path]:
        if name not in runs:
            target = tmp_path_factory.mktemp("one") / "run"
            config = write_run(folder, target, LOSSES[name])
            ranks.train(config, [])
            runs[name] = config, target
        return runs[name]

    return run


CASES = [
    pytest.param(loss, layout, marks=[] if (loss, layout) in (("forward", "TP2 x PP2"), ("top-k", "CP2 x PP2")) else pytest.mark.slow)
    for loss in LOSSES
    for layout in LAYOUTS
]  # fmt: skip


@pytest.mark.parametrize(("loss", "layout"), CASES)
def test_a_distilled_run_trains_like_one_rank(one_rank, tmp_path, loss, layout):
    config, expected = one_rank(loss)
    count, overrides = LAYOUTS[layout]
    ranks.train(config, [*overrides, f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curves(tmp_path / "run", expected)
    assert records(tmp_path / "run", "valid")[-1]["loss"] == pytest.approx(
        records(expected, "valid")[-1]["loss"], abs=10 * LOSS
    )
