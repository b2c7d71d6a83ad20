"""Parameters and FLOPs against published models. Shapes: layers / hidden / FFN / heads / groups."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.planning.flops import flops_per_token
from megatron_ko.planning.weights import parameter_count


def shape(layers: int, hidden: int, ffn: int, heads: int, groups: int, **more) -> ModelConfig:
    return ModelConfig(
        layers=layers,
        hidden_size=hidden,
        ffn_hidden_size=ffn,
        heads=heads,
        kv_groups=groups,
        max_sequence_length=8192,
        **more,
    )


LLAMA3_VOCAB = 128_256
LLAMA3_8B = shape(32, 4096, 14336, 32, 8)
LLAMA3_70B = shape(80, 8192, 28672, 64, 8)
LLAMA3_405B = shape(126, 16384, 53248, 128, 8)
KANANA = dict(groups=8, head_size=128, tied_embeddings=True)


@pytest.mark.parametrize(
    "model, vocab_size, expected",
    [
        (LLAMA3_8B, LLAMA3_VOCAB, 8_030_261_248),  # as published by Meta
        (LLAMA3_70B, LLAMA3_VOCAB, 70_553_706_496),
        (LLAMA3_405B, LLAMA3_VOCAB, 405_853_388_800),
        (shape(48, 4096, 14336, 32, 8), 32_000, 10_731_524_096),  # SOLAR 10.7B
        (
            shape(40, 4096, 14336, 32, 8),
            LLAMA3_VOCAB,
            9_775_157_248,
        ),  # Kanana 9.8B: 8 layers more than the 8B
        (
            shape(32, 3072, 9216, 32, 8, head_size=128),
            LLAMA3_VOCAB,
            4_512_746_496,
        ),  # 32 heads x 128 is not 3072
        (shape(32, 1792, 8064, 24, **KANANA), LLAMA3_VOCAB, 2_086_979_328),
        (shape(32, 1536, 5376, 16, **KANANA), LLAMA3_VOCAB, 1_291_814_400),
        (shape(32, 1536, 4608, 24, **KANANA), LLAMA3_VOCAB, 1_279_231_488),
        (shape(32, 1024, 3072, 16, **KANANA), LLAMA3_VOCAB, 634_717_184),
        (
            shape(24, 896, 4864, 14, 2, qkv_bias=True, tied_embeddings=True),
            151_936,
            494_032_768,
        ),  # Qwen2.5-0.5B
    ],
)
def test_parameters_of_published_models(model, vocab_size, expected):
    assert parameter_count(model, vocab_size) == expected


@pytest.mark.parametrize(
    "model, giga", [(LLAMA3_8B, 51.47), (LLAMA3_70B, 449.2), (LLAMA3_405B, 2524)], ids=["8B", "70B", "405B"]
)
def test_flops_per_token_of_llama_3_at_8192_tokens(model, giga):
    """6 x (weights of matrices + layers x query width x sequence length): causal attention counted half."""
    assert float(f"{flops_per_token(model, LLAMA3_VOCAB, 8192) / 1e9:.4g}") == giga


def test_flops_are_six_times_the_matrices_plus_attention():
    """8B: all parameters without the input embedding and the 65 norms, plus 32 layers x 4096 x sequence length."""
    matrices = 8_030_261_248 - LLAMA3_VOCAB * 4096 - 65 * 4096
    for length in (1, 4096, 131_072):
        assert flops_per_token(LLAMA3_8B, LLAMA3_VOCAB, length) == 6 * (matrices + 32 * 4096 * length)


def test_tying_saves_parameters_but_no_flops():
    tied = shape(32, 4096, 14336, 32, 8, tied_embeddings=True)
    assert parameter_count(LLAMA3_8B, 1000) - parameter_count(tied, 1000) == 1000 * 4096
    assert flops_per_token(LLAMA3_8B, 1000, 64) == flops_per_token(tied, 1000, 64)


@st.composite
def models(draw) -> tuple[ModelConfig, int]:
    """Any shape that 1, 2 or 4 tensor-parallel ranks can split, and the rows of its padded vocabulary."""
    groups = 4 * draw(st.integers(1, 3))
    heads = groups * draw(st.integers(1, 4))
    width = draw(st.one_of(st.none(), st.integers(1, 160)))
    hidden = heads * draw(st.integers(1, 160)) if width is None else draw(st.integers(1, 9000))
    more = dict(head_size=width, tied_embeddings=draw(st.booleans()), qkv_bias=draw(st.booleans()))
    layers, ffn = 12 * draw(st.integers(1, 4)), 4 * draw(st.integers(1, 8000))
    return shape(layers, hidden, ffn, heads, groups, **more), 4 * draw(st.integers(1, 80_000))


@settings(deadline=None)
@given(models(), st.integers(1, 200_000))
def test_parameters_and_flops_equal_their_closed_forms(case, length):
    model, vocab = case
    hidden, query = model.hidden_size, model.heads * head_size(model)
    kv = model.kv_groups * head_size(model)
    matrices = hidden * (query + 2 * kv) + query * hidden + 3 * hidden * model.ffn_hidden_size
    layer = matrices + 2 * hidden + (query + 2 * kv if model.qkv_bias else 0)
    embeddings = (1 if model.tied_embeddings else 2) * vocab * hidden
    assert parameter_count(model, vocab) == model.layers * layer + hidden + embeddings
    multiplied = model.layers * (matrices + query * length) + hidden * vocab
    assert flops_per_token(model, vocab, length) == 6.0 * multiplied


def test_head_size_is_hidden_over_heads_unless_given():
    assert head_size(shape(1, 96, 8, 4, 2)) == 24
    assert head_size(shape(1, 96, 8, 4, 2, head_size=32)) == 32
