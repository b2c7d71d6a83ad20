"""The plan's activations against megatron-core's own forward and backward passes, under fake tensors, for a table of layouts.

    python -m tests.bench.plan_memory [--device cuda|cpu] [--only NAME]

Fake tensors have shapes and no bytes, so a layout of any size runs on one CPU: the model of one rank is built, its pipeline
schedule runs one step with a process group that exchanges nothing, and the live bytes of all storages are added up. Gradients
of parameters are dropped once they are complete, as the data-parallel wrapper does after adding them to its buffer. For
``cuda``, norms and SwiGLU are replaced by operations that keep and create what the fused kernels do. Prints one JSON line per
pipeline stage: ``planned`` and ``measured`` peaks of the activations in GiB, and their ``ratio``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import FullRecompute, SelectiveRecompute
from megatron_ko.config.training import LoraConfig, ParallelConfig, PrecisionConfig
from megatron_ko.config.trains import TrainsConfig
from megatron_ko.planning.memory import Device, stage_memories
from megatron_ko.planning.selection import Selection

GIB = 2**30
MODEL = ModelConfig(
    layers=8, hidden_size=2048, ffn_hidden_size=7168, heads=16, kv_groups=4, max_sequence_length=8192, vocab_size=32_000
)  # fmt: skip
FULL = FullRecompute(type="full")


@dataclass(frozen=True)
class Case:
    """A rank of a run; ``micro_batches`` of a step."""

    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    model: ModelConfig = MODEL
    dtype: str = "bf16"
    micro_batch_size: int = 1
    micro_batches: int = 8
    sequence_length: int = 4096
    lora: LoraConfig | None = None
    trains: TrainsConfig | None = None

    @property
    def selection(self) -> Selection | None:
        if self.trains is None:
            return None
        return Selection.of(self.trains, self.model, self.model.vocab_size or 0, 16_000)


def _layout(**fields: Any) -> Case:
    return Case(ParallelConfig(**fields))


def _selective(*modules: Any) -> SelectiveRecompute:
    return SelectiveRecompute(type="selective", modules=list(modules))


_LORA = LoraConfig(rank=16, alpha=32)
CASES: dict[str, Case] = {
    "one rank": Case(),
    "one rank, fp32": Case(dtype="fp32"),
    "one rank, micro-batch 4, length 1,024": Case(micro_batch_size=4, sequence_length=1024),
    "one rank, norms of heads, tied": Case(model=replace(MODEL, qk_norm=True, tied_embeddings=True)),
    "full": _layout(recompute=FULL),
    "full, groups of 2": _layout(recompute=FullRecompute(type="full", layers=2)),
    "full, block of 3": _layout(recompute=FullRecompute(type="full", method="block", layers=3)),
    "selective mlp": _layout(recompute=_selective("mlp")),
    "selective norms, mlp": _layout(recompute=_selective("norms", "mlp")),
    "selective attention": _layout(recompute=_selective("attention")),
    "TP4": _layout(tensor=4),
    "TP4, SP": _layout(tensor=4, sequence=True),
    "TP4, SP, full": _layout(tensor=4, sequence=True, recompute=FULL),
    "TP4, SP, selective norms, mlp": _layout(tensor=4, sequence=True, recompute=_selective("norms", "mlp")),
    "PP4": _layout(pipeline=4),
    "PP4, full": _layout(pipeline=4, recompute=FULL),
    "PP2, 5 and 3 layers": _layout(pipeline=2, first_stage_layers=5),
    "PP2 x V2": _layout(pipeline=2, virtual_pipeline=2),
    "PP4 x V2, full": _layout(pipeline=4, virtual_pipeline=2, recompute=FULL),
    "TP2, SP, PP2, 5 and 3 layers": _layout(tensor=2, sequence=True, pipeline=2, first_stage_layers=5),
    "LoRA": Case(lora=_LORA),
    "LoRA, full": Case(ParallelConfig(recompute=FULL), lora=_LORA),
    "LoRA of qkv, TP2, SP": Case(
        ParallelConfig(tensor=2, sequence=True), lora=replace(_LORA, targets=["qkv"])
    ),
    "trains the upper half": Case(trains=TrainsConfig(layers=["4-7"])),
    "trains odd layers and new rows": Case(trains=TrainsConfig(layers="odd", embedding="new", output="new")),
    "trains the output": Case(trains=TrainsConfig(output="all")),
    "trains norms, selective mlp": Case(
        ParallelConfig(recompute=_selective("mlp")), trains=TrainsConfig(norms=True)
    ),
}
CONTEXT = {
    "CP2": _layout(context=2),
    "CP2, TP2, SP, full": _layout(context=2, tensor=2, sequence=True, recompute=FULL),
}
"""On the CPU only: on a GPU, Transformer Engine exchanges keys and values otherwise."""


def compare(case: Case, device: Device, stage: int) -> dict[str, float]:
    """Peaks of one stage as planned and as measured, in GiB, and their ratio. Starts and ends its own process group."""
    planned = stage_memories(
        case.model,
        case.parallel,
        padded_vocab_size=case.model.vocab_size or 0,
        data_parallel=1,
        micro_batch_size=case.micro_batch_size,
        micro_batches=case.micro_batches,
        sequence_length=case.sequence_length,
        bytes_per_weight=2 if case.dtype == "bf16" else 4,
        device=device,
        lora=case.lora,
        selection=case.selection,
    )[stage].activations_bytes
    measured = measure(case, device, stage)
    return {
        "planned": round(planned / GIB, 3),
        "measured": round(measured / GIB, 3),
        "ratio": round(planned / measured, 3),
    }


# --- megatron-core under fake tensors ---------------------------------------------------------------------


class Live(TorchDispatchMode):
    """Live bytes of every storage that an operation has created, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.note(tensor.untyped_storage())
        return out

    def note(self, storage: Any) -> None:
        """Counts a storage by its size now, which may have changed."""
        key, size = storage._cdata, storage.nbytes()
        if key not in self._sizes:
            weakref.finalize(storage, self._forget, key)
        self.now += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


