"""Stages with frozen rows: bf16, both copies of tied embeddings, the clipping norm against plain torch, and kill -9 in each stage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from megatron_ko.formats.checkpoint_folder import MARKER
from megatron_ko.formats.run_folder import checkpoint_folder, newest_checkpoint
from megatron_ko.planning.stages import stages_of
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.megatron_ko.test_resume import same_tensors
from tests.megatron_ko.test_stages import (
    ALL,
    LAYOUTS,
    ODD,
    OLD,
    ROWS,
    assert_frozen_parts_keep_every_bit,
    copy_until,
    curve,
    write_stages,
)

pytestmark = pytest.mark.ranks
ROOT = Path(__file__).resolve().parents[2]
TIED = ["model.tied_embeddings=true", "evaluation.max_sequences=4"]
BF16 = [*TIED, "precision.dtype=bf16"]


# --- the clipping norm -----------------------------------------------------------------------------------


def test_frozen_rows_take_no_part_in_the_norm_that_clips(tmp_path):
    config = write_stages(
        tmp_path, [{"name": "a", "steps": 2, "trains": {"embedding": "new", "norms": True}}]
    )
    norm, expected, whole = ranks.on_ranks(1, _norms, preflight([config], TIED, 1))[0]
    assert norm == pytest.approx(expected, rel=1e-5)
    assert norm < 0.9 * whole


def _norms(rank: int, init_method: str, checked: Preflight) -> tuple[float, float, float]:
    """The norm of a step, that of plain torch over what trains, and over everything."""
    from megatron_ko.training import boundary, distributed, model, step

    config = checked.config
    world = distributed.start(config.run, config.parallel, rank, 1, init_method)
    ours, plain = (
        model.build_gpt(
            config.model, config.parallel, config.precision, vocab_size=1001, device=world.device, seed=1
        )
        for _ in range(2)
    )
    tokens = torch.randint(0, 1001, (2, 64), generator=torch.Generator().manual_seed(1))
    labels, positions = tokens.roll(-1, 1), torch.arange(64).expand(2, 64)
    batch = {"tokens": tokens, "labels": labels, "loss_mask": torch.ones(2, 64), "position_ids": positions}
    logits = plain(tokens, positions, None)[..., :1001]
    torch.nn.functional.cross_entropy(logits.reshape(-1, 1001), labels.reshape(-1)).backward()
    gradients = {name: weight.grad for name, weight in plain.named_parameters()}
    rows = gradients["embedding.word_embeddings.weight"][OLD:1001]
    trained = [rows, *(g for name, g in gradients.items() if g.ndim == 1)]
    expected, whole = (
        float(torch.cat([g.flatten() for g in group]).norm()) for group in (trained, gradients.values())
    )
    (stage,) = stages_of(config)
    trainee = boundary.enter(stage, 1001, ours, [], world)
    result = step.train_step(trainee, iter([batch]), world, stage.config.training, 1)
    distributed.stop()
    return result.gradient_norm, expected, whole


# --- both copies of tied embeddings ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_first_and_last_pipeline_rank_have_the_same_bits(tmp_path, dtype):
    config = write_stages(tmp_path)
    overrides = [*TIED, f"precision.dtype={dtype}", "parallel.pipeline=2", "checkpoint.every_steps=1000"]
    first, last = ranks.on_ranks(2, _copies, preflight([config], overrides, 2))
    assert len(first) == len(last) == ODD
    for step, (weights, others) in enumerate(zip(first, last), 1):
        assert torch.equal(weights, others), f"step {step}"
    frozen = [weights[:OLD] for weights in first[ALL - 1 : ROWS]]
    assert all(torch.equal(rows, frozen[0]) for rows in frozen)
    assert not torch.equal(first[ALL - 1], first[ROWS - 1])


def _copies(rank: int, init_method: str, checked: Preflight) -> list[torch.Tensor]:
    """This rank's copy of the embeddings after each step."""
    from megatron_ko import train
    from megatron_ko.training import step
    from megatron_ko.training.model import unwrap

    copies: list[torch.Tensor] = []
    plain_step = step.train_step

    def keeping(trainee, *arguments):
        result = plain_step(trainee, *arguments)
        weights = unwrap(trainee.ddp_model).shared_embedding_or_output_weight()
        copies.append(weights.detach().float().clone())
        return result

    step.train_step = keeping
    assert train.train(checked, rank, init_method) == 0
    return copies


