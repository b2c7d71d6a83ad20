"""Stages that train adapters: like one rank on every layout, resumed within, merged exactly at the next boundary and on export."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from checkpoint_tools import verify
from checkpoint_tools.__main__ import main as checkpoint_tool
from checkpoint_tools.formats import mcore
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.inputs.weights import find_weights
from megatron_ko.planning.adapters import adapter_parameters, is_adapter
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.stages import stages_of
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko.test_stages import LAYOUTS, OLD, copy_until, curve, tensors, write_stages

LORA = {"rank": 3, "alpha": 6, "targets": ["qkv", "proj", "fc1", "fc2"]}
STAGES = [
    {"name": "rows", "steps": 1, "trains": {"embedding": "new"}},
    {"name": "adapters", "steps": 3, "trains": {"embedding": "new", "norms": True}, "lora": LORA, "learning_rate": 1e-2},
    {"name": "norms", "steps": 1, "trains": {"norms": True}},
    {"name": "layers", "steps": 2, "trains": {"layers": "odd"}, "learning_rate": 1e-3},
]  # fmt: skip
LAYERS = 4  # one for each chunk of two virtual stages on two pipeline ranks
BEGIN, INSIDE, END = 1, 3, 4
"""Steps before the stage with adapters, within it, and at its end."""
SHORT = [
    "schedule.warmup_steps=0",
    "training.sequence_length=32",
    "training.global_batch_size=4",
    "evaluation.max_sequences=4",
]
pytestmark = pytest.mark.ranks


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    """The run on one rank with a checkpoint of each step, once per model: (configuration, overrides, folder of the run)."""
    runs: dict[str, tuple[str, list[str], Path]] = {}

    def run(model: str) -> tuple[str, list[str], Path]:
        if model not in runs:
            folder = tmp_path_factory.mktemp(f"adapters_{model}")
            fixed = [
                *SHORT,
                f"model.tied_embeddings={str(model == 'tied').lower()}",
                f"model.layers={LAYERS}",
            ]
            if model == "untied":
                fixed += ["stages.adapters.trains.output=all", "model.qkv_bias=true"]
            config = write_stages(folder, STAGES)
            ranks.train(config, [*fixed, f"run.folder={folder / 'one'}"])
            runs[model] = (config, fixed, folder / "one")
        return runs[model]

    return run


def assert_same_curve(actual: Path, expected: Path) -> None:
    assert len(curve(actual)) == len(curve(expected)) == 7
    for (loss, norm), (actual_loss, actual_norm) in zip(curve(expected), curve(actual)):
        assert actual_loss == pytest.approx(loss, abs=1e-5)
        assert actual_norm == pytest.approx(norm, rel=2e-4)


CASES = [
    pytest.param(model, name, marks=[] if (model, name) == ("untied", "TP2") else pytest.mark.slow)
    for model in ("untied", "tied")
    for name in LAYOUTS
]


@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_run_with_a_stage_of_adapters_trains_like_one_rank(one_rank, tmp_path, model, name):
    config, fixed, expected = one_rank(model)
    count, layout = LAYOUTS[name]
    ranks.train(config, [*fixed, *layout, f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curve(tmp_path / "run", expected)
    assert_adapters_are_merged_exactly(tmp_path / "run")
    assert_frozen_weights_keep_every_bit(tmp_path / "run")


def test_adapters_are_merged_exactly_and_frozen_weights_keep_every_bit(one_rank):
    _, _, run = one_rank("untied")
    assert_adapters_are_merged_exactly(run)
    assert_frozen_weights_keep_every_bit(run)


def assert_adapters_are_merged_exactly(run: Path) -> None:
    """The stage after the adapters, in which layers are frozen, has the weights that merge-lora computes."""
    expected = mcore.open_merged(Checkpoint.read(checkpoint_folder(run, END)))
    actual = mcore.open_mcore(checkpoint_folder(run, END + 1))
    before = mcore._open_weights(Checkpoint.read(checkpoint_folder(run, END)))
    matrices = [name for name in actual.names() if "_proj.weight" in name]
    assert len(matrices) == LAYERS * 7
    for name in matrices:
        assert torch.equal(actual.tensor(name), expected.tensor(name)), name
        assert not torch.equal(actual.tensor(name), before.tensor(name)), name


def assert_frozen_weights_keep_every_bit(run: Path) -> None:
    begin, end = tensors(run, BEGIN), tensors(run, END)
    matrices = [n for n in begin if n.startswith("decoder.layers") and "norm" not in n]
    assert len(matrices) >= 4
    assert all(torch.equal(begin[name], end[name]) for name in matrices)
    rows = "embedding.word_embeddings.weight"
    assert torch.equal(begin[rows][:OLD], end[rows][:OLD]) and not torch.equal(begin[rows], end[rows])


def test_a_checkpoint_contains_weights_adapters_and_the_moments_of_what_trains(one_rank):
    config, fixed, run = one_rank("untied")
    start = Checkpoint.read(checkpoint_folder(run, INSIDE))
    assert start.lora is not None and start.stage is not None
    assert (start.lora.rank, start.lora.alpha, start.lora.base) == (3, 6.0, None)
    assert start.lora.targets == ("q", "k", "v", "proj", "gate", "up", "fc2")
    assert (start.stage.name, start.stage.partial) == ("adapters", True)
    stored = tensors(run, INSIDE)
    adapters = [n for n in stored if n.startswith("decoder.") and is_adapter(n)]
    assert len(adapters) == 2 * 7
    moments = {n for n in stored if n.startswith("optimizer.state.exp_avg.") and "layers" in n}
    assert all(is_adapter(n) or "norm" in n for n in moments) and any(map(is_adapter, moments))
    assert not any(is_adapter(n) for step in (BEGIN, END + 1) for n in tensors(run, step))
    plan = preflight([config], [*fixed, f"run.folder={run}"], 1).plan
    own, model = plan.stages[1][1], start.model
    count = adapter_parameters(model, 3, LORA["targets"])
    assert own.adapter_parameters == count
    assert own.trainable == (1001 - OLD) * 64 + 1001 * 64 + (2 * LAYERS + 1) * 64 + count
    assert own.memory.gradients_bytes == 4 * (2 * 1008 * 64 + (2 * LAYERS + 1) * 64 + count)
    assert plan.stages[1][0].describe() == "embedding new, output all, norms, LoRA of rank 3"
    assert plan.adapter_parameters is None and "LoRA of" in plan.text()


def test_a_resume_within_the_stage_is_bit_for_bit(one_rank, tmp_path):
    config, fixed, run = one_rank("untied")
    target = copy_until(run, tmp_path / "resumed", INSIDE)
    ranks.train(config, [*fixed, f"run.folder={target}"])
    assert curve(target) == curve(run)
    expected, actual = tensors(run, 7), tensors(target, 7)
    assert sorted(expected) == sorted(actual)
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


RESUMES = [
    (INSIDE, "PP2"),
    *(pytest.param(INSIDE, name, marks=pytest.mark.slow) for name in LAYOUTS if name != "PP2"),
    *(pytest.param(step, "TP2 x PP2", marks=pytest.mark.slow) for step in (BEGIN, END, END + 1)),
]


@pytest.mark.parametrize(("step", "name"), RESUMES)
def test_a_resume_on_another_layout_continues_the_same_run(one_rank, tmp_path, step, name):
    config, fixed, run = one_rank("untied")
    target = copy_until(run, tmp_path / "resumed", step)
    count, layout = LAYOUTS[name]
    ranks.train(config, [*fixed, *layout, f"run.folder={target}"], count)
    assert_same_curve(target, run)


def test_an_export_and_merge_lora_have_the_logits_of_the_adapters(one_rank, tmp_path):
    config, fixed, run = one_rank("untied")
    source = str(checkpoint_folder(run, INSIDE))
    assert checkpoint_tool(["merge-lora", source, str(tmp_path / "merged")]) == 0
    assert checkpoint_tool(["to-hf", source, str(tmp_path / "hf")]) == 0
    assert checkpoint_tool(["verify", source]) == 0
    merged = mcore.open_mcore(tmp_path / "merged")
    tokens = verify.sample_tokens(merged, None)
    exported = verify.hf_logits(tmp_path / "hf", tokens)
    adapted = mcore.megatron_logits(Path(source), tokens)
    assert float((adapted - exported).abs().max()) < 1e-4
    assert checkpoint_tool(["export-lora", source, str(tmp_path / "peft")]) == 2
    assert (
        checkpoint_tool(["merge-lora", source, str(tmp_path / "other"), "--base", str(tmp_path / "merged")])
        == 2
    )
    checked = preflight([config], [*fixed, f"run.folder={tmp_path / 'new'}"], 1)
    settings = {"vocab_size": checked.plan.vocab_size, "tokenizer_fingerprint": None}
    with pytest.raises(CheckpointError) as caught:
        weights = dataclasses.replace(checked.config.checkpoint, initial_weights=source)
        find_weights(dataclasses.replace(checked.config, checkpoint=weights), **settings)
    assert caught.value.rule == "adapters-not-merged"


def test_equal_adapters_train_on_and_others_begin_from_merged_weights(tmp_path):
    three = [
        {"name": "a", "steps": 2, "lora": {"rank": 3, "alpha": 6}},
        {"name": "b", "steps": 2, "lora": {**LORA, "targets": ["q", "k", "v", "proj", "gate", "up", "fc2"]}},
        {"name": "c", "steps": 2, "lora": {**LORA, "rank": 2}},
        {"name": "d", "steps": 2, "trains": {"norms": True}},
    ]
    config = write_stages(tmp_path, three)
    fixed = [*SHORT, "model.layers=2", "checkpoint.initial_weights=/unused"]
    loaded = load_training([config], fixed, layout_rules(1)).config
    walk, logits = ranks.on_ranks(1, _walk, loaded)[0]
    a, b, c, d = walk
    assert a["trained"] == b["trained"] and all(map(is_adapter, a["trained"]))
    assert b["moments"] and b["kept"] and not c["kept"]
    assert c["ranks"] == {2} and not any(map(is_adapter, d["trained"]))
    for before, after in logits:
        assert float((before - after).abs().max()) < 2e-6 * float(before.abs().max())


def _walk(rank: int, init_method: str, config) -> tuple[list[dict], list[tuple]]:
    """Enters each stage after a step of the one before; logits before and after each boundary."""
    from megatron_ko.training import boundary, distributed, lora, model, step

    world = distributed.start(config.run, config.parallel, rank, 1, init_method)
    gpt = model.build_gpt(
        config.model, config.parallel, config.precision, vocab_size=1001, device=world.device, seed=1
    )
    tokens = torch.arange(64).reshape(2, 32)
    positions = torch.arange(32).expand(2, 32)
    batch = {
        "tokens": tokens,
        "labels": tokens + 1,
        "loss_mask": torch.ones(2, 32),
        "position_ids": positions,
    }
    trainees: list = []
    walk, logits, factors = [], [], {}
    for stage in stages_of(config):
        with torch.no_grad():
            before = gpt(tokens, positions, None).clone()
        trainees.append(boundary.enter(stage, 1001, gpt, trainees, world))
        with torch.no_grad():
            logits.append((before, gpt(tokens, positions, None).clone()))
        pairs = dict(lora.factors_of(gpt))
        states = [
            state for adam in trainees[-1].optimizer.chained_optimizers for state in adam.state.values()
        ]
        walk.append(
            {
                "trained": sorted(name for name, p in gpt.named_parameters() if p.requires_grad),
                "kept": bool(pairs) and all(factors.get(name) is pair for name, pair in pairs.items()),
                "moments": any(bool(state["exp_avg_sq"].any()) for state in states if "exp_avg_sq" in state),
                "ranks": {pair.a.shape[0] for pair in pairs.values()},
            }
        )
        factors = pairs
        settings = stage.config.training
        for _ in range(2):
            step.train_step(trainees[-1], iter([batch, batch]), world, settings, 2)
    distributed.stop()
    return walk, logits