def measure(case: Case, device: Device, stage: int, build_loss: Any = None) -> int:
    """Peak bytes of one step beside weights and gradient buffers; ``build_loss()`` by default builds the cross-entropy."""
    import torch.distributed as dist
    from megatron.core import parallel_state
    from megatron.core.pipeline_parallel import get_forward_backward_func
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from megatron_ko.training.chunks import chunks_of, deal_batches
    from megatron_ko.training.hidden_states import set_projections
    from megatron_ko.training.losses import CrossEntropy
    from megatron_ko.training.step import widen

    layout = case.parallel
    per_stage = layout.tensor * layout.context
    dist.init_process_group(
        "fake", rank=stage * per_stage, world_size=per_stage * layout.pipeline, store=FakeStore()
    )
    try:
        parallel_state.initialize_model_parallel(
            layout.tensor,
            layout.pipeline,
            layout.virtual_pipeline if layout.virtual_pipeline > 1 else None,
            context_parallel_size=layout.context,
            create_gloo_process_groups=False,
        )
        model_parallel_cuda_manual_seed(1)
        with _kernels_of(device), FakeTensorMode(allow_non_fake_inputs=True), Live() as live, _resizes(live):
            gpt = _build(case, device)
            rows = torch.zeros(
                case.micro_batch_size, case.sequence_length // layout.context, dtype=torch.int64
            )
            batch = {"tokens": rows, "labels": rows, "loss_mask": rows.float(), "position_ids": rows}
            chunks = chunks_of(gpt)
            count, batches = deal_batches(iter([batch] * case.micro_batches), case.micro_batches, chunks)
            loss = build_loss() if build_loss else CrossEntropy()
            widths, shapes = loss.beside(chunks[0]), loss.projections(chunks[0])
            more = {"adjust_tensor_shapes_fn": partial(widen, widths)} if any(widths) else {}
            if shapes:
                set_projections(gpt, shapes, 1)
                _drop_gradients(gpt)
            weights = live.peak = live.now
            get_forward_backward_func()(
                forward_step_func=lambda ahead, model: loss.forward(next(ahead), model),
                data_iterator=batches,
                model=chunks,
                num_microbatches=count,
                seq_length=case.sequence_length,
                micro_batch_size=case.micro_batch_size,
                forward_only=False,
                **(more if layout.pipeline > 1 else {}),
            )
        return live.peak - weights
    finally:
        parallel_state.destroy_model_parallel()
        parallel_state.destroy_global_memory_buffer()
        dist.destroy_process_group()


