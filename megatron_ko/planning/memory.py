"""Memory of one rank: parameters, gradients, optimizer state, activations, logits.

Parameters come from the table of weights, bytes per parameter from megatron-core's distributed optimizer. Activations of
SwiGLU, RMSNorm and fused attention without dropout take about ``8h + 4h_q + 4h_kv + 6f`` bytes per token and layer in
16 bits (derived from Korthikanti et al. 2022, arXiv 2205.05198). Fragmentation, workspaces and communication buffers
are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_ko.config.training import ModelConfig, ParallelConfig
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
    muon: bool = False,
) -> RankMemory:
    """Memory of the rank that needs most. The first stage keeps activations of up to ``pipeline`` micro-batches.

    Weights that ``selection`` freezes have neither gradients nor optimizer state; a matrix some of whose rows train has both
    whole, and so do the ``adapter_parameters`` of one rank. Activations are counted as if everything trained. ``muon``: every
    rank has the whole state, and that of a layer's matrix is one momentum.
    """
    return max(
        (
            _stage_memory(
                model, parallel, stage, padded_vocab_size, data_parallel * parallel.context,
                micro_batch_size * sequence_length // parallel.context, micro_batches, bytes_per_weight,
                adapter_parameters, selection, muon,
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
    muon: bool,
) -> RankMemory:
    sizes = axis_sizes(model, padded_vocab_size)
    count = parameters_of_stage(model, padded_vocab_size, parallel, stage)
    trained = parameters_of_stage(model, padded_vocab_size, parallel, stage, selection)
    master = 4 if bytes_per_weight == 2 else 0
    split, whole = 4 * sizes["q"] + 4 * sizes["kv"] + 6 * sizes["ffn"], 8 * sizes["hidden"]
    per_token = split / parallel.tensor + whole / (parallel.tensor if parallel.sequence else 1)
    in_flight = min(parallel.pipeline - stage, micro_batches)
    activations = model.layers // parallel.pipeline * per_token * tokens * in_flight * bytes_per_weight / 2
    if stage == parallel.pipeline - 1:
        activations += 10 * tokens * padded_vocab_size / parallel.tensor
    trained += adapter_parameters or 0
    state = -(-trained * (master + 8) // shards)
    if muon:
        entries = stage_entries(model, padded_vocab_size, stage, parallel.pipeline)
        matrices = (e for e in entries if e.weight.per_layer and e.weight.use == "product")
        state = trained * (master + 8) - 4 * sum(e.size_per_rank(parallel.tensor) for e in matrices)
    return RankMemory(
        parameters=count,
        weights_bytes=(count + (adapter_parameters or 0)) * bytes_per_weight,
        gradients_bytes=trained * 4,
        optimizer_bytes=state,
        activations_bytes=int(activations),
    )
