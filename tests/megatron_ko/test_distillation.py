"""Distilled runs: every layout like one rank, one rank like plain torch; checkpoints of the student alone; refusals before the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from checkpoint_tools.__main__ import main as checkpoint_tool
from megatron_ko import initial_weights, teacher_weights
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.planning.flops import flops_per_token
from megatron_ko.planning.position import Position
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.checkpoint_tensors import read_tensors
from tests.megatron_ko.test_initial_weights import _convert_warm as convert_warm
from tests.run_records import LOSS, NORM, records
from tests.tiny_data import write_tiny_data
from tests.tiny_run import tiny_config, write_tiny_run

pytestmark = pytest.mark.ranks
STEPS = 10
SHORT = {
    "training": {"steps": STEPS, "global_batch_size": 4, "micro_batch_size": 1, "sequence_length": 32},
    "evaluation": {"max_sequences": 4},
    "checkpoint": {"every_steps": 6},
    "schedule": {"type": "constant"},
    "optimizer": {"learning_rate": 5e-4},
}
TEACHER = {"layers": 2, "hidden_size": 96, "ffn_hidden_size": 160, "heads": 6, "vocab_multiple": 128}
"""Half as deep as the student and wider, with another padding of the vocabulary."""
LAYOUTS: dict[str, tuple[int, list[str]]] = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 x PP2": (4, ["parallel.tensor=2", "parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
    "CP2 x PP2": (4, ["parallel.context=2", "parallel.pipeline=2"]),
}
LOSSES: dict[str, dict[str, Any]] = {
    "forward": {"loss": {"type": "forward_kl"}, "temperature": 2.0},
    "reverse": {"loss": {"type": "reverse_kl"}, "language_model_weight": 0.5},
    "jsd": {"loss": {"type": "jsd", "beta": 0.25}},
    "top-k": {"loss": {"type": "top_k", "k": 24}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``data/``, ``train.yaml`` and ``teacher/``, a run whose newest checkpoint is opinionated."""
    folder = tmp_path_factory.mktemp("distillation")
    write_tiny_run(folder)
    config = tiny_config(folder) | {key: dict(value) for key, value in SHORT.items()}
    config["model"] |= TEACHER
    config["run"]["folder"] = str(folder / "teacher")
    config["training"]["steps"] = 30
    config["checkpoint"] = {"every_steps": 30}
    config["optimizer"]["learning_rate"] = 1e-2
    ranks.train(write(folder / "teacher.yaml", config), [])
    return folder


def write(path: Path, config: dict) -> str:
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path)


def write_run(folder: Path, run: Path, distillation: dict | None, **sections: Any) -> str:
    """A configuration of a student of the teacher in ``folder``, which writes to ``run``."""
    config = tiny_config(folder) | {key: dict(value) for key, value in SHORT.items()} | sections
    config["run"]["folder"] = str(run)
    if distillation is not None:
        config["distillation"] = {"teacher": str(folder / "teacher"), "chunk_length": 24, **distillation}
    return write(run.parent / f"{run.name}.yaml", config)


def curve(run: Path) -> list[tuple[float, float, float]]:
    """Cross-entropy, divergence and gradient norm of each step."""
    return [(r["loss"], r["distillation"], r["gradient_norm"]) for r in records(run, "train")]


def assert_same_curves(actual: Path, expected: Path) -> None:
    assert len(curve(actual)) == len(curve(expected)) == STEPS
    for step, (own, other) in enumerate(zip(curve(actual), curve(expected)), 1):
        assert own[:2] == pytest.approx(other[:2], abs=LOSS), f"losses of step {step}"
        assert own[2] == pytest.approx(other[2], rel=NORM), f"gradient norm of step {step}"


def runs_on_one_rank(
    folder: Path, losses: dict[str, Any], tmp_path_factory
) -> Callable[[str], tuple[str, Path]]:
    """The run on one rank, once per loss: (configuration, run folder)."""
    runs: dict[str, tuple[str, Path]] = {}

    def run(name: str) -> tuple[str, Path]:
        if name not in runs:
            target = tmp_path_factory.mktemp("one") / "run"
            config = write_run(folder, target, losses[name])
            ranks.train(config, [])
            runs[name] = config, target
        return runs[name]

    return run


