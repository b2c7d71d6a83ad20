"""Memory of one rank: parameters, gradients, optimizer state, activations.

Parameters come from the table of weights, bytes per parameter from megatron-core's distributed optimizer;
``planning.activations`` owns the activations. Fragmentation, workspaces and communication buffers are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from megatron_ko.config.distillation import DistillationConfig
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import AdapterConfig, ParallelConfig
from megatron_ko.planning.activations import StageShape, TrainedLayer, peak_bytes
from megatron_ko.planning.adapters import adapted_weights, adapter_parameters, module_of
from megatron_ko.planning.distillation import (
    loss_bytes,
    message_bytes,
    teacher_logits_bytes,
    teacher_weights_bytes,
)
from megatron_ko.planning.hidden_states import distance_bytes, hidden_state_bytes, projection_parameters
from megatron_ko.planning.pipeline import chunks_in_flight, chunks_of_stage
from megatron_ko.planning.selection import Selection
from megatron_ko.planning.state_formats import PLAIN, StateFormats
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
    teacher_bytes: int = 0
    """Weights of the teacher; what it adds to the activations is part of them."""
    host_bytes: int = 0
    """Optimizer state in host memory, which is not part of the total."""

    @property
    def total_bytes(self) -> int:
        own = self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes
        return own + self.teacher_bytes


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
    lora: AdapterConfig | None = None,
    selection: Selection | None = None,
    formats: StateFormats = PLAIN,
    muon: bool = False,
    distillation: DistillationConfig | None = None,
    teacher: ModelConfig | None = None,
    z_loss: bool = False,
) -> tuple[RankMemory, ...]:
    """Memory of a rank of each pipeline stage.

    Weights that ``selection`` freezes have neither gradients nor optimizer state; a matrix some of whose rows train has both
    whole, and so do the adapters of ``lora``, beside which only what ``selection`` names trains. ``muon``: every rank has the
    whole state, and that of a layer's matrix is one momentum. ``distillation``: the loss of the stage; ``teacher``: the model that runs
    beside the one that trains; ``z_loss``: whether its loss has one.
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
    if distillation is not None:
        distance = distance_bytes(distillation, teacher, shape)
        shape = replace(shape, loss_bytes=loss_bytes(distillation, shape, distance, z_loss=z_loss))
    trains = Trains(lora, selection, projection_parameters(distillation, model, teacher))
    memories = [
        _stage_memory(shape, stage, data_parallel * parallel.context, micro_batches, trains, formats, muon)
        for stage in range(parallel.pipeline)
    ]
    if teacher is not None:
        memories = [
            _with_teacher(own, teacher, distillation, shape, n, micro_batches)
            for n, own in enumerate(memories)
        ]
    return tuple(memories)


def _with_teacher(
    own: RankMemory,
    teacher: ModelConfig,
    distillation: DistillationConfig | None,
    shape: StageShape,
    stage: int,
    micro_batches: int,
) -> RankMemory:
    """Memory with the teacher beside the model. ``distillation`` of ``stage_memories`` counts its logits."""
    in_flight = chunks_in_flight(shape.parallel, stage, micro_batches)
    messages = message_bytes(teacher, shape, stage, in_flight)
    messages += hidden_state_bytes(distillation, teacher, shape, stage, in_flight)
    is_last = stage == shape.parallel.pipeline - 1
    before_student = teacher_logits_bytes(distillation, shape) if is_last else 0
    return replace(
        own,
        teacher_bytes=teacher_weights_bytes(teacher, shape, stage, distillation),
        activations_bytes=max(own.activations_bytes, before_student) + messages,
    )


@dataclass(frozen=True)
class Trains:
    """What trains: adapters, and beside them, or without them, the weights of ``selection`` (None: all, but beside adapters none)."""

    lora: AdapterConfig | None
    selection: Selection | None
    projections: int = 0
    """Parameters beside the model that always train, on the last pipeline stage."""

    def base(self, weight: Weight, layer: int | None) -> bool:
        if self.selection is None:
            return self.lora is None
        return self.selection.trains(weight, layer)

    def parameters(self, shape: StageShape, stage: int) -> int:
        """Parameters of the model itself that train on a rank of a stage."""
        if self.selection is None and self.lora is not None:
            return 0
        return parameters_of_stage(shape.model, shape.vocab_size, shape.parallel, stage, self.selection)

    def layer(self, model: ModelConfig, layer: int) -> TrainedLayer:
        rows = [weight for weight in weights_of(model) if weight.per_layer]
        targets = self.lora.targets if self.lora else []
        adapted = {module_of(weight).rpartition("linear_")[2] for weight in adapted_weights(targets)}
        whole = {
            name: any(self.base(row, layer) for row in rows if f"linear_{name}.weight" in row.stored)
            for name in _MATRICES
        }
        return TrainedLayer(
            *(name in adapted or whole[name] for name in _MATRICES),
            norms=any(self.base(row, layer) for row in rows if row.start == "ones"),
            weights=any(whole.values()),
        )


def _stage_memory(
    shape: StageShape,
    stage: int,
    shards: int,
    micro_batches: int,
    trains: Trains,
    formats: StateFormats,
    muon: bool,
) -> RankMemory:
    model, parallel, width = shape.model, shape.parallel, shape.width
    count = parameters_of_stage(model, shape.vocab_size, parallel, stage)
    chunks = chunks_of_stage(model.layers, parallel, stage)
    layers = [layer for chunk in chunks for layer in chunk]
    beside = trains.projections if stage == parallel.pipeline - 1 else 0
    if trains.lora is not None:
        beside += adapter_parameters(model, trains.lora.rank, trains.lora.targets, parallel, len(layers))
    trained = trains.parameters(shape, stage) + beside
    in_flight = chunks_in_flight(parallel, stage, micro_batches)
    activations = peak_bytes(
        shape,
        [[trains.layer(model, layer) for layer in chunk] for chunk in chunks],
        in_flight=in_flight,
        has_head=stage == parallel.pipeline - 1,
        passes_gradients=stage > 0
        or not isinstance(parallel.recompute, NoRecompute)
        or any(trains.base(weight, None) for weight in weights_of(model) if weight.depth == "first"),
        head_trains=trains.base(output_weight(model), None),
    )
    if isinstance(parallel.recompute, NoRecompute):  # what is computed again is not kept in FP8 either
        saved = formats.saved_activations(model, parallel, layers) * shape.tokens
        activations -= int(saved * in_flight / len(chunks))
    entries = stage_entries(model, shape.vocab_size, stage, parallel.pipeline, layers)
    master = formats.master if formats.master is not None else 4 if width == 2 else 0
    state = -(-trained * (master + 2 * formats.moment) // shards)
    if muon:
        matrices = (e for e in entries if e.weight.per_layer and e.weight.use == "product")
        state = trained * (master + 8) - 4 * sum(e.size_per_rank(parallel.tensor) for e in matrices)
    on_host = int(state * formats.offloaded)
    return RankMemory(
        parameters=count,
        weights_bytes=(count + beside) * width + formats.copies(entries, model, parallel.tensor),
        gradients_bytes=trained * formats.gradient,
        optimizer_bytes=state - on_host,
        activations_bytes=activations,
        host_bytes=on_host,
    )


_MATRICES = ("qkv", "proj", "fc1", "fc2")
