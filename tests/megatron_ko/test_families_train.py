"""Models of other families than LLaMA's, from a Hugging Face folder to training, resuming and back, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from megatron_ko.config.fp8 import DelayedFp8
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import LoraConfig, PrecisionConfig
from megatron_ko.errors import ConfigError
from megatron_ko.planning import family_rules
from megatron_ko.preflight import preflight
from tests import ranks
from tests.checkpoint_tools.conftest import run_quietly
from tests.megatron_ko.test_initial_weights import (
    _convert_in_a_warm_process,  # noqa: F401 (a fixture)
    loss_of_transformers,
    records,
    start,
    write_run,
)
from tests.tiny_data import DOMAINS, write_tiny_data

pytestmark = pytest.mark.ranks
SHAPE: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 1001,
    "max_position_embeddings": 128,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``data/``, and tiny random models with its tokenizer: ``gpt_neox``, ``phi`` and ``gemma2``."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma2Config, GPTNeoXConfig, PhiConfig

    folder = tmp_path_factory.mktemp("parallel")
    write_tiny_data(folder / "data")
    gemma = Gemma2Config(
        **SHAPE, num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=24, sliding_window=128,
        attn_logit_softcapping=2.0, final_logit_softcapping=4.0,
    )  # fmt: skip
    for config in (GPTNeoXConfig(**SHAPE, rotary_pct=0.25), PhiConfig(**SHAPE), gemma):
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for weight, parameter in model.named_parameters():
                parameter.normal_(1.0 if "norm" in weight and "bias" not in weight else 0.0, 0.1)
        model.save_pretrained(folder / config.model_type)
        for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(folder / "data" / "tokenizer" / file, folder / config.model_type / file)
    return folder


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gpt_neox", ["parallel.tensor=2", "parallel.sequence=true"]),
        pytest.param("phi", ["parallel.pipeline=2"], marks=pytest.mark.slow),
        pytest.param("gemma2", ["parallel.tensor=2", "parallel.sequence=true"], marks=pytest.mark.slow),
        pytest.param("gemma2", ["parallel.context=2"], marks=pytest.mark.slow),
        pytest.param("gpt_neox", ["parallel.context=2"], marks=pytest.mark.slow),
        pytest.param("phi", ["parallel.tensor=2", "parallel.sequence=true"], marks=pytest.mark.slow),
    ],
)
def test_it_trains_resumes_and_returns(folder, tmp_path, name, changes):
    """The baseline is transformers' loss; a resumed run ends as an uninterrupted one, and its export has its loss."""
    base, whole, cut = folder / name, tmp_path / "whole", tmp_path / "cut"
    start(write_run(folder, base, whole), [*changes, "training.steps=4"], 2)
    baseline, last = records(whole, "valid")[0], records(whole, "valid")[-1]
    assert (baseline["step"], last["step"]) == (0, 4)
    start(write_run(folder, base, cut), changes, 2)
    ranks.train(str(tmp_path / "cut.yaml"), [*changes, "training.steps=4"], 2)
    assert records(cut, "valid")[-1]["loss"] == last["loss"]
    assert run_quietly("to-hf", src=cut, dst=tmp_path / "export", family=name) == 0
    for domain in DOMAINS:
        truth = loss_of_transformers(base, folder / "data", domain)
        assert baseline["loss"][domain] == pytest.approx(truth, abs=1e-4)
        assert last["loss"][domain] < baseline["loss"][domain]
        exported = loss_of_transformers(tmp_path / "export", folder / "data", domain)
        assert last["loss"][domain] == pytest.approx(exported, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (["model.linear_bias=true"], "model.linear_bias", "linear-bias"),
        (["model.linear_bias=true", "model.qkv_bias=true"], "model.linear_bias", "linear-bias"),
        (["model.rope.fraction=0.01"], "model.rope.fraction", "model-shape"),
        (["model.rope.fraction=0.2"], "model.rope.fraction", "model-shape"),
        (["model.feed_forward=geglu_tanh", "model.linear_bias=true"], "model.linear_bias", "linear-bias"),
        (["model.extra.softmax_scale=0.5"], "model.extra.softmax_scale", "extra-fields"),
        (["model.extra.add_bias_linear=true"], "model.extra.add_bias_linear", "extra-fields"),
    ],
)
def test_combinations_that_cannot_be_built_are_refused(tmp_path, changes, path, rule):
    from tests.tiny_run import write_tiny_run

    config = write_tiny_run(tmp_path)
    with pytest.raises(ConfigError) as caught:
        preflight([config], changes, 1)
    assert (path, rule) in [(problem.path, problem.rule) for problem in caught.value.problems]


PLAIN = {"precision.fp8", "speed.cuda_graphs"}
"""What needs the layers of Transformer Engine."""


@pytest.mark.parametrize(
    ("changes", "refuses"),
    [
        ({"residual": "parallel", "feed_forward": "gelu"}, {"lora"}),
        ({"residual": "parallel_one_norm", "feed_forward": "gelu_tanh"}, {"lora", *PLAIN}),
        (
            {"residual": "sandwich", "feed_forward": "geglu_tanh", "attention_cap": 50.0},
            {"lora", *PLAIN},
        ),
        ({}, set()),
    ],
)
def test_adapters_fp8_and_graphs_need_what_the_layers_have(changes, refuses):
    shape = {
        "layers": 1,
        "hidden_size": 64,
        "ffn_hidden_size": 64,
        "heads": 4,
        "kv_groups": 4,
        "max_sequence_length": 8,
    }
    model = ModelConfig(**shape, **changes)
    problems = [
        *family_rules._lora_without_gate(model, LoraConfig(rank=2, alpha=4.0), []),
        *family_rules._plain_layers_with_fp8(model, PrecisionConfig(fp8=DelayedFp8(type="delayed"))),
        *family_rules._speed_of_family(model, SpeedConfig(cuda_graphs="layers")),
    ]
    assert {path for path, _ in problems} == refuses


def test_initializations_of_an_output_bias_are_not_judged():
    from checkpoint_tools.operations import expand_vocab

    options: Any = SimpleNamespace(text="some.txt", judge="all")
    source: Any = SimpleNamespace(model=SimpleNamespace(output_bias=True))
    with pytest.raises(ConfigError) as caught:
        expand_vocab._judge(options, source, cast(Any, None))
    assert (caught.value.rule, caught.value.problems[0].path) == ("judging-with-output-bias", "--text")
