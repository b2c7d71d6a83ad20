"""Verdicts over records of several nodes: what differs, what is too slow, and which nodes are blamed."""

from __future__ import annotations

import pytest

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.operations import machines
from megatron_ko.operations.batch import BLAMED
from megatron_ko.operations.verdicts import Verdict, checkpoint_bytes, judge
from megatron_ko.planning.run_plan import Plan
from tests.tiny_run import write_tiny_run

NODES = ["a", "a", "b", "b", "c", "c"]
GPU = {
    "index": "0", "name": "NVIDIA H100 80GB HBM3", "memory.total": "81559", "memory.used": "0",
    "ecc.errors.uncorrected.volatile.total": "0", "clocks_throttle_reasons.active": "0x0000000000000001", "driver_version": "580.65.06",
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    config = load(Config, [write_tiny_run(tmp_path)], ["run.device=cuda", "model.vocab_size=1001"]).config
    return config, Plan.of(config, 6)


def records(**of_host) -> list[dict]:
    """Records of six ranks on three nodes; ``b={...}`` changes those of node b."""
    made = []
    for rank, host in enumerate(NODES):
        record = {
            "rank": rank, "local_rank": rank % 2, "host": host, "python": "3.12.1", "interpreter": "/shared/python", "packages": "p",
            "versions": {"torch": "2.11.0", "megatron-core": "0.19.2"}, "clock_s": 0.01 * rank, "torch_cuda": "13.0",
            "matmul_tflops": 700.0, "host_gbps": 400.0, "world_gbps": 90.0,
        }  # fmt: skip
        if rank % 2 == 0:
            record |= {"data": "d", "free_bytes": 10**12, "gpus": [GPU, GPU]}
        made.append({**record, **of_host.get(host, {})})
    return made


def not_ok(run, given: list[dict]) -> list[Verdict]:
    return [verdict for verdict in judge(given, *run, NODES) if verdict.state != "ok"]


def test_equal_nodes_are_ok(run):
    verdicts = judge(records(), *run, NODES)
    assert {verdict.state for verdict in verdicts} == {"ok"}
    assert {
        "ranks",
        "versions",
        "packages",
        "interpreter",
        "data",
        "disk",
        "clock",
        "GPUs",
        "driver",
        "matmul",
    } <= {verdict.what for verdict in verdicts}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"packages": "other"}, "packages"),
        ({"interpreter": "/usr/bin/python"}, "interpreter"),
        ({"data": "other"}, "data"),
        ({"data": "error: no file"}, "data"),
        ({"gpus": "No devices were found"}, "GPUs"),
        ({"gpus": [GPU]}, "GPUs"),
        ({"gpus": [GPU, {**GPU, "ecc.errors.uncorrected.volatile.total": "2"}]}, "GPUs"),
        ({"matmul_tflops": 300.0}, "matmul"),
        ({"host_gbps": 100.0}, "all-reduce in a host"),
    ],
)
def test_one_odd_node_is_blamed(run, change, what):
    [verdict] = not_ok(run, records(b=change))
    assert (verdict.state, verdict.what, verdict.blamed) == ("fail", what, ("b",))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"matmul_tflops": 560.0}, "matmul"),
        ({"clock_s": 60.0}, "clock"),
        ({"gpus": [GPU, {**GPU, "clocks_throttle_reasons.active": "0x0000000000000040"}]}, "GPUs"),
        ({"gpus": [GPU, {**GPU, "memory.used": "40000"}]}, "GPUs"),
        ({"gpus": [{**GPU, "driver_version": "590.10"}, GPU]}, "driver"),
    ],
)
def test_what_a_run_survives_is_a_warning(run, change, what):
    [verdict] = not_ok(run, records(b=change))
    assert (verdict.state, verdict.what, verdict.blamed) == ("warn", what, ())


def test_what_all_nodes_share_blames_none(run):
    everywhere = {"data": "error: gone", "versions": {"torch": "2.4.0"}, "free_bytes": 10}
    failed = not_ok(run, records(a=everywhere, b=everywhere, c=everywhere))
    assert {verdict.what for verdict in failed} == {"data", "versions", "disk"}
    assert all(verdict.state == "fail" and not verdict.blamed for verdict in failed)


def test_an_old_driver_fails(run):
    old = {"gpus": [{**GPU, "driver_version": "550.1"}, GPU]}
    assert [v.what for v in not_ok(run, records(a=old, b=old, c=old)) if v.state == "fail"] == ["driver"]


def test_a_rank_without_a_record_or_a_measurement_blames_its_node(run):
    [verdict] = not_ok(run, [r for r in records() if r["host"] != "b"])
    assert (verdict.what, verdict.blamed) == ("ranks", ("b",))
    unmeasured = [
        r if r["host"] != "c" else {k: v for k, v in r.items() if k != "matmul_tflops"} for r in records()
    ]
    [verdict] = not_ok(run, unmeasured)
    assert (verdict.what, verdict.blamed) == ("measurement", ("c",))
    [verdict] = not_ok(run, [])
    assert verdict.blamed == ("a", "b", "c")


def test_a_slow_cpu_is_only_a_warning(run):
    config = load(Config, [str(machines.Path(run[0].data.manifest).parents[1] / "train.yaml")], []).config
    verdicts = judge(records(b={"matmul_tflops": 1.0}), config, run[1], NODES)
    assert [(v.state, v.blamed) for v in verdicts if v.what == "matmul"] == [("warn", ())]


def test_the_disk_must_hold_the_checkpoints(run):
    config, plan = run
    each = checkpoint_bytes(config, plan)
    assert each == plan.parameters * (4 + 12)
    states = [
        [v.state for v in judge(records(a={"free_bytes": free}), config, plan, NODES) if v.what == "disk"]
        for free in (2 * each - 1, 2 * each)
    ]
    assert states == [["fail"], ["ok"]], "two checkpoints are planned"


def fail(*blamed: str) -> Verdict:
    return Verdict("fail", "x", "y", blamed)


@pytest.mark.parametrize(
    ("verdicts", "hosts", "code", "named"),
    [
        ([Verdict("warn", "x", "y")], "abc", 0, ""),
        ([fail("b")], "abc", 77, "b"),
        ([fail("b"), fail("a")], "abcd", 77, "ab"),
        ([fail("b"), fail()], "abc", 2, ""),
        ([fail("a", "b")], "abc", 2, ""),
        ([fail("a")], "a", 2, ""),
    ],
)
def test_only_few_nodes_alone_at_fault_are_excluded(tmp_path, capsys, verdicts, hosts, code, named):
    assert machines._conclude(verdicts, list(hosts), tmp_path / BLAMED) == code
    written = (tmp_path / BLAMED).read_text().split() if (tmp_path / BLAMED).exists() else []
    assert "".join(written) == named


def test_the_command_checks_this_host(tmp_path, capsys, monkeypatch):
    path = write_tiny_run(tmp_path)
    assert machines.main([path, "--no-speed"]) == 0
    shown = capsys.readouterr().out
    assert "equal on all nodes" in shown and all(len(line) <= 80 for line in shown.splitlines())
    (tmp_path / "data" / "manifest.json").unlink()
    assert machines.main([path, "--no-speed"]) == 2
