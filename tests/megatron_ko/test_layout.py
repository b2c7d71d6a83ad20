"""Impossible layouts: each is reported with its key and rule, several at once."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from megatron_ko.config.fp8 import DelayedFp8, TensorwiseFp8
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.planning.config_rules import GPU_ONLY_FIELDS, OWNED_FIELDS, data_problems, layout_rules
from megatron_ko.planning.speed import Switches
from megatron_ko.planning.transformer_fields import transformer_config_fields
from megatron_ko.training.megatron_fields import transformer_fields
from tests.tiny_data import write_tiny_data

ROOT = Path(__file__).resolve().parents[2]
VALID = """\
run: {folder: runs/x, device: cpu}
model: {layers: 8, hidden_size: 64, ffn_hidden_size: 128, heads: 8, kv_groups: 4, max_sequence_length: 128}
training: {steps: 10, global_batch_size: 16, micro_batch_size: 2, sequence_length: 64}
optimizer: {learning_rate: 3e-3}
schedule: {type: cosine, warmup_steps: 2}
data: {manifest: data/manifest.json}
"""


@pytest.fixture
def valid(tmp_path) -> str:
    path = tmp_path / "valid.yaml"
    path.write_text(VALID)
    return str(path)


def broken(valid: str, overrides: list[str], ranks: int | None) -> dict[str, Problem]:
    """Problems by dotted path; each path has one."""
    with pytest.raises(ConfigError) as caught:
        load(Config, [valid], overrides, layout_rules(ranks))
    problems = caught.value.problems
    assert len({problem.path for problem in problems}) == len(problems)
    return {problem.path: problem for problem in problems}


@pytest.mark.parametrize(
    "overrides, ranks, path, rule, values",
    [
        (["model.kv_groups=3"], 1, "model.kv_groups", "model-shape", "3 8"),
        (["model.hidden_size=60"], 1, "model.heads", "model-shape", "8 60 head_size"),
        (["model.hidden_size=72"], 1, "model.head_size", "model-shape", "9"),
        (["model.head_size=7"], 1, "model.head_size", "model-shape", "7"),
        (["model.rope.scaling={type: llama3, factor: 8.0, low_freq_factor: 4.0, high_freq_factor: 4.0, "
          "original_max_sequence_length: 64}"], 1, "model.rope.scaling.high_freq_factor", "model-shape", "4.0"),
        (["model.heads=2", "model.kv_groups=1", "parallel.tensor=2"], 2, "model.kv_groups", "model-split", "1 parallel.tensor 2"),
        (["model.ffn_hidden_size=130", "parallel.tensor=4"], 4, "model.ffn_hidden_size", "model-split", "130 4"),
        (["model.vocab_multiple=2", "parallel.tensor=4"], 4, "model.vocab_multiple", "model-split", "2 4"),
        (["parallel.pipeline=3"], 3, "model.layers", "pipeline-split", "8 parallel.pipeline 3"),
        (["parallel.sequence=true"], 1, "parallel.sequence", "model-split", "parallel.tensor 1"),
        (["training.sequence_length=256"], 1, "training.sequence_length", "sequence-split", "256 128"),
        (["training.sequence_length=62", "parallel.context=2"], 2, "training.sequence_length", "sequence-split", "62 4"),
        (["training.sequence_length=62", "parallel.tensor=4", "parallel.sequence=true"], 4, "training.sequence_length",
         "sequence-split", "62 4"),
        # two context ranks with chunks of 14, which eight tensor ranks cannot split: 2 x 8 tokens at least
        (["training.sequence_length=56", "parallel.context=2", "parallel.tensor=8", "model.kv_groups=8",
          "parallel.sequence=true"], 16, "training.sequence_length", "sequence-split", "56 16 28 8"),
        # 2^31 tokens of 128 x 2^24 sequences; the largest that fits is one micro-batch less
        (["training.global_batch_size=16777216", "training.sequence_length=128"], 1, "training.global_batch_size",
         "sequence-split", "16777216 2,147,483,648 2,147,483,647"),
        (["parallel.tensor=4"], 6, "parallel", "layout-divides-ranks", "4 6"),
        (["parallel.tensor=2", "parallel.pipeline=2", "parallel.context=2"], 4, "parallel", "layout-divides-ranks", "8 4"),
        (["training.global_batch_size=12"], 4, "training.global_batch_size", "batch-divides-ranks", "12 8 2 4"),
        (["schedule.warmup_steps=11"], 1, "schedule", "schedule-fits", "11 10"),
        (["schedule={type: wsd, warmup_steps: 4, decay_steps: 7}"], 1, "schedule", "schedule-fits", "11 10"),
        (["schedule={type: multistep, milestones: [0.8, 0.9], ratios: [0.1]}"], 1, "schedule.ratios", "schedule-fits", "1 2"),
        (["schedule={type: multistep, milestones: [], ratios: []}"], 1, "schedule.ratios", "schedule-fits", "0"),
        (["schedule={type: multistep, milestones: [0.9, 0.8]}"], 1, "schedule.milestones", "schedule-fits", "[0.9, 0.8]"),
        (["schedule={type: multistep, milestones: [0.8, 0.8]}"], 1, "schedule.milestones", "schedule-fits", "[0.8, 0.8]"),
        (["precision.fp8=tensorwise"], 1, "precision.fp8", "fp8-possible", "tensorwise cpu"),
        (["model.extra.num_layer=3"], 1, "model.extra.num_layer", "extra-fields", "num_layers"),
        (["model.extra.num_layers=3"], 1, "model.extra.num_layers", "extra-fields", "model.layers"),
        (["run.device=cuda", "model.extra.fp8=hybrid"], 1, "model.extra.fp8", "extra-fields", "precision.fp8"),
        (["model.extra.normalization=LayerNorm"], 1, "model.extra.normalization", "extra-fields", "model.norm"),
        (["model.extra.zzzz=3"], 1, "model.extra.zzzz", "extra-fields", "TransformerConfig"),
        (["model.extra.tp_comm_overlap=true"], 1, "model.extra.tp_comm_overlap", "extra-fields", "speed.overlap_tensor_parallel"),
        (["model.extra.masked_softmax_fusion=true"], 1, "model.extra.masked_softmax_fusion", "extra-fields", "True cpu"),
    ],
)  # fmt: skip
def test_an_impossible_layout_is_reported_with_its_key_and_values(
    valid, overrides, ranks, path, rule, values
):
    problems = broken(valid, overrides, ranks)
    assert list(problems) == [path]
    assert problems[path].rule == rule
    assert values in problems[path].message or all(
        value in problems[path].message for value in values.split()
    )
    assert ";" in problems[path].message, "the remedy is missing"


def test_heads_and_groups_that_tensor_parallel_cannot_split_are_both_named(valid):
    problems = broken(
        valid, ["model.heads=6", "model.kv_groups=3", "model.hidden_size=48", "parallel.tensor=4"], 4
    )
    assert sorted(problems) == ["model.heads", "model.kv_groups"]


def test_many_impossible_things_are_reported_at_once_with_schema_mistakes_and_places(valid):
    overrides = [
        "parallel.tensor=3", "parallel.pipeline=3", "training.sequence_length=63", "parallel.context=2",
        "precision.fp8=delayed", "schedule.warmup_steps=99", "optimizer.beta1=2", "model.extra.hidden_sise=1",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load(Config, [valid], overrides, layout_rules(4))
    places = {(problem.where.rpartition("/")[2], problem.path) for problem in caught.value.problems}
    assert places == {
        ("command line", "parallel"),
        ("valid.yaml:2", "model.heads"),
        ("valid.yaml:2", "model.kv_groups"),
        ("valid.yaml:2", "model.ffn_hidden_size"),
        ("valid.yaml:2", "model.vocab_multiple"),
        ("valid.yaml:2", "model.layers"),
        ("command line", "training.sequence_length"),
        ("command line", "precision.fp8"),
        ("valid.yaml:5", "schedule"),
        ("command line", "optimizer.beta1"),
        ("command line", "model.extra.hidden_sise"),
    }


def test_fp8_with_fp32_weights_is_a_second_mistake(valid):
    assert sorted(broken(valid, ["precision={dtype: fp32, fp8: mxfp8}"], 1)) == [
        "precision.dtype",
        "precision.fp8",
    ]


@pytest.mark.parametrize(
    "overrides, ranks",
    [
        ([], 1),
        ([], 8),
        (["parallel.tensor=4", "parallel.pipeline=8", "parallel.context=4", "parallel.sequence=true"], 128),
        (["parallel.context=8", "parallel.tensor=2"], 32),
        (["parallel.context=3", "training.sequence_length=66"], 3),
        (["model.hidden_size=60", "model.head_size=6"], 1),
        (["training.sequence_length=63"], 1),  # chunks are only needed with context parallel
        (["training.global_batch_size=16777214", "training.sequence_length=128"], 1),  # 2^31 - 256 tokens
        (["schedule.warmup_steps=10"], 1),
        (["schedule={type: wsd, warmup_steps: 4, decay_steps: 6}"], 1),
        (["schedule={type: multistep}"], 1),
        (["model.extra.deterministic_mode=true", "model.extra.masked_softmax_fusion=false"], 1),
        (["run.device=cuda", "model.extra.masked_softmax_fusion=true"], 1),
        (["run.device=cuda", "precision.fp8=delayed"], 1),  # planning needs no Transformer Engine
        (["parallel.tensor=4"], None),  # without a number of ranks, rules about it are skipped
        (["training.global_batch_size=6"], None),
    ],
)  # fmt: skip
def test_possible_layouts_pass(valid, overrides, ranks):
    load(Config, [valid], overrides, layout_rules(ranks))


# --- the tables of names ---------------------------------------------------------------------------------


def test_field_names_read_from_the_source_of_megatron_core_are_its_own():
    from megatron.core.transformer import TransformerConfig

    names = set(TransformerConfig.__dataclass_fields__)
    assert set(transformer_config_fields()) == names
    assert set(OWNED_FIELDS) <= names
    assert {name for name in GPU_ONLY_FIELDS if name not in names} <= {
        "enable_cuda_graph"
    }  # gone in some versions


def test_fields_that_the_configuration_sets_cannot_be_set_in_extra():
    """Every argument that model.py or megatron_fields.py takes from a section of the configuration belongs to that section."""
    tree = ast.parse((ROOT / "megatron_ko" / "training" / "model.py").read_text())
    (builder,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "transformer_config")
    calls = [n for n in ast.walk(builder) if isinstance(n, ast.Call)]
    arguments = {k.arg: ast.unparse(k.value) for call in calls for k in call.keywords if k.arg}
    sections = ("model.", "parallel.", "precision.")
    from_config = {name for name, value in arguments.items() if value.startswith(sections)}
    assert {"num_layers", "tensor_model_parallel_size", "bf16"} <= from_config
    every = Switches(
        attention="flash", overlap_tensor_parallel=True, fused_gradient_accumulation=True, fused_rope=True,
        fused_swiglu=True, fused_residual=True, cuda_graphs=True,
    )  # fmt: skip
    for fp8 in (TensorwiseFp8(type="tensorwise"), DelayedFp8(type="delayed")):
        from_config |= set(transformer_fields(fp8, every))
    assert {"fp8_recipe", "apply_rope_fusion", "fp8_amax_history_len"} <= from_config
    assert from_config <= set(OWNED_FIELDS)


def test_missing_megatron_core_is_reported(monkeypatch, valid):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    transformer_config_fields.cache_clear()
    with pytest.raises(ConfigError) as caught:
        load(Config, [valid], ["model.extra.fp32_residual_connection=true"], layout_rules(1))
    assert caught.value.rule == "missing-package"


# --- configuration against data --------------------------------------------------------------------------


def test_mixture_and_vocabulary_must_match_the_data(valid, tmp_path):
    manifest = read_manifest(write_tiny_data(tmp_path / "data"))
    config = load(Config, [valid], ["data.mixture={ko: 1, math: 2}", "model.vocab_size=1000"]).config
    problems = {
        path: (rule, message) for path, message, rule in data_problems(config.data, config.model, manifest)
    }
    assert {path: rule for path, (rule, _) in problems.items()} == {
        "data.mixture.math": "unknown-set",
        "model.vocab_size": "vocabulary-mismatch",
    }
    assert "code, en, ko" in problems["data.mixture.math"][1]
    assert "1000" in problems["model.vocab_size"][1] and "1001" in problems["model.vocab_size"][1]
    fits = load(Config, [valid], ["data.mixture={ko: 1}", "model.vocab_size=1001"]).config
    assert list(data_problems(fits.data, fits.model, manifest)) == []
