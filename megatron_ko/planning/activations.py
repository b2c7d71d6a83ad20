"""Peak of the activations of one pipeline stage: what the forward pass keeps, and what the backward pass needs beside it.

Counts tensors of megatron-core's layers as they are freed: inputs of matrices and norms, queries, keys and values, both halves
of SwiGLU, the gradient of the largest matrix before it is added to the buffer, logits in fp32. Two sets of kernels: on a GPU,
norms and SwiGLU are fused; on the CPU they keep intermediate results. ``tests/bench/plan_memory.py`` compares the result with
megatron-core's own forward and backward passes under fake tensors (docs/benchmarks.md). Buffers of libraries and fragmentation
are not counted. After Korthikanti et al. 2022, arXiv 2205.05198.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from megatron_ko.config.model import ModelConfig, has_gate, head_size
from megatron_ko.config.recompute import FullRecompute, SelectiveRecompute
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.weights import axis_sizes


@dataclass(frozen=True)
class TrainedLayer:
    """Which matrices of a layer need their input for a gradient, of their weight or their adapter, and whether its norms train."""

    qkv: bool = True
    proj: bool = True
    fc1: bool = True
    fc2: bool = True
    norms: bool = True
    weights: bool = True
    """Whether gradients of whole matrices are computed, not only of adapters."""

    @property
    def any(self) -> bool:
        return self.qkv or self.proj or self.fc1 or self.fc2 or self.norms


@dataclass(frozen=True)
class StageShape:
    """One micro-batch on one rank: sizes per token already divided among ranks where they are split."""

    model: ModelConfig
    parallel: ParallelConfig
    tokens: int
    """Tokens of a micro-batch on one context-parallel rank."""
    positions: int
    """Tokens of one of its sequences."""
    width: int
    """Bytes of an activation."""
    fused: bool
    """Whether norms and SwiGLU are fused kernels: on a GPU."""
    vocab_size: int
    loss_bytes: int | None = None
    """Bytes beside the logits while a loss computes that has only a chunk of them in fp32; None: all of them are in fp32."""

    def __post_init__(self) -> None:
        assert self.width in (2, 4)

    @property
    def hidden(self) -> int:
        """Bytes of the whole residual stream."""
        return self.tokens * self.model.hidden_size * self.width

    @property
    def residual(self) -> int:
        """Bytes of this rank's part of the residual stream."""
        return self.hidden // (self.parallel.tensor if self.parallel.sequence else 1)

    def split(self, axis: str) -> int:
        """Bytes of an activation of this axis, which tensor-parallel ranks split."""
        return (
            self.tokens * axis_sizes(self.model, self.vocab_size)[axis] // self.parallel.tensor * self.width
        )

    def weight(self, axis: str) -> int:
        """Bytes of this rank's part of a matrix between the residual stream and ``axis``."""
        size = axis_sizes(self.model, self.vocab_size)[axis] // self.parallel.tensor
        return self.model.hidden_size * size * self.width

    # --- what the forward pass keeps ---------------------------------------------------------------------

    def norm(self, trains: bool) -> int:
        """Bytes that a norm of the residual stream keeps, without its output."""
        if self.fused:
            return self.residual
        in_fp32 = self.residual * 4 // self.width
        return in_fp32 * 2 if trains else in_fp32

    def attention(self) -> int:
        """Bytes that rotation and core attention keep: the value is a view of the joint projection, which stays whole."""
        q, kv = self.split("q"), self.split("kv")
        if self.parallel.context > 1 and not self.fused:  # keys and values of all context ranks
            kept = 2 * q + 2 * kv * self.parallel.context
        else:
            kept = 3 * q + 3 * kv
        if (
            self.model.qk_norm
        ):  # the query before its norm is a copy, the key is a view of the joint projection
            kept += q if self.fused else (q + kv) * 8 // self.width
        log_sums = 4 * self.tokens * self.model.heads // self.parallel.tensor
        angles = (
            4 * self.positions * head_size(self.model) * self.width
        )  # cosine and sine of queries and keys
        return kept + log_sums + angles

    @property
    def inputs(self) -> int:
        """Inputs of the activation function for each of its outputs: with the gate, two."""
        return 2 if has_gate(self.model) else 1

    def swiglu(self, keeps_output: bool) -> int:
        """Bytes that SwiGLU keeps: both inputs, on the CPU both factors, too, and the output if fc2 needs it; GELU, its input."""
        factors = 2 if self.inputs == 2 and not self.fused else 0
        return self.split("ffn") * (self.inputs + factors + keeps_output)

    def layer(self, trained: TrainedLayer) -> int:
        """Bytes that a layer keeps in the forward pass."""
        recompute = self.parallel.recompute
        again = set(recompute.modules) if isinstance(recompute, SelectiveRecompute) else set()
        keeps_output = "norms" not in again
        kept = 2 * self.norm(trained.norms) + self.attention()
        if not self.fused and "norms" in again:
            kept = 2 * self.residual + self.attention()  # only the input of each
        kept += self.residual * keeps_output * trained.qkv
        if "mlp" in again:
            return kept + self.residual * keeps_output
        return kept + self.residual * keeps_output * trained.fc1 + self.swiglu(trained.fc2)

    def chunk(self, layers: Sequence[TrainedLayer]) -> int:
        """Bytes that a chunk keeps for one micro-batch."""
        recompute = self.parallel.recompute
        if not isinstance(recompute, FullRecompute):
            return sum(map(self.layer, layers))
        if recompute.method == "uniform":
            return -(-len(layers) // recompute.layers) * self.residual
        again = min(recompute.layers, len(layers))
        return again * self.residual + sum(map(self.layer, layers[again:]))

    # --- what the backward pass needs beside it ----------------------------------------------------------

    def backward(self, trained: TrainedLayer) -> int:
        """Most bytes beside what the last layer has kept: gradients of its feed-forward layer, activations and weights."""
        sequence, ffn = self.parallel.sequence, self.split("ffn")
        gathered = self.hidden if sequence else 0
        weight = self.weight("ffn") if trained.weights else 0
        kept = self.swiglu(trained.fc2)
        of_fc2 = gathered + ffn + weight * trained.fc2
        of_swiglu = (self.inputs + (not trained.fc2)) * ffn
        of_fc1 = self.inputs * (ffn + weight * trained.fc1) - kept + self.hidden
        extra = self.residual + max(of_fc2, of_swiglu, of_fc1)
        return extra + self._computed_again(trained)

    def _computed_again(self, trained: TrainedLayer) -> int:
        recompute = self.parallel.recompute
        if isinstance(recompute, SelectiveRecompute):
            again = self.swiglu(trained.fc2) + self.hidden if "mlp" in recompute.modules else 0
            return again + self.residual * ("norms" in recompute.modules)
        return 0

    def group_again(self, layers: Sequence[TrainedLayer]) -> int:
        """Bytes of the layers that full recomputation computes again at a time, and of their output."""
        recompute = self.parallel.recompute
        if not isinstance(recompute, FullRecompute) or not layers:
            return 0
        if recompute.method == "block":
            return self.layer(layers[-1]) + self.residual if len(layers) <= recompute.layers else 0
        return sum(map(self.layer, layers[: recompute.layers])) + self.residual

    def head(self, trains: bool) -> int:
        """Most bytes beside the layers while the last stage computes logits, loss and their gradients."""
        logits, in_fp32 = self.split("vocab"), self.split("vocab") * 4 // self.width
        loss = in_fp32 + (logits if self.width == 2 else 0)
        if self.loss_bytes is not None:
            loss = logits + self.loss_bytes
        gradients = logits + self.hidden + (self.weight("vocab") if trains else 0)
        return self.norm(True) + self.residual + max(loss, gradients)


def peak_bytes(
    shape: StageShape,
    chunks: Sequence[Sequence[TrainedLayer]],
    *,
    in_flight: int,
    has_head: bool,
    passes_gradients: bool,
    head_trains: bool = True,
) -> int:
    """Peak of the activations of a stage whose chunks have these layers, ``in_flight`` of them at a time.

    ``passes_gradients``: whether layers below the first one that trains need gradients, for an earlier stage or recomputation.
    """
    kept_layers = [
        list(_with_gradients(layers, passes_gradients or number > 0)) for number, layers in enumerate(chunks)
    ]
    one = sum(map(shape.chunk, kept_layers)) / len(chunks)
    last = kept_layers[-1]
    outputs = in_flight - has_head
    kept = int(one * in_flight) + outputs * shape.residual
    backward = shape.backward(last[-1]) + shape.group_again(last) if last else 0
    peak = kept + max(backward, shape.head(head_trains) if has_head else 0)
    return peak + (shape.hidden if shape.parallel.sequence else 0)  # a buffer of gathered inputs


def _with_gradients(layers: Sequence[TrainedLayer], passes: bool) -> Iterable[TrainedLayer]:
    """The layers that the backward pass reaches."""
    for layer in layers:
        passes = passes or layer.any
        if passes:
            yield layer
