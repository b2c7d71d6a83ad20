"""Rules over pipeline stages and recomputation, checked before anything starts. ``config_rules`` runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.recompute import FullRecompute, SelectiveRecompute
from megatron_ko.config.training import ParallelConfig, PrecisionConfig, TrainingConfig
from megatron_ko.planning.pipeline import is_virtual, stage_sizes

Problems = Iterator[tuple[str, str]]


def _needs_pipeline(parallel: ParallelConfig) -> Problems:
    if parallel.pipeline > 1:
        return
    for name in ("first_stage_layers", "last_stage_layers"):
        if (value := getattr(parallel, name)) is not None:
            yield (
                f"parallel.{name}",
                f"{value} needs parallel.pipeline above 1, but it is 1; raise it, or remove the field",
            )
    if is_virtual(parallel):
        yield (
            "parallel.virtual_pipeline",
            f"{parallel.virtual_pipeline} needs parallel.pipeline above 1, but it is 1; raise it, or remove the field",
        )


def _pipeline_split(model: ModelConfig, parallel: ParallelConfig) -> Problems:
    if parallel.pipeline == 1:
        return
    ends = {
        name: value
        for name in ("first_stage_layers", "last_stage_layers")
        if (value := getattr(parallel, name)) is not None
    }
    sizes = stage_sizes(model.layers, parallel)
    if sizes is None and not ends:
        yield (
            "model.layers",
            f"{model.layers} must be a multiple of parallel.pipeline {parallel.pipeline}, whose stages split the layers; change "
            "either, or set parallel.first_stage_layers or last_stage_layers",
        )
    elif sizes is None:
        others, rest = parallel.pipeline - len(ends), model.layers - sum(ends.values())
        needed = (
            f"a multiple of the other {others} stages" if others else "0, because there is no other stage"
        )
        given = ", ".join(f"{name} {value}" for name, value in ends.items())
        yield (
            f"parallel.{next(iter(ends))}",
            f"{given}: of model.layers {model.layers}, {rest} remain, which must be {needed}"
            f"{' and above 0' if others else ''}; change one of them",
        )
    else:
        for size in sorted({size for size in sizes if size % parallel.virtual_pipeline})[:1]:
            yield (
                "parallel.virtual_pipeline",
                f"{parallel.virtual_pipeline} must divide the layers of every pipeline stage, but one has {size} (stages: "
                f"{', '.join(map(str, sizes))}); change it, model.layers or the stages",
            )


def _recompute_fits(model: ModelConfig, parallel: ParallelConfig, precision: PrecisionConfig) -> Problems:
    recompute = parallel.recompute
    if isinstance(recompute, FullRecompute):
        sizes = stage_sizes(model.layers, parallel) or [model.layers]
        most = max(max(sizes) // parallel.virtual_pipeline, 1)
        if recompute.layers > most:
            yield (
                "parallel.recompute.layers",
                f"{recompute.layers} must be at most {most}, the layers of the largest part of a pipeline stage; lower it",
            )
    elif isinstance(recompute, SelectiveRecompute):
        if twice := sorted({name for name in recompute.modules if recompute.modules.count(name) > 1}):
            yield "parallel.recompute.modules", f"{', '.join(twice)}: listed twice; remove one of them"
        if "norms" in recompute.modules and precision.fp8 == "delayed":
            yield (
                "parallel.recompute.modules",
                "norms cannot be computed again with precision.fp8 delayed, whose scales would change; remove norms, or choose "
                "another recipe",
            )


def fill_pipeline(world_size: int | None) -> Callable[[ParallelConfig, TrainingConfig], Problems]:
    """The rule that the micro-batches of a step fill the groups of a virtual pipeline."""

    def micro_batches_fill_pipeline(parallel: ParallelConfig, training: TrainingConfig) -> Problems:
        size = parallel.tensor * parallel.pipeline * parallel.context
        if not is_virtual(parallel) or parallel.pipeline == 1 or world_size is None or world_size % size:
            return
        unit = training.micro_batch_size * (world_size // size)
        sizes = {"training.global_batch_size": training.global_batch_size}
        if (ramp := training.batch_ramp) is not None:
            sizes |= {f"training.batch_ramp.{name}": getattr(ramp, name) for name in ("start", "increment")}
        for path, batch in sizes.items():
            count = batch // unit
            if batch % unit == 0 and count % parallel.pipeline:
                yield (
                    path,
                    f"{batch} gives {count} micro-batches, which must be a multiple of parallel.pipeline {parallel.pipeline} with "
                    f"virtual_pipeline {parallel.virtual_pipeline}; write a multiple of {unit * parallel.pipeline}, or remove "
                    "virtual_pipeline",
                )

    return micro_batches_fill_pipeline


PIPELINE_RULES = (
    Rule(("parallel",), _needs_pipeline),
    Rule(("model", "parallel"), _pipeline_split),
    Rule(("model", "parallel", "precision"), _recompute_fits),
)
