"""A stop request during validation: the run saves before any further step, and the resumed run validates there."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from megatron_ko.errors import EXIT_DONE, EXIT_STOPPED
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

pytestmark = [pytest.mark.ranks, pytest.mark.any_core]
CHANGES = [
    "training.steps=4",
    "evaluation.every_steps=2",
    "evaluation.max_sequences=64",
    "checkpoint.every_steps=100",
]


def metrics(run: Path, kind: str) -> dict[int, dict]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    names = ("loss", "bits_per_byte", "gradient_norm", "learning_rate", "tokens")
    return {r["step"]: {n: r[n] for n in names if n in r} for r in lines if r["kind"] == kind}


def train_and_stop(rank: int, init_method: str, checked: Preflight, at: int, in_rank: int) -> int:
    """Exit code of a run in which a request reaches ``in_rank`` after the first micro-batch of validation number ``at``."""
    from megatron_ko import train
    from megatron_ko.training import evaluate, stop

    validate, sum_batches, number = evaluate.evaluate, evaluate.sum_batches, [0]

    def count(*arguments):
        number[0] += 1
        return validate(*arguments)

    def with_request(model, batches, *arguments, **options):
        result = sum_batches(model, batches, *arguments, **options)
        if rank == in_rank and number[0] == at:
            stop.handle_signal(signal.SIGUSR1)
        return result

    evaluate.evaluate, evaluate.sum_batches = count, with_request
    return train.train(checked, rank, init_method)


def run(config: str, changes: list[str], count: int, at: int, in_rank: int = 0) -> int:
    checked = preflight([config], changes, count)
    assert not checked.is_finished
    codes = ranks.on_ranks(count, train_and_stop, checked, at, in_rank)
    assert len(set(codes)) == 1, codes
    return codes[0]


@pytest.mark.parametrize(
    "layout",
    [pytest.param([], id="DP2"), pytest.param(["parallel.pipeline=2"], id="PP2", marks=pytest.mark.slow)],
)
def test_metrics_equal_those_of_the_uninterrupted_run(tmp_path, layout):
    config = write_tiny_run(tmp_path)
    whole, cut = [*CHANGES, *layout, f"run.folder={tmp_path / 'whole'}"], [*CHANGES, *layout]
    assert run(config, whole, 2, at=0) == EXIT_DONE
    folder = tmp_path / "run"
    assert run(config, cut, 2, at=1, in_rank=1) == EXIT_STOPPED  # in the validation after step 2
    assert list(metrics(folder, "valid")) == []
    assert list(metrics(folder, "train")) == [1, 2]
    assert [path.name for path in checkpoints_of(folder)] == ["step_00000002"]
    assert run(config, cut, 2, at=1) == EXIT_STOPPED  # again, in the same validation
    assert list(metrics(folder, "train")) == [1, 2]
    assert run(config, cut, 2, at=2) == EXIT_STOPPED  # after the last step
    assert list(metrics(folder, "train")) == [1, 2, 3, 4]
    assert list(metrics(folder, "valid")) == [2]
    assert run(config, cut, 2, at=0) == EXIT_DONE
    assert preflight([config], cut, 2).is_finished
    for kind in ("train", "valid"):
        assert metrics(folder, kind) == metrics(tmp_path / "whole", kind)