@pytest.fixture(scope="module")
def one_rank(folder, tmp_path_factory):
    return runs_on_one_rank(folder, LOSSES, tmp_path_factory)


CASES = [
    pytest.param(loss, layout, marks=[] if (loss, layout) in (("forward", "TP2 x PP2"), ("top-k", "CP2")) else pytest.mark.slow)
    for loss in LOSSES
    for layout in LAYOUTS
]  # fmt: skip


@pytest.mark.parametrize(("loss", "layout"), CASES)
def test_a_distilled_run_trains_like_one_rank(one_rank, tmp_path, loss, layout):
    config, expected = one_rank(loss)
    count, overrides = LAYOUTS[layout]
    ranks.train(config, [*overrides, f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curves(tmp_path / "run", expected)
    assert records(tmp_path / "run", "valid")[-1]["loss"] == pytest.approx(
        records(expected, "valid")[-1]["loss"], abs=10 * LOSS
    )


# --- checkpoints -----------------------------------------------------------------------------------------


def test_a_resumed_run_continues_bit_for_bit_and_contains_the_student_alone(folder, one_rank, tmp_path):
    config, whole = one_rank("top-k")
    run = tmp_path / "run"
    ranks.train(config, ["training.steps=6", f"run.folder={run}"])
    ranks.train(config, [f"run.folder={run}"])
    assert curve(run) == curve(whole)
    first, second = (Checkpoint.read(path / "checkpoints" / f"step_{STEPS:08d}") for path in (run, whole))
    states = [read_tensors(made.folder) for made in (first, second)]
    assert sorted(states[0]) == sorted(states[1])
    different = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
    assert different == []
    [of_teacher] = (folder / "teacher" / "checkpoints").iterdir()
    teacher = Checkpoint.read(of_teacher)
    assert first.teacher is not None
    assert (first.teacher.folder, first.teacher.hash) == (str(folder / "teacher"), teacher.short_hash)
    assert first.vocab_size == teacher.vocab_size and first.padded_vocab_size != teacher.padded_vocab_size
    weights = sum(v.numel() for n, v in states[0].items() if not n.startswith(("optimizer", "random")))
    assert weights == parameter_count(first.model, first.padded_vocab_size)


def other_teacher(folder: Path, target: Path, **model: Any) -> str:
    """A run folder with random weights of another shape, or with other values."""
    config = tiny_config(folder) | {key: dict(value) for key, value in SHORT.items()}
    config["run"] |= {"folder": str(target), "seed": 5}
    config["model"] |= model
    config["training"]["steps"] = 1
    ranks.train(write(target.parent / f"{target.name}.yaml", config), [])
    return str(target)


def test_a_resume_with_another_teacher_is_refused_unless_allowed(folder, one_rank, tmp_path):
    config, whole = one_rank("forward")
    changed = f"distillation.teacher={other_teacher(folder, tmp_path / 'other')}"
    longer = [f"run.folder={whole}", f"training.steps={STEPS + 1}"]
    for overrides in ([changed], ["distillation=none"]):
        with pytest.raises(CheckpointError) as error:
            preflight([config], [*longer, *overrides], 1)
        assert error.value.rule == "teacher-changed"
        preflight([config], [*longer, *overrides, "checkpoint.allow_teacher_change=true"], 1)
    preflight([config], longer, 1)


# --- stages ----------------------------------------------------------------------------------------------


def test_a_stage_switches_distillation_off_or_changes_it(folder, tmp_path):
    stages = [
        {"name": "plain", "steps": 2, "distillation": None},
        {"name": "mixed", "steps": 3, "distillation": {"language_model_weight": 0.5, "loss": "reverse_kl"}},
        {"name": "kl", "steps": 2, "trains": {"layers": "all"}},
    ]
    training = {**SHORT["training"], "steps": None}
    config = write_run(folder, tmp_path / "run", {}, stages=stages, training=training)
    checked = preflight([config], [], 1)
    settings = [stage.config.distillation for stage, _ in checked.plan.stages]
    assert settings[0] is None and settings[1] and settings[2]
    assert (settings[1].loss.type, settings[1].language_model_weight) == ("reverse_kl", 0.5)
    assert (settings[2].loss.type, settings[2].language_model_weight) == ("forward_kl", 0.0)
    ranks.train(config, [])
    terms = [record.get("distillation") for record in records(tmp_path / "run", "train")]
    assert [term is not None for term in terms] == [False] * 2 + [True] * 5
    marks = [json.loads((tmp_path / "run" / "checkpoints" / f"step_{n:08d}" / "checkpoint.json").read_text()) for n in (2, 5)]  # fmt: skip
    assert marks[0]["teacher"] is None and marks[1]["teacher"]["folder"] == str(folder / "teacher")
    ranks.train(config, [f"run.folder={tmp_path / 'two'}", "parallel.pipeline=2"], 2)
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("run", "two")]
    assert losses[1] == pytest.approx(losses[0], abs=LOSS)


# --- plain torch -----------------------------------------------------------------------------------------


def test_the_first_step_equals_plain_torch(folder, tmp_path):
    """KL of the Hugging Face exports of both models, of the same batch, by torch's kl_div."""
    config = write_run(folder, tmp_path / "run", {"temperature": 2.0})
    student = tmp_path / "start"
    ranks.train(config, ["training.steps=1", "optimizer.learning_rate=1e-30", "optimizer.weight_decay=0", f"run.folder={student}"])  # fmt: skip
    [expected] = ranks.on_ranks(1, divergence_of_plain_torch, config, student, folder / "teacher")
    assert curve(student)[0][:2] == pytest.approx(expected, abs=LOSS)


def divergence_of_plain_torch(
    rank: int, init_method: str, config: str, student: Path, teacher: Path
) -> tuple[float, float]:
    from megatron_ko.formats.run_folder import newest_checkpoint
    from megatron_ko.training import checkpoint, data, distributed, model

    checked = preflight([config], [], 1)
    own = checked.config
    world = distributed.start(own.run, own.parallel, rank, 1, init_method)
    logits = []
    order, end = data.order_of_stage(
        checked.plan.stages_from(0)[0][0], Position(), checked.manifest, {}, cache=student / "index"
    )
    batches = list(data.batches_between(0, 4, order, own, world, checked.manifest.eod_id))
    for folder in (student, teacher):
        source = newest_checkpoint(folder)
        gpt = model.build_gpt(source.model, own.parallel, own.precision, vocab_size=1001, device=world.device)
        checkpoint.load_weights(source, gpt)
        with torch.no_grad():
            outputs = [gpt(b["tokens"], b["position_ids"], None) for b in batches]
        logits.append(torch.cat(outputs)[..., :1001])
    distributed.stop()
    labels = torch.cat([b["labels"] for b in batches])
    loss = torch.nn.functional.cross_entropy(logits[0].flatten(0, 1), labels.flatten())
    scaled = [(part / 2.0).log_softmax(-1).flatten(0, 1) for part in logits]
    divergence = torch.nn.functional.kl_div(scaled[0], scaled[1], log_target=True, reduction="batchmean")
    return float(loss), float(divergence)


# --- the plan, and refusals before the start -------------------------------------------------------------


def test_the_plan_counts_the_teacher(folder, tmp_path):
    config = write_run(folder, tmp_path / "run", {})
    plain = preflight([write_run(folder, tmp_path / "plain", None)], [], 1).plan
    plan = preflight([config], [], 1).plan
    teacher = Checkpoint.read(next((folder / "teacher" / "checkpoints").iterdir())).model
    padded = padded_vocab_size(1001, 8)
    assert plan.teacher_parameters == parameter_count(teacher, 1001)
    extra = flops_per_token(teacher, padded, 32) / 3
    assert plan.flops_per_token == pytest.approx(plain.flops_per_token + extra)
    # every parameter in 4 bytes, with the vocabulary padded like the student's
    weights = 4 * (parameter_count(teacher, padded))
    assert plan.memory.teacher_bytes == weights
    logits = 32 * padded * 4
    added = plan.memory.activations_bytes - plain.memory.activations_bytes
    assert logits <= added <= logits + 10 * 24 * padded * 4, "the teacher's logits, and a chunk of both"
    assert plan.memory.total_bytes == plain.memory.total_bytes + added + weights
    assert any(line.startswith("teacher ") for line in plan.text().splitlines())
    assert not any(line.startswith("teacher ") for line in plain.text().splitlines())
    two = preflight([config], ["parallel.tensor=2"], 2).plan
    assert two.memory.teacher_bytes < 0.6 * plan.memory.teacher_bytes


def refused(config: str, overrides: list[str], count: int = 1) -> set[tuple[str, str]]:
    """Path and rule of each problem."""
    with pytest.raises(ConfigError) as error:
        preflight([config], overrides, count)
    return {(problem.path, problem.rule) for problem in error.value.problems}


def test_what_does_not_fit_is_refused_before_the_start(folder, tmp_path):
    config = write_run(folder, tmp_path / "run", {})
    teacher = "distillation.teacher"
    assert refused(config, [f"{teacher}=none"]) == {(teacher, "teacher-or-cache")}
    assert refused(config, ["distillation.cache=x"]) == {("distillation.cache", "cache-of-top-k")}
    assert refused(config, [f"run.folder={folder / 'teacher'}"]) == {(teacher, "teacher-is-another-folder")}
    virtual = ["parallel.pipeline=2", "parallel.virtual_pipeline=2"]
    assert ("parallel.virtual_pipeline", "no-teacher-in-a-virtual-pipeline") in refused(config, virtual, 2)
    top_k = ["distillation.loss.type=top_k", "distillation.loss.k=1002"]
    assert refused(config, top_k) == {("distillation.loss.k", "k-above-vocabulary")}
    # of six heads and two layers four ranks can take neither; all at once
    split = ["parallel.tensor=4", "parallel.pipeline=4", "model.kv_groups=4"]
    with pytest.raises(ConfigError) as error:
        preflight([config], split, 16)
    assert [(p.path, p.rule) for p in error.value.problems] == [(teacher, "teacher-split")] * 3
    with pytest.raises(CheckpointError) as missing:
        preflight([config], [f"{teacher}={tmp_path / 'nothing'}"], 1)
    assert missing.value.rule == "missing-checkpoint"
    rows = [f"model.vocab_size={1001 + 7}"]
    assert refused(config, rows) == {(teacher, "teacher-vocabulary")}


def test_a_teacher_is_compared_with_the_stages_that_it_teaches(folder, tmp_path):
    """Its shape, also if only a later stage has it beside the student; its length, not with that of a stage without it."""
    training = {**SHORT["training"], "steps": None}
    cached = {"cache": str(tmp_path / "cache"), "loss": {"type": "top_k", "k": 4}}
    stages = [{"name": "cached", "steps": 1, "distillation": cached}, {"name": "beside", "steps": 1}]
    config = write_run(folder, tmp_path / "run", {}, stages=stages, training=training)
    split = ["parallel.tensor=4", "model.kv_groups=4"]
    with pytest.raises(ConfigError) as error:
        preflight([config], split, 4)
    assert {problem.rule for problem in error.value.problems} == {"teacher-split"}
    long = {"name": "long", "steps": 1, "sequence_length": 160, "distillation": None}
    stages = [long, {"name": "taught", "steps": 1}]
    config = write_run(folder, tmp_path / "run", {}, stages=stages, training=training)
    preflight([config], ["model.max_sequence_length=160"], 1)
    stages[1]["sequence_length"] = 160
    config = write_run(folder, tmp_path / "run", {}, stages=stages, training=training)
    longer = refused(config, ["model.max_sequence_length=160"])
    assert longer == {("distillation.teacher", "teacher-too-short")}


def test_another_tokenizer_is_refused_and_the_difference_named(folder, tmp_path):
    write_tiny_data(tmp_path / "data", vocab_size=990)
    config = write_run(
        folder,
        tmp_path / "run",
        {},
        data={"manifest": str(tmp_path / "data" / "manifest.json"), "workers": 0},
    )
    with pytest.raises(ConfigError) as error:
        preflight([config], ["model.vocab_size=1001"], 1)
    [problem] = error.value.problems
    assert (problem.path, problem.rule) == ("distillation.teacher", "teacher-tokenizer")
    assert "1,001" in problem.message and "990" in problem.message


# --- other teachers and students -------------------------------------------------------------------------


def test_a_teacher_of_hugging_face_is_converted_once_and_teaches_the_same(
    folder, one_rank, tmp_path, monkeypatch
):
    config, expected = one_rank("forward")
    monkeypatch.setattr(initial_weights, "_convert_in_process", convert_warm)
    [source] = (folder / "teacher" / "checkpoints").iterdir()
    exported, run = tmp_path / "hf", tmp_path / "run"
    assert checkpoint_tool(["to-hf", str(source), str(exported), "--dtype", "fp32"]) == 0
    overrides = [f"distillation.teacher={exported}", "training.steps=2", f"run.folder={run}"]

    def start(*more: str) -> Preflight:
        checked = preflight([config], [*overrides, *more], 1)
        with checked.lock_run_folder():
            checked = teacher_weights.convert(checked)
            ranks.on_ranks(1, ranks._train, checked)
        return checked

    first = start()
    for own, other in zip(curve(run), curve(expected)):
        assert own == pytest.approx(other, abs=LOSS)
    [converted] = (run / "teachers").iterdir()
    written = (converted / "checkpoint.json").stat().st_mtime_ns
    assert first.teacher_checkpoint(str(exported)).folder == converted
    start("training.steps=3")
    elsewhere = teacher_weights.convert(
        preflight([config], [*overrides, f"run.folder={tmp_path / 'other'}"], 1)
    )
    assert elsewhere.teacher_checkpoint(str(exported)).short_hash == Checkpoint.read(converted).short_hash
    assert (converted / "checkpoint.json").stat().st_mtime_ns == written
    weights = exported / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"] += 1
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(CheckpointError) as error:
        start("training.steps=4")
    assert error.value.rule == "teacher-changed"


STUDENTS = {
    "attention within documents": [
        "data.packing.attention=within_documents",
        "data.packing.label_at_eod=masked",
        "loss.z_loss=0.001",
    ],
    "bf16": ["precision.dtype=bf16"],
    "tied, of the teacher's depth": ["model.tied_embeddings=true", "model.layers=2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["TP2 x PP2", "CP2"])
@pytest.mark.parametrize("student", STUDENTS)
def test_other_students_train_like_one_rank(folder, tmp_path, student, layout):
    config = write_run(folder, tmp_path / "one", {"temperature": 1.5})
    ranks.train(config, STUDENTS[student])
    count, overrides = LAYOUTS[layout]
    ranks.train(config, [*STUDENTS[student], *overrides, f"run.folder={tmp_path / 'run'}"], count)
    if student != "bf16":
        assert_same_curves(tmp_path / "run", tmp_path / "one")
        return
    for own, other in zip(curve(tmp_path / "run"), curve(tmp_path / "one")):
        assert own[:2] == pytest.approx(other[:2], abs=2e-2)


@pytest.mark.slow
def test_adapters_learn_from_a_teacher(folder, one_rank, tmp_path):
    _, whole = one_rank("forward")
    lora = {"rank": 4, "alpha": 8}
    config = write_run(
        folder, tmp_path / "run", {}, lora=lora, checkpoint={"every_steps": 6, "initial_weights": str(whole)}
    )
    ranks.train(config, ["training.steps=4", "optimizer.learning_rate=1e-2"])
    divergences = [divergence for _, divergence, _ in curve(tmp_path / "run")]
    assert divergences[-1] < divergences[0]
