"""A full disk leaves no half checkpoint and no lost one; a divergence leaves a record of its step."""

from __future__ import annotations

import errno
import functools
import json
import math
import resource
from pathlib import Path

import numpy as np
import pytest

from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.run_folder import checkpoints_of, cut_metrics
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

pytestmark = pytest.mark.ranks
FIXED = ["training.steps=4", "checkpoint.every_steps=2", "checkpoint.keep=1"]
FULL = OSError(errno.ENOSPC, "No space left on device")


def _train_with_failing_save(rank: int, init_method: str, checked: Preflight, cause: str) -> tuple[str, str]:
    """Rule and message of the error that ends this rank, or of the lost connection to one that has ended."""
    from megatron_ko.training.distributed import lost_peer

    _fail(cause, rank)
    try:
        from megatron_ko.train import train

        train(checked, rank, init_method)
    except CheckpointError as error:
        return error.rule, str(error)
    except RuntimeError as error:
        return "lost", str(lost_peer(error))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "", ""


def _fail(cause: str, rank: int) -> None:
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    from megatron_ko.training import checkpoint

    def fail(*arguments, **options):
        raise FULL

    if cause == "size limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    elif cause == "state of one rank" and rank == 1:
        filesystem_async._write_item = functools.wraps(filesystem_async._write_item)(
            fail
        )  # its parameters are read
    elif cause == "tokenizer":
        checkpoint.copy_tokenizer_folder = fail
    elif cause == "marker":
        checkpoint.write_json = fail


@pytest.mark.parametrize(
    ("cause", "count"), [("size limit", 1), ("state of one rank", 2), ("tokenizer", 1), ("marker", 1)]
)
def test_a_full_disk_leaves_nothing_unfinished_and_a_retry_works(tmp_path, cause, count):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    if cause == "marker":  # the second save fails: the first one stays although keep is 1
        ranks.train(config, [*FIXED, "training.steps=2"])
    before = checkpoints_of(run)
    outcomes = ranks.on_ranks(count, _train_with_failing_save, preflight([config], FIXED, count), cause)
    assert {rule for rule, _ in outcomes} == {"checkpoint-not-written"}
    told = {"size limit": "full disk", "state of one rank": "rank 1"}.get(cause, FULL.strerror)
    assert told in outcomes[0][1]
    assert FULL.strerror in outcomes[-1][1] or cause == "size limit"  # of the rank that failed
    assert sorted((run / "checkpoints").iterdir()) == before
    assert all(Checkpoint.read(path).optimizer for path in before)
    ranks.train(config, FIXED, count)
    assert [path.name for path in checkpoints_of(run)] == ["step_00000004"]


def test_a_divergence_is_recorded_with_its_samples_and_documents(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    overrides = [
        *FIXED,
        "schedule={type: constant}",
        "optimizer.clip_grad_norm=0.0",
        "optimizer.learning_rate=1e38",
    ]
    rules = ranks.on_ranks(2, _train_until_divergence, preflight([config], overrides, 2))
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    (record,) = (r for r in map(json.loads, text.splitlines()) if r["kind"] == "divergence")
    assert rules == [record["rule"]] * 2 and record["rule"] == "loss-not-finite"
    assert not math.isfinite(float(record["loss"])) or not math.isfinite(float(record["gradient_norm"]))
    step = record["step"]
    assert (record["first_sample"], record["last_sample"]) == (8 * (step - 1), 8 * step - 1)
    names = {Path(path).name for path in record["documents"]}
    assert names <= {"ko_train", "en_train", "code_train"} and names
    assert all(0 <= document < 60 for ids in record["documents"].values() for document in ids)
    assert checkpoints_of(run) == [] and "NaN" not in text and "Infinity" not in text
    # the tokens of those documents are those of the batch
    assert tokens_of(record["documents"]) >= set(ranks.on_ranks(1, _tokens_of_step, config, step)[0])
    cut_metrics(run / "metrics.jsonl", 0)  # as the next start does
    kept = [json.loads(line)["kind"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert kept == ["start", "divergence"]


def tokens_of(documents: dict[str, list[int]]) -> set[int]:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    found: set[int] = set()
    for path, ids in documents.items():
        dataset = IndexedDataset(path)
        found.update(token for number in ids for token in np.asarray(dataset[number]).tolist())
    return found


def _train_until_divergence(rank: int, init_method: str, checked: Preflight) -> str:
    from megatron_ko.train import train
    from megatron_ko.training.step import Divergence

    try:
        train(checked, rank, init_method)
    except Divergence as error:
        return error.rule
    return ""


def _tokens_of_step(rank: int, init_method: str, config: str, step: int) -> list[int]:
    from megatron_ko.training import data, distributed

    checked = preflight([config], FIXED, 1)
    distributed.start(checked.config.run, checked.config.parallel, rank, 1, init_method)
    cache = checked.run_folder / "index"
    order = data.order_samples(0, 32, checked.config, checked.manifest, {}, cache=cache)
    tokens = [token for n in range(8 * (step - 1), 8 * step) for token in order.dataset[n]["tokens"].tolist()]
    distributed.stop()
    return tokens
