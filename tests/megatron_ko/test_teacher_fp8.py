"""A teacher in FP8, without a GPU: its TransformerConfig, its memory, and what is refused before the start."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from megatron_ko.config.distillation import DistillationConfig
from megatron_ko.config.loading import load
from megatron_ko.config.model import ModelConfig, RopeConfig
from megatron_ko.config.training import Config, ParallelConfig
from megatron_ko.formats.checkpoint_folder import Origin
from megatron_ko.formats.teacher_cache import TeacherCache, continuation_problems, describe_cache
from megatron_ko.planning import installed, start_checks
from megatron_ko.planning.activations import StageShape
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.distillation import describe_teacher, teacher_model, teacher_weights_bytes
from megatron_ko.planning.distillation_rules import shape_problems
from megatron_ko.planning.weights import multiplies, stage_entries
from tests.megatron_ko.test_fp8 import GPU, problems_of, start

TEACHER = ModelConfig(
    layers=4, hidden_size=256, ffn_hidden_size=512, heads=4, kv_groups=2, max_sequence_length=512
)
FP8 = ["distillation.teacher=teacher", "distillation.teacher_fp8=true"]


@pytest.fixture
def gpu_run(tmp_path) -> str:
    path = tmp_path / "gpu.yaml"
    path.write_text(GPU)
    return str(path)


def config_of(file: str, *overrides: str, ranks: int = 1) -> Config:
    return load(Config, [file], [*FP8, *overrides], layout_rules(ranks)).config


@pytest.mark.parametrize("student", ["none", "blockwise"])
def test_the_transformer_config_of_the_teacher(gpu_run, student):
    from megatron.core.models.common.embeddings import rope_utils

    from megatron_ko.training.model import transformer_config
    from megatron_ko.training.teacher import settings_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rope_utils, "fused_apply_rotary_pos_emb", object())  # Transformer Engine's kernel
        for overrides, in_fp8 in ([], True), (["distillation.teacher_fp8=false"], False):
            config = config_of(gpu_run, f"precision.fp8={student}", *overrides)
            model = teacher_model(TEACHER, config.model, 1000)
            layout, precision, switches = settings_of(model, config)
            made = transformer_config(model, layout, precision, "cuda", switches)
            assert bool(made.fp8) == in_fp8
            if not in_fp8:
                continue
            assert switches.layers == "engine"
            assert (made.fp8, made.fp8_recipe, made.fp8_param) == ("hybrid", "tensorwise", False)
            ends = (
                made.first_last_layers_bf16,
                made.num_layers_at_start_in_bf16,
                made.num_layers_at_end_in_bf16,
            )
            assert ends == (True, 1, 1)


def test_a_stage_has_its_own_teacher_precision(gpu_run):
    stages = "stages=[{name: a, steps: 5}, {name: b, steps: 5, distillation: {teacher_fp8: false}}]"
    config = config_of(gpu_run, "training.steps=none", stages)
    from megatron_ko.planning.stages import stages_of

    found = [stage.config.distillation for stage in stages_of(config)]
    assert [settings and settings.teacher_fp8 for settings in found] == [True, False]


def test_what_a_teacher_in_fp8_needs_is_reported_with_its_key(gpu_run):
    path = "distillation.teacher_fp8"
    assert problems_of(gpu_run, [*FP8, "run.device=cpu"]) == {path: "teacher-in-fp8"}
    assert problems_of(gpu_run, [*FP8, "precision.dtype=fp32"]) == {path: "teacher-in-fp8"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, ("distillation.teacher_fp8", "engine-missing")),
        ("2.1.0", ("distillation.teacher_fp8", "engine-too-old")),
        ("2.2.0", None),
    ],
)
def test_a_start_needs_transformer_engine(gpu_run, monkeypatch, version, expected):
    engine = None if version is None else installed.Engine(version)
    monkeypatch.setattr(start_checks, "find_engine", lambda: engine)
    assert start(gpu_run, FP8) == expected


def test_widths_and_tokens_of_the_teacher_are_multiples_of_16(gpu_run):
    def problems(teacher: ModelConfig, *overrides: str) -> list[tuple[str, str]]:
        config = config_of(gpu_run, *overrides)
        return [(path, rule) for path, _, rule in shape_problems(teacher, config, 1000, 256)]

    assert problems(TEACHER) == []
    odd = dataclasses.replace(TEACHER, ffn_hidden_size=520)
    assert problems(odd) == [("model.ffn_hidden_size", "teacher-fp8")]
    assert problems(odd, "distillation.teacher_fp8=false") == []
    # 2 x 252 = 504 tokens
    assert problems(TEACHER, "training.sequence_length=252") == [("training.sequence_length", "teacher-fp8")]
    plain = dataclasses.replace(TEACHER, residual="sandwich", rope=RopeConfig())
    assert [rule for _, rule in problems(plain)] == ["teacher-fp8"]


def test_a_cache_of_another_precision_is_not_continued(gpu_run, tmp_path):
    def cache(*overrides: str) -> TeacherCache:
        top_k = ["distillation.loss={type: top_k, k: 4}", f"distillation.cache={tmp_path}", *overrides]
        config = config_of(gpu_run, *top_k)
        assert config.distillation is not None
        manifest: Any = SimpleNamespace(tokenizer_fingerprint="t")
        return describe_cache(
            config, config.distillation, {}, Origin("teacher", 1, "x"), manifest=manifest,
            vocab_size=1000, samples=16, stage=0, writers=1,
        )  # fmt: skip

    in_fp8, in_bf16 = cache(), cache("distillation.teacher_fp8=false")
    assert (in_fp8.dtype, in_bf16.dtype) == ("fp8", "bf16")
    assert list(continuation_problems(in_fp8, in_fp8, "distillation.cache")) == []
    (problem,) = continuation_problems(in_bf16, in_fp8, "distillation.cache")
    assert problem[0::2] == ("distillation.cache", "other-cache")


def test_the_plan_counts_copies_of_the_products_between_the_ends():
    shape = StageShape(
        model=TEACHER, parallel=ParallelConfig(), tokens=512, positions=256, width=2, fused=True, vocab_size=1000
    )  # fmt: skip
    plain, in_fp8 = (DistillationConfig(teacher="x", teacher_fp8=value) for value in (False, True))
    more = teacher_weights_bytes(TEACHER, shape, 0, in_fp8) - teacher_weights_bytes(TEACHER, shape, 0, plain)
    inside = [
        e for e in stage_entries(TEACHER, 1000, 0, 1) if e.layer in (1, 2) and multiplies(e.weight, TEACHER)
    ]
    # queries 256 x 256, keys and values 256 x 128 each, output 256 x 256, three of 256 x 512
    assert more == sum(entry.size for entry in inside) == 2 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512)
    assert describe_teacher(in_fp8, ParallelConfig(), TEACHER) == ("FP8 (tensorwise) in 2 of 4 layers",)
    assert describe_teacher(plain, ParallelConfig(), TEACHER) == ()
