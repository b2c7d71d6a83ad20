"""What must not depend on the device, tested without a GPU: initial weights, Adam's step, a CPU run on a host with a GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from megatron_ko.config.fp8 import BlockwiseFp8, DelayedFp8, TensorwiseFp8
from megatron_ko.config.training import PrecisionConfig
from megatron_ko.training.local_weights import draw
from megatron_ko.training.metrics import peak_of
from megatron_ko.training.optimizer import prime
from tests import ranks
from tests.test_layers import ROOT

START = """
import sys
from megatron_ko.training import launch
from tests.megatron_ko import sleeping_rank
sys.exit(launch.run_ranks(1, sleeping_rank.sleep, "spawn"))
"""


def test_initial_weights_do_not_depend_on_the_device():
    """A GPU's generator draws other numbers, so the CPU's draws for every device; ``meta`` stands for one here."""

    def drawn_on(device: str) -> torch.Tensor:
        data = torch.empty(8, 4, device=device)
        part = SimpleNamespace(
            key="w", global_shape=(2, 16, 4), global_offset=(1, 8, 0), prepend_axis_num=1, data=data
        )
        return draw(part, 0.02, seed=1, rows=14)

    assert drawn_on("meta").device.type == "cpu"
    assert torch.equal(drawn_on("meta"), drawn_on("cpu"))


def test_the_step_of_adam_is_on_the_device_of_its_parameter():
    """torch's fused kernel reads it there; a step on the CPU would be an illegal address on a GPU."""
    adam = torch.optim.AdamW([torch.nn.Parameter(torch.empty(4, device="meta"))])
    prime(adam)
    [state] = adam.state.values()
    assert {name: value.device.type for name, value in state.items()} == dict.fromkeys(
        ("step", "exp_avg", "exp_avg_sq"), "meta"
    )


@pytest.mark.ranks
def test_a_gpu_and_its_libraries_do_not_change_a_run_on_the_cpu():
    assert ranks.on_ranks(1, _adapt_a_host_with_a_gpu) == [{"available": False, "devices": 0, "norm": 5.0}]


def _adapt_a_host_with_a_gpu(rank: int, init_method: str) -> dict:
    """Adapts torch again on a host that seems to have a GPU and Transformer Engine's kernels, which refuse the CPU."""
    from megatron.core.optimizer import clip_grads, optimizer

    from megatron_ko.training import cpu

    def needs_cuda(*arguments):
        raise AssertionError("this kernel needs CUDA")

    torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 8
    modules: tuple[Any, ...] = (clip_grads, optimizer)
    for module in modules:
        module.multi_tensor_applier = module.multi_tensor_scale_impl = needs_cuda
    clip_grads.l2_norm_impl = needs_cuda
    cpu._enabled = False
    cpu.enable()
    norm = clip_grads.get_grad_norm_fp32(
        [torch.tensor([3.0, 4.0])], grad_stats_parallel_group=_one_rank(init_method)
    )
    return {"available": torch.cuda.is_available(), "devices": torch.cuda.device_count(), "norm": float(norm)}


def _one_rank(init_method: str):
    torch.distributed.init_process_group("gloo", init_method=init_method, rank=0, world_size=1)
    return torch.distributed.group.WORLD


def test_a_spawned_rank_ends_with_the_program_that_started_it():
    """Ranks on a GPU are spawned; one that outlives a killed program would keep the GPU."""
    process = subprocess.Popen([sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    rank = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(rank) and psutil.Process(rank).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the rank outlived the program"
        time.sleep(0.05)


@pytest.mark.parametrize(("name", "bf16", "fp8"), [
    ("NVIDIA H100 80GB HBM3", 989.4, 1978.9), ("NVIDIA H100 PCIe", 756.5, 1513.0),
    ("NVIDIA H100 NVL", 835.5, 1671.0), ("NVIDIA H200", 989.4, 1978.9),
])  # fmt: skip
def test_the_peak_is_that_of_the_card_in_the_numbers_that_multiply(monkeypatch, name, bf16, fp8):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    device = torch.device("cuda", 0)
    assert peak_of(device, PrecisionConfig(), None).tflops == bf16
    for recipe in (
        TensorwiseFp8(type="tensorwise"),
        DelayedFp8(type="delayed"),
        BlockwiseFp8(type="blockwise"),
    ):
        peak = peak_of(device, PrecisionConfig(fp8=recipe), None)
        assert peak.tflops == fp8 and " fp8 dense, data sheet" in peak.name
