"""The table of weights, compared with transformers and checked for consistency."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from megatron_ko.config.model import ModelConfig
from megatron_ko.planning.weights import (
    axis_sizes,
    entries,
    input_weight,
    multiplies,
    output_weight,
    parameter_count,
    stored_tensors,
    weights_of,
)

LLAMA_3_8B = ModelConfig(
    layers=32, hidden_size=4096, ffn_hidden_size=14336, heads=32, kv_groups=8, max_sequence_length=8192
)


def test_llama_3_8b_has_its_published_size():
    assert parameter_count(LLAMA_3_8B, 128_256) == 8_030_261_248


POLYGLOT_KO_5_8B = ModelConfig(
    layers=28, hidden_size=4096, ffn_hidden_size=16384, heads=16, kv_groups=16, max_sequence_length=2048, norm="layer",
    residual="parallel", feed_forward="gelu", qkv_bias=True, linear_bias=True,
)  # fmt: skip
PHI_2 = ModelConfig(
    layers=32, hidden_size=2560, ffn_hidden_size=10240, heads=32, kv_groups=32, max_sequence_length=2048, norm="layer",
    residual="parallel_one_norm", feed_forward="gelu_tanh", qkv_bias=True, linear_bias=True, output_bias=True,
)  # fmt: skip


OTHER_NAMES = ("gpt_neox", "phi", "gemma2")
"""Families with names of their own, which the conversion compares with those of the files."""


GEMMA_2_2B = ModelConfig(
    layers=26, hidden_size=2304, ffn_hidden_size=9216, heads=8, kv_groups=4, head_size=256, max_sequence_length=8192,
    norm="rms_shifted", residual="sandwich", feed_forward="geglu_tanh", tied_embeddings=True,
)  # fmt: skip


def test_phi_2_polyglot_ko_and_gemma_2_have_their_published_sizes():
    assert parameter_count(GEMMA_2_2B, 256_000) == 2_614_341_888
    assert parameter_count(PHI_2, 51_200) == 2_779_683_840
    assert parameter_count(POLYGLOT_KO_5_8B, 30_080) == 5_885_059_072


@pytest.mark.parametrize("name", ["gqa", "mha", "qwen2", "qwen3", "mistral", "gpt_neox", "phi", "gemma2"])
def test_names_shapes_and_count_are_those_of_transformers(name, hf_models):
    from transformers import AutoModelForCausalLM

    from megatron_ko.formats.hf_config import read_config

    config = read_config(hf_models[name])
    model = AutoModelForCausalLM.from_pretrained(hf_models[name])
    theirs = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    ours = {name: entry.shape for name, entry in entries(config.model, config.vocab_size).items()}
    if name not in OTHER_NAMES:
        assert ours == theirs
    assert parameter_count(config.model, config.vocab_size) == model.num_parameters()


def test_stored_tensors_contain_every_weight_once():
    sizes = axis_sizes(LLAMA_3_8B, 128_256)
    count = sum(
        math.prod(s.shape(sizes)) * (LLAMA_3_8B.layers if s.per_layer else 1)
        for s in stored_tensors(LLAMA_3_8B)
    )
    assert count == parameter_count(LLAMA_3_8B, 128_256)


@pytest.mark.parametrize("base", [LLAMA_3_8B, POLYGLOT_KO_5_8B, PHI_2, GEMMA_2_2B])
@pytest.mark.parametrize("tied", [False, True])
def test_weights_that_share_a_stored_tensor_start_and_split_alike(tied, base):
    model = replace(base, qkv_bias=True, tied_embeddings=tied)
    for stored in stored_tensors(model):
        first = stored.first
        for weight in stored.weights:
            assert (weight.start, weight.use, weight.depth) == (first.start, first.use, first.depth)
            assert weight.tensor_parallel_dim == first.tensor_parallel_dim
            assert (
                weight.per_layer == ("{layer}" in weight.name) == weight.stored.startswith("decoder.layers.")
            )


def test_tied_embeddings_are_read_and_multiplied():
    untied, tied = LLAMA_3_8B, replace(LLAMA_3_8B, tied_embeddings=True)
    assert output_weight(untied).name == "lm_head.weight" and not multiplies(input_weight(), untied)
    assert output_weight(tied) == input_weight() and multiplies(input_weight(), tied)


def test_tensor_parallel_cuts_every_axis_but_hidden():
    cut = {w.name.rpartition("layers.{layer}.")[2]: w.tensor_parallel_dim for w in weights_of(LLAMA_3_8B)}
    assert cut["self_attn.q_proj.weight"] == cut["mlp.up_proj.weight"] == cut["lm_head.weight"] == 0
    assert cut["self_attn.o_proj.weight"] == cut["mlp.down_proj.weight"] == 1
    assert cut["input_layernorm.weight"] is None
