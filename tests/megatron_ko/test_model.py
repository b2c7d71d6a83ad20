"""The model against plain PyTorch and transformers: logits, gradients, attention, rotary scaling, padding, initial weights."""

from __future__ import annotations

import dataclasses
import hashlib
import math

import pytest
import torch

from megatron_ko.config.model import Llama3RopeScaling, ModelConfig, RopeConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, RunConfig
from megatron_ko.planning.weights import entries
from tests import ranks

MODEL = ModelConfig(
    layers=2,
    hidden_size=48,
    ffn_hidden_size=80,
    heads=6,
    kv_groups=2,
    max_sequence_length=64,
    vocab_multiple=8,
)
VOCAB = 101  # padded to 104


def _start(rank: int, init_method: str, parallel: ParallelConfig = ParallelConfig(), size: int = 1):
    from megatron_ko.training import distributed

    return distributed.start(RunConfig(folder="unused", device="cpu"), parallel, rank, size, init_method)


def _gpt(model: ModelConfig, parallel: ParallelConfig = ParallelConfig(), seed: int | None = 1):
    from megatron_ko.training.model import build_gpt

    return build_gpt(
        model,
        parallel,
        PrecisionConfig(dtype="fp32"),
        vocab_size=VOCAB,
        device=torch.device("cpu"),
        seed=seed,
    )


def _tokens(length: int = 32) -> torch.Tensor:
    return torch.randint(0, VOCAB, (2, length + 1), generator=torch.Generator().manual_seed(0))


# --- against plain PyTorch ---------------------------------------------------------------------------------


def _loss_and_gradients(rank: int, init_method: str, model: ModelConfig) -> tuple[float, float, float, float]:
    from tests.plain_gpt import PlainGPT, copy_weights

    _start(rank, init_method)
    gpt, plain = _gpt(model), PlainGPT(model, VOCAB)
    copy_weights(gpt, plain)
    tokens = _tokens()
    positions = torch.arange(32).expand(2, -1)
    loss = gpt(tokens[:, :-1], positions, None, labels=tokens[:, 1:]).mean()
    loss.backward()
    expected = plain.loss(tokens[:, :-1], tokens[:, 1:])
    expected.backward()
    ours = gpt.embedding.word_embeddings.weight.grad
    padding = float(ours[VOCAB:].abs().max())
    return (
        float(loss),
        float(expected),
        float((ours[:VOCAB] - plain.embedding.weight.grad).abs().max()),
        padding,
    )


@pytest.mark.ranks
@pytest.mark.parametrize(
    "change",
    [{}, {"kv_groups": 6}, {"kv_groups": 1}, {"tied_embeddings": True}, {"head_size": 16}],
    ids=["GQA", "MHA", "MQA", "tied", "head size"],
)
def test_loss_and_gradient_equal_plain_pytorch(change):
    loss, expected, difference, padding = ranks.on_ranks(
        1, _loss_and_gradients, dataclasses.replace(MODEL, **change)
    )[0]
    assert loss == pytest.approx(expected, abs=1e-5)
    assert difference < 1e-6
    assert padding == 0.0, "padded rows of the vocabulary must get no gradient"


# --- padded vocabulary -------------------------------------------------------------------------------------


