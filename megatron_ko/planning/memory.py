"""Memory of one rank: parameters, gradients, optimizer state, activations.

Parameters come from the table of weights, bytes per parameter from megatron-core's distributed optimizer;
``planning.activations`` owns the activations. Fragmentation, workspaces and communication buffers are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import LoraConfig, ModelConfig, ParallelConfig
from megatron_ko.planning.activations import StageShape, TrainedLayer, peak_bytes
from megatron_ko.planning.adapters import adapted_weights, adapter_parameters, module_of
from megatron_ko.planning.pipeline import chunks_in_flight, chunks_of_stage
from megatron_ko.planning.selection import Selection
from megatron_ko.planning.weights import Weight, output_weight, stage_entries, weights_of

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class RankMemory:
    """Bytes on one rank."""

    parameters: int
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    """At the peak of a step, with the gradients of single activations and matrices."""

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
    layers = [layer for chunk in chunks_of_stage(model.layers, parallel, stage) for layer in chunk]
    entries = stage_entries(model, padded_vocab_size, stage, parallel.pipeline, layers)
    return sum(
        entry.size_per_rank(parallel.tensor)
        for entry in entries
        if selection is None or selection.trains(entry.weight, entry.layer)
    )


def stage_memories(
    model: ModelConfig,
    parallel: ParallelConfig,
    *,
    padded_vocab_size: int,
    data_parallel: int,
    micro_batch_size: int,
    micro_batches: int,
    sequence_length: int,
    bytes_per_weight: int,
    device: Device = "cuda",
    lora: LoraConfig | None = None,
    selection: Selection | None = None,
) -> tuple[RankMemory, ...]:
    """Memory of a rank of each pipeline stage.

    With ``lora``, only adapters have gradients and optimizer state. Weights that ``selection`` freezes have neither; a matrix
    some of whose rows train has both whole.
    """
    positions = sequence_length // parallel.context
    shape = StageShape(
        model=model,
        parallel=parallel,
        tokens=micro_batch_size * positions,
        positions=positions,
        width=bytes_per_weight,
        fused=device == "cuda",
        vocab_size=padded_vocab_size,
    )
    return tuple(
        _stage_memory(shape, stage, data_parallel * parallel.context, micro_batches, lora, selection)
        for stage in range(parallel.pipeline)
    )


def _stage_memory(
    shape: StageShape,
    stage: int,
    shards: int,
    micro_batches: int,
    lora: LoraConfig | None,
    selection: Selection | None,
) -> RankMemory:
    model, parallel, width = shape.model, shape.parallel, shape.width
    count = parameters_of_stage(model, shape.vocab_size, parallel, stage)
    trained = parameters_of_stage(model, shape.vocab_size, parallel, stage, selection)
    chunks = chunks_of_stage(model.layers, parallel, stage)
    adapters = 0
    if lora is not None:
        adapters = adapter_parameters(model, lora.rank, lora.targets, parallel, sum(map(len, chunks)))
        trained = adapters
    master = 4 if width == 2 else 0
    head_trains = lora is None and (selection is None or selection.trains(output_weight(model), None))
    return RankMemory(
        parameters=count,
        weights_bytes=(count + adapters) * width,
        gradients_bytes=trained * 4,
        optimizer_bytes=-(-trained * (master + 8) // shards),
        activations_bytes=peak_bytes(
            shape,
            [[_trained_layer(model, layer, lora, selection) for layer in chunk] for chunk in chunks],
            in_flight=chunks_in_flight(parallel, stage, micro_batches),
            has_head=stage == parallel.pipeline - 1,
            passes_gradients=stage > 0
            or not isinstance(parallel.recompute, NoRecompute)
            or (lora is None and (selection is None or _embedding_trains(model, selection))),
            head_trains=head_trains,
        ),
    )


def _embedding_trains(model: ModelConfig, selection: Selection) -> bool:
    return any(selection.trains(weight, None) for weight in weights_of(model) if weight.depth == "first")


def _trained_layer(
    model: ModelConfig, layer: int, lora: LoraConfig | None, selection: Selection | None
) -> TrainedLayer:
    """What of a layer trains."""
    if lora is not None:
        modules = {module_of(weight).rpartition("linear_")[2] for weight in adapted_weights(lora.targets)}
        return TrainedLayer(*(name in modules for name in _MATRICES), norms=False, weights=False)
    if selection is None:
        return TrainedLayer()
    rows = [weight for weight in weights_of(model) if weight.per_layer]

    def trains(wanted: Sequence[Weight]) -> bool:
        return any(selection.trains(weight, layer) for weight in wanted)

    return TrainedLayer(
        *(trains([row for row in rows if f"linear_{name}.weight" in row.stored]) for name in _MATRICES),
        norms=trains([row for row in rows if row.start == "ones"]),
    )


_MATRICES = ("qkv", "proj", "fc1", "fc2")
