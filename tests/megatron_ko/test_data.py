"""Order of samples, validation windows, and the loss under padding."""

from __future__ import annotations

import math
import os

import numpy as np
import psutil
import pytest
import torch

from megatron_ko.config.training import EvaluationConfig
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.preflight import preflight
from megatron_ko.training.data import _MicroBatchSampler, _window, training_batches, validation_batches
from megatron_ko.training.distributed import World
from tests import ranks
from tests.tiny_run import write_tiny_run


def world(rank: int = 0, size: int = 1) -> World:
    return World(rank, size, torch.device("cpu"), rank, size, 1, True, True)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("micro", [1, 2])
def test_a_step_has_the_same_samples_for_any_number_of_ranks(size, micro):
    samplers = [list(_MicroBatchSampler(8, 32, lambda _: 8, micro, rank, size)) for rank in range(size)]
    micro_batches = 8 // micro // size
    for step in range(3):
        samples = [
            i
            for batches in samplers
            for batch in batches[step * micro_batches : (step + 1) * micro_batches]
            for i in batch
        ]
        assert sorted(samples) == list(range(8 + 8 * step, 16 + 8 * step))


def test_samples_within_a_step_are_in_the_order_of_micro_batches():
    """Two ranks, micro-batches of 2: first micro-batch 0-3, second 4-7."""
    assert [list(_MicroBatchSampler(0, 8, lambda _: 8, 2, rank, 2)) for rank in (0, 1)] == [
        [[0, 1], [4, 5]],
        [[2, 3], [6, 7]],
    ]


@pytest.mark.parametrize("length", [7, 64])
@pytest.mark.parametrize("size", [1, 3])
def test_validation_predicts_every_token_once(tmp_path, length, size):
    write_tiny_run(tmp_path)
    tokens = read_manifest(tmp_path / "data" / "manifest.json").of_split("valid")["ko"]
    stream = np.fromfile(f"{tokens.prefix}.bin", dtype=tokens.dtype)
    predicted = []
    counts = set()
    for rank in range(size):
        count, batches = validation_batches(
            tokens, world(rank, size), sequence_length=length, micro_batch=2, max_sequences=None
        )
        counts.add(count)
        for batch in batches:
            for row_tokens, row_labels, mask in zip(batch["tokens"], batch["labels"], batch["loss_mask"]):
                real = mask.bool()
                predicted += list(zip(row_tokens[real].tolist(), row_labels[real].tolist()))
    assert len(counts) == 1, "every rank must run the same number of micro-batches"
    assert sorted(predicted) == sorted(zip(stream[:-1].tolist(), stream[1:].tolist()))


def test_a_window_behind_the_end_is_all_mask():
    window = _window(np.arange(10, dtype=np.uint16), row=5, windows=2, sequence_length=8)
    assert window["loss_mask"].sum() == 0 and window["tokens"].shape == (8,)


@pytest.mark.any_core
def test_signals_to_the_group_of_a_rank_spare_the_workers_of_its_loader():
    """torchrun sends SIGTERM to the group; a worker that died of it would end the rank before it can save."""
    before = {child.pid for child in psutil.Process().children()}
    sample = {name: torch.zeros(4) for name in ("tokens", "labels", "loss_mask", "position_ids")}
    batches = training_batches(
        [sample] * 8, world(), consumed=0, total=8, batch_size=lambda _: 2, micro_batch=2, workers=1
    )
    assert next(batches)["tokens"].shape == (2, 4)
    (worker,) = [child for child in psutil.Process().children() if child.pid not in before]
    assert os.getpgid(worker.pid) == worker.pid != os.getpgid(0)
    assert len(list(batches)) == 3


def _losses(rank: int, init_method: str, config: str, count: int) -> dict[str, dict[str, float]]:
    from megatron_ko.training import distributed, evaluate, model, optimizer, step

    checked = preflight([config], [], count)
    settings = checked.config
    joined = distributed.start(settings.run, settings.parallel, rank, count, init_method)
    gpt = model.build_gpt(
        settings.model, settings.parallel, settings.precision,
        vocab_size=checked.plan.vocab_size, device=joined.device, seed=1,
    )  # fmt: skip
    ddp_model = model.wrap(gpt)
    step.connect(ddp_model, optimizer.build_optimizer(ddp_model, settings.optimizer, "fp32"))
    result = evaluate.evaluate(ddp_model, checked.manifest, joined, settings.training, EvaluationConfig())
    result["plain"] = {
        name: _plain_loss(gpt, checked.plan.vocab_size, s)
        for name, s in checked.manifest.of_split("valid").items()
    }
    return result


