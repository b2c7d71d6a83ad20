"""Features of loss, optimizer, batch and data together, over 20 steps: on every layout like on one rank."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ranks
from tests.run_records import LOSS, assert_equal_curves, curve, records
from tests.tiny_run import write_tiny_run

STEPS = 20
FEATURES = [
    "loss.z_loss=0.01",
    *("optimizer.decoupled=independent", "optimizer.weight_decay=1e-3", "optimizer.embedding_learning_rate=5e-4"),
    "optimizer.learning_rate=1e-3",
    "training.batch_ramp={start: 4, increment: 4, samples: 32}",
    *("data.mixture={ko: 1.0, en: 1.0}", "data.mixture_end={code: 3.0, ko: 1.0}"),
    *("training.skip.steps=spikes", "training.skip.window=3", "training.skip.sigma=100.0"),
]  # fmt: skip
SHORT = [
    f"training.steps={STEPS}", "checkpoint.every_steps=1000", "model.layers=2", "training.sequence_length=32",
    "evaluation.max_sequences=4",
]  # fmt: skip
LAYOUTS = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
}


@pytest.fixture(scope="module", params=["false", "true"], ids=["untied", "tied"])
def one_rank(request, tmp_path_factory) -> tuple[str, list[str], Path]:
    """The run on one rank, tied and untied: (configuration, overrides, folder of the run)."""
    folder = tmp_path_factory.mktemp("features")
    config = write_tiny_run(folder)
    fixed = [*SHORT, *FEATURES, f"model.tied_embeddings={request.param}"]
    ranks.train(config, [*fixed, f"run.folder={folder / 'one'}"])
    return config, fixed, folder / "one"


@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_trains_all_features_like_one_rank(one_rank, tmp_path, name):
    config, fixed, expected = one_rank
    count, layout = LAYOUTS[name]
    ranks.train(config, [*fixed, *layout, f"run.folder={tmp_path / 'run'}"], count)
    assert len(curve(expected)) == STEPS
    assert_equal_curves(curve(tmp_path / "run"), curve(expected))
    for key in ("z_loss", "samples"):
        ours, theirs = ([r[key] for r in records(folder, "train")] for folder in (tmp_path / "run", expected))
        assert ours == pytest.approx(theirs, abs=1e-5), key
    losses, others = (records(folder, "valid")[-1]["loss"] for folder in (tmp_path / "run", expected))
    assert losses == pytest.approx(others, abs=LOSS)
