"""Losses on hidden states: values and gradients like transformers', every layout like one rank, projections saved and resumed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoint_tools.__main__ import main as checkpoint_tool
from megatron_ko import initial_weights, teacher_weights
from megatron_ko.config.training import ParallelConfig
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.hidden_states import distance_bytes, hidden_state_bytes
from megatron_ko.planning.position import Position
from megatron_ko.preflight import preflight
from tests import ranks
from tests.checkpoint_tensors import read_tensors
from tests.megatron_ko.test_distillation import (  # noqa: F401
    LAYOUTS,
    SHORT,
    STEPS,
    folder,
    other_teacher,
    refused,
    runs_on_one_rank,
    write_run,
)
from tests.megatron_ko.test_initial_weights import _convert_warm as convert_warm
from tests.run_records import LOSS, NORM, records

pytestmark = pytest.mark.ranks
PAIRS = [{"student": s, "teacher": t} for s, t in ((0, 0), (1, 1), (3, 0), (3, 1))]
"""Of four and two layers: in two pipeline stages both early, the teacher's later, the student's later, both late."""
COSINE = {"hidden_states": {"layers": PAIRS, "weight": 2.0}, "loss": "reverse_kl"}
MSE = {
    "hidden_states": {"layers": PAIRS[1:], "loss": "mse", "weight": 0.5},
    "language_model_weight": 0.25,
}
LOSSES = {"cosine": COSINE, "mse": MSE}
MORE_LAYOUTS = {
    **LAYOUTS,
    "TP2 x PP2 with sequence parallel": (4, ["parallel.tensor=2", "parallel.pipeline=2", "parallel.sequence=true"]),
    "TP2 x PP2 with sequence parallel, whole teacher": (
        4, ["parallel.tensor=2", "parallel.pipeline=2", "parallel.sequence=true", "distillation.teacher_tensor=1"]
    ),
    "DP2, overlapped": (2, ["speed.overlap_grad_reduce=true", "speed.overlap_param_gather=true", "speed.bucket_size=20000"]),
}  # fmt: skip
QUICK = {
    ("cosine", "TP2 x PP2 with sequence parallel"),
    ("cosine", "TP2 x PP2 with sequence parallel, whole teacher"),
}


def curve(run: Path) -> list[tuple[float, ...]]:
    """Cross-entropy, divergence, distance and gradient norm of each step."""
    names = ("loss", "distillation", "hidden_states", "gradient_norm")
    return [tuple(record[name] for name in names) for record in records(run, "train")]


def assert_same_curves(actual: Path, expected: Path) -> None:
    assert len(curve(actual)) == len(curve(expected)) > 0
    for step, (own, other) in enumerate(zip(curve(actual), curve(expected)), 1):
        assert own[:3] == pytest.approx(other[:3], abs=LOSS, rel=LOSS), f"losses of step {step}"
        assert own[3] == pytest.approx(other[3], rel=NORM), f"gradient norm of step {step}"


def projections_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    tensors = read_tensors(checkpoint)
    return {name: value for name, value in tensors.items() if name.startswith("hidden_projections.")}


@pytest.fixture(scope="module")
def one_rank(folder, tmp_path_factory):  # noqa: F811
    return runs_on_one_rank(folder, LOSSES, tmp_path_factory)


@pytest.mark.parametrize(
    ("loss", "layout"),
    [
        pytest.param(loss, layout, marks=[] if (loss, layout) in QUICK else pytest.mark.slow)
        for loss in LOSSES
        for layout in MORE_LAYOUTS
    ],
)
def test_hidden_states_train_like_one_rank(one_rank, tmp_path, loss, layout):
    config, expected = one_rank(loss)
    count, overrides = MORE_LAYOUTS[layout]
    ranks.train(config, [*overrides, f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curves(tmp_path / "run", expected)
    own, other = (projections_in(checkpoint_folder(path, STEPS)) for path in (tmp_path / "run", expected))
    assert sorted(own) == sorted(other) and len(own) == len(LOSSES[loss]["hidden_states"]["layers"])
    for name, value in own.items():
        assert value == pytest.approx(other[name], abs=1e-4), name


# --- transformers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "attention"), [("cosine", "across_documents"), ("mse", "within_documents")])
def test_the_first_step_equals_transformers(folder, tmp_path, loss, attention):  # noqa: F811
    """Values and the gradient norm of exported models, by autograd over the outputs of their layers, document by document where
    attention stays within them; labels at EOD are masked."""
    data = {
        "manifest": str(folder / "data" / "manifest.json"),
        "workers": 0,
        "packing": {"label_at_eod": "masked", "attention": attention},
    }
    run = tmp_path / "run"
    config = write_run(folder, run, LOSSES[loss], data=data)
    still = ["training.steps=1", "optimizer.learning_rate=1e-30", "optimizer.weight_decay=0"]
    ranks.train(config, still)
    projections = projections_in(checkpoint_folder(run, 1))
    models = []
    for name, source in (
        ("student", checkpoint_folder(run, 1)),
        ("teacher", checkpoint_folder(folder / "teacher", 30)),
    ):
        assert checkpoint_tool(["to-hf", str(source), str(tmp_path / name), "--dtype", "fp32"]) == 0
        models.append(tmp_path / name)
    [batches] = ranks.on_ranks(1, batches_of, config, run)
    assert any((batch["loss_mask"] == 0).any() for batch in batches)
    eod = preflight([config], [], 1).manifest.eod_id if attention == "within_documents" else None
    expected = by_transformers(models, projections, batches, LOSSES[loss], eod)
    assert curve(run)[0] == pytest.approx(expected, rel=2e-5)


@pytest.mark.slow
def test_a_teacher_of_another_family_equals_transformers_in_every_layout(folder, tmp_path, monkeypatch):  # noqa: F811
    """Gemma 2: norms around each part, soft caps of attention and logits, tied and scaled embeddings."""
    from transformers import AutoModelForCausalLM, Gemma2Config

    config = Gemma2Config(
        hidden_size=96, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        vocab_size=1001, max_position_embeddings=128, query_pre_attn_scalar=24, sliding_window=128,
        attn_logit_softcapping=2.0, final_logit_softcapping=4.0,
    )  # fmt: skip
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.1)
    teacher, run = tmp_path / "gemma2", tmp_path / "run"
    model.save_pretrained(teacher)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(folder / "data" / "tokenizer" / file, teacher / file)
    monkeypatch.setattr(initial_weights, "_convert_in_process", convert_warm)
    config_file = write_run(folder, run, COSINE | {"teacher": str(teacher)})
    still = ["training.steps=1", "optimizer.learning_rate=1e-30", "optimizer.weight_decay=0"]
    for count, overrides, target in ((1, [], run), (*MORE_LAYOUTS["TP2 x PP2"], tmp_path / "four")):
        checked = preflight([config_file], [*still, *overrides, f"run.folder={target}"], count)
        with checked.lock_run_folder():
            checked = teacher_weights.convert(checked)
            ranks.on_ranks(count, ranks._train, checked)
    assert_same_curves(tmp_path / "four", run)
    student = tmp_path / "student"
    assert checkpoint_tool(["to-hf", str(checkpoint_folder(run, 1)), str(student), "--dtype", "fp32"]) == 0
    [batches] = ranks.on_ranks(1, batches_of, config_file, run)
    projections = projections_in(checkpoint_folder(run, 1))
    expected = by_transformers([student, teacher], projections, batches, COSINE, None)
    assert curve(run)[0] == pytest.approx(expected, rel=2e-5)


def batches_of(rank: int, init_method: str, config: str, run: Path) -> list[dict[str, Any]]:
    from megatron_ko.training import data, distributed

    checked = preflight([config], [], 1)
    own = checked.config
    world = distributed.start(own.run, own.parallel, rank, 1, init_method)
    order, _ = data.order_of_stage(
        checked.plan.stages_from(0)[0][0], Position(), checked.manifest, {}, cache=run / "index"
    )
    batches = list(data.batches_between(0, 4, order, own, world, checked.manifest.eod_id))
    distributed.stop()
    return [
        {name: value.numpy() for name, value in batch.items() if torch.is_tensor(value)} for batch in batches
    ]


def by_transformers(
    folders: list[Path],
    projections: dict[str, torch.Tensor],
    batches: list[dict[str, Any]],
    loss: dict[str, Any],
    eod: int | None,
) -> tuple[float, ...]:
    """Means of cross-entropy, divergence and distance, and the norm of the gradient of their sum."""
    from torch.nn import functional
    from transformers import AutoModelForCausalLM

    student, teacher = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in folders)
    matrices = {name: value.clone().requires_grad_(True) for name, value in projections.items()}
    parts: dict[tuple[Any, int], list[torch.Tensor]] = {}

    def capture(model: Any, number: int) -> Any:
        def keep(layer: Any, inputs: Any, output: Any) -> None:
            parts.setdefault((model, number), []).append(output[0] if isinstance(output, tuple) else output)

        return keep

    for model in (student, teacher):
        for number, layer in enumerate(model.model.layers):
            layer.register_forward_hook(capture(model, number))

    def logits_of(model: Any, inputs: torch.Tensor) -> torch.Tensor:
        tokens = inputs[0].tolist()
        ends = [0, *(n + 1 for n, token in enumerate(tokens[:-1]) if token == eod), len(tokens)]
        pieces = [inputs[:, first:end] for first, end in zip(ends, ends[1:])]
        return torch.cat([model(input_ids=piece).logits for piece in pieces], 1)

    sums, tokens = [torch.zeros(()) for _ in range(3)], 0.0
    for batch in batches:
        inputs, labels, mask = (torch.from_numpy(batch[n]) for n in ("tokens", "labels", "loss_mask"))
        parts.clear()
        with torch.no_grad():
            target = logits_of(teacher, inputs).log_softmax(-1)
        logits = logits_of(student, inputs)
        states = {place: torch.cat(pieces, 1) for place, pieces in parts.items()}
        own = logits.log_softmax(-1)
        divergence = (
            (own.exp() * (own - target)).sum(-1)
            if loss.get("loss") == "reverse_kl"
            else (target.exp() * (target - own)).sum(-1)
        )
        distances = []
        for pair in loss["hidden_states"]["layers"]:
            name = f"hidden_projections.{pair['student']}_to_{pair['teacher']}.weight"
            left = states[student, pair["student"]] @ matrices[name].T
            right = states[teacher, pair["teacher"]]
            if loss["hidden_states"].get("loss") == "mse":
                distances.append(((left - right) ** 2).mean(-1))
            else:
                lengths = left.norm(dim=-1) * right.norm(dim=-1)
                distances.append(1 - (left * right).sum(-1) / lengths)
        entropy = functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        for place, value in enumerate((entropy, divergence, torch.stack(distances).mean(0))):
            sums[place] = sums[place] + (value * mask).sum()
        tokens += float(mask.sum())
    means = [value / tokens for value in sums]
    total = means[1] + loss.get("language_model_weight", 0.0) * means[0]
    total = total + loss["hidden_states"]["weight"] * means[2]
    total.backward()
    parameters = [*student.parameters(), *matrices.values()]
    norm = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
    return (*(value.item() for value in means), norm.item())


# --- checkpoints -----------------------------------------------------------------------------------------


def test_a_resumed_run_continues_bit_for_bit_with_its_projections(one_rank, tmp_path):
    config, whole = one_rank("cosine")
    run = tmp_path / "run"
    ranks.train(config, ["training.steps=6", f"run.folder={run}"])
    ranks.train(config, [f"run.folder={run}"])
    assert curve(run) == curve(whole)
    states = [read_tensors(checkpoint_folder(path, STEPS)) for path in (run, whole)]
    assert sorted(states[0]) == sorted(states[1])
    assert [name for name, value in states[0].items() if not torch.equal(value, states[1][name])] == []
    moved = projections_in(checkpoint_folder(run, 6))
    assert all(not torch.equal(value, states[0][name]) for name, value in moved.items())
    saved = Checkpoint.read(checkpoint_folder(run, STEPS))
    assert saved.projections == {f"{p['student']}_to_{p['teacher']}": (96, 64) for p in PAIRS}


@pytest.mark.slow
def test_another_layout_continues_the_projections(one_rank, tmp_path):
    config, whole = one_rank("cosine")
    run = tmp_path / "run"
    ranks.train(config, ["training.steps=6", f"run.folder={run}"])
    count, overrides = MORE_LAYOUTS["TP2 x PP2 with sequence parallel"]
    ranks.train(config, [f"run.folder={run}", *overrides], count)
    assert_same_curves(run, whole)


def test_other_projections_are_refused_at_a_resume(folder, one_rank, tmp_path):  # noqa: F811
    config, whole = one_rank("cosine")
    longer = [f"run.folder={whole}", f"training.steps={STEPS + 1}"]
    preflight(
        [config],
        [*longer, "distillation.hidden_states.weight=3", "distillation.hidden_states.loss=mse"],
        1,
    )
    other = other_teacher(folder, tmp_path / "other")  # of the student's width: without projections
    for overrides in (
        ["distillation.hidden_states=none"],
        ["distillation.hidden_states.layers.0.teacher=1"],
        [f"distillation.teacher={other}", "checkpoint.allow_teacher_change=true"],
    ):
        with pytest.raises(CheckpointError) as error:
            preflight([config], [*longer, *overrides], 1)
        assert error.value.rule == "projections-changed", overrides


def test_exports_and_new_runs_leave_the_projections_out(folder, one_rank, tmp_path):  # noqa: F811
    _, whole = one_rank("cosine")
    assert checkpoint_tool(["to-hf", str(whole), str(tmp_path / "hf"), "--dtype", "fp32"]) == 0
    config = write_run(
        folder, tmp_path / "run", None, checkpoint={"every_steps": 6, "initial_weights": str(whole)}
    )
    ranks.train(config, ["training.steps=1"])
    assert projections_in(checkpoint_folder(tmp_path / "run", 1)) == {}
    assert records(tmp_path / "run", "valid")[0]["loss"] == pytest.approx(
        records(whole, "valid")[-1]["loss"], abs=LOSS
    )


# --- stages ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stages_keep_drop_and_renew_projections(folder, tmp_path):  # noqa: F811
    hidden = {"layers": PAIRS[:2]}
    stages = [
        {"name": "both", "steps": 2, "distillation": {"hidden_states": hidden}},
        {"name": "same", "steps": 2, "distillation": {"hidden_states": {**hidden, "weight": 3.0}}, "trains": {"layers": "all"}},
        {"name": "logits", "steps": 1},
        {"name": "anew", "steps": 2, "distillation": {"hidden_states": {**hidden, "loss": "mse"}}},
    ]  # fmt: skip
    training = {**SHORT["training"], "steps": None}
    stages = json.loads(json.dumps(stages))  # without references, which YAML would write as anchors
    config = write_run(folder, tmp_path / "run", {}, stages=stages, training=training)
    run = tmp_path / "run"
    ranks.train(config, [])
    assert ["hidden_states" in record for record in records(run, "train")] == [True] * 4 + [False] + [
        True
    ] * 2
    marks = {
        step: json.loads((checkpoint_folder(run, step) / "checkpoint.json").read_text())
        for step in (2, 4, 5, 7)
    }
    assert [bool(mark["projections"]) for mark in marks.values()] == [True, True, False, True]
    first, second, third, last = (projections_in(checkpoint_folder(run, step)) for step in marks)
    assert sorted(first) == sorted(second) == sorted(last) and third == {}
    for name, value in first.items():
        assert 0 < (second[name] - value).abs().max() < 0.01, "goes on"
        assert (last[name] - value).abs().max() > 0.1, "drawn anew"
    # stopped within the second stage, in which only layers and projections train
    short = write_run(
        folder, tmp_path / "again", {}, stages=[stages[0], {**stages[1], "steps": 1}], training=training
    )
    ranks.train(short, [])
    ranks.train(config, [f"run.folder={tmp_path / 'again'}"])
    assert of_stages(tmp_path / "again") == of_stages(run)
    ends = [read_tensors(checkpoint_folder(path, 7)) for path in (run, tmp_path / "again")]
    assert [name for name, value in ends[0].items() if not torch.equal(value, ends[1][name])] == []
    ranks.train(config, [f"run.folder={tmp_path / 'two'}", "parallel.pipeline=2"], 2)
    for own, other in zip(of_stages(tmp_path / "two"), of_stages(run), strict=True):
        assert own == pytest.approx(other, abs=LOSS)


def of_stages(run: Path) -> list[tuple[float, float]]:
    """Cross-entropy and distance of each step; -1 in a stage without hidden states."""
    return [(record["loss"], record.get("hidden_states", -1.0)) for record in records(run, "train")]


def test_equal_widths_need_no_projection(folder, tmp_path):  # noqa: F811
    teacher = other_teacher(folder, tmp_path / "other")
    hidden = {"layers": [{"student": 1, "teacher": 2}], "loss": "mse"}
    config = write_run(folder, tmp_path / "run", {"teacher": teacher, "hidden_states": hidden})
    ranks.train(config, ["training.steps=3"])
    assert projections_in(checkpoint_folder(tmp_path / "run", 3)) == {}
    assert all(record["hidden_states"] > 0 for record in records(tmp_path / "run", "train"))
    assert preflight([config], [], 1).plan.projection_parameters == 0


# --- the plan, and refusals before the start -------------------------------------------------------------


def test_the_plan_counts_projections(folder, tmp_path):  # noqa: F811
    logits = preflight([write_run(folder, tmp_path / "plain", {})], [], 1).plan
    config = write_run(folder, tmp_path / "run", COSINE | {"loss": "forward_kl"})
    plan = preflight([config], [], 1).plan
    count = len(PAIRS) * 96 * 64
    assert plan.projection_parameters == count == plan.trainable - logits.trainable
    assert plan.flops_per_token == pytest.approx(logits.flops_per_token + 6 * count)
    for name, per_parameter in (("weights_bytes", 4), ("gradients_bytes", 4), ("optimizer_bytes", 8)):
        assert getattr(plan.memory, name) - getattr(logits.memory, name) == per_parameter * count, name
    assert any(f"{count:,} more parameters train" in line for line in plan.text().splitlines())
    two = preflight([config], ["parallel.pipeline=2"], 2).plan
    plain = preflight([config], ["parallel.pipeline=2", "distillation.hidden_states=none"], 2).plan
    more = [
        own.weights_bytes - other.weights_bytes
        for own, other in zip(two.stage_memories, plain.stage_memories)
    ]
    assert more == [0, 4 * count]


def test_messages_between_stages_by_hand(folder, tmp_path):  # noqa: F811
    """Two stages: after the first, the student's layers 0 and 1 and the teacher's layer 0 are known."""
    checked = preflight([write_run(folder, tmp_path / "run", COSINE)], [], 1)
    settings, config = checked.config.distillation, checked.config
    teacher = checked.teachers[str(folder / "teacher")].model
    shape = StageShape(
        model=config.model, parallel=ParallelConfig(pipeline=2), tokens=32, positions=32, width=4, fused=False, vocab_size=1008
    )  # fmt: skip
    message = 32 * 4 * (2 * 64 + 96)
    assert hidden_state_bytes(settings, teacher, shape, 0, in_flight=2) == 2 * message + message
    of_teacher = 32 * 4 * 96
    kept = len(PAIRS) * of_teacher
    assert hidden_state_bytes(settings, teacher, shape, 1, in_flight=1) == message + 2 * message + kept
    assert distance_bytes(settings, teacher, shape) == len(PAIRS) * of_teacher * (1 + 4)
    assert hidden_state_bytes(dataclasses.replace(settings, hidden_states=None), teacher, shape, 0, 2) == 0


def test_what_hidden_states_cannot_have_is_refused(folder, one_rank, tmp_path):  # noqa: F811
    config = write_run(folder, tmp_path / "run", COSINE)
    place = "distillation.hidden_states"
    assert refused(config, [f"{place}.layers.2.student=4"]) == {(f"{place}.layers.2.student", "layers-exist")}
    assert refused(config, [f"{place}.layers.3.teacher=0"]) == {(f"{place}.layers.3", "layers-exist")}
    assert refused(config, [f"{place}.layers.0.teacher=2"]) == {("distillation.teacher", "teacher-layer")}
    cache = ["distillation.cache=x", "distillation.loss.type=top_k", "distillation.loss.k=5"]
    assert refused(config, cache) == {(place, "no-hidden-states-in-a-cache")}
    assert refused(config, ["parallel.recompute.type=full"]) == {
        ("parallel.recompute.type", "hidden-states-are-kept")
    }
    muon = ["optimizer.type=muon", "optimizer.muon_learning_rate=0.01"]
    with pytest.raises(ConfigError) as error:  # also what the installed core lacks for Muon
        preflight([config], muon, 1)
    assert (place, "no-hidden-states-with-muon") in {(p.path, p.rule) for p in error.value.problems}
    preflight([config], ["parallel.recompute.type=selective"], 1)
    _, whole = one_rank("cosine")
    adapters = [f"checkpoint.initial_weights={whole}", "lora.rank=4", "lora.alpha=8"]
    assert refused(config, adapters) == {(place, "no-hidden-states-beside-adapters")}
    on_gpu = ["run.device=cuda", "speed.cuda_graphs=layers", "speed.layers=engine"]
    with pytest.raises(ConfigError) as error:
        preflight([config], on_gpu, 1)
    assert ("speed.cuda_graphs", "hidden-states-are-seen") in {(p.path, p.rule) for p in error.value.problems}
