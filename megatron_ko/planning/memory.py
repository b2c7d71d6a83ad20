"""Memory of one rank: parameters, gradients, optimizer state, activations, logits.

Parameters come from the table of weights, bytes per parameter from megatron-core's distributed optimizer. Activations of
SwiGLU, norms and fused attention without dropout take about ``8h + 4h_q + 4h_kv + 6f`` bytes per token and layer in
16 bits, and GELU without a gate ``4f`` in place of ``6f`` (derived from Korthikanti et al. 2022, arXiv 2205.05198). Fragmentation, workspaces and communication buffers
are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_ko.config.training import ModelConfig, ParallelConfig, has_gate
from megatron_ko.planning.selection import Selection
from megatron_ko.planning.weights import axis_sizes, stage_entries


@dataclass(frozen=True)
class RankMemory:
    """Bytes on one rank."""

    parameters: int
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes


def parameters_of_stage(
    model: ModelConfig,
    padded_vocab_size: int,
    parallel: ParallelConfig,
    stage: int,
    selection: Selection | None = None,
) -> int:
    """Parameters on one tensor-parallel rank of pipeline ``stage``; with ``selection``, those of tensors that train."""
    entries = stage_entries(model, padded_vocab_size, stage, parallel.pipeline)
    return sum(
        entry.size_per_rank(parallel.tensor)
        for entry in entries
        if selection is None or selection.trains(entry.weight, entry.layer)
    )


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
    adapter_parameters: int | None = None,
    selection: Selection | None = None,
) -> RankMemory:
    """Memory of the rank that needs most. The first stage keeps activations of up to ``pipeline`` micro-batches.

    With ``adapter_parameters``, those of adapters on one rank, only they have gradients and optimizer state. Weights that
    ``selection`` freezes have neither; a matrix some of whose rows train has both whole. Activations are counted as if
    everything trained.
    """
    return max(
        (
            _stage_memory(
                model, parallel, stage, padded_vocab_size, data_parallel * parallel.context,
                micro_batch_size * sequence_length // parallel.context, micro_batches, bytes_per_weight,
                adapter_parameters, selection,
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
    adapter_parameters: int | None,
    selection: Selection | None,
) -> RankMemory:
    sizes = axis_sizes(model, padded_vocab_size)
    count = parameters_of_stage(model, padded_vocab_size, parallel, stage)
    trained = parameters_of_stage(model, padded_vocab_size, parallel, stage, selection)
    master = 4 if bytes_per_weight == 2 else 0
    ffn = (6 if has_gate(model) else 4) * sizes["ffn"]
    split, whole = 4 * sizes["q"] + 4 * sizes["kv"] + ffn, 8 * sizes["hidden"]
    per_token = split / parallel.tensor + whole / (parallel.tensor if parallel.sequence else 1)
    in_flight = min(parallel.pipeline - stage, micro_batches)
    activations = model.layers // parallel.pipeline * per_token * tokens * in_flight * bytes_per_weight / 2
    if stage == parallel.pipeline - 1:
        activations += 10 * tokens * padded_vocab_size / parallel.tensor
    if adapter_parameters is not None:
        trained = adapter_parameters
    return RankMemory(
        parameters=count,
        weights_bytes=(count + (adapter_parameters or 0)) * bytes_per_weight,
        gradients_bytes=trained * 4,
        optimizer_bytes=-(-trained * (master + 8) // shards),
        activations_bytes=int(activations),
    )
