"""The acceptance runs on the CPU with tiny models, so that no typing error waits for the first GPU; its page is its JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from megatron_ko.config.loading import load
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_USER_ERROR
from megatron_ko.planning.speed import switches_of
from tests.gpu import accept, core_parts, recipes, results, switches, te_parts
from tests.gpu.apart import ProcessFailed, call_apart
from tests.gpu.core_parts import CORE
from tests.gpu.feature_parts import FEATURES
from tests.gpu.numerics import read_side, run_side
from tests.gpu.profiling import group_of, shares_of
from tests.gpu.real_tokens import write_real_tokens
from tests.gpu.record import Outcome, Record, at_least, at_most
from tests.gpu.runs import write_config
from tests.gpu.shapes import FULL, ROOT, TINY, Card, Setting, find_card, layers_that_fit

H100 = Card("NVIDIA H100 80GB HBM3", 81559 / 1024, "580", (9, 0))


def run(command: str, folder: Path, *more: str) -> dict:
    code = accept.main([command, "--output", str(folder), "--device", "cpu", "--tiny", *more])
    record = json.loads((folder / f"{command}.json").read_text(encoding="utf-8"))
    failed = {
        name: part.get("error") or [check for check in part["checks"] if not check["passed"]]
        for name, part in record["parts"].items()
        if not part["passed"]
    }
    assert (code, failed) == (0, {})
    return record


@pytest.mark.ranks
@pytest.mark.any_core
def test_a_comparison_and_a_measurement_run_tiny_on_the_cpu(tmp_path):
    record = run("core", tmp_path, "--parts", "compare_devices", "speed_short")
    assert list(record["parts"]) == ["compare_devices", "speed_short"] and record["tiny"]


def test_every_switch_has_a_case_that_the_rules_accept_and_that_differs_from_its_plain_path(tmp_path):
    setting = Setting("cpu", True, tmp_path, tmp_path / "manifest.json", None)
    path = write_config(
        setting, "run", {**setting.scale.small, "vocab_size": switches.VOCAB},
        training={"steps": 6, "sequence_length": 32, "global_batch_size": 8, "micro_batch_size": 1},
    )  # fmt: skip
    changed: set[str] = set()
    for name, switch in switches.SWITCHES.items():
        fused = switches.configured(path, name)
        plain = switches.configured(path, switches._plain_of(name))
        assert (switches_of(fused), fused.parallel, fused.precision) != (
            switches_of(plain), plain.parallel, plain.precision
        ), name  # fmt: skip
        assert switches_of(fused).layers == switch.layers == switches_of(plain).layers
        changed |= {
            field for field in SpeedConfig.__dataclass_fields__ if getattr(fused.speed, field) != getattr(plain.speed, field)
        }  # fmt: skip
    assert changed == set(SpeedConfig.__dataclass_fields__) - {"layers"}, "compare_specs changes the layers"


@pytest.mark.ranks
@pytest.mark.parametrize(
    "names",
    [
        ["own_param_gather", "own_offload", "own_recompute_full"],
        pytest.param(list(switches.SWITCHES), marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_switches_run_tiny_on_the_cpu_where_all_are_plain(tmp_path, names):
    setting = Setting("cpu", True, tmp_path, write_real_tokens(tmp_path / "data"), None)
    outcome = switches.compare(setting, names)
    assert outcome.failures == [], outcome.numbers
    assert len(outcome.checks) == 2 * len(names)


def test_a_switch_that_fails_or_differs_is_not_accepted(tmp_path, monkeypatch):
    plain, other = [(5.0, 1.0), (4.0, 1.0)], [(5.0, 1.0), (4.0, 1.1)]

    def run(setting, cases) -> dict:
        curves = {"own_swiglu": other, "own_residual": "Traceback: no kernel", "own_compile": plain}
        return {case: curves.get(case, plain) for case in cases}

    monkeypatch.setattr(switches, "_run", run)
    setting = Setting("cpu", True, tmp_path, tmp_path, None)
    outcome = switches.compare(setting, ["own_swiglu", "own_residual", "own_compile"])
    assert {check.name for check in outcome.failures} == {"own_swiglu: gradient norms", "own_residual runs"}
    assert "no kernel" in outcome.numbers["own_residual"]["error"]


@pytest.mark.slow
@pytest.mark.ranks
def test_accept_core_runs_tiny_on_the_cpu(tmp_path):
    record = run("core", tmp_path)
    assert record["complete"] and record["passed"] and record["tiny"]
    assert list(record["parts"]) == list(CORE)
    assert record["parts"]["kill_and_resume"]["numbers"]["bit_for_bit"]
    speed = record["parts"]["speed_short"]["numbers"]
    assert speed["ours"]["tokens_per_s"] > 0 and speed["plain"]["tokens_per_s"] > 0
    assert 0 < speed["ours"]["profile"]["matmul"] < 1
    with pytest.raises(ValueError, match="dry run"):
        results.read_record(tmp_path / "core.json")


@pytest.mark.slow
@pytest.mark.ranks
@pytest.mark.parametrize("command", ["te", "features"])
def test_the_other_commands_run_tiny_on_the_cpu(tmp_path, command):
    record = run(command, tmp_path)
    assert set(FEATURES) == set(record["parts"]) or "curve_tensorwise" in record["parts"]


@pytest.mark.skipif(find_card() is not None, reason="this host has a GPU")
def test_without_a_gpu_the_command_ends_before_it_writes(tmp_path, capsys):
    assert accept.main(["core", "--output", str(tmp_path / "out")]) == EXIT_USER_ERROR
    assert not (tmp_path / "out").exists() and "nvidia-smi" in capsys.readouterr().err


def test_a_part_that_fails_is_recorded_and_the_next_one_runs(tmp_path):
    def fails(setting: Setting):
        raise RuntimeError("no room")

    def misses(setting: Setting):
        return Outcome({"tokens": 3}, [at_least("MFU", 0.4, 0.5), at_most("data", float("nan"), 0.02)])

    setting = Setting("cuda", False, tmp_path, tmp_path / "manifest.json", H100)
    record = Record(tmp_path / "core.json", "core", setting, commit="abc")
    record.run("fails", fails)
    killed_here = json.loads((tmp_path / "core.json").read_text())
    assert not killed_here["complete"] and "no room" in killed_here["parts"]["fails"]["error"]
    record.run("misses", misses)
    assert record.end() is False
    content = results.read_record(tmp_path / "core.json")
    assert content["commit"] == "abc" and content["card"]["name"] == H100.name
    assert [check["passed"] for check in content["parts"]["misses"]["checks"]] == [False, False]
    assert content["parts"]["misses"]["checks"][1]["value"] == "nan"
    page = results.render([content])
    assert "| MFU | 0.4 | >= 0.5 | **no** |" in page and "0 of 2 targets met" in page and "no room" in page


def test_records_of_parts_are_joined(tmp_path):
    setting, records = Setting("cuda", False, tmp_path, tmp_path / "manifest.json", H100), []
    runs = [("a", "abc", 0.4), ("b", "abc", 0.6), ("a", "abc", 0.7), ("a", "other", 0.4)]
    for number, (part, commit, mfu) in enumerate(runs):
        record = Record(tmp_path / f"{number}.json", "te", setting, commit=commit)
        record.run(part, lambda _, mfu=mfu: Outcome({}, [at_least("MFU", mfu, 0.5)]))
        record.end()
        records.append(results.read_record(tmp_path / f"{number}.json"))
        records[-1]["date"] = f"2026-01-0{number + 1}T00:00:00+00:00"
    one, other = results.join(records[::-1])
    assert list(one["parts"]) == ["a", "b"] and one["passed"] and one["complete"]
    assert one["parts"]["a"]["checks"][0]["value"] == 0.7 and one["date"].startswith("2026-01-01")
    assert other["commit"] == "other" and not other["passed"]


def test_of_an_error_its_last_line_is_kept():
    inner = {"speed": {"error": "Traceback\n  File /home/me/x.py\nRuntimeError: no room\n"}, "losses": [1.0]}
    kept = results.without_tracebacks({"parts": inner, "complete": True})
    assert kept == {"parts": {"speed": {"error": "RuntimeError: no room"}, "losses": [1.0]}, "complete": True}


@pytest.mark.ranks
def test_the_gradients_of_a_side_are_those_of_its_first_step(tmp_path):
    manifest = write_real_tokens(tmp_path / "data")
    sides = []
    for steps in (1, 3):
        target = tmp_path / str(steps)
        arguments = (
            "cpu",
            TINY.small,
            str(manifest),
            str(target),
            TINY.small_length,
            TINY.small_batch,
            steps,
        )
        call_apart("cpu", run_side, *arguments)
        sides.append(read_side(target)[1])
    assert sides[0] and all(sides[0][name].equal(sides[1][name]) for name in sides[0])


def test_the_page_is_rendered_from_the_files():
    assert results.PAGE.read_text(encoding="utf-8") == results.render(results.read_all(results.FOLDER))


def test_layers_fill_three_quarters_of_the_card():
    # embeddings 2 x 128,256 x 4,096 of 18 bytes; a layer of 218 M weights; 34 h bytes of activations per token and layer
    layers = layers_that_fit(FULL, H100)
    assert 4 <= layers <= 8
    assert layers_that_fit(FULL, Card("NVIDIA H200", 140.4, "580", (9, 0))) > layers
    with pytest.raises(ValueError, match="too small"):
        layers_that_fit(FULL, Card("small", 16.0, "580", (9, 0)))


def test_recipes_are_those_of_the_card_and_load(tmp_path):
    assert recipes.recipes_of(H100) == ("tensorwise", "delayed", "blockwise")
    assert recipes.recipes_of(Card("NVIDIA A100", 80.0, "580", (8, 0))) == ()
    assert "mxfp8" in recipes.recipes_of(Card("NVIDIA B200", 180.0, "580", (10, 0)))
    path = tmp_path / "run.yaml"
    path.write_text(
        "run: {folder: runs/x, device: cuda}\n"
        "model: {layers: 2, hidden_size: 64, ffn_hidden_size: 128, heads: 4, kv_groups: 2, max_sequence_length: 64}\n"
        "training: {steps: 1, global_batch_size: 1, micro_batch_size: 1, sequence_length: 64}\n"
        "optimizer: {learning_rate: 1e-3}\nschedule: {type: constant}\ndata: {manifest: data/manifest.json}\n"
    )
    for recipe in ("tensorwise", "delayed", "blockwise", "mxfp8"):
        precision = load(Config, [str(path)], recipes.overrides_of(recipe, "cuda")).config.precision
        assert recipe in str(precision)
    assert recipes.overrides_of("tensorwise", "cpu") == ["precision.dtype=bf16"]


def test_a_gpu_has_targets(tmp_path, monkeypatch):
    """The lines that a dry run leaves out: on a card, a measurement meets its targets or does not."""

    def measure(device: str, function, *arguments) -> dict:
        if function.__name__ == "measure_plain":
            raise ProcessFailed("out of memory")
        fp8 = any("fp8" in override for override in arguments[1])
        rest = {"data_share": 0.015, "reporting_share": 0.01, "memory_gib": 50.0, "plan_gib": 51.0}
        return {"tokens_per_s": 1.4 if fp8 else 1.0, "mfu": 0.6, **rest}

    def train(device, config, folder, *overrides) -> dict:
        return {step: {"loss": 5 - step / 100, "memory_gib": 1.0} for step in range(1, 201)}

    monkeypatch.setattr(core_parts, "call_apart", measure)
    monkeypatch.setattr(te_parts, "train", train)
    monkeypatch.setattr(te_parts, "curve", lambda folder: train("cuda", None, folder))
    setting = Setting("cuda", False, tmp_path, write_real_tokens(tmp_path / "data"), H100)
    core = core_parts.speed(1)(setting)
    assert {check.name for check in core.failures} == {"data and reports, share of a step", "plain runs"}
    assert {check.name for check in core.checks if check.passed} == {
        "MFU in bf16",
        "memory, distance from the plan",
    }
    parts = te_parts.te_parts(setting)
    recipes_run = ("bf16", "tensorwise", "delayed", "blockwise")
    assert list(parts) == [
        "compare_specs",
        "packing",
        "switches",
        *(f"{kind}_{name}" for kind in ("curve", "speed") for name in recipes_run),
    ]
    outcomes = {
        name: part(setting) for name, part in parts.items() if "_" in name and name != "compare_specs"
    }
    assert outcomes["speed_tensorwise"].numbers["over_bf16"] == 1.4
    assert (
        outcomes["speed_tensorwise"].checks[-1].passed
        and outcomes["speed_tensorwise"].checks[-1].limit == 1.35
    )
    assert all(not outcomes[f"curve_{name}"].failures for name in recipes_run)
    assert list(outcomes["curve_bf16"].numbers["losses"]) == [1, *range(20, 201, 20)]


def test_shares_of_a_profile():
    kernels = [
        ("sm90_xmma_gemm_bf16", 0.0, 40.0),
        ("pytorch_flash::flash_fwd_kernel", 40.0, 60.0),
        ("multi_tensor_adam", 70.0, 80.0),
        ("vectorized_layer_norm_kernel", 75.0, 85.0),  # beside the optimizer, on another stream
        ("elementwise_kernel", 90.0, 100.0),
    ]
    shares = shares_of(kernels)
    assert shares["matmul"] == 0.4 and shares["attention"] == 0.2 and shares["optimizer"] == 0.1
    assert shares["norm"] == 0.1 and shares["other"] == 0.1
    assert shares["gaps"] == pytest.approx(0.15)  # 60 to 70 and 85 to 90
    assert shares["longest"][0] == {"name": "sm90_xmma_gemm_bf16", "share": 0.4, "calls": 1}
    assert shares_of([]) == {}
    assert (
        group_of("nvjet_hsh_256x128") == "matmul" and group_of("ncclDevKernel_AllReduce") == "communication"
    )


@pytest.mark.parametrize("missing", ["", "part2/big-1.whl.piece.00", "part10/big-1.whl.piece.01"])
def test_bundled_parts_are_joined_and_installed_without_a_network(tmp_path, missing):
    """A wheel in pieces of two parts becomes whole, or is an error; Transformer Engine's small wheel alone is left out."""
    site, bundle = tmp_path / "site", tmp_path / "bundle"
    (tmp_path / "python").write_text(
        '#!/bin/sh\nif [ "$2" = zipfile ]; then exec "$REAL" "$@"; fi\n'
        'if [ "$2" = pip ]; then for a; do case $a in *.whl) cp "$a" "$SITE";; esac; done; fi\necho /lib\n'
    )
    (tmp_path / "python").chmod(0o755)
    with zipfile.ZipFile(tmp_path / "wheel", "w") as wheel:
        wheel.writestr("big/__init__.py", "0123456789" * 10)
    whole = (tmp_path / "wheel").read_bytes()
    for name, content in (
        ("part1/core-1.whl", whole),
        ("part1/transformer_engine-2.whl", whole),
        ("part2/big-1.whl.piece.00", whole[:60]),
        ("part10/big-1.whl.piece.01", whole[60:]),
    ):
        if name != missing:
            (bundle / name).parent.mkdir(parents=True, exist_ok=True)
            (bundle / name).write_bytes(content)
    site.mkdir()
    done = subprocess.run(
        [str(ROOT / "tests" / "gpu" / "install.sh"), str(bundle), str(site)],
        env={
            "PATH": "/usr/bin:/bin", "PYTHON": str(tmp_path / "python"), "REAL": sys.executable, "SITE": str(site)
        },
        capture_output=True, text=True,
    )  # fmt: skip
    if missing:
        present = {"00", "01"} - {missing[-2:]}
        assert done.returncode == 2 and "big-1.whl" in done.stderr and present.pop() in done.stderr
        assert not list(site.iterdir())
        return
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in site.glob("*.whl")) == ["big-1.whl", "core-1.whl"]
    assert (site / "big-1.whl").read_bytes() == whole
    assert "PYTHONPATH" in (site / "activate.sh").read_text()