def _build(case: Case, device: Device, groups: Any = None) -> Any:
    from megatron_ko.config.speed import SpeedConfig
    from megatron_ko.planning.speed import decide
    from megatron_ko.training import lora
    from megatron_ko.training.freezing import freeze
    from megatron_ko.training.model import build_gpt

    precision = PrecisionConfig(dtype=case.dtype)  # type: ignore[arg-type]
    gpt = build_gpt(
        case.model,
        case.parallel,
        precision,
        vocab_size=case.model.vocab_size or 0,
        device=torch.device(device),
        switches=decide(SpeedConfig(layers="own"), device, precision.fp8),
        groups=groups,
    )
    if case.lora is not None:
        lora.attach(gpt, case.model, case.lora)
    else:
        freeze(gpt, case.model, case.selection, 1)
    _drop_gradients(gpt)
    return gpt


def _drop_gradients(gpt: Any) -> None:
    """Drops each gradient of a parameter once it is complete."""

    def drop(parameter: Any) -> None:
        parameter.grad = None

    for parameter in gpt.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(drop)


@contextlib.contextmanager
def _replaced(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Sets attributes and restores them."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


@contextlib.contextmanager
def _resizes(live: Live) -> Iterator[None]:
    """Notices storages that recomputation gives up or fills again, and what fake tensors cannot do: random states, ``to``."""
    from megatron.core.tensor_parallel import random

    from megatron_ko.training import chunks

    give_up = random.CheckpointWithoutOutput.discard_output_and_register_recompute

    def noticed(self: Any, hook_tensor: Any) -> None:
        outputs = self.outputs
        give_up(self, hook_tensor)
        for output in outputs:
            live.note(output.untyped_storage())

    def fill(target: Any, source: Any) -> None:
        target.untyped_storage().resize_(source.untyped_storage().size())
        live.note(target.untyped_storage())

    with _replaced(
        (random.CheckpointWithoutOutput, "discard_output_and_register_recompute", noticed),
        (chunks, "_copy_storage", fill),
        (random.CudaRNGStatesTracker, "fork", lambda *arguments, **options: contextlib.nullcontext()),
        (torch.nn.Module, "to", lambda self, *arguments, **options: self),
    ):
        yield


@contextlib.contextmanager
def _kernels_of(device: Device) -> Iterator[None]:
    """For ``cuda``, norms and SwiGLU that keep their inputs alone and create nothing but their results."""
    if device == "cpu":
        yield
        return
    from megatron.core.fusions import fused_bias_swiglu

    from megatron_ko.training.model import RMSNorm

    class Norm(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any) -> Any:
            ctx.save_for_backward(hidden, weight, hidden.new_empty(hidden.shape[:-1], dtype=torch.float32))
            return torch.empty_like(hidden)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            hidden, weight, _ = ctx.saved_tensors
            return torch.empty_like(hidden), torch.empty_like(weight)

    with _replaced(
        (RMSNorm, "forward", lambda self, hidden: Norm.apply(hidden, self.weight)),
        (fused_bias_swiglu, "swiglu", lambda y: y.new_empty(*y.shape[:-1], y.shape[-1] // 2)),
        (fused_bias_swiglu, "swiglu_back", lambda g, y: torch.empty_like(y)),
    ):
        yield


def stages_of_case(case: Case) -> range:
    return range(case.parallel.pipeline)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    from megatron_ko.training.distributed import import_megatron

    import_megatron("cpu")
    cases = CASES | (CONTEXT if options.device == "cpu" else {})
    for name, case in cases.items():
        if options.only in name:
            for stage in stages_of_case(case):
                print(
                    json.dumps({"layout": name, "stage": stage, **compare(case, options.device, stage)}),
                    flush=True,
                )


if __name__ == "__main__":
    main()
