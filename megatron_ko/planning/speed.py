"""What the section ``speed`` means on a device: every switch decided, and the rules over several fields.

Owns ``Switches``. ``training/megatron_fields.py`` translates them to megatron-core's configurations. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from megatron_ko.config.fp8 import Fp8, gathers_parameters, uses_fp8
from megatron_ko.config.loading import Rule
from megatron_ko.config.recompute import FullRecompute
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import (
    Config,
    LoraConfig,
    ParallelConfig,
    PrecisionConfig,
    RunConfig,
    StageConfig,
)
from megatron_ko.planning.family_rules import needs_plain_layers
from megatron_ko.planning.installed import find_apex, uses_engine
from megatron_ko.planning.stages import any_adapters

Problems = Iterator[tuple[str, str]]
_FUSIONS = ("gradient_accumulation", "rope", "swiglu", "residual", "norm_linear")


@dataclass(frozen=True)
class Switches:
    """The section ``speed`` of one run, with every default decided."""

    layers: Literal["engine", "own"] = "own"
    attention: Literal["auto", "flash", "fused", "sdpa"] = "sdpa"
    compile: bool = False
    overlap_grad_reduce: bool = False
    overlap_param_gather: bool = False
    bucket_size: int | None = None
    overlap_tensor_parallel: bool = False
    fused_gradient_accumulation: bool = False
    fused_rope: bool = False
    fused_swiglu: bool = False
    fused_residual: bool = False
    fused_norm_linear: bool = False
    fused_cross_entropy: bool = False
    cuda_graphs: bool = False
    adam: Literal["engine", "apex", "torch"] = "torch"
    precision_aware_adam: bool = False
    adam_moments: Literal["fp32", "bf16", "fp8"] = "fp32"
    gradients: Literal["fp32", "bf16"] = "fp32"
    offload_optimizer: float = 0.0


def switches_of(config: Config) -> Switches:
    """The switches of a run on this machine."""
    return decide(
        config.speed,
        config.run.device,
        config.precision.fp8,
        own_layers=any_adapters(config.lora, config.stages) or needs_plain_layers(config.model) is not None,
        sharded_state=config.optimizer.type != "muon",
    )


def decide(
    speed: SpeedConfig, device: str, fp8: Fp8, *, own_layers: bool = False, sharded_state: bool = True
) -> Switches:
    """Decides what ``speed`` leaves open. FP8 needs Transformer Engine's layers; adapters need ``own_layers``. Only weights whose
    optimizer state is sharded are gathered."""
    if device == "cpu":
        overlap = bool(speed.overlap_grad_reduce)
        return Switches(
            overlap_grad_reduce=overlap,
            overlap_param_gather=bool(speed.overlap_param_gather),
            bucket_size=speed.bucket_size,
        )
    layers = speed.layers
    if own_layers:
        layers = "own"
    elif layers == "auto":
        layers = "engine" if uses_fp8(fp8) or wants_engine(speed) or uses_engine() else "own"
    with_engine = layers == "engine"
    attention = "sdpa" if not with_engine and speed.attention == "auto" else speed.attention
    overlap = speed.overlap_grad_reduce is not False
    gather = speed.overlap_param_gather
    if gather is None:
        gather = overlap and sharded_state and not own_layers
    default = {name: with_engine for name in _FUSIONS} | {"swiglu": True, "residual": True}
    fused = {}
    for name, value in default.items():
        given = getattr(speed, f"fused_{name}")
        fused[f"fused_{name}"] = value if given is None else given
    return Switches(
        layers=layers,
        attention=attention,
        compile=speed.compile,
        overlap_grad_reduce=overlap,
        overlap_param_gather=gather,
        bucket_size=speed.bucket_size,
        overlap_tensor_parallel=speed.overlap_tensor_parallel,
        fused_cross_entropy=speed.fused_cross_entropy,
        cuda_graphs=speed.cuda_graphs == "layers",
        adam=choose_adam(speed, with_engine),
        precision_aware_adam=speed.precision_aware_adam,
        adam_moments=speed.adam_moments,
        gradients=speed.gradients,
        offload_optimizer=speed.offload_optimizer,
        **fused,
    )


def wants_engine(speed: SpeedConfig) -> bool:
    """Whether a field names something that only layers of Transformer Engine have."""
    return (
        speed.layers == "engine"
        or speed.attention in ("flash", "fused")
        or speed.cuda_graphs != "none"
        or any((speed.fused_rope, speed.fused_norm_linear, speed.overlap_tensor_parallel))
    )


def choose_adam(speed: SpeedConfig, with_engine: bool) -> Literal["engine", "apex", "torch"]:
    """The AdamW of ``speed.adam`` on a GPU, where layers may be Transformer Engine's: of Apex only NVIDIA's compiled build."""
    if speed.adam != "auto":
        return speed.adam
    if with_engine or speed.precision_aware_adam or uses_engine():
        return "engine"
    return "apex" if find_apex() == "compiled" else "torch"


# --- rules -----------------------------------------------------------------------------------------------


def _needs_gpu(run: RunConfig, speed: SpeedConfig) -> Problems:
    if run.device != "cpu":
        return
    plain = SpeedConfig(layers="own", attention="sdpa", adam="torch")
    for name in SpeedConfig.__dataclass_fields__:
        value = getattr(speed, name)
        if name in ("overlap_grad_reduce", "overlap_param_gather", "bucket_size"):
            continue
        if value not in ("auto", None, False) and value != getattr(plain, name):
            yield (
                f"speed.{name}",
                f"{spell(value)} needs a GPU, but run.device is cpu; remove it or set run.device: cuda",
            )


def _needs_engine_layers(
    speed: SpeedConfig, precision: PrecisionConfig, lora: LoraConfig | None, stages: list[StageConfig]
) -> Problems:
    adapted = any_adapters(lora, stages)
    own = speed.layers == "own" or adapted
    if adapted and speed.layers == "engine":
        yield "speed.layers", "engine: adapters need own layers; set it to own, or remove the section lora"
    if speed.layers == "own" and uses_fp8(precision.fp8):
        message = f"own: FP8 ({precision.fp8.type}) needs layers of Transformer Engine; set it to engine, or precision.fp8: none"
        yield "speed.layers", message
    if not own:
        return
    if adapted and speed.overlap_param_gather:
        message = (
            "true: adapters have no forward pass of their own that could wait for their weights; remove it"
        )
        yield "speed.overlap_param_gather", message
    reason = "needs layers of Transformer Engine, but they are own"
    if speed.attention in ("flash", "fused"):
        yield "speed.attention", f"{speed.attention} {reason}; set speed.attention: sdpa"
    for name in ("fused_rope", "fused_norm_linear", "overlap_tensor_parallel"):
        if getattr(speed, name):
            yield f"speed.{name}", f"true {reason}; remove it"
    # replayed, own layers compute other gradients from the third step on (an H200, megatron-core 0.19.2)
    if speed.cuda_graphs != "none":
        yield "speed.cuda_graphs", f"{speed.cuda_graphs} {reason}; set speed.layers: engine, or remove it"


def _compiled_layers(speed: SpeedConfig) -> Problems:
    if speed.compile and speed.layers != "own":
        yield (
            "speed.compile",
            f"true compiles own layers, but speed.layers is {speed.layers}; set speed.layers: own, or remove it",
        )


def _graphed_layers(speed: SpeedConfig, parallel: ParallelConfig) -> Problems:
    if speed.cuda_graphs != "none" and isinstance(parallel.recompute, FullRecompute):
        yield (
            "speed.cuda_graphs",
            f"{speed.cuda_graphs} cannot be combined with parallel.recompute.type full, which computes whole layers again; remove it, "
            "or set parallel.recompute.type: selective",
        )


def _overlap(speed: SpeedConfig, run: RunConfig) -> Problems:
    reduces = speed.overlap_grad_reduce is True or (
        speed.overlap_grad_reduce is None and run.device == "cuda"
    )
    if reduces:
        return
    if speed.overlap_param_gather:
        yield (
            "speed.overlap_param_gather",
            "true needs speed.overlap_grad_reduce: true, because megatron-core gathers in the buckets it reduces; set both",
        )
    if speed.bucket_size is not None:
        yield (
            "speed.bucket_size",
            f"{speed.bucket_size} has no effect unless reduction overlaps; set speed.overlap_grad_reduce: true, or remove it",
        )


def _tensor_overlap(speed: SpeedConfig, parallel: ParallelConfig) -> Problems:
    if speed.overlap_tensor_parallel and not parallel.sequence:
        yield (
            "speed.overlap_tensor_parallel",
            "true needs parallel.tensor above 1 and parallel.sequence: true, whose gathers and scatters it overlaps; set them, "
            "or remove it",
        )


def _adam_state(speed: SpeedConfig, precision: PrecisionConfig) -> Problems:
    for name, value in (("adam_moments", speed.adam_moments), ("gradients", speed.gradients)):
        if value != "fp32" and not speed.precision_aware_adam:
            yield f"speed.{name}", f"{value} needs speed.precision_aware_adam: true; set it, or set fp32"
    if not speed.precision_aware_adam:
        return
    if speed.adam in ("apex", "torch"):
        yield "speed.adam", f"{speed.adam} has no precision-aware state; set it to engine or auto"
    if precision.dtype != "bf16":
        yield (
            "speed.precision_aware_adam",
            f"true needs precision.dtype: bf16, but it is {precision.dtype}; change either",
        )
    if speed.offload_optimizer:
        yield (
            "speed.offload_optimizer",
            f"{speed.offload_optimizer} cannot be combined with speed.precision_aware_adam; remove one of them",
        )


def _offloaded(speed: SpeedConfig, precision: PrecisionConfig) -> Problems:
    if speed.offload_optimizer and precision.dtype == "fp32":
        yield (
            "speed.offload_optimizer",
            f"{speed.offload_optimizer} keeps the fp32 weights of a bf16 model on the host, but precision.dtype is fp32; "
            "set it to bf16, or remove speed.offload_optimizer",
        )


def _one_stage(speed: SpeedConfig, precision: PrecisionConfig, stages: list[StageConfig]) -> Problems:
    """What cannot be carried over a boundary between stages, where weights and optimizer state move."""
    if not stages:
        return
    for path, value in (
        ("speed.precision_aware_adam", speed.precision_aware_adam),
        ("speed.offload_optimizer", speed.offload_optimizer),
        ("speed.overlap_tensor_parallel", speed.overlap_tensor_parallel),
        ("speed.cuda_graphs", speed.cuda_graphs != "none" and speed.cuda_graphs),
        ("precision.fp8.parameter_gather", gathers_parameters(precision.fp8)),
    ):
        if value:
            yield (
                path,
                f"{spell(value)} is for runs without stages; remove it, or make each stage a run of its own",
            )


def spell(value: object) -> str:
    """A value as a configuration spells it."""
    return "true" if value is True else str(value)


SPEED_RULES = (
    Rule(("run", "speed"), _needs_gpu),
    Rule(("speed", "precision", "lora", "stages"), _needs_engine_layers),
    Rule(("speed",), _compiled_layers),
    Rule(("speed", "parallel"), _graphed_layers),
    Rule(("speed", "run"), _overlap),
    Rule(("speed", "parallel"), _tensor_overlap),
    Rule(("speed", "precision"), _adam_state),
    Rule(("speed", "precision"), _offloaded),
    Rule(("speed", "precision", "stages"), _one_stage),
)
