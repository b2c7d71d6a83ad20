"""Stages in the configuration: entries by number and name, rules, what a selection contains, the plan, what a resume may change."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.trains import TrainsConfig
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import StageMark
from megatron_ko.formats.model_source import load_training
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.selection import Selection, trainable_parameters
from megatron_ko.planning.stage_table import lines_of
from megatron_ko.planning.stages import check_same_stages, stages_of
from tests.tiny_run import tiny_config

FILE = """\
stages:
  - name: first
    steps: 4
    trains: {embedding: new}
    mixture: {ko: 2, en: 1}
  - name: second
    tokens: 1000
    sequence_length: 32
"""


@pytest.fixture
def base(tmp_path) -> str:
    config = tiny_config(tmp_path)
    del config["training"]["steps"]
    config["training"]["old_vocab_size"] = 600
    config["model"]["vocab_size"] = 1001
    config["schedule"] = {"type": "constant"}
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    (tmp_path / "stages.yaml").write_text(FILE)
    return str(path)


def load(base: str, *overrides: str, overlay: str = ""):
    folder = Path(base).parent
    files = [base, str(folder / "stages.yaml")]
    if overlay:
        (folder / "overlay.yaml").write_text(overlay)
        files.append(str(folder / "overlay.yaml"))
    return load_training(files, overrides, layout_rules(1))


def problems(base: str, *overrides: str, overlay: str = "") -> set[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(base, *overrides, overlay=overlay)
    return {(Path(p.where).name, p.path, p.rule) for p in caught.value.problems}


def test_overrides_and_overlays_reach_entries_by_number_and_by_name(base):
    config = load(
        base, "stages.0.mixture.ko=5", "stages.second.tokens=64", overlay="stages: {first: {steps: 7}}"
    ).config
    first, second = config.stages
    assert (first.steps, first.mixture, first.name) == (7, {"ko": 5, "en": 1}, "first")
    assert second.tokens == 64


def test_a_stage_takes_what_it_does_not_give_from_the_sections(base):
    first, second = stages_of(load(base, "stages.1.rope_base=1e6").config)
    assert (first.steps, second.steps, second.first_step) == (4, 4, 4)  # 1000 tokens of 8 x 32, rounded up
    assert (first.config.training.sequence_length, second.config.training.sequence_length) == (64, 32)
    assert (first.config.model.rope.base, second.config.model.rope.base) == (500_000.0, 1e6)
    assert second.config.data.mixture is None and first.seed != second.seed


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["stages.third.steps=1"], ("command line", "stages.third", "unknown-entry")),
        (["stages.2.steps=1"], ("command line", "stages.2", "unknown-entry")),
        (["stages.0.stepz=1"], ("command line", "stages.0.stepz", "unknown-key")),
        (["training.steps=9"], ("command line", "training.steps", "stage-lengths")),
        (["stages=[]"], ("base.yaml:17", "training.steps", "missing")),
        (["stages.0.samples=9"], ("stages.yaml:2", "stages.0", "stage-lengths")),
        (["stages.1.name=first"], ("command line", "stages.1.name", "stage-names")),
        (["stages.0.trains.layers=4"], ("command line", "stages.0.trains.layers", "stage-trains")),
        (["stages.0.trains={biases: true}"], ("command line", "stages.0.trains", "stage-trains")),
        (["stages.0.trains.embedding=1001"], ("command line", "stages.0.trains.embedding", "stage-trains")),
        (["training.old_vocab_size=none"], ("stages.yaml:4", "stages.0.trains.embedding", "stage-trains")),
        (["model.tied_embeddings=true", "stages.0.trains.output=5"], ("command line", "stages.0.trains.output", "stage-trains")),
        (["stages.0.trains.layers=[0, 3-1]"], ("command line", "stages.0.trains.layers", "invalid-value")),
        (["stages.1.sequence_length=256"], ("command line", "stages.1.sequence_length", "sequence-split")),
        (["stages.0.global_batch_size=7"], ("command line", "stages.0.global_batch_size", "batch-divides-ranks")),
        (["stages.0.lora={rank: 2, alpha: 4}"], ("base.yaml", "checkpoint.initial_weights", "lora-without-base")),
        (["lora={rank: 2, alpha: 4}"], ("command line", "lora", "alone")),
        (["stages.1.lora={rank: 2, alpha: 4, targets: [q, qkv]}"], ("command line", "stages.1.lora.targets", "lora-targets-overlap")),
        (["stages.1.lora={rank: 2, alpha: 4}", "stages.1.trains={mlp: 3}"], ("command line", "stages.1.lora.targets", "lora-beside-trained-weights")),
        (["stages.1.lora={rank: 2, alpha: 4, load_in_4bit: true}"], ("command line", "stages.1.lora.load_in_4bit", "lora-in-4bit")),
        (["stages.1.lora={rank: 2, alpha: 4, dropout: 0.1}"], ("command line", "stages.1.lora.dropout", "unknown-key")),
        (["stages.1.lora={rank: 2, alpha: 4}", "precision.fp8=delayed"], ("command line", "precision.fp8", "lora-with-fp8")),
        (["data.order=megatron", "stages.1.mixture_end={ko: 1}"], ("command line", "stages.1.mixture_end", "moving-mixture")),
        (["stages.0.schedule={type: wsd, decay_steps: 5}"], ("command line", "stages.0.schedule", "schedule-fits")),
    ],
)  # fmt: skip
def test_rules_name_the_entry_and_its_place(base, overrides, expected):
    found = problems(base, *overrides)
    where, path, rule = expected
    assert (path, rule) in {(p, r) for _, p, r in found}
    if where == "command line":
        assert where in {w for w, p, _ in found if p == path}


def test_an_overlay_of_an_unknown_stage_names_its_line(base):
    found = problems(base, overlay="stages:\n  third: {steps: 1}\n")
    assert found == {("overlay.yaml:2", "stages.third", "unknown-entry")}


MODEL = ModelConfig(
    layers=4, hidden_size=64, ffn_hidden_size=128, heads=4, kv_groups=2, max_sequence_length=64, qkv_bias=True
)
ATTENTION, MLP = 64 * 128 + 64 * 64 + 128 + 64, 3 * 64 * 128 + 64
"""q, k, v, their biases, the projection and a norm; gate, up, down and a norm."""


@pytest.mark.parametrize(
    ("trains", "expected"),
    [
        ({"layers": "odd"}, 2 * (ATTENTION + MLP)),
        ({"layers": ["0-2"]}, 3 * (ATTENTION + MLP)),
        ({"layers": 3, "mlp": "all"}, ATTENTION + 4 * MLP),
        ({"attention": [0, "2-3"]}, 3 * ATTENTION),
        ({"embedding": "new", "output": "old"}, 401 * 64 + 600 * 64),
        ({"embedding": [5, "5-9", 7]}, 5 * 64),
        ({"output": "all", "norms": True}, 1001 * 64 + 9 * 64),
        ({"biases": True}, 4 * 128),
    ],
)
def test_the_parameters_of_a_selection(trains, expected):
    selection = Selection.of(TrainsConfig(**trains), MODEL, 1001, 600)
    assert trainable_parameters(selection, MODEL, 1001) == expected


def test_the_plan_adds_the_stages_up_and_fits_80_columns(base):
    config = load(base, "precision.dtype=bf16").config
    plan = Plan.of(config, 1)
    first, second = (own for _, own in plan.stages)
    assert (plan.steps, plan.total_tokens) == (8, 4 * 512 + 4 * 256)
    assert (first.trainable, second.trainable) == (401 * 64, plan.parameters)
    assert first.memory.gradients_bytes == 4 * 1008 * 64 and first.memory.optimizer_bytes == 12 * 1008 * 64
    assert plan.memory.total_bytes == second.memory.total_bytes
    assert max(map(len, plan.text().splitlines())) <= 80


@pytest.mark.parametrize(("second", "shown"), [(0.6, False), (0.4, True)])
def test_the_table_has_shares_only_where_stages_differ(base, second, shown):
    plan = Plan.of(load(base).config, 1)
    stages = tuple(
        (stage, replace(own, shares=(SimpleNamespace(name="ko", share=share, epochs=epochs),)))
        for (stage, own), share, epochs in zip(plan.stages, (0.6, second), (1.2, 0.03), strict=True)
    )
    text = "\n".join(lines_of(replace(plan, stages=stages)))
    assert ("60.0%" in text, "40.0%" in text) == (shown, shown)
    assert ("1.2" in text and "0.03" in text) == shown


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (
            ["stages.second.tokens=5000", "stages.second.learning_rate=1e-5", "optimizer.learning_rate=1e-4"],
            None,
        ),
        (["stages.first.learning_rate=1e-5"], "finished-stage-changed"),
        (["stages.second.name=other"], "current-stage-changed"),
        (["stages.second.trains={layers: odd}"], "current-stage-changed"),
        (["stages.second.lora={rank: 2, alpha: 4}"], "current-stage-changed"),
        (["stages.second.tokens=256"], "stage-too-short"),
        (["stages=[]", "training.steps=9"], "stages-removed"),
    ],
)
def test_finished_stages_may_not_change_and_later_ones_may(base, overrides, rule):
    before = load(base).config
    start = mark_of(before, StageMark(1, "second", 2, 16, False), step=6)
    now = load(base, *overrides).config
    if rule is None:
        check_same_stages(start, now)
        return
    with pytest.raises(CheckpointError) as caught:
        check_same_stages(start, now)
    assert caught.value.rule == rule


def test_a_run_without_stages_gets_none_later(base):
    start = mark_of(load(base, "stages=[]", "training.steps=9").config, None, step=6)
    with pytest.raises(CheckpointError) as caught:
        check_same_stages(start, load(base).config)
    assert caught.value.rule == "stages-added"


def mark_of(config, mark: StageMark | None, step: int):
    from megatron_ko.formats.checkpoint_folder import Checkpoint

    return Checkpoint(
        folder=Path("step"), step=step, samples=1, tokens=1, model=config.model, vocab_size=1001, padded_vocab_size=1008,
        tokenizer_fingerprint=None, dtype="fp32", optimizer=True, layout=None, config=dataclasses.asdict(config), stage=mark,
    )  # fmt: skip
