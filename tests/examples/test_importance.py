"""The recipe of importance: its settings, its commands, its table; and the verdicts that it may give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkpoint_tools.__main__ import operation_parser
from checkpoint_tools.options.surgery import Prune
from examples.importance.__main__ import HERE, SHAPE, main, parse, steps_of
from examples.importance.results import ROWS, claims, summary
from megatron_ko.config.loading import load
from megatron_ko.config.options import read_options
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_USER_ERROR
from megatron_ko.planning.weights import parameter_count


@pytest.mark.parametrize(
    "settings", [["--seeds", "1,1"], ["--seeds", "x"], ["--steps", "0"], ["--step", "1"]]
)
def test_mistakes_are_reported_before_anything_starts(settings: list[str], tmp_path: Path) -> None:
    assert main(["--runs", str(tmp_path / "runs"), *settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()


def test_every_command_is_one_that_the_program_accepts(tmp_path: Path) -> None:
    plan = steps_of(parse(["--runs", str(tmp_path), "--seeds", "4"]))
    assert len(plan) == 3 + 2 * len(ROWS)
    trainings = [step for step in plan if step.command[:2] == ("mko", "train")]
    assert len(trainings) == 1 + len(ROWS)
    for step in trainings:
        files = [word for word in step.command[2:] if word.endswith(".yaml")]
        overrides = [word for word in step.command if "=" in word and not word.startswith("model.from")]
        if step.name != "parent_4":
            overrides += [
                "model={layers: 1, hidden_size: 8, ffn_hidden_size: 8, heads: 1, kv_groups: 1, max_sequence_length: 256}"
            ]
        assert load(Config, files, overrides).config.training.micro_batch_size == 4
    prunings = [step for step in plan if step.command[:3] == ("mko", "checkpoint", "prune")]
    chosen = set()
    for step in prunings:
        options = read_options(Prune, operation_parser("prune"), step.command[3:])
        assert (options.hidden_size, options.ffn_hidden_size, options.heads) == (96, 288, 8)
        chosen.add(
            (options.sequence, options.batch, options.layer_sum, options.ffn_score, options.align_heads)
        )
    assert chosen == {
        ("mean", "l2", True, "product", True), ("mean", "l2", True, "product", False), ("mean", "l2", True, "gate_up", True),
        ("mean", "l2", False, "product", True), ("mean", "mean", True, "product", True), ("l2", "l2", True, "product", True),
    }, "the six rows of Kanana's table"  # fmt: skip


def test_the_readme_names_the_sizes_of_the_models() -> None:
    model = load(Config, [str(HERE / "train.yaml")], []).config.model
    small = dict(zip(SHAPE[::2], map(int, SHAPE[1::2])))
    assert model.hidden_size * 2 // 3 == small["--hidden-size"]
    assert parameter_count(model, 2001) == 1_330_848  # "1.3 million"
    text = (HERE / "README.md").read_text(encoding="utf-8")
    assert "1.3 million parameters" in text and "hidden size 96, feed-forward 288 and 8 heads" in text


def _students(folder: Path, bits: dict[str, list[float]]) -> dict[str, list[Path]]:
    """Run folders whose validations have these bits per byte after training, and 1 more before."""
    runs: dict[str, list[Path]] = {}
    for name, values in bits.items():
        for seed, value in enumerate(values):
            run = folder / f"{name}_{seed}"
            run.mkdir(parents=True)
            records = [
                {
                    "kind": "valid",
                    "step": step,
                    "bits_per_byte": {"code": value + more, "ko": value + more + 0.2},
                }
                for step, more in ((0, 1.0), (40, 0.0))
            ]
            lines = [json.dumps({"kind": "train"}), *map(json.dumps, records)]
            (run / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            runs.setdefault(name, []).append(run)
    return runs


def test_the_table_has_means_deviations_and_verdicts(tmp_path: Path) -> None:
    bits = {row.name: [2.0, 2.1] for row in ROWS}
    bits["unaligned"], bits["first_layer"], bits["gate_up"] = [2.3, 2.4], [2.5, 2.62], [2.2, 2.0]
    students = _students(tmp_path / "runs", bits)
    text = summary(students["best"], students, tmp_path)
    assert "| aligned, product, sum, L2, mean | 3.150 ± 0.071 | 2.150 ± 0.071 |  | 36.41 |" in text
    assert (
        "| heads not aligned with groups | 3.450 ± 0.071 | 2.450 ± 0.071 | +0.3000 ± 0.0000 | 20.13 |" in text
    )
    assert "heads not aligned with groups: worse than the first row" in text
    assert "mean of gate and up: not resolved" in text
    assert "the two worst rows are first_layer and unaligned: as in the paper" in text
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert saved["recovered"]["unaligned"][1] == {"code": 2.4, "ko": pytest.approx(2.6)}


def test_another_order_than_the_papers_is_reported() -> None:
    after = {row.name: [{"code": 2.0}, {"code": 2.1}] for row in ROWS}
    after["batch_mean"], after["unaligned"] = [{"code": 1.5}, {"code": 1.6}], [{"code": 3.0}, {"code": 3.1}]
    after["sequence_l2"] = [{"code": 2.5}, {"code": 2.6}]
    found = claims(after)
    assert any(claim.startswith("mean over samples: better than the first row") for claim in found)
    assert found[-1].endswith("not the paper's (first_layer, unaligned)")


def test_an_order_within_the_noise_is_not_the_papers() -> None:
    after = {row.name: [{"code": 2.0}, {"code": 2.1}] for row in ROWS}
    after["unaligned"], after["first_layer"] = (
        [{"code": 2.2}, {"code": 2.1}],
        [{"code": 2.02}, {"code": 2.12}],
    )
    assert claims(after)[-1].endswith("the paper's two, but not resolved")
