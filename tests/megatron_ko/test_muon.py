"""Muon: equal to a plain computation, on every layout equal to one rank, resumed exactly, refused where it cannot work."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import yaml

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import MuonConfig
from megatron_ko.config.schema import fields_of
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning import megatron_version, muon_rules
from megatron_ko.planning.run_plan import Plan
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko.test_resume import curve, same_tensors
from tests.megatron_ko.test_stages import copy_until
from tests.run_records import records
from tests.tiny_run import write_tiny_run

STEPS, HALF = 20, 10
LOSS, NORM = 1e-5, 2e-4
LAYOUTS = {
    "TP2": (2, ["parallel.tensor=2"]),
    "TP2, distributed iterations": (2, ["parallel.tensor=2", "optimizer.split_over_ranks=distribute"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
}
has_muon = pytest.mark.skipif(
    bool(megatron_version.missing_for("0.19")) or importlib.util.find_spec("emerging_optimizers") is None,
    reason="Muon needs megatron-core 0.19 and emerging-optimizers",
)


def write_config(folder: Path) -> str:
    path = Path(write_tiny_run(folder))
    config = yaml.safe_load(path.read_text())
    config["model"] |= {"layers": 2, "qkv_bias": True}
    config["training"] = {
        "steps": STEPS, "global_batch_size": 4, "micro_batch_size": 2, "sequence_length": 32,
    }  # fmt: skip
    config["optimizer"] = {"type": "muon", "learning_rate": 3e-3, "muon_learning_rate": 2e-3}
    config["checkpoint"]["every_steps"] = HALF
    config["evaluation"] = {"max_sequences": 4}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[str, Path]:
    """A run on one rank, with checkpoints after half of the steps and at the end."""
    folder = tmp_path_factory.mktemp("muon")
    config = write_config(folder)
    ranks.train(config, [f"run.folder={folder / 'one'}"])
    return config, folder / "one"


def half(run: Path, target: Path) -> Path:
    shutil.copytree(run, target)
    shutil.rmtree(checkpoint_folder(target, STEPS))
    return target


def assert_same_curve(actual: Path, expected: Path) -> None:
    theirs = curve(expected)
    assert sorted(curve(actual)) == sorted(theirs)
    for step, (loss, norm) in curve(actual).items():
        assert loss == pytest.approx(theirs[step][0], abs=LOSS), f"loss of step {step}"
        assert norm == pytest.approx(theirs[step][1], rel=NORM), f"gradient norm of step {step}"


@has_muon
@pytest.mark.ranks
@pytest.mark.parametrize(
    "name", ["TP2", *(pytest.param(n, marks=pytest.mark.slow) for n in LAYOUTS if n != "TP2")]
)
def test_a_layout_trains_like_one_rank(finished, tmp_path, name):
    config, run = finished
    count, layout = LAYOUTS[name]
    ranks.train(config, [*layout, f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curve(tmp_path / "run", run)


@has_muon
@pytest.mark.ranks
def test_a_resume_is_bit_for_bit(finished, tmp_path):
    config, run = finished
    target = half(run, tmp_path / "same")
    ranks.train(config, [f"run.folder={target}"])
    assert curve(target) == curve(run)
    assert same_tensors(checkpoint_folder(target, STEPS), checkpoint_folder(run, STEPS))


@has_muon
@pytest.mark.ranks
@pytest.mark.parametrize(
    "name", ["PP2", *(pytest.param(n, marks=pytest.mark.slow) for n in LAYOUTS if n != "PP2")]
)
def test_a_resume_on_another_layout_and_with_other_rates_uses_the_configuration(finished, tmp_path, name):
    config, run = finished
    count, layout = LAYOUTS[name]
    target = half(run, tmp_path / "other")
    ranks.train(config, [*layout, f"run.folder={target}"], count)
    assert_same_curve(target, run)


@has_muon
@pytest.mark.ranks
@pytest.mark.slow
def test_bf16_resumes_bit_for_bit_and_with_another_learning_rate(tmp_path):
    config = write_config(tmp_path)
    fixed = ["precision.dtype=bf16", "training.steps=6", "checkpoint.every_steps=3"]
    ranks.train(config, [*fixed, f"run.folder={tmp_path / 'one'}"], 2)
    target = tmp_path / "same"
    shutil.copytree(tmp_path / "one", target)
    shutil.rmtree(checkpoint_folder(target, 6))
    ranks.train(config, [*fixed, f"run.folder={target}"], 2)
    assert curve(target) == curve(tmp_path / "one")
    assert same_tensors(checkpoint_folder(target, 6), checkpoint_folder(tmp_path / "one", 6))
    shutil.rmtree(checkpoint_folder(target, 6))
    ranks.train(config, [*fixed, "optimizer.muon_learning_rate=1e-4", f"run.folder={target}"], 2)
    assert curve(target)[4] == curve(tmp_path / "one")[4]
    assert curve(target)[6] != curve(tmp_path / "one")[6]


# --- stages ----------------------------------------------------------------------------------------------

IN_STAGES = [
    "training.steps=none", "checkpoint.every_steps=1", "optimizer.muon_learning_rate=none",
    "schedule={type: constant, warmup_steps: 0}",
    "data.mixture={ko: 1.0}",  # of several sets each stage has another order
    "stages=[{name: a, steps: 3}, {name: b, steps: 3}, {name: c, steps: 14, learning_rate: 1e-3, sequence_length: 16, "
    "mixture: {ko: 1.0, en: 1.0}}]",
]  # fmt: skip
BOUNDARY = 6


@pytest.fixture(scope="module")
def in_stages(tmp_path_factory) -> tuple[str, Path]:
    """A run of three stages on one rank, of which the first two differ in nothing."""
    folder = tmp_path_factory.mktemp("muon_stages")
    config = write_config(folder)
    ranks.train(config, [*IN_STAGES, f"run.folder={folder / 'one'}"])
    return config, folder / "one"


@has_muon
@pytest.mark.ranks
def test_a_boundary_at_which_nothing_changes_changes_no_bit(in_stages, tmp_path):
    config, run = in_stages
    one = f"stages=[{{name: a, steps: {BOUNDARY}}}]"
    ranks.train(config, [*IN_STAGES[:-1], one, f"run.folder={tmp_path / 'run'}"])
    assert curve(tmp_path / "run") == {step: value for step, value in curve(run).items() if step <= BOUNDARY}
    ends = [checkpoint_folder(folder, BOUNDARY) for folder in (tmp_path / "run", run)]
    assert same_tensors(*ends)
    assert [r["name"] for r in records(run, "stage")] == ["a", "b", "c"]
    assert {r["learning_rate"] for r in records(run, "train") if r["step"] > BOUNDARY} == {1e-3}


@has_muon
@pytest.mark.ranks
@pytest.mark.parametrize("step", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (3, 6, 8))])
def test_a_resume_in_a_stage_is_bit_for_bit(in_stages, tmp_path, step):
    config, run = in_stages
    target = copy_until(run, tmp_path / "resumed", step)
    ranks.train(config, [*IN_STAGES, f"run.folder={target}"])
    assert curve(target) == curve(run)
    assert same_tensors(checkpoint_folder(target, STEPS), checkpoint_folder(run, STEPS))


@has_muon
@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_stages_on_a_layout_train_like_one_rank(in_stages, tmp_path, name):
    config, run = in_stages
    count, layout = LAYOUTS[name]
    whole, resumed = tmp_path / "whole", copy_until(run, tmp_path / "resumed", 8)
    for target in (whole, resumed):
        ranks.train(
            config, [*IN_STAGES, *layout, "checkpoint.every_steps=1000", f"run.folder={target}"], count
        )
        assert_same_curve(target, run)


# --- the plain computation -------------------------------------------------------------------------------

MODEL = ModelConfig(
    layers=1, hidden_size=32, ffn_hidden_size=48, heads=4, kv_groups=2, max_sequence_length=32, vocab_multiple=8,
    qkv_bias=True,
)  # fmt: skip
CASES = {
    "spectral": MuonConfig(type="muon", learning_rate=4e-3, coefficients="simple", weight_decay=0.5),
    "shape": MuonConfig(
        type="muon", learning_rate=4e-3, muon_learning_rate=1e-3, coefficients="simple", scale="shape_scaling",
        scale_factor=1.0, nesterov=False, newton_schulz_steps=3, momentum=0.8, decoupled="independent", weight_decay=0.02,
    ),
}  # fmt: skip
RATES = (2e-3, 4e-3, 1e-3, 0.0)


@has_muon
@pytest.mark.ranks
def test_weights_equal_a_plain_computation():
    for case, (matrices, others) in ranks.on_ranks(1, _difference)[0].items():
        assert matrices < 2e-6 and others < 2e-7, case


def _difference(rank: int, init_method: str) -> dict[str, tuple[float, float]]:
    """Largest difference of a matrix and of another weight after the steps, of each case."""
    import torch

    from megatron_ko.training import distributed, model, optimizer, step

    world = distributed.start(
        RunConfig(folder="unused", device="cpu", timeout_s=60.0), ParallelConfig(), rank, 1, init_method
    )
    found = {}
    for case, config in CASES.items():
        precision = PrecisionConfig(dtype="fp32")
        gpt = model.build_gpt(MODEL, ParallelConfig(), precision, vocab_size=61, device=world.device, seed=1)
        plain = {name: weight.detach().clone() for name, weight in gpt.named_parameters()}
        momentum = {name: torch.zeros_like(weight) for name, weight in plain.items() if _is_matrix(name)}
        decay = config.weight_decay
        adams = {
            name: torch.optim.AdamW(
                [weight], lr=1.0, betas=(0.9, 0.95), eps=1e-8, weight_decay=decay if weight.ndim > 1 else 0.0
            )
            for name, weight in plain.items()
            if name not in momentum
        }
        ours = step.prepare(gpt, config, precision)
        generator = torch.Generator().manual_seed(2)
        for rate in RATES:
            for key, weight in gpt.named_parameters():
                plain[key].grad = torch.randn(weight.shape, generator=generator)
                weight.main_grad.copy_(plain[key].grad)
            torch.nn.utils.clip_grad_norm_(plain.values(), config.clip_grad_norm)
            fraction = rate / config.learning_rate
            for name, adam in adams.items():
                if config.decoupled == "independent":
                    adam.param_groups[0]["weight_decay"] = 0.0
                    plain[name].mul_(1 - fraction * (decay if plain[name].ndim > 1 else 0.0))
                adam.param_groups[0]["lr"] = rate
                adam.step()
            for name, average in momentum.items():
                _muon_step(plain[name], average, config, fraction)
            optimizer.set_hyperparameters(ours.optimizer, config, rate)
            optimizer.clip_and_update(ours.optimizer, optimizer.gradient_norm(ours.optimizer))
        apart = {name: float((w - plain[name]).abs().max()) for name, w in gpt.named_parameters()}
        found[case] = (
            max(apart[name] for name in momentum), max(value for name, value in apart.items() if name not in momentum)
        )  # fmt: skip
    distributed.stop()
    return found


def _is_matrix(name: str) -> bool:
    return (
        name.startswith("decoder.layers.")
        and name.endswith(".weight")
        and "linear" in name
        and "norm" not in name
    )


def _muon_step(weight, average, config: MuonConfig, fraction: float) -> None:
    """One step of Muon on a matrix: momentum, iterations on each matrix inside, factor, decoupled decay."""
    peak = config.muon_learning_rate or config.learning_rate
    average.lerp_(weight.grad, 1 - config.momentum)
    update = weight.grad.lerp(average, config.momentum) if config.nesterov else average.clone()
    loss = fraction * config.weight_decay * (1.0 if config.decoupled == "independent" else peak)
    weight.mul_(1 - loss)
    if len(weight) == (4 + 2 * 2) * 8:  # q, k and v of each of two groups, 8 rows a head
        parts = update.view(2, 4, 8, -1)
        for heads in (slice(0, 2), slice(2, 3), slice(3, 4)):
            part = parts[:, heads]
            parts[:, heads] = _orthogonalize(part.reshape(-1, update.shape[1]), config).view(part.shape)
    else:
        update = _orthogonalize(update, config)
    weight.sub_(update, alpha=fraction * peak)


def _orthogonalize(matrix, config: MuonConfig):
    rows, columns = matrix.shape
    x = (matrix.T if rows > columns else matrix) / matrix.norm()
    for _ in range(config.newton_schulz_steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    scale = max(rows, columns) ** 0.5 if config.scale == "spectral" else max(1.0, rows / columns) ** 0.5
    return (x.T if rows > columns else x) * scale * config.scale_factor


# --- errors and the plan ---------------------------------------------------------------------------------


def rule_and_path(config: str, *overrides: str) -> set[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        preflight([config], list(overrides), 1)
    return {(problem.rule, problem.path) for problem in caught.value.problems}


@pytest.mark.any_core
def test_what_muon_lacks_is_named_before_the_start(tmp_path, monkeypatch):
    config = write_config(tmp_path)
    missing = {("muon-installed", "optimizer.type")}
    with monkeypatch.context() as patch:
        patch.setattr(megatron_version, "_installed", lambda: "0.16.1")
        assert rule_and_path(config) == missing
    monkeypatch.setattr(muon_rules, "missing_for", lambda version: None)
    with monkeypatch.context() as patch:
        patch.setattr(muon_rules.importlib.util, "find_spec", lambda name: None)
        assert missing <= rule_and_path(config)
    monkeypatch.setattr(muon_rules.importlib.util, "find_spec", lambda name: object())
    with monkeypatch.context() as patch:
        patch.setattr(muon_rules.metadata, "version", lambda name: "999.9.9")
        assert rule_and_path(config) == missing
    monkeypatch.setattr(muon_rules.metadata, "version", lambda name: "0.3.0")
    assert fields_of(MuonConfig)["type"].is_required()  # or editors take every configuration for both types
    part = ["training.steps=none", "optimizer.muon_learning_rate=none"]
    for field in ("trains: {layers: odd}", "lora: {rank: 2, alpha: 4}"):
        stages = f"stages=[{{name: a, steps: 2}}, {{name: b, steps: 2, {field}}}]"
        path = f"stages.1.{field.split(':')[0]}"
        assert rule_and_path(config, *part, stages) == {("muon-trains-everything", path)}
    rate = "stages=[{name: a, steps: 2, learning_rate: 1e-4}]"
    own = {("muon-rate-of-stages", "stages.0.learning_rate")}
    assert rule_and_path(config, "training.steps=none", rate) == own
    assert ("unknown-key", "optimizer.momentum") in rule_and_path(
        config, "optimizer.type=adamw", "optimizer.momentum=0.9"
    )


@has_muon
@pytest.mark.ranks
def test_a_run_keeps_its_optimizer(finished):
    config, run = finished
    with pytest.raises(CheckpointError) as caught:
        preflight([config], ["optimizer={learning_rate: 1e-3}", "training.steps=30", f"run.folder={run}"], 1)
    assert (caught.value.rule, caught.value.problems[0].path) == ("optimizer-changed", "optimizer.type")


@has_muon
def test_the_plan_counts_one_momentum_for_a_matrix_on_every_rank(tmp_path):
    config = write_config(tmp_path)
    plans = {
        (dtype, count): preflight(
            [config], [f"precision.dtype={dtype}", "training.global_batch_size=4"], count
        ).plan
        for dtype in ("fp32", "bf16")
        for count in (1, 2)
    }
    matrices = 2 * (64 * 128 + 64 * 64 + 3 * 64 * 128)
    for (dtype, _), plan in plans.items():
        assert isinstance(plan, Plan)
        master = 4 if dtype == "bf16" else 0
        expected = plan.memory.parameters * (master + 8) - 4 * matrices
        assert plan.memory.optimizer_bytes == expected
