"""Impossible layouts: each reported with its key and what to do, and several at once."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.planning import config_rules
from megatron_ko.planning.config_rules import GPU_ONLY_FIELDS, OWNED_FIELDS, data_problems, layout_rules
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


def broken(valid: str, overrides: list[str], ranks: int | None) -> dict[str, str]:
    """Messages by dotted path; a path stands once."""
    with pytest.raises(ConfigError) as caught:
        load(Config, [valid], overrides, layout_rules(ranks))
    problems = caught.value.problems
    assert len({problem.path for problem in problems}) == len(problems)
    return {problem.path: problem.message for problem in problems}


@pytest.mark.parametrize(
    "overrides, ranks, path, message",
    [
        (["model.kv_groups=3"], 1, "model.kv_groups", "3 does not divide heads 8"),
        (["model.hidden_size=60"], 1, "model.heads", "8 does not divide hidden_size 60; change one or give head_size"),
        (["model.hidden_size=72"], 1, "model.head_size", "9 is odd; rotary embedding turns pairs, so make it even"),
        (["model.head_size=7"], 1, "model.head_size", "7 is odd"),
        (["model.heads=2", "model.kv_groups=1", "parallel.tensor=2"], 2, "model.kv_groups", "1 cannot be split over "
         "parallel.tensor 2; make it a multiple"),
        (["model.ffn_hidden_size=130", "parallel.tensor=4"], 4, "model.ffn_hidden_size", "130 cannot be split over"),
        (["model.vocab_multiple=2", "parallel.tensor=4"], 4, "model.vocab_multiple", "2 cannot be split over"),
        (["parallel.pipeline=3"], 3, "model.layers", "8 cannot be split over parallel.pipeline 3; make it a multiple"),
        (["parallel.sequence=true"], 1, "parallel.sequence", "needs parallel.tensor above 1; switch it off or raise tensor"),
        (["training.sequence_length=256"], 1, "training.sequence_length", "256 is above model.max_sequence_length 128"),
        (["training.sequence_length=62", "parallel.context=2"], 2, "training.sequence_length", "62 is not a multiple of "
         "2 x parallel.context = 4"),
        (["training.sequence_length=62", "parallel.tensor=4", "parallel.sequence=true"], 4, "training.sequence_length",
         "62 tokens per context rank cannot be split over parallel.tensor 4"),
        (["training.sequence_length=56", "parallel.context=2", "parallel.tensor=8", "model.kv_groups=8",
          "parallel.sequence=true"], 16, "training.sequence_length", "28 tokens per context rank cannot be split"),
        (["parallel.tensor=4"], 6, "parallel", "tensor 4 x pipeline 1 x context 1 = 4 does not divide the 6 ranks; start a "
         "multiple of 4 or change the layout"),
        (["parallel.tensor=2", "parallel.pipeline=2", "parallel.context=2"], 4, "parallel", "= 8 does not divide the 4 ranks"),
        (["training.global_batch_size=12"], 4, "training.global_batch_size", "12 is not a multiple of micro_batch_size 2 x "
         "4 data-parallel ranks = 8"),
        # 2^31 tokens of 128 x 2^24 sequences; the largest that fits is one micro-batch less
        (["training.global_batch_size=16777216", "training.sequence_length=128"], 1, "training.global_batch_size",
         "2,147,483,648 tokens per step; megatron-core counts at most 2,147,483,647"),
        (["schedule.warmup_steps=11"], 1, "schedule", "warm-up and decay take 11 steps, more than training.steps 10"),
        (["schedule={type: wsd, warmup_steps: 4, decay_steps: 7}"], 1, "schedule", "warm-up and decay take 11 steps"),
        (["schedule={type: multistep, milestones: [0.8, 0.9], ratios: [0.1]}"], 1, "schedule.ratios", "1 ratios for 2 milestones"),
        (["schedule={type: multistep, milestones: [], ratios: []}"], 1, "schedule.ratios", "0 ratios for 0 milestones"),
        (["schedule={type: multistep, milestones: [0.9, 0.8]}"], 1, "schedule.milestones", "[0.9, 0.8] do not increase; sort them"),
        (["schedule={type: multistep, milestones: [0.8, 0.8]}"], 1, "schedule.milestones", "do not increase"),
        (["precision.fp8=tensorwise"], 1, "precision.fp8", "tensorwise needs a GPU and Transformer Engine, but run.device is "
         "cpu; set fp8: none"),
        (["model.rope.scaling={type: llama3, factor: 8.0, low_freq_factor: 4.0, high_freq_factor: 4.0, "
          "original_max_sequence_length: 64}"], 1, "model.rope.scaling.high_freq_factor", "4.0 is not above low_freq_factor 4.0"),
        (["model.extra.num_layer=3"], 1, "model.extra.num_layer", "is not a field of megatron-core's TransformerConfig; did you "
         "mean 'num_layers'?"),
        (["model.extra.num_layers=3"], 1, "model.extra.num_layers", "is set by model.layers; write it there"),
        (["run.device=cuda", "model.extra.fp8=hybrid"], 1, "model.extra.fp8", "is set by precision.fp8; write it there"),
        (["model.extra.zzzz=3"], 1, "model.extra.zzzz", "is not a field of megatron-core's TransformerConfig"),
        (["model.extra.tp_comm_overlap=true"], 1, "model.extra.tp_comm_overlap", "True needs a GPU, but run.device is cpu"),
        (["model.extra.cuda_graph_impl=local"], 1, "model.extra.cuda_graph_impl", "'local' needs a GPU"),
    ],
)  # fmt: skip
def test_an_impossible_layout_is_reported_with_its_key_and_a_remedy(valid, overrides, ranks, path, message):
    found = broken(valid, overrides, ranks)
    assert list(found) == [path]
    assert message in found[path]


def test_heads_and_groups_that_tensor_parallel_cannot_split_are_both_named(valid):
    found = broken(
        valid, ["model.heads=6", "model.kv_groups=3", "model.hidden_size=48", "parallel.tensor=4"], 4
    )
    assert sorted(found) == ["model.heads", "model.kv_groups"]


def test_many_impossible_things_are_reported_at_once_with_schema_mistakes_and_places(valid):
    overrides = [
        "parallel.tensor=3", "parallel.pipeline=3", "training.sequence_length=63", "parallel.context=2",
        "precision.fp8=delayed", "schedule.warmup_steps=99", "optimizer.beta1=2", "model.extra.hidden_sise=1",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load(Config, [valid], overrides, layout_rules(4))
    found = {(problem.where.rpartition("/")[2], problem.path) for problem in caught.value.problems}
    assert found == {
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


def test_fp8_on_a_gpu_needs_transformer_engine(valid, monkeypatch):
    overrides = ["run.device=cuda", "precision.fp8=delayed"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install -e '.[gpu]'" in broken(valid, overrides, 1)["precision.fp8"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    load(Config, [valid], overrides, layout_rules(1))


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
        (["model.extra.recompute_granularity=full", "model.extra.cuda_graph_impl=none", "model.extra.tp_comm_overlap=false"], 1),
        (["run.device=cuda", "model.extra.tp_comm_overlap=true"], 1),
        (["parallel.tensor=4"], None),  # nothing is said of a number of ranks that is not known
        (["training.global_batch_size=6"], None),
    ],
)  # fmt: skip
def test_possible_layouts_pass(valid, overrides, ranks):
    load(Config, [valid], overrides, layout_rules(ranks))


# --- the tables of names ---------------------------------------------------------------------------------


def test_field_names_are_read_from_the_source_of_megatron_core_as_they_are():
    from megatron.core.transformer import TransformerConfig

    names = set(TransformerConfig.__dataclass_fields__)
    assert config_rules._transformer_config_fields() == names
    assert set(OWNED_FIELDS) <= names
    assert {name for name in GPU_ONLY_FIELDS if name not in names} <= {
        "enable_cuda_graph"
    }  # gone in some versions


def test_what_the_configuration_says_cannot_be_said_again_in_extra():
    """Every argument that model.py takes from a section of the configuration is owned, under that section's name."""
    tree = ast.parse((ROOT / "megatron_ko" / "training" / "model.py").read_text())
    (builder,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "transformer_config")
    calls = [n for n in ast.walk(builder) if isinstance(n, ast.Call)]
    arguments = {k.arg: ast.unparse(k.value) for call in calls for k in call.keywords if k.arg}
    sections = ("model.", "parallel.", "precision.")
    from_config = {name for name, value in arguments.items() if value.startswith(sections)}
    assert {"num_layers", "tensor_model_parallel_size", "bf16", "fp8_recipe"} <= from_config
    assert from_config <= set(OWNED_FIELDS)


def test_missing_megatron_core_is_said(monkeypatch, valid):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="megatron-core is not installed; pip install"):
        load(Config, [valid], ["model.extra.fp32_residual_connection=true"], layout_rules(1))


# --- configuration against data --------------------------------------------------------------------------


def test_mixture_and_vocabulary_must_be_those_of_the_data(valid, tmp_path):
    manifest = read_manifest(write_tiny_data(tmp_path / "data"))
    config = load(Config, [valid], ["data.mixture={ko: 1, math: 2}", "model.vocab_size=1000"]).config
    assert dict(data_problems(config.data, config.model, manifest)) == {
        "data.mixture.math": f"no such training set in {manifest.path}; it holds code, en, ko",
        "model.vocab_size": f"1000 is not the 1001 of the tokenizer in {manifest.path}; remove it",
    }
    fits = load(Config, [valid], ["data.mixture={ko: 1}", "model.vocab_size=1001"]).config
    assert list(data_problems(fits.data, fits.model, manifest)) == []
