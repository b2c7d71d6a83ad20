"""Every layout trains like one rank: loss and gradient norm of each step, and the validation loss, in fp32."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import ranks
from tests.tiny_run import write_tiny_run

TOLERANCE = 2e-4
STEPS = 6
SHORT = ["evaluation.max_sequences=16"]
LAYOUTS = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "DP2": (2, []),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "CP2": (2, ["parallel.context=2"]),
    "CP2 x TP2 with sequence parallel": (
        4,
        ["parallel.context=2", "parallel.tensor=2", "parallel.sequence=true"],
    ),
    "CP2 x PP2": (4, ["parallel.context=2", "parallel.pipeline=2"]),
}


def _records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _curve(folder: Path) -> list[tuple[float, float, float]]:
    """Loss, gradient norm, and z-loss or 0, of each step."""
    train = [r for r in _records(folder) if r["kind"] == "train"]
    return [(r["loss"], r["gradient_norm"], r.get("z_loss", 0.0)) for r in train]


def _validation(folder: Path) -> dict[str, float]:
    return [r for r in _records(folder) if r["kind"] == "valid"][-1]["loss"]


LAYER_NORM_AND_BIASES = [
    *("model.norm=layer", "model.qkv_bias=true", "model.linear_bias=true", "model.rope.fraction=0.5"),
]
MODELS = {
    "untied": ["model.tied_embeddings=false"],
    "tied": ["model.tied_embeddings=true"],
    "z-loss": ["model.tied_embeddings=false", "loss.z_loss=0.01"],
    "norms of queries and keys": ["model.tied_embeddings=false", "model.qk_norm=true"],
    "GPT-NeoX": ["model.residual=parallel", "model.feed_forward=gelu", *LAYER_NORM_AND_BIASES],
    "Phi": [
        *("model.residual=parallel_one_norm", "model.feed_forward=gelu_tanh", "model.output_bias=true"),
        *LAYER_NORM_AND_BIASES,
    ],
    "Gemma 2": [
        *(
            "model.residual=sandwich",
            "model.norm=rms_shifted",
            "model.feed_forward=geglu_tanh",
            "model.tied_embeddings=true",
        ),
        *(
            "model.embedding_scale=true",
            "model.attention_size=24",
            "model.attention_cap=2",
            "model.logit_cap=3",
        ),
    ],
}
CASES = [
    *(("untied", name) for name in LAYOUTS),
    ("tied", "PP2"),
    *(pytest.param("tied", name, marks=pytest.mark.slow) for name in ("TP2", "TP2 x PP2", "CP2")),
    pytest.param("z-loss", "TP2 with sequence parallel", marks=pytest.mark.any_core),
    *(pytest.param("z-loss", name, marks=pytest.mark.slow) for name in ("TP2 x PP2", "DP2", "CP2 x PP2")),
    ("norms of queries and keys", "TP2"),
    pytest.param("norms of queries and keys", "CP2 x TP2 with sequence parallel", marks=pytest.mark.slow),
    ("GPT-NeoX", "TP2 with sequence parallel"),
    *(
        pytest.param(model, name, marks=pytest.mark.slow)
        for model in ("GPT-NeoX", "Phi", "Gemma 2")
        for name in LAYOUTS
        if (model, name) != ("GPT-NeoX", "TP2 with sequence parallel")
    ),
]


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    """The run on one rank, once per model: (configuration, folder, overrides)."""
    runs: dict[str, tuple[str, Path, list[str]]] = {}

    def run(model: str) -> tuple[str, Path, list[str]]:
        if model not in runs:
            folder = tmp_path_factory.mktemp("run")
            config = write_tiny_run(folder)
            fixed = ["checkpoint.every_steps=1000", f"training.steps={STEPS}", *SHORT, *MODELS[model]]
            ranks.train(config, [*fixed, f"run.folder={folder / 'one'}"])
            runs[model] = (config, folder, fixed)
        return runs[model]

    return run


@pytest.mark.ranks
@pytest.mark.parametrize(("model", "name"), CASES)
def test_layout_trains_like_one_rank(one_rank, model, name):
    config, folder, fixed = one_rank(model)
    count, overrides = LAYOUTS[name]
    target = folder / name.replace(" ", "_")
    ranks.train(config, [*fixed, *overrides, f"run.folder={target}"], count)
    expected, actual = _curve(folder / "one"), _curve(target)
    assert len(actual) == len(expected) == STEPS
    for step, ((loss, norm, z_loss), (actual_loss, actual_norm, actual_z)) in enumerate(
        zip(expected, actual), 1
    ):
        assert actual_loss == pytest.approx(loss, abs=TOLERANCE), f"loss of step {step}"
        assert actual_norm == pytest.approx(norm, abs=TOLERANCE), f"gradient norm of step {step}"
        assert actual_z == pytest.approx(z_loss, abs=1e-5), f"z-loss of step {step}"
    for domain, loss in _validation(folder / "one").items():
        assert _validation(target)[domain] == pytest.approx(loss, abs=TOLERANCE), domain


@pytest.mark.ranks
def test_training_learns(one_rank):
    _, folder, _ = one_rank("untied")
    curve = _curve(folder / "one")
    assert curve[-1][0] < curve[0][0] - 0.3