def _plain_loss(gpt, vocab_size: int, tokens) -> float:
    """Token by token: windows of 64 without any padding, cross-entropy over the true vocabulary, one division."""
    stream = torch.from_numpy(np.fromfile(f"{tokens.prefix}.bin", dtype=tokens.dtype).astype(np.int64))
    total, count = 0.0, 0
    with torch.no_grad():
        for first in range(0, len(stream) - 1, 64):
            piece = stream[first : first + 65]
            inputs, labels = piece[:-1][None], piece[1:]
            logits = gpt(inputs, torch.arange(len(labels))[None], None)[0, :, :vocab_size]
            total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            count += len(labels)
    return total / count


@pytest.mark.ranks
@pytest.mark.parametrize("count", [1, 3])
def test_validation_loss_is_exact_under_padding(tmp_path, count):
    """The last window is padded, the vocabulary too, and three ranks get masked windows as a balance."""
    config = write_tiny_run(tmp_path)
    overrides = ["training.global_batch_size=6"] if count == 3 else []
    if overrides:
        text = (
            (tmp_path / "train.yaml")
            .read_text(encoding="utf-8")
            .replace("global_batch_size: 8", "global_batch_size: 6")
        )
        (tmp_path / "train.yaml").write_text(text, encoding="utf-8")
    result = ranks.on_ranks(count, _losses, config, count)[0]
    manifest = read_manifest(tmp_path / "data" / "manifest.json")
    for name, loss in result["loss"].items():
        assert loss == pytest.approx(result["plain"][name], abs=2e-6)
        tokens = manifest.of_split("valid")[name]
        bits = loss / math.log(2) * tokens.tokens / tokens.text_bytes
        assert result["bits_per_byte"][name] == pytest.approx(bits)


def _order(rank: int, init_method: str, config: str, cache: str) -> list[int]:
    from pathlib import Path

    from megatron_ko.planning.run_plan import mixture_of
    from megatron_ko.training import data, distributed

    checked = preflight([config], [], 1)
    distributed.start(checked.config.run, checked.config.parallel, rank, 1, init_method)
    dataset = data.build_training_data(
        checked.manifest,
        mixture_of(checked.config.data, checked.manifest.mixture),
        samples=80,
        sequence_length=64,
        seed=1,
        cache=Path(cache),
    )
    assert len(dataset) >= 80
    return [int(dataset[i]["tokens"].sum()) for i in range(80)]


@pytest.mark.ranks
def test_order_is_deterministic_and_changed_data_is_noticed(tmp_path):
    """megatron-core's cache key contains only the path; our cache folder is named by the manifest's content."""
    config = write_tiny_run(tmp_path)
    first = ranks.on_ranks(1, _order, config, str(tmp_path / "a"))[0]
    assert ranks.on_ranks(1, _order, config, str(tmp_path / "b"))[0] == first
    assert ranks.on_ranks(1, _order, config, str(tmp_path / "a"))[0] == first
    from tests.tiny_data import write_tiny_data

    write_tiny_data(tmp_path / "data", seed=7)
    assert ranks.on_ranks(1, _order, config, str(tmp_path / "a"))[0] != first


@pytest.mark.ranks
@pytest.mark.parametrize("samples", [3, 17])
def test_short_runs_do_not_run_out_of_samples(tmp_path, samples):
    """Weighted blends can draw more than the share of a set; without spare samples megatron-core raises IndexError."""
    config = write_tiny_run(tmp_path)
    assert ranks.on_ranks(1, _count, config, str(tmp_path / "cache"), samples)[0] == samples


def _count(rank: int, init_method: str, config: str, cache: str, samples: int) -> int:
    from pathlib import Path

    from megatron_ko.training import data, distributed

    checked = preflight([config], [], 1)
    distributed.start(checked.config.run, checked.config.parallel, rank, 1, init_method)
    mixture = {"code": 0.01, "en": 0.29, "ko": 0.7}
    dataset = data.build_training_data(
        checked.manifest, mixture, samples=samples, sequence_length=64, seed=1, cache=Path(cache)
    )
    return len([dataset[i] for i in range(samples)])
