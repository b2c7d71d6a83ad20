"""Memory per rank against numbers computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.config.training import ParallelConfig, head_size
from megatron_ko.planning.memory import RankMemory, parameters_of_stage, rank_memory
from megatron_ko.planning.weights import parameter_count
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


def small(
    parallel: ParallelConfig, data: int = 1, micro_batches: int = 1, bytes_per_weight: int = 2
) -> RankMemory:
    return rank_memory(
        SMALL,
        parallel,
        padded_vocab_size=SMALL_VOCAB,
        data_parallel=data,
        micro_batch_size=1,
        micro_batches=micro_batches,
        sequence_length=16,
        bytes_per_weight=bytes_per_weight,
    )


def test_one_rank_in_bf16():
    """1704 parameters: 2 bytes of weight, 4 of gradient, 12 of fp32 weight and two moments. Activations: 2 layers x
    16 tokens x (8 x 8 + 4 x 8 + 4 x 4 + 6 x 16 = 208), logits 10 bytes x 16 x 32."""
    memory = small(ParallelConfig())
    count = 2 * 592 + 512 + 8
    assert memory == RankMemory(count, 2 * count, 4 * count, 12 * count, 2 * 16 * 208 + 10 * 16 * 32)
    assert memory.total_bytes == 18 * 1704 + 6656 + 5120


def test_fp32_needs_no_second_copy_of_the_weights():
    memory = small(ParallelConfig(), bytes_per_weight=4)
    assert (memory.weights_bytes, memory.optimizer_bytes) == (4 * 1704, 8 * 1704)
    assert (
        memory.activations_bytes == 2 * 2 * 16 * 208 + 10 * 16 * 32
    )  # twice as wide; logits are fp32 anyway


@pytest.mark.parametrize("data, context", [(4, 1), (2, 2), (1, 4)])
def test_the_optimizer_is_sharded_over_data_and_context_ranks(data, context):
    assert small(ParallelConfig(context=context), data=data).optimizer_bytes == 12 * 1704 / 4


def test_context_parallel_splits_the_tokens():
    assert small(ParallelConfig(context=2)).activations_bytes == (6656 + 5120) // 2


def test_tensor_parallel_splits_matrices_and_sequence_parallel_the_rest():
    """Without sequence parallelism, 8 x 8 bytes per token and layer are not split."""
    count = 2 * (288 + 16) + 2 * 128 + 8
    unsplit, split = small(ParallelConfig(tensor=2)), small(ParallelConfig(tensor=2, sequence=True))
    assert unsplit.parameters == split.parameters == count
    assert unsplit.activations_bytes == 2 * 16 * (144 // 2 + 64) + 5120 // 2
    assert split.activations_bytes == 2 * 16 * 208 // 2 + 5120 // 2


@pytest.mark.parametrize("micro_batches, in_flight", [(1, 1), (2, 2), (8, 2)])
def test_the_first_stage_keeps_as_many_micro_batches_as_there_are_stages(micro_batches, in_flight):
    """Stage 0 keeps in_flight x 16 x 208 bytes, the last one 16 x 208 + logits of 5120: here always the fullest."""
    memory = small(ParallelConfig(pipeline=2), micro_batches=micro_batches)
    assert memory.parameters == 592 + 256 + 8
    assert memory.activations_bytes == 16 * 208 + 5120
    wide = rank_memory(
        SMALL, ParallelConfig(pipeline=2), padded_vocab_size=2, data_parallel=1, micro_batch_size=1,
        micro_batches=micro_batches, sequence_length=16, bytes_per_weight=2,
    )  # fmt: skip
    first, last = in_flight * 16 * 208 + 18 * (592 + 16), 16 * 208 + 18 * (592 + 16 + 8) + 10 * 16 * 2
    assert wide.total_bytes == max(first, last)


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
