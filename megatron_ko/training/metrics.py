"""Speed and memory of a run: tokens/s, TFLOP/s, MFU relative to a named peak, memory, remaining time."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import torch

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.config.training import PrecisionConfig
from megatron_ko.planning.flops import GPU_PEAK_TFLOPS

GIB = 2**30


@dataclass(frozen=True)
class Peak:
    """Peak of one device in TFLOP/s and the source of the number."""

    tflops: float
    name: str


def peak_of(device: torch.device, precision: PrecisionConfig, configured_tflops: float | None) -> Peak:
    """Peak from the configuration, NVIDIA's data sheet, or a matrix product timed on this device: that of FP8 with a recipe
    of FP8, otherwise that of ``precision.dtype``."""
    if configured_tflops is not None:
        return Peak(configured_tflops, "reporting.peak_tflops")
    number_format = "fp8" if uses_fp8(precision.fp8) else precision.dtype
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for gpu, peaks in GPU_PEAK_TFLOPS.items():
            if gpu in name and number_format in peaks:
                return Peak(peaks[number_format], f"{gpu} {number_format} dense, data sheet")
    tflops = _measure_tflops(device, number_format)
    return Peak(tflops, f"{number_format} matrix product measured on one {device.type} rank")


def _measure_tflops(device: torch.device, number_format: str, budget_s: float = 0.3) -> float:
    """TFLOP/s of the fastest of some matrix products in ``fp32``, ``bf16`` or ``fp8`` (e4m3, one scale for each tensor)."""
    size = 1024 if device.type == "cpu" else 8192
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}
    left, right = (torch.ones(size, size, device=device).to(dtypes[number_format]) for _ in range(2))
    scale = torch.ones((), device=device)

    def multiply() -> None:
        if number_format == "fp8":  # its kernels take the second factor by columns
            torch._scaled_mm(left, right.t(), scale, scale, out_dtype=torch.bfloat16)
        else:
            torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    multiply()
    best, spent = float("inf"), 0.0
    while spent < budget_s:
        begin = time.perf_counter()
        multiply()
        seconds = time.perf_counter() - begin
        best, spent = min(best, seconds), spent + seconds
    return 2 * size**3 / best / 1e12


def memory_gib(device: torch.device) -> float:
    """Peak memory of this rank: allocated GPU memory, or resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def forget_peak_memory(device: torch.device) -> None:
    """Starts a new peak of allocated GPU memory; the peak of a process on the CPU cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


class Speed:
    """Tokens per second and derived numbers between two calls of ``lap``."""

    def __init__(self, flops_per_token: float, world_size: int, peak: Peak) -> None:
        self.flops_per_token, self.world_size, self.peak = flops_per_token, world_size, peak
        self.restart()

    def restart(self) -> None:
        """Restarts the measurement, for example after a validation or a save."""
        self._begin, self._tokens = time.perf_counter(), 0

    def add(self, tokens: int) -> None:
        self._tokens += tokens

    def lap(self, tokens_left: int) -> dict[str, float]:
        """Returns ``tokens_per_s`` of all ranks, ``tflops`` per device, ``mfu`` as a fraction, and ``eta_s``; restarts."""
        seconds = time.perf_counter() - self._begin
        per_s = self._tokens / seconds
        tflops = per_s * self.flops_per_token / self.world_size / 1e12
        self.restart()
        return {
            "tokens_per_s": per_s,
            "tflops": tflops,
            "mfu": tflops / self.peak.tflops,
            "eta_s": tokens_left / per_s if per_s else float("inf"),
        }
