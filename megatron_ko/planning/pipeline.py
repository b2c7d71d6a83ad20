"""Which layers each pipeline stage has: equal or uneven stages, and the chunks of a virtual pipeline. No torch.

A chunk is a run of neighboring layers on one rank. With ``parallel.virtual_pipeline`` V, a stage has V chunks, and the model
passes through the first chunk of every stage, then through the second ones, and so on (Narayanan et al. 2021,
arXiv 2104.04473).
"""

from __future__ import annotations

from megatron_ko.config.training import ParallelConfig


def is_virtual(parallel: ParallelConfig) -> bool:
    """Whether pipeline stages consist of several chunks."""
    return parallel.virtual_pipeline > 1


def stage_sizes(layers: int, parallel: ParallelConfig) -> list[int] | None:
    """Layers of each stage, or None if the stages cannot have ``layers`` together."""
    ends = {0: parallel.first_stage_layers, parallel.pipeline - 1: parallel.last_stage_layers}
    fixed = {stage: size for stage, size in ends.items() if size is not None}
    others, rest = parallel.pipeline - len(fixed), layers - sum(fixed.values())
    fits = rest >= others and rest % others == 0 if others else rest == 0
    if not fits:
        return None
    return [fixed.get(stage, rest // others if others else 0) for stage in range(parallel.pipeline)]


def chunks_of_stage(layers: int, parallel: ParallelConfig, stage: int) -> tuple[range, ...]:
    """Numbers of the layers of each chunk of ``stage``, after ``pipeline_rules`` found nothing."""
    sizes = stage_sizes(layers, parallel)
    assert sizes is not None, "pipeline_rules"
    parts = [size // parallel.virtual_pipeline for size in sizes]
    firsts = [turn * sum(parts) + sum(parts[:stage]) for turn in range(parallel.virtual_pipeline)]
    return tuple(range(first, first + parts[stage]) for first in firsts)


def chunks_in_flight(parallel: ParallelConfig, stage: int, micro_batches: int) -> int:
    """Most chunks of ``stage`` whose activations are kept at a time, over all micro-batches.

    One forward, one backward: a stage runs ahead by its distance to the last one. In a virtual pipeline it runs ahead by twice
    that distance, and by a group of ``pipeline`` micro-batches for each chunk but the last.
    """
    distance = parallel.pipeline - 1 - stage
    if not is_virtual(parallel):
        return min(distance + 1, micro_batches)
    ahead = 2 * distance + (parallel.virtual_pipeline - 1) * parallel.pipeline
    return min(ahead + 1, micro_batches * parallel.virtual_pipeline)


def describe_layers(chunks: tuple[range, ...]) -> str:
    """The layers in a few words: ``layers 0-3, 8-11``."""
    spans = [str(span.start) if len(span) == 1 else f"{span.start}-{span.stop - 1}" for span in chunks]
    single = len(chunks) == 1 and len(chunks[0]) == 1
    return f"{'layer' if single else 'layers'} {', '.join(spans)}"
