"""Memory per rank against numbers computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.config.model import head_size
from megatron_ko.config.recompute import FullRecompute
from megatron_ko.config.training import LoraConfig, ParallelConfig
from megatron_ko.config.trains import TrainsConfig
from megatron_ko.planning.memory import RankMemory, parameters_of_stage, stage_memories
from megatron_ko.planning.selection import Selection
from megatron_ko.planning.weights import parameter_count
from tests import ranks
from tests.megatron_ko.test_flops import LLAMA3_8B, LLAMA3_VOCAB, models, shape

# One layer has matrices 8 x (8 + 2 x 4) + 8 x 8 + 3 x 8 x 16 = 576 and norms 16; with a vocabulary of 32 the
# embeddings are 2 x 256 and the final norm 8.
SMALL = shape(2, 8, 16, 2, 1)
SMALL_VOCAB = 32


def test_parameters_of_llama_3_8b_on_4_tensor_and_4_pipeline_ranks():
    """Per stage 8 layers of (4096 x 6144 + 4096 x 4096 + 3 x 4096 x 14336) / 4 + 2 x 4096; embeddings 128256 x 1024."""
    parallel = ParallelConfig(tensor=4, pipeline=4)
    counts = [parameters_of_stage(LLAMA3_8B, LLAMA3_VOCAB, parallel, stage) for stage in range(4)]
    assert counts == [567_607_296, 436_273_152, 436_273_152, 567_611_392]


def stages(
    parallel: ParallelConfig, micro_batches: int = 1, data: int = 1, bytes_per_weight: int = 2, **options: Any
) -> tuple[RankMemory, ...]:
    return stage_memories(
        SMALL,
        parallel,
        padded_vocab_size=SMALL_VOCAB,
        data_parallel=data,
        micro_batch_size=1,
        micro_batches=micro_batches,
        sequence_length=16,
        bytes_per_weight=bytes_per_weight,
        **options,
    )


def small(parallel: ParallelConfig, data: int = 1, bytes_per_weight: int = 2) -> RankMemory:
    (memory,) = stages(parallel, data=data, bytes_per_weight=bytes_per_weight)
    return memory


# Of one layer of SMALL, per token: both norms and what they feed 4 x 8, queries, keys and values three times 3 x (8 + 4), SwiGLU
# 3 x 16; and 4 bytes per head and token for log-sums, 4 x 4 numbers per position for the rotation.
LAYER = 16 * (2 * (32 + 36 + 48) + 4 * 2 + 2 * 16)


def test_one_rank_in_bf16():
    """1704 parameters: 2 bytes of weight, 4 of gradient, 12 of fp32 weight and two moments. The peak is at the logits: the final
    norm and its output, 2 x 8 numbers per token, and the logits in bf16 and fp32, 32 per token."""
    memory = small(ParallelConfig())
    count = 2 * 592 + 512 + 8
    head = 16 * (2 * 2 * 8 + (2 + 4) * 32)
    assert memory == RankMemory(count, 2 * count, 4 * count, 12 * count, 2 * LAYER + head)
    assert memory.total_bytes == 18 * 1704 + 8704 + 3584


def test_fp32_needs_no_second_copy_of_the_weights():
    """Logits are fp32 anyway; their gradient needs as much again as the output of the layers and the gradient of the matrix."""
    memory = small(ParallelConfig(), bytes_per_weight=4)
    assert (memory.weights_bytes, memory.optimizer_bytes) == (4 * 1704, 8 * 1704)
    layers = 2 * 16 * (4 * (32 + 36 + 48) + 4 * 2 + 4 * 16)
    assert memory.activations_bytes == layers + 16 * 4 * (2 * 8 + 32 + 8) + 4 * 8 * 32


@pytest.mark.parametrize("data, context", [(4, 1), (2, 2), (1, 4)])
def test_the_optimizer_is_sharded_over_data_and_context_ranks(data, context):
    assert small(ParallelConfig(context=context), data=data).optimizer_bytes == 12 * 1704 / 4


def test_context_parallel_splits_the_tokens():
    assert small(ParallelConfig(context=2)).activations_bytes == (8704 + 3584) // 2


def test_tensor_parallel_splits_matrices_and_sequence_parallel_the_rest():
    """Without sequence parallelism, the 4 x 8 numbers of the residual stream are not split. With it, a buffer of gathered inputs
    has all 8 numbers of each token."""
    count = 2 * (288 + 16) + 2 * 128 + 8
    unsplit, split = small(ParallelConfig(tensor=2)), small(ParallelConfig(tensor=2, sequence=True))
    assert unsplit.parameters == split.parameters == count
    layer, logits = 16 * (2 * (36 + 48) // 2 + 4 + 2 * 16), 16 * 6 * 32 // 2
    assert unsplit.activations_bytes == 2 * (layer + 16 * 2 * 32) + 16 * 2 * 16 + logits
    assert split.activations_bytes == 2 * (layer + 16 * 2 * 16) + 16 * 2 * 8 + logits + 16 * 2 * 8


@pytest.mark.parametrize("micro_batches, in_flight", [(1, 1), (2, 2), (8, 2)])
def test_the_first_stage_keeps_as_many_micro_batches_as_there_are_stages(micro_batches, in_flight):
    """And their outputs. Beside them it needs the gradient of its output, 8 numbers per token, and those of SwiGLU, 32."""
    first, last = stages(ParallelConfig(pipeline=2), micro_batches)
    assert first.parameters == 592 + 256 and last.parameters == 592 + 256 + 8
    assert first.activations_bytes == in_flight * (LAYER + 16 * 2 * 8) + 16 * 2 * (8 + 32)
    assert last.activations_bytes == LAYER + 3584


def test_full_recomputation_keeps_inputs_and_one_group_of_layers():
    (memory,) = stages(ParallelConfig(recompute=FullRecompute(type="full")))
    inputs = 2 * 16 * 2 * 8
    again = LAYER + 16 * 2 * 8 + 16 * 2 * (8 + 32)
    assert memory.activations_bytes == inputs + max(again, 3584)


def test_adapters_and_frozen_layers_need_less():
    """Only the upper layer trains: the lower one keeps nothing, the embedding has no gradient."""
    everything = stages(ParallelConfig())[0]
    selection = Selection.of(TrainsConfig(layers=1), SMALL, SMALL_VOCAB, None)
    (upper,) = stages(ParallelConfig(), selection=selection)
    assert upper.gradients_bytes == 4 * 592 and upper.optimizer_bytes == 12 * 592
    assert upper.weights_bytes == everything.weights_bytes
    # the frozen output matrix has no gradient, but the peak is at the loss before it
    assert upper.activations_bytes == everything.activations_bytes - LAYER
    (adapted,) = stages(ParallelConfig(), lora=LoraConfig(rank=2, alpha=2, targets=["fc2"]))
    assert adapted.gradients_bytes == 4 * 2 * 2 * (8 + 16)
    # layers keep neither the inputs of qkv, proj and fc1 nor an input of a matrix that does not train
    assert adapted.activations_bytes == everything.activations_bytes - 2 * 16 * 2 * 16


# --- against megatron-core ---------------------------------------------------------------------------------

DEFAULT = ("selective norms, mlp", "TP4, SP, full", "LoRA of qkv, TP2, SP", "trains odd layers and new rows")


def _ratios(
    rank: int, init_method: str, device: str, names: list[str], layers: int | None
) -> dict[str, float]:
    """Planned to measured activations of each stage of the cases; with ``layers``, of smaller models and fewer micro-batches."""
    from tests.bench import plan_memory

    ratios = {}
    for name in names:
        case = (plan_memory.CASES | plan_memory.CONTEXT)[name]
        if layers is not None:
            count = case.parallel.pipeline * case.parallel.virtual_pipeline
            case = replace(case, model=replace(case.model, layers=layers), micro_batches=count)
        for stage in range(case.parallel.pipeline):
            ratios[f"{name}, stage {stage}"] = plan_memory.compare(case, device, stage)["ratio"]
    return ratios


@pytest.mark.ranks
def test_activations_are_those_of_megatron_core():
    (ratios,) = ranks.on_ranks(1, _ratios, "cuda", list(DEFAULT), 2)
    assert ratios == {name: pytest.approx(1, abs=0.1) for name in ratios}


@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_activations_of_many_layouts_are_those_of_megatron_core(device):
    from tests.bench.plan_memory import CASES, CONTEXT

    names = list(CASES) + (list(CONTEXT) if device == "cpu" else [])
    (ratios,) = ranks.on_ranks(1, _ratios, device, names, None, timeout_s=3600)
    assert ratios == {name: pytest.approx(1, abs=0.1) for name in ratios}


@given(
    layers_per_stage=st.integers(1, 3),
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 2, 4]),
    tied=st.booleans(),
    bias=st.booleans(),
)
def test_stages_and_tensor_ranks_together_have_all_parameters(layers_per_stage, tensor, pipeline, tied, bias):
    """Copies: norms on every tensor rank, and a tied embedding on the last of several stages."""
    layers = layers_per_stage * pipeline
    model = shape(layers, 32, 64, 8, 4, tied_embeddings=tied, qkv_bias=bias)
    parallel = ParallelConfig(tensor=tensor, pipeline=pipeline)
    total = tensor * sum(parameters_of_stage(model, 128, parallel, stage) for stage in range(pipeline))
    norms_again = (tensor - 1) * (2 * layers + 1) * 32
    embedding_again = 128 * 32 if tied and pipeline > 1 else 0
    assert total == parameter_count(model, 128) + norms_again + embedding_again


@settings(deadline=None)
@given(models(), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 3, 4, 6]))
def test_parameters_of_a_stage_equal_their_closed_form(case, tensor, pipeline):
    """Matrices and biases are split over tensor ranks, norms are not; a last stage has its own rows of the vocabulary."""
    model, vocab = case
    hidden, query = model.hidden_size, model.heads * head_size(model)
    kv = model.kv_groups * head_size(model)
    split = hidden * (query + 2 * kv) + query * hidden + 3 * hidden * model.ffn_hidden_size
    split += query + 2 * kv if model.qkv_bias else 0
    layers = model.layers // pipeline * (split // tensor + 2 * hidden)
    rows = vocab * hidden // tensor
    parallel = ParallelConfig(tensor=tensor, pipeline=pipeline)
    for stage in range(pipeline):
        first, last = stage == 0, stage == pipeline - 1
        ends = (rows if first else 0) + (hidden if last else 0)
        ends += rows if last and not (first and model.tied_embeddings) else 0
        assert parameters_of_stage(model, vocab, parallel, stage) == layers + ends
