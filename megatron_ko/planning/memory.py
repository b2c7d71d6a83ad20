"""Memory of one rank in closed form: parameters, gradients, optimizer state, activations, logits.

Formulas: bytes per parameter as in megatron-core's distributed optimizer; activations of SwiGLU, RMSNorm and a
fused attention without dropout, about ``8h + 4h_q + 4h_kv + 6f`` bytes per token and layer in 16 bits (derived from
Korthikanti et al. 2022, arXiv 2205.05198). Fragmentation, workspaces and communication buffers are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_ko.config.training import ModelConfig, ParallelConfig, head_size


@dataclass(frozen=True)
class RankMemory:
    """Bytes of the largest rank."""

    parameters: int
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes


def parameters_of_stage(
    model: ModelConfig, padded_vocab_size: int, parallel: ParallelConfig, stage: int
) -> int:
    """Parameters that one tensor-parallel rank of pipeline ``stage`` holds."""
    hidden, query, kv = model.hidden_size, model.heads * head_size(model), model.kv_groups * head_size(model)
    tensor, last = parallel.tensor, parallel.pipeline - 1
    matrices = hidden * (query + 2 * kv) + query * hidden + 3 * hidden * model.ffn_hidden_size
    biases = query + 2 * kv if model.qkv_bias else 0
    count = model.layers // parallel.pipeline * ((matrices + biases) // tensor + 2 * hidden)
    embedding = padded_vocab_size * hidden // tensor
    if stage == 0:
        count += embedding
    if stage == last:
        count += hidden + (0 if model.tied_embeddings and last == 0 else embedding)
    return count


def rank_memory(
    model: ModelConfig,
    parallel: ParallelConfig,
    *,
    padded_vocab_size: int,
    data_parallel: int,
    micro_batch_size: int,
    micro_batches: int,
    sequence_length: int,
    bytes_per_weight: int,
) -> RankMemory:
    """The rank that needs most; the first stage holds the activations of ``pipeline`` micro-batches."""
    return max(
        (
            _stage_memory(
                model, parallel, stage, padded_vocab_size, data_parallel * parallel.context,
                micro_batch_size * sequence_length // parallel.context, micro_batches, bytes_per_weight,
            )
            for stage in range(parallel.pipeline)
        ),
        key=lambda memory: memory.total_bytes,
    )  # fmt: skip


def _stage_memory(
    model: ModelConfig,
    parallel: ParallelConfig,
    stage: int,
    padded_vocab_size: int,
    shards: int,
    tokens: int,
    micro_batches: int,
    bytes_per_weight: int,
) -> RankMemory:
    hidden, query, kv = model.hidden_size, model.heads * head_size(model), model.kv_groups * head_size(model)
    count = parameters_of_stage(model, padded_vocab_size, parallel, stage)
    master = 4 if bytes_per_weight == 2 else 0
    split, whole = 4 * query + 4 * kv + 6 * model.ffn_hidden_size, 8 * hidden
    per_token = split / parallel.tensor + whole / (parallel.tensor if parallel.sequence else 1)
    in_flight = min(parallel.pipeline - stage, micro_batches)
    activations = model.layers // parallel.pipeline * per_token * tokens * in_flight * bytes_per_weight / 2
    if stage == parallel.pipeline - 1:
        activations += 10 * tokens * padded_vocab_size / parallel.tensor
    return RankMemory(
        parameters=count,
        weights_bytes=count * bytes_per_weight,
        gradients_bytes=count * 4,
        optimizer_bytes=-(-count * (master + 8) // shards),
        activations_bytes=int(activations),
    )
