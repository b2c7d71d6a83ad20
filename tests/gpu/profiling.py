"""Where the time of a step goes: shares of matrix products, attention, norms, optimizer and gaps, from torch.profiler.

Kernels are grouped by their names; the first group with a matching word counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("communication", ("nccl", "c10d", "gloo")),
    ("attention", ("flash", "fmha", "attention", "sdpa")),
    ("optimizer", ("adam", "multi_tensor", "multitensor", "l2norm", "normtwoops", "foreach")),
    ("norm", ("norm",)),
    ("matmul", ("gemm", "gemv", "nvjet", "xmma", "cublas", "cutlass", "aten::mm", "aten::addmm", "aten::bmm", "splitk")),
    ("copies", ("memcpy", "memset", "copy")),
)  # fmt: skip
Interval = tuple[str, float, float]
"""Name, begin and end in microseconds."""


def group_of(name: str) -> str:
    lowered = name.lower()
    return next((group for group, words in GROUPS if any(word in lowered for word in words)), "other")


def shares_of(intervals: Iterable[Interval]) -> dict[str, Any]:
    """Shares of the time from the first begin to the last end: of each group, and of ``gaps``, in which nothing ran.

    Also the ten ``longest`` names with their shares and calls. Intervals that overlap count in each of their groups.
    """
    ordered = sorted(intervals, key=lambda item: item[1])
    if not ordered:
        return {}
    begin, end = ordered[0][1], max(item[2] for item in ordered)
    window = max(end - begin, 1e-9)
    groups: dict[str, float] = dict.fromkeys([group for group, _ in GROUPS] + ["other"], 0.0)
    names: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    busy, until = 0.0, begin
    for name, first, last in ordered:
        groups[group_of(name)] += last - first
        names[name][0] += last - first
        names[name][1] += 1
        busy += max(0.0, last - max(first, until))
        until = max(until, last)
    longest = sorted(names.items(), key=lambda item: -item[1][0])[:10]
    return {
        **{group: round(time / window, 4) for group, time in groups.items()},
        "gaps": round(1 - busy / window, 4),
        "window_ms": round(window / 1000, 3),
        "longest": [
            {"name": name[:120], "share": round(time / window, 4), "calls": int(calls)}
            for name, (time, calls) in longest
        ],
    }


def _is_annotation(event: Any) -> bool:
    """Whether an event of the GPU is a range around kernels, not a kernel."""
    ranges = ("Optimizer.step", "ProfilerStep", "nccl:", "Torch-Compiled Region", "## Call CompiledFxGraph")
    return bool(getattr(event, "is_user_annotation", False)) or event.name.startswith(ranges)


def profile_steps(step: Callable[[], Any], count: int, device: str) -> dict[str, Any]:
    """``shares_of`` the kernels of ``count`` calls on a GPU, or of the operations on the CPU."""
    import torch
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        for _ in range(count):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
    events = profiler.events() or []
    if device == "cuda":
        chosen = [e for e in events if e.device_type == DeviceType.CUDA and not _is_annotation(e)]
        return shares_of((e.name, e.time_range.start, e.time_range.end) for e in chosen)
    # without the operations inside: each takes the time that is its own
    return shares_of((e.name, e.time_range.start, e.time_range.start + e.self_cpu_time_total) for e in events)
