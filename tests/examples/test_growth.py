"""The recipe of growth: its settings, its commands, its compute, its table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkpoint_tools.__main__ import operation_parser
from checkpoint_tools.growth.layer_maps import format_map, named_map
from checkpoint_tools.options.surgery import Grow
from examples.growth.__main__ import equal_steps, flops_per_step, main, parse, steps_of
from examples.growth.results import summarize
from megatron_ko.config.loading import load
from megatron_ko.config.options import read_options
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_USER_ERROR
from preprocessing.config import pipeline


@pytest.mark.parametrize("settings", [["--steps", "0"], ["--further-steps", "x"], ["--step-count", "1"]])
def test_mistakes_are_reported_before_anything_starts(settings: list[str], tmp_path: Path) -> None:
    assert main(["--runs", str(tmp_path / "runs"), *settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()


def test_every_command_is_one_that_the_program_accepts(tmp_path: Path) -> None:
    plan = steps_of(parse(["--runs", str(tmp_path), "--further-steps", "24"]))
    assert [step.name for step in plan] == [
        "text", "data", "parent", "grown_solar", "trained_solar", "grown_llama-pro", "trained_llama-pro", "continued",
    ]  # fmt: skip
    data = [word for word in plan[1].command if "=" in word]
    assert load(pipeline.Config, ["examples/growth/data.yaml"], data, pipeline.RULES)
    lengths = {}
    for step in plan:
        if step.command[:2] != ("mko", "train"):
            continue
        overrides = [word for word in step.command if "=" in word and not word.startswith("model.from")]
        if step.name != "parent":
            overrides += [
                "model={layers: 1, hidden_size: 8, ffn_hidden_size: 8, heads: 1, kv_groups: 1, max_sequence_length: 128}"
            ]
        config = load(Config, [step.command[2]], overrides).config
        assert config.schedule.type == "wsd"
        lengths[step.name] = config.training.steps
    assert lengths == {
        "parent": 240,
        "trained_solar": 24,
        "trained_llama-pro": 24,
        "continued": equal_steps(24),
    }
    maps = {}
    for step in plan:
        if step.command[:3] == ("mko", "checkpoint", "grow"):
            options = read_options(Grow, operation_parser("grow"), step.command[3:])
            assert options.name is not None
            layers = named_map(options.name, 8, options.layers, options.every).layers
            maps[options.name] = format_map(layers)
    assert maps == {"solar": "0-4,3-7", "llama-pro": "0-3,3-7,7"}


def test_the_parent_continues_for_as_much_compute() -> None:
    ratio = equal_steps(1000) * flops_per_step(8) / (1000 * flops_per_step(10))
    assert ratio == pytest.approx(1.0, abs=1e-3)
    assert 1.0 < flops_per_step(10) / flops_per_step(8) < 10 / 8  # the head does not grow


def write_run(folder: Path, bits: dict[int, float]) -> Path:
    folder.mkdir()
    records = [{"kind": "train", "step": 1, "loss": 9.0}]
    records += [
        {"kind": "valid", "step": s, "bits_per_byte": {"en": b - 0.5, "ko": b + 0.5}} for s, b in bits.items()
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_the_table_reports_dip_recovery_and_end(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent", {100: 3.0})
    trainings = {
        "copied": (write_run(tmp_path / "a", {0: 3.4, 10: 3.2, 20: 2.9, 30: 2.95}), 10, 5.0),
        "silent": (write_run(tmp_path / "b", {0: 3.0, 10: 3.1, 20: 3.05, 30: 3.01}), 10, 5.0),
        "the parent": (write_run(tmp_path / "c", {0: 3.0, 10: 2.9, 40: 2.8}), 8, 4.0),
    }
    text = summarize(trainings, parent, tmp_path)
    rows = {row["name"]: row for row in json.loads((tmp_path / "results.json").read_text())["rows"]}
    assert [row["regained_step"] for row in rows.values()] == [20, None, 10]
    assert rows["copied"]["start"] == pytest.approx(3.4) and rows["copied"]["end"] == pytest.approx(2.95)
    assert rows["copied"]["compute"] == 150.0 and rows["the parent"]["compute"] == 160.0
    assert "never" in text and "copied: +0.150 against the parent" in text
    assert (tmp_path / "results.md").is_file()
