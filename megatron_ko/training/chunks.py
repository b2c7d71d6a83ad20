"""The parts of a model on one rank: one, or the chunks of a virtual pipeline, and the micro-batches that each of them reads.

Owns the container of chunks and what recomputation needs of a model. ``planning.pipeline`` owns which layers a chunk has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partialmethod
from typing import Any

import torch
from torch import Tensor, nn

from megatron_ko.config.recompute import FullRecompute, Recompute, SelectiveRecompute
from megatron_ko.config.training import ParallelConfig
from megatron_ko.planning.pipeline import is_virtual

Batch = dict[str, Tensor]
_MODULES = {"attention": "core_attn", "norms": "layernorm", "mlp": "mlp"}


class Chunks(nn.ModuleList):
    """The chunks of one rank in order, each a ``GPTModel`` or its wrapper. Names of parameters begin with the chunk's number."""

    @property
    def config(self) -> Any:
        """megatron-core's settings, one object for all chunks."""
        return self[0].config


def join_chunks(parts: Sequence[nn.Module]) -> Any:
    """The only part itself, or several as ``Chunks``."""
    return parts[0] if len(parts) == 1 else Chunks(parts)


def chunks_of(model: Any) -> list[Any]:
    """The parts of a model: its chunks, or itself."""
    return list(model) if isinstance(model, Chunks) else [model]


def named_chunks(model: Any) -> list[tuple[str, Any]]:
    """The parts of a model, each with the prefix of its names in ``model``: ``0.``, or none for the only part."""
    if not isinstance(model, Chunks):
        return [("", model)]
    return [(f"{number}.", chunk) for number, chunk in enumerate(model)]


def deal_batches(batches: Iterator[Batch], count: int, chunks: Sequence[Any]) -> tuple[int, Any]:
    """Number of micro-batches, and the iterator over them for the only part, or one for each chunk, which all read the same.

    A virtual pipeline runs whole groups of ``pipeline`` micro-batches: in a validation, copies of the last micro-batch with a
    loss mask of 0 fill the last group.
    """
    if len(chunks) == 1:
        return count, batches
    group = chunks[0].config.pipeline_model_parallel_size
    missing = -count % group
    filled = _fill(itertools.islice(batches, count), missing)
    return count + missing, list(itertools.tee(filled, len(chunks)))


def _fill(batches: Iterator[Batch], missing: int) -> Iterator[Batch]:
    batch: Batch = {}
    for batch in batches:
        yield batch
    for _ in range(missing):
        yield {**batch, "loss_mask": torch.zeros_like(batch["loss_mask"])}


def pipeline_fields(parallel: ParallelConfig) -> dict[str, Any]:
    """Fields of megatron-core's ``TransformerConfig`` for virtual and uneven pipelines."""
    first, last = parallel.first_stage_layers, parallel.last_stage_layers
    if first is not None and parallel.pipeline == 2:
        last = None  # what remains; with both, megatron-core divides by zero in a virtual pipeline
    fields: dict[str, Any] = {
        "num_layers_in_first_pipeline_stage": first,
        "num_layers_in_last_pipeline_stage": last,
    }
    if is_virtual(parallel):
        # in one batch, two ranks that are each other's next and previous stage would mix up activations and gradients
        fields |= {"overlap_p2p_comm": True, "batch_p2p_comm": False}
        fields["virtual_pipeline_model_parallel_size"] = parallel.virtual_pipeline
    return fields


# --- recomputation ---------------------------------------------------------------------------------------


def recompute_fields(recompute: Recompute) -> dict[str, Any]:
    """Fields of megatron-core's ``TransformerConfig`` for the section ``parallel.recompute``."""
    if isinstance(recompute, FullRecompute):
        return {
            "recompute_granularity": "full",
            "recompute_method": recompute.method,
            "recompute_num_layers": recompute.layers,
        }
    if isinstance(recompute, SelectiveRecompute):
        modules = [_MODULES[name] for name in recompute.modules]
        return {"recompute_granularity": "selective", "recompute_modules": modules}
    return {}


def prepare_recompute(gpt: Any) -> None:
    """Makes a built part of a model ready for the recomputation in its settings, if any.

    Gradients must reach recomputed layers above a frozen embedding: without a gradient of its input, a recomputed module
    passes none to its weights. And the output of a norm must come back without a compiler.
    """
    if gpt.config.recompute_granularity is None:
        return
    if gpt.pre_process:
        gpt.embedding.register_forward_hook(_require_gradient)
    from megatron.core.tensor_parallel import random

    norm: Any = random.CheckpointWithoutOutput
    if hasattr(
        random, "_get_share_storage"
    ):  # 0.19 compiles C++ for it when it first runs; 0.16 copies as this does
        random._get_share_storage = lambda: _copy_storage
    if not random.HAVE_TE and not hasattr(
        norm, "without_engine"
    ):  # it would ask a missing Transformer Engine for FP8
        norm.without_engine = True
        norm.__init__ = partialmethod(_without_fp8, norm.__init__)


def _without_fp8(checkpoint: Any, plain: Any, *arguments: Any, **options: Any) -> None:
    plain(checkpoint, *arguments, **options)
    checkpoint.fp8 = False


def _require_gradient(module: Any, inputs: Any, output: Tensor) -> None:
    if torch.is_grad_enabled() and not output.requires_grad:
        output.requires_grad_()


def _copy_storage(target: Tensor, source: Tensor) -> None:
    """Fills the storage of ``target``, which was given up, from that of ``source``."""
    storage, full = target.untyped_storage(), source.untyped_storage()
    storage.resize_(full.size())
    storage.copy_(full)
