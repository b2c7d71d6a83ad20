"""The lines of a plan about FP8, kernels and offloaded state, for runs on a GPU."""

from __future__ import annotations

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.training import Config
from megatron_ko.planning.flops import fp8_share
from megatron_ko.planning.memory import RankMemory
from megatron_ko.planning.speed import switches_of
from megatron_ko.planning.state_formats import formats_of


def lines_of(config: Config, padded_vocab_size: int, memory: RankMemory) -> list[str]:
    """Nothing for a run on the CPU."""
    if config.run.device == "cpu":
        return []
    switches, fp8 = switches_of(config), config.precision.fp8
    names = {"engine": "Transformer Engine", "own": "own"}
    overlap = "reduction overlaps" if switches.overlap_grad_reduce else "no overlap"
    lines = [
        f"kernels      layers {names[switches.layers]}, attention {switches.attention}, Adam {switches.adam}, {overlap}"
        + (", compiled" if switches.compile else "")
        + (", CUDA graphs" if switches.cuda_graphs else "")
    ]
    if uses_fp8(fp8):
        layers = formats_of(config).fp8_layers
        share = fp8_share(config.model, padded_vocab_size, config.training.sequence_length, layers)
        lines.append(
            f"fp8          {fp8.type}, {fp8.format}, {len(layers)} of {config.model.layers} layers, {share:.0%} of the FLOPs"  # type: ignore[union-attr]
        )
    if memory.host_bytes:
        lines.append(f"host memory  {memory.host_bytes / 2**30:.2f} GiB of optimizer state per rank")
    return lines
