"""The configurations of real sizes in ``examples/clusters`` fit 8 H100 per node on 1, 4, 16 and 64 nodes, in BF16 and FP8."""

from __future__ import annotations

from pathlib import Path

import pytest

from megatron_ko.config.fp8 import uses_fp8
from megatron_ko.formats.model_source import load_training
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.run_plan import Plan

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "clusters"
SIZES = {"1b": 1.24, "2.1b": 2.09, "7b": 6.74, "8b": 8.03, "10.8b": 10.8, "32b": 32.0, "70b": 70.6}
"""Name of a file, and its parameters in billions."""
# nvidia-smi reports 81,559 MiB = 79.6 GiB of an H100; the plan counts no buffers, workspaces and fragmentation
LIMIT_GIB = 70.0
HOST_GIB = 1000.0
CASES = [(size, nodes, fp8) for size in SIZES for nodes in (1, 4, 16, 64) for fp8 in (False, True)]


def files_of(size: str, nodes: int, fp8: bool) -> list[str]:
    one = FOLDER / f"{size}-one-node.yaml"
    names = [
        f"{size}.yaml",
        *([one.name] if nodes == 1 and one.exists() else []),
        *(["fp8.yaml"] if fp8 else []),
    ]
    return [str(FOLDER / name) for name in names]


@pytest.mark.parametrize(("size", "nodes", "fp8"), CASES)
def test_a_size_fits_its_nodes(size, nodes, fp8):
    ranks = 8 * nodes
    config = load_training(files_of(size, nodes, fp8), [], layout_rules(ranks)).config
    plan = Plan.of(config, ranks)
    assert uses_fp8(config.precision.fp8) == fp8
    assert plan.parameters / 1e9 == pytest.approx(SIZES[size], rel=0.005)
    assert plan.memory.total_bytes / 2**30 < LIMIT_GIB
    assert 8 * plan.memory.host_bytes / 2**30 < HOST_GIB
    assert config.parallel.tensor <= 8, "tensor-parallel ranks share a node"
    # a pipeline that is mostly full: its idle time is (stages - 1) / micro-batches
    assert plan.micro_batches >= 8 * (config.parallel.pipeline - 1)


def test_32b_needs_the_file_for_one_node():
    config = load_training([str(FOLDER / "32b.yaml")], [], layout_rules(8)).config
    assert Plan.of(config, 8).memory.total_bytes / 2**30 > 80


def test_every_file_is_covered():
    covered = {Path(name).name for size, nodes, fp8 in CASES for name in files_of(size, nodes, fp8)}
    assert {path.name for path in FOLDER.glob("*.yaml")} == covered
