"""A workaround: megatron-core saves the optimizer state of a buffer with several buckets shifted, wherever a bucket ends in padding.

``get_parameter_state_dp_zero`` packs the buckets without the padding between them, but ``fully_reshardable`` cuts each
parameter out by its place in the buffer, which includes it. Overlapped gradient reduction makes several buckets.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def keep_gaps() -> None:
    """Makes the state of each buffer as long as the buffer, with zeros in place of padding. Idempotent."""
    from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer

    plain = DistributedOptimizer.get_parameter_state_dp_zero
    if getattr(plain, "keeps_gaps", False):
        return

    def with_gaps(self: Any, *arguments: Any, **options: Any) -> Any:
        state: Any = plain(self, *arguments, **options)
        if state is None:  # another rank writes
            return state
        for number, buffer in enumerate(self.buffers):
            if len(buffer.buckets) > 1:
                for tensors in state[number].values():
                    spread = {key: _spread(t, buffer) for key, t in tensors.items() if isinstance(t, Tensor)}
                    tensors.update(spread)
        return state

    with_gaps.keeps_gaps = True  # type: ignore[attr-defined]
    DistributedOptimizer.get_parameter_state_dp_zero = with_gaps


def _spread(packed: Tensor, buffer: Any) -> Tensor:
    """``packed`` [real elements of all buckets] in the places of the buffer: [elements of the buffer]."""
    whole = packed.new_zeros(buffer.numel)
    begin = 0
    for bucket in buffer.buckets:
        size = bucket.numel_unpadded
        whole[bucket.offset : bucket.offset + size] = packed[begin : begin + size]
        begin += size
    return whole