# --- bf16 ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_bf16(tmp_path_factory) -> tuple[str, Path]:
    """The run of three stages in bf16 on one rank, with a checkpoint of each step."""
    folder = tmp_path_factory.mktemp("bf16")
    config = write_stages(folder)
    ranks.train(config, [*BF16, f"run.folder={folder / 'one'}"])
    return config, folder / "one"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TP2", "PP2", "DP2", "TP2 x PP2", "TP2 with sequence parallel", "CP2"])
def test_bf16_keeps_frozen_bits_and_the_first_step_of_each_stage(in_bf16, tmp_path, name):
    """Trajectories in bf16 are chaotic, so only steps from equal weights are compared: the first of each stage."""
    config, run = in_bf16
    count, layout = LAYOUTS[name]
    fixed = [*BF16, *layout]
    ranks.train(config, [*fixed, "checkpoint.every_steps=1000", f"run.folder={tmp_path / 'whole'}"], count)
    assert_frozen_parts_keep_every_bit(tmp_path / "whole", "tied")
    for boundary in (ALL, ROWS):
        target = copy_until(run, tmp_path / f"from_{boundary}", boundary)
        ranks.train(config, [*fixed, "checkpoint.every_steps=1000", f"run.folder={target}"], count)
        (loss, norm), (expected, expected_norm) = curve(target)[boundary], curve(run)[boundary]
        assert loss == pytest.approx(expected, abs=5e-3)
        assert norm == pytest.approx(expected_norm, rel=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("step", [ALL, ALL + 2, ROWS, ROWS + 2])
def test_bf16_resumes_bit_for_bit_in_any_stage(in_bf16, tmp_path, step):
    config, run = in_bf16
    assert_frozen_parts_keep_every_bit(run, "tied")
    target = copy_until(run, tmp_path / "resumed", step)
    ranks.train(config, [*BF16, f"run.folder={target}"])
    assert curve(target) == curve(run)
    assert same_tensors(checkpoint_folder(target, ODD), checkpoint_folder(run, ODD))


# --- kill -9 ---------------------------------------------------------------------------------------------

LONG = [
    "model.tied_embeddings=true", "parallel.tensor=2", "evaluation.max_sequences=4",
    "stages.all.steps=12", "stages.rows.samples=96", "stages.odd.tokens=1536",
]  # fmt: skip
"""12 steps of each stage."""


@pytest.mark.slow
def test_a_run_killed_in_each_stage_is_that_of_an_undisturbed_one(tmp_path):
    """kill -9 of the real program once in each of three stages, one with frozen rows; the same command again continues."""
    config = write_stages(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ranks.train(config, [*LONG, f"run.folder={whole}"], 2)
    command = [
        sys.executable,
        "-m",
        "megatron_ko.train",
        config,
        *LONG,
        "--ranks",
        "2",
        f"run.folder={killed}",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    for number, step in enumerate((3, 15, 27)):
        process = subprocess.Popen(command, **quiet)
        end = time.monotonic() + 300
        while not (checkpoint_folder(killed, step) / MARKER).is_file() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        stage = newest_checkpoint(killed).stage
        assert stage is not None
        assert (stage.number, stage.partial) == (number, number > 0), "the kill came too late"
    subprocess.run(command, check=True, timeout=300, **quiet)
    assert curve(killed) == curve(whole) and len(curve(whole)) == 36
    assert same_tensors(checkpoint_folder(killed, 36), checkpoint_folder(whole, 36))