def _loss_beside_padding(rank: int, init_method: str, tensor: int) -> tuple[float, float, float]:
    """Loss with padding rows of 0 and of 50, and the largest gradient of a padding row."""
    _start(rank, init_method, ParallelConfig(tensor=tensor), tensor)
    gpt, tokens, positions = (
        _gpt(MODEL, ParallelConfig(tensor=tensor)),
        _tokens(),
        torch.arange(32).expand(2, -1),
    )
    real = min(max(VOCAB - rank * 104 // tensor, 0), 104 // tensor)
    weight, losses = gpt.output_layer.weight, []
    for value in (0.0, 50.0):
        weight.data[real:] = value
        loss = gpt(tokens[:, :-1], positions, None, labels=tokens[:, 1:]).mean()
        losses.append(float(loss))
    loss.backward()
    padding = weight.grad[real:]
    return *losses, float(padding.abs().max()) if padding.numel() else 0.0


@pytest.mark.ranks
@pytest.mark.parametrize("tensor", [1, 2])
def test_padding_rows_change_neither_loss_nor_gradients(tensor):
    for zeros, others, gradient in ranks.on_ranks(tensor, _loss_beside_padding, tensor):
        assert zeros == others and gradient == 0.0


# --- initial weights ---------------------------------------------------------------------------------------


def _shardedparts_of(gpt, model: ModelConfig) -> list:
    from megatron_ko.training.local_weights import parts_of, stored_weights

    return [part for _, value in stored_weights(gpt, model) for part in parts_of(value)]


def _weights(rank: int, init_method: str, parallel: ParallelConfig, size: int) -> dict[str, tuple]:
    _start(rank, init_method, parallel, size)
    return {
        f"{part.key}@{part.global_offset}": (part.global_offset, part.data.detach().clone())
        for part in _shardedparts_of(_gpt(MODEL, parallel), MODEL)
    }


@pytest.mark.ranks
@pytest.mark.parametrize(
    "parallel", [ParallelConfig(tensor=2), ParallelConfig(pipeline=2)], ids=["TP2", "PP2"]
)
def test_initial_weights_do_not_depend_on_the_layout(parallel):
    (expected,) = ranks.on_ranks(1, _weights, ParallelConfig(), 1)
    full = {}
    for name, (offset, data) in expected.items():
        full.setdefault(name.split("@")[0], []).append((offset, data))
    compared = 0
    for part in ranks.on_ranks(2, _weights, parallel, 2):
        for name, (offset, data) in part.items():
            compared += _is_slice_of(full[name.split("@")[0]], offset, data)
    assert compared >= 2 * len(full) - 4


def _is_slice_of(tensors, offset, data) -> int:
    """``data`` equals the part at ``offset`` of one of the unsplit tensors (offsets count stacked layers first)."""
    stacked = len(offset) - data.dim()
    for unsplit_offset, unsplit in tensors:
        if unsplit_offset[:stacked] != offset[:stacked]:
            continue
        start = [a - b for a, b in zip(offset[stacked:], unsplit_offset[stacked:])]
        if all(0 <= s and s + n <= m for s, n, m in zip(start, data.shape, unsplit.shape)):
            index = tuple(slice(s, s + n) for s, n in zip(start, data.shape))
            assert torch.equal(unsplit[index], data)
            return 1
    raise AssertionError(f"no unsplit tensor contains {offset}")


def _state(rank: int, init_method: str, model: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    _start(rank, init_method)
    return {name: t for name, t in _gpt(model, seed=seed).state_dict().items() if isinstance(t, torch.Tensor)}


def _expected_state(model: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    """The same numbers from a loop over explicit names, shapes and deviations for MODEL: 6 query heads and 2 x 2 key and
    value heads of 8, gate and up of 80."""
    residual = 0.02 / math.sqrt(4)
    hashed = {  # name in a checkpoint: name in megatron-core's local layer, shape, deviation
        "self_attention.linear_qkv.weight": ("self_attention.linear_qkv.weight", (80, 48), 0.02),
        "self_attention.linear_proj.weight": ("self_attention.linear_proj.weight", (48, 48), residual),
        "mlp.linear_fc1.weight": ("mlp.linear_fc1.weight", (160, 48), 0.02),
        "mlp.linear_fc2.weight": ("mlp.linear_fc2.weight", (48, 80), residual),
    }
    state = {"decoder.final_layernorm.weight": torch.ones(48)}
    ends = ["embedding.word_embeddings.weight"] + ["output_layer.weight"] * (not model.tied_embeddings)
    for key in ends:
        state[key] = _hashed_normal(f"{seed}/{key}/()", (104, 48), 0.02)
        state[key][VOCAB:] = 0.0
    for layer in range(2):
        at = f"decoder.layers.{layer}."
        state[at + "input_layernorm.weight"] = state[at + "pre_mlp_layernorm.weight"] = torch.ones(48)
        if model.qkv_bias:
            state[at + "self_attention.linear_qkv.bias"] = torch.zeros(80)
        for key, (name, shape, std) in hashed.items():
            state[at + name] = _hashed_normal(f"{seed}/decoder.layers.{key}/({layer},)", shape, std)
    return state


def _hashed_normal(text: str, shape: tuple[int, int], std: float) -> torch.Tensor:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")
    return torch.empty(shape).normal_(0.0, std, generator=torch.Generator().manual_seed(number))


@pytest.mark.ranks
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_initial_weights_are_drawn_by_seed_name_and_layer(tied, bias, seed):
    model = dataclasses.replace(MODEL, tied_embeddings=tied, qkv_bias=bias)
    (initialized,), expected = ranks.on_ranks(1, _state, model, seed), _expected_state(model, seed)
    assert sorted(initialized) == sorted(expected)
    for name, tensor in expected.items():
        assert torch.equal(initialized[name], tensor), name


# --- the table of weights ----------------------------------------------------------------------------------


def _marks(
    rank: int, init_method: str, model: ModelConfig, parallel: ParallelConfig
) -> dict[str, int | None]:
    """Split dimension of every parameter, with linear layers that are subclasses of megatron-core's."""
    from megatron.core.tensor_parallel import layers

    from megatron_ko.training import model as building

    class Column(layers.ColumnParallelLinear): ...

    class Row(layers.RowParallelLinear): ...

    plain_spec = building._block_spec

    def spec_with_subclasses(*arguments):
        spec = plain_spec(*arguments)
        attention = spec.layer_specs[0].submodules.self_attention.submodules
        attention.linear_qkv, attention.linear_proj = Column, Row
        return spec

    building._block_spec = spec_with_subclasses
    _start(rank, init_method, parallel, parallel.tensor * parallel.pipeline)
    gpt = _gpt(model, parallel)
    first = gpt.decoder.layers[0].self_attention
    assert type(first.linear_qkv) is Column and type(first.linear_proj) is Row
    return {
        name: p.partition_dim if getattr(p, "tensor_model_parallel", False) else None
        for name, p in gpt.named_parameters()
    }


@pytest.mark.ranks
@pytest.mark.parametrize(
    "parallel", [ParallelConfig(tensor=2), ParallelConfig(tensor=2, pipeline=2)], ids=["TP2", "TP2 x PP2"]
)
@pytest.mark.parametrize("tied", [False, True])
def test_split_weights_are_marked_for_any_class_of_layer(parallel, tied):
    """The gradient norm counts unmarked weights once per tensor-parallel rank."""
    split = {"linear_qkv.weight": 0, "linear_qkv.bias": 0, "linear_proj.weight": 1, "linear_fc1.weight": 0}
    split |= {"linear_fc2.weight": 1, "word_embeddings.weight": 0, "output_layer.weight": 0}
    model = dataclasses.replace(MODEL, tied_embeddings=tied, qkv_bias=True)
    for marks in ranks.on_ranks(parallel.tensor * parallel.pipeline, _marks, model, parallel):
        assert marks == {name: split.get(".".join(name.split(".")[-2:])) for name in marks}
        assert set(marks.values()) == {None, 0, 1}


def _error_of_unknown_weight(rank: int, init_method: str) -> str:
    from megatron_ko.errors import ConfigError
    from megatron_ko.training import model as building

    class NormWithBias(building.RMSNorm):
        def __init__(self, *arguments, **more) -> None:
            super().__init__(*arguments, **more)
            self.bias = torch.nn.Parameter(torch.zeros_like(self.weight))

    plain_spec = building._block_spec

    def spec_with_bias(*arguments):
        spec = plain_spec(*arguments)
        spec.layer_norm = NormWithBias
        return spec

    building._block_spec = spec_with_bias
    _start(rank, init_method)
    with pytest.raises(ConfigError) as error:
        _gpt(MODEL)
    return str(error.value)


@pytest.mark.ranks
def test_a_weight_that_the_table_does_not_list_is_an_error():
    (message,) = ranks.on_ranks(1, _error_of_unknown_weight)
    assert "decoder.final_layernorm.bias" in message and "layer_norm_weight" not in message


def _undecayed(rank: int, init_method: str, model: ModelConfig) -> tuple[int, int]:
    """Numbers without and with weight decay in the optimizer's groups."""
    from megatron_ko.config.optimizer import OptimizerConfig
    from megatron_ko.training.model import wrap
    from megatron_ko.training.optimizer import build_optimizer

    _start(rank, init_method)
    optimizer = build_optimizer(wrap(_gpt(model)), OptimizerConfig(learning_rate=1e-3), "fp32")
    sizes = [(g["wd_mult"], sum(p.numel() for p in g["params"])) for g in optimizer.param_groups]
    return sum(n for mult, n in sizes if mult == 0), sum(n for mult, n in sizes if mult == 1)


@pytest.mark.ranks
@pytest.mark.parametrize("tied", [False, True])
def test_weights_that_work_elementwise_do_not_decay(tied):
    model = dataclasses.replace(MODEL, qkv_bias=True, tied_embeddings=tied)
    tensors = entries(model, 104).values()
    elementwise = sum(entry.size for entry in tensors if entry.weight.use == "elementwise")
    others = sum(entry.size for entry in tensors if entry.weight.use != "elementwise")
    assert ranks.on_ranks(1, _undecayed, model) == [(elementwise, others)]


# --- rotary embedding --------------------------------------------------------------------------------------


def test_llama3_frequencies_equal_transformers():
    """All four constants differ from Llama 3.1's, which megatron-core has built in."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    from megatron_ko.training.model import llama3_frequencies

    scaling = Llama3RopeScaling(
        type="llama3",
        factor=16.0,
        low_freq_factor=2.0,
        high_freq_factor=6.0,
        original_max_sequence_length=4096,
    )
    config = LlamaConfig(
        hidden_size=512, num_attention_heads=8, max_position_embeddings=65536,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 16.0, "low_freq_factor": 2.0,
            "high_freq_factor": 6.0, "original_max_position_embeddings": 4096,
        },
    )  # fmt: skip
    expected, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 500_000.0 ** -(torch.arange(0, 64, 2, dtype=torch.float32) / 64)
    scaled = llama3_frequencies(plain, scaling)
    assert torch.allclose(scaled, expected, rtol=1e-6, atol=0)
    assert scaled[0] == plain[0] and scaled[-1] == pytest.approx(float(plain[-1]) / 16)


def _used_frequencies(rank: int, init_method: str, model: ModelConfig) -> torch.Tensor:
    _start(rank, init_method)
    return _gpt(model).rotary_pos_emb.inv_freq


@pytest.mark.ranks
def test_scaling_reaches_the_model():
    scaling = Llama3RopeScaling(
        type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_sequence_length=32
    )
    scaled = dataclasses.replace(MODEL, rope=RopeConfig(base=10_000.0, scaling=scaling))
    plain = dataclasses.replace(MODEL, rope=RopeConfig(base=10_000.0))
    (with_scaling,), (without,) = (ranks.on_ranks(1, _used_frequencies, m) for m in (scaled, plain))
    assert float(without[-1] / with_scaling[-1]) == pytest.approx(8.0)


# --- attention ---------------------------------------------------------------------------------------------


def _context_attention(
    rank: int, init_method: str, size: int, block: int
) -> tuple[torch.Tensor, torch.Tensor, list]:
    """This rank's output and gradients, and its two chunks' positions."""
    from megatron_ko.training import attention

    attention.QUERY_BLOCK = block
    _start(rank, init_method, ParallelConfig(context=size), size)

    class Settings:
        kv_channels, context_parallel_size = 8, size

    module = attention.CausalAttention(Settings, 1, None, "self")
    query, key, value = _qkv()
    chunk = query.shape[0] // (2 * size)
    mine = [p * chunk + i for p in (rank, 2 * size - 1 - rank) for i in range(chunk)]
    local = [t[mine].clone().requires_grad_() for t in (query, key, value)]
    out = module(*local)
    out.backward(torch.ones_like(out) * torch.arange(1.0, 1 + out.shape[-1]))
    return out.detach(), torch.stack([t.grad.sum(dim=(1, 2, 3)) for t in local]), mine


def _qkv() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(24, 2, heads, 8, generator=generator) for heads in (4, 2, 2)]


@pytest.mark.ranks
@pytest.mark.parametrize(("size", "block"), [(2, 512), (2, 4), (3, 3)])
def test_context_parallel_attention_equals_plain(size, block):
    query, key, value = (t.requires_grad_() for t in _qkv())
    scores = torch.einsum("sbhd,tbhd->bhst", query, key.repeat_interleave(2, dim=2)) / 8**0.5
    scores = scores.masked_fill(torch.ones(24, 24).triu(1).bool(), -torch.inf)
    expected = torch.einsum("bhst,tbhd->sbhd", scores.softmax(-1), value.repeat_interleave(2, dim=2)).flatten(
        2
    )
    expected.backward(torch.ones_like(expected) * torch.arange(1.0, 1 + expected.shape[-1]))
    gradients = torch.stack([t.grad.sum(dim=(1, 2, 3)) for t in (query, key, value)])
    for out, grads, mine in ranks.on_ranks(size, _context_attention, size, block):
        assert torch.allclose(out, expected[mine].detach(), atol=1e-6)
        assert torch.allclose(grads, gradients[:, mine], atol=1e-4)


def _largest_tensor(rank: int, init_method: str, size: int, length: int) -> int:
    """Elements of the largest tensor that any operation of the forward and backward pass creates."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from megatron_ko.training import attention

    class Watch(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else [out]:
                if isinstance(tensor, torch.Tensor):
                    Watch.largest = max(Watch.largest, tensor.numel())
            return out

    attention.QUERY_BLOCK = 16
    _start(rank, init_method, ParallelConfig(context=size), size)

    class Settings:
        kv_channels, context_parallel_size = 8, size

    module = attention.CausalAttention(Settings, 1, None, "self")
    query, key, value = (torch.randn(length // size, 1, heads, 8, requires_grad=True) for heads in (2, 1, 1))
    with Watch():
        module(query, key, value).sum().backward()
    return Watch.largest


@pytest.mark.ranks
@pytest.mark.parametrize("size", [1, 2])
def test_attention_creates_no_square_mask(size):
    """At 1,024 tokens S x S is 1,048,576; queries and outputs have 1,024 x 2 x 8, a block of the mask 16 x 1,024."""
    for largest in ranks.on_ranks(size, _largest_tensor, size, 1024):
        assert largest <= 1024 * 2 * 16
