"""LoRA: every layout trains like one rank, resumes bit for bit, merges exactly, and exchanges adapters with PEFT."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from checkpoint_tools import verify
from checkpoint_tools.__main__ import main as checkpoint_tool
from checkpoint_tools.formats import hf, lora, mcore, torch_dist
from checkpoint_tools.formats.store import Store
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import LoraConfig, ParallelConfig, PrecisionConfig, RunConfig
from megatron_ko.errors import CheckpointError, ConfigError, UserError
from megatron_ko.formats.checkpoint_folder import MARKER, Checkpoint
from megatron_ko.formats.run_folder import INITIAL_WEIGHTS, checkpoint_folder, newest_checkpoint
from megatron_ko.planning.adapters import adapter_parameters, single_targets
from megatron_ko.preflight import preflight
from tests import ranks
from tests.checkpoint_tools.test_lora_adapters import write_adapter
from tests.megatron_ko.test_resume import same_tensors
from tests.run_records import LOSS, assert_equal_curves, curve, records
from tests.tiny_data import write_tiny_data
from tests.tiny_run import tiny_config

pytestmark = pytest.mark.ranks
ROOT = Path(__file__).resolve().parents[2]
STEPS, HALF = 4, 2
MODELS: dict[str, dict[str, Any]] = {
    "biases": {"qkv_bias": True, "tied_embeddings": False},
    "tied": {"qkv_bias": False, "tied_embeddings": True},
}
LAYOUTS: dict[str, tuple[int, list[str]]] = {
    "TP2": (2, ["parallel.tensor=2"]),
    "PP2": (2, ["parallel.pipeline=2"]),
    "TP2 with sequence parallel": (2, ["parallel.tensor=2", "parallel.sequence=true"]),
    "DP2": (2, []),
    "CP2": (2, ["parallel.context=2"]),
    "TP2 x PP2 with sequence parallel": (
        4, ["parallel.tensor=2", "parallel.sequence=true", "parallel.pipeline=2"],
    ),
}  # fmt: skip


def write_base(folder: Path, model: dict[str, Any], dtype: str = "fp32") -> Path:
    """A checkpoint of random weights, biases included, for the model of ``tiny_config``."""
    shape = {**tiny_config(folder)["model"], "layers": 2, **model}
    generator = torch.Generator().manual_seed(7)
    target = torch.bfloat16 if dtype == "bf16" else torch.float32

    def read(name: str) -> torch.Tensor:
        mean = 1.0 if "norm" in name else 0.0
        return (torch.randn(store.shape(name), generator=generator) * 0.05 + mean).to(target)

    store = Store("random", ModelConfig(**shape), 1001, dtype, read)
    mcore.write_mcore(store, folder)
    return folder


def write_config(folder: Path, base: Path, model: str, **lora: Any) -> str:
    """A configuration of a LoRA run in ``folder / "run"``, with data beside it."""
    config = tiny_config(folder)
    config["model"] |= {"layers": 2, **MODELS[model]}
    config["training"] |= {"steps": STEPS, "global_batch_size": 4, "sequence_length": 32}
    config["optimizer"] = {"learning_rate": 1e-2}
    config["checkpoint"] = {"every_steps": HALF, "initial_weights": str(base)}
    config["evaluation"] = {"max_sequences": 2}
    config["lora"] = {"rank": 3, "alpha": 6, **lora}
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[str, Path]:
    """A LoRA run on one rank that saved after two and four steps."""
    folder = tmp_path_factory.mktemp("lora")
    write_tiny_data(folder / "data")
    config = write_config(folder, write_base(folder / "base", MODELS["biases"]), "biases")
    ranks.train(config, [])
    return config, folder


def half(finished: tuple[str, Path], target: Path) -> Path:
    """A copy of the run as it was after two steps."""
    shutil.copytree(finished[1] / "run", target)
    shutil.rmtree(checkpoint_folder(target, STEPS))
    return target


# --- training --------------------------------------------------------------------------------------------


def test_adapters_learn_and_tensor_and_sequence_parallel_ranks_agree(finished, tmp_path):
    config, folder = finished
    count, layout = LAYOUTS["TP2 with sequence parallel"]
    ranks.train(config, [*layout, f"run.folder={tmp_path / 'sp'}"], count)
    expected = curve(folder / "run")
    assert_equal_curves(curve(tmp_path / "sp"), expected)
    before, after = records(folder / "run", "valid")
    assert before["step"] == 0
    assert all(after["loss"][name] < before["loss"][name] for name in before["loss"])
    assert after["loss"] == pytest.approx(records(tmp_path / "sp", "valid")[-1]["loss"], abs=LOSS)


def test_a_checkpoint_of_one_rank_continues_on_two_pipeline_stages(finished, tmp_path):
    config, folder = finished
    run = half(finished, tmp_path / "pp2")
    ranks.train(config, ["parallel.pipeline=2", f"run.folder={run}"], 2)
    assert_equal_curves(curve(run), curve(folder / "run"))


def test_resume_is_bit_for_bit_and_validates_no_baseline_again(finished, tmp_path):
    config, folder = finished
    run = half(finished, tmp_path / "same")
    ranks.train(config, [f"run.folder={run}"])
    assert curve(run) == curve(folder / "run")
    assert [r["step"] for r in records(run, "valid")] == [0, STEPS]
    assert same_tensors(checkpoint_folder(run, STEPS), checkpoint_folder(folder / "run", STEPS))


def test_a_checkpoint_contains_adapters_and_their_moments_only(finished):
    config, folder = finished
    checkpoint, base = newest_checkpoint(folder / "run"), Checkpoint.read(folder / "base")
    plan = preflight([config], [], 1).plan
    shapes = torch_dist.SliceReader(checkpoint.folder).shapes()
    assert (
        sum(map(_count, (shape for name, shape in shapes.items() if name.startswith("decoder."))))
        == plan.adapter_parameters
    )
    assert all(".lora." in name for name in shapes if not name.startswith("random."))
    assert checkpoint.lora is not None
    assert (checkpoint.lora.rank, checkpoint.lora.alpha) == (3, 6)
    assert checkpoint.lora.targets == ("q", "k", "v", "proj", "gate", "up", "fc2")
    assert (checkpoint.lora.base.folder, checkpoint.lora.base.hash) == (str(base.folder), base.short_hash)
    assert plan.adapter_parameters == 2 * 3 * (
        (64 + 64) + 2 * (64 + 32) + (64 + 64) + 2 * (64 + 128) + (128 + 64)
    )
    assert plan.memory.gradients_bytes == 4 * plan.adapter_parameters
    assert plan.memory.weights_bytes == 4 * (plan.memory.parameters + plan.adapter_parameters)


def _count(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def test_a_rank_has_gradients_and_fp32_masters_of_its_adapters_only(tmp_path):
    base = write_base(tmp_path / "base", MODELS["tied"], "bf16")
    settings = LoraConfig(rank=3, alpha=6, targets=["v", "gate", "proj"])
    counts = ranks.on_ranks(2, _count_trained, str(base), settings)
    model = Checkpoint.read(base).model
    parallel = ParallelConfig(tensor=2)
    for trained, gradients, masters, dtypes, drawn in counts:
        assert trained == adapter_parameters(model, settings.rank, settings.targets, parallel) == masters
        assert trained <= gradients < 2 * trained  # with the padding of megatron-core's buffer
        assert dtypes == {torch.float32}
        assert drawn == counts[0][-1]  # a factor that every rank has whole


def _count_trained(rank: int, init_method: str, folder: str, settings: LoraConfig) -> Any:
    from megatron_ko.config.optimizer import OptimizerConfig
    from megatron_ko.training import checkpoint, distributed, lora, model, step

    base, parallel, precision = (
        Checkpoint.read(folder),
        ParallelConfig(tensor=2),
        PrecisionConfig(dtype="bf16"),
    )
    world = distributed.start(RunConfig(folder=folder, device="cpu"), parallel, rank, 2, init_method)
    gpt = model.build_gpt(base.model, parallel, precision, vocab_size=base.vocab_size, device=world.device)
    checkpoint.load_weights(base, gpt)
    lora.attach(gpt, base.model, settings, seed=5)
    trainee = step.prepare(gpt, OptimizerConfig(learning_rate=1e-3), precision)
    trained = sum(p.numel() for p in gpt.parameters() if p.requires_grad)
    gradients = sum(buffer.numel for buffer in trainee.ddp_model.buffers)
    groups = [p for group in trainee.optimizer.param_groups for p in group["params"]]
    drawn = [
        pair.a.float().sum().item() for name, pair in lora.factors_of(gpt) if name.endswith((".v", ".gate"))
    ]
    distributed.stop()
    return trained, gradients, sum(p.numel() for p in groups), {p.dtype for p in groups}, drawn


# --- merging and PEFT ------------------------------------------------------------------------------------


def test_merged_weights_have_the_logits_of_the_adapters_beside_their_base(finished, tmp_path):
    _, folder = finished
    tokens = verify.sample_tokens(mcore.open_mcore(folder / "base"), None)
    assert checkpoint_tool(["merge-lora", str(folder / "run"), str(tmp_path / "merged")]) == 0
    assert checkpoint_tool(["to-hf", str(folder / "base"), str(tmp_path / "hf")]) == 0
    assert (
        checkpoint_tool(
            ["export-lora", str(folder / "run"), str(tmp_path / "peft"), "--base-name", "some/base"]
        )
        == 0
    )
    adapted = mcore.megatron_logits(folder / "run", tokens)
    merged = mcore.megatron_logits(tmp_path / "merged", tokens)
    assert float((adapted - merged).abs().max()) < 1e-6 * max(1.0, float(adapted.abs().max()))
    adapter = lora.open_adapter(tmp_path / "peft", hf.open_hf(tmp_path / "hf"))
    assert len(adapter.updates) == 14
    beside = verify.hf_logits(tmp_path / "hf", tokens, adapter)
    assert float((adapted - beside).abs().max()) < 1e-5
    assert float((adapted - verify.hf_logits(tmp_path / "hf", tokens)).abs().max()) > 1e-2
    base, changed = mcore.open_mcore(folder / "base"), mcore.open_mcore(tmp_path / "merged")
    by_hand = lora.merge(base, adapter)
    assert all(torch.equal(changed.tensor(name), by_hand.tensor(name)) for name in base.names())
    assert (
        json.loads((tmp_path / "peft" / "adapter_config.json").read_text())["base_model_name_or_path"]
        == "some/base"
    )


@pytest.mark.any_core
def test_an_adapter_of_peft_trains_on_and_returns_byte_for_byte(tmp_path):
    """The base is a folder of Hugging Face; a learning rate of 1e-30 changes no number."""
    write_tiny_data(tmp_path / "data")
    checkpoint = write_base(tmp_path / "base", MODELS["biases"])
    assert checkpoint_tool(["to-hf", str(checkpoint), str(tmp_path / "hf")]) == 0
    shutil.copytree(tmp_path / "data" / "tokenizer", tmp_path / "hf", dirs_exist_ok=True)
    peft = write_adapter(tmp_path / "peft", tmp_path / "hf", {"r": 4, "lora_alpha": 8}, ["q_proj", "v_proj"])
    config = write_config(tmp_path, tmp_path / "hf", "biases", rank=4, alpha=8, targets=["q", "v"])
    fixed = [
        f"lora.initial_adapter={peft}",
        "training.steps=1",
        "schedule.warmup_steps=0",
        "optimizer.learning_rate=1e-30",
    ]
    from tests.megatron_ko.test_initial_weights import start

    start(config, [*fixed, "parallel.tensor=2"], 2)
    run = tmp_path / "run"
    tokens = verify.sample_tokens(hf.open_hf(tmp_path / "hf"), None)
    adapter = lora.open_adapter(peft, hf.open_hf(tmp_path / "hf"))
    expected = verify.hf_logits(tmp_path / "hf", tokens, adapter)
    assert float((mcore.megatron_logits(run, tokens) - expected).abs().max()) < 1e-4
    assert checkpoint_tool(["export-lora", str(run), str(tmp_path / "out")]) == 0
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (peft / name).read_bytes()
    settings = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(tmp_path / "hf")
    assert (settings["r"], settings["lora_alpha"], settings["target_modules"]) == (4, 8, ["q_proj", "v_proj"])
    hash_of_base = Checkpoint.read(run / INITIAL_WEIGHTS).short_hash
    shutil.rmtree(run / INITIAL_WEIGHTS)  # converted again, it is the same base
    checked = preflight([config], [*fixed, "training.steps=2"], 1)
    from megatron_ko import initial_weights

    assert initial_weights.convert(checked).initial_checkpoint().short_hash == hash_of_base  # type: ignore[union-attr]
    expected_paths = {"rank": "lora_alpha", "alpha": "lora_alpha", "targets": "target_modules"}
    for key, value in (("rank", 2), ("alpha", 4), ("targets", ["q"])):
        with pytest.raises(CheckpointError) as caught:
            _check_adapter(run, peft, **{key: value})
        assert {problem.rule for problem in caught.value.problems} == {"initial-adapter"}
        assert expected_paths[key] in {problem.path for problem in caught.value.problems}


def _check_adapter(run: Path, peft: Path, **changes: Any) -> None:
    from megatron_ko import initial_adapter

    settings = LoraConfig(
        **{"rank": 4, "alpha": 8, "targets": ["q", "v"], "initial_adapter": str(peft), **changes}
    )
    initial_adapter.load(settings, Checkpoint.read(run / INITIAL_WEIGHTS), torch.nn.Module())


# --- errors ----------------------------------------------------------------------------------------------


def _problem_of(call: Callable[[], Any]) -> Any:
    with pytest.raises(UserError) as caught:
        call()
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("overrides", "rule", "path"),
    [
        (["checkpoint.initial_weights=none"], "lora-without-base", "checkpoint.initial_weights"),
        (["lora.targets=[qkv,k]"], "lora-targets-overlap", "lora.targets"),
        (["lora.load_in_4bit=true"], "lora-in-4bit", "lora.load_in_4bit"),
        (
            ["run.device=cuda", "precision.dtype=bf16", "precision.fp8=delayed"],
            "lora-with-fp8",
            "precision.fp8",
        ),
        (["lora.rank=0"], "greater-than", "lora.rank"),
        (["lora.targets=[]"], "too-short", "lora.targets"),
    ],
)
def test_a_configuration_that_no_adapter_can_have_is_refused(finished, tmp_path, overrides, rule, path):
    with pytest.raises(ConfigError) as caught:
        preflight([finished[0]], [*overrides, f"run.folder={tmp_path / 'run'}"], 1)
    assert (rule, path) in {(problem.rule, problem.path) for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("override", "path"), [("lora.rank=2", "lora.rank"), ("lora.alpha=1", "lora.alpha"), ("lora.targets=[q]", "lora.targets"), ("lora=none", "lora")]
)  # fmt: skip
def test_a_run_resumes_with_its_adapters_only(finished, override, path):
    problem = _problem_of(lambda: preflight([finished[0]], [override], 1))
    assert (problem.rule, problem.path) == ("adapter-mismatch", path)


def test_a_base_that_is_missing_or_changed_is_named(finished, tmp_path):
    config, folder = finished
    run, base = tmp_path / "run", tmp_path / "base"
    shutil.copytree(folder / "run", run)
    shutil.copytree(folder / "base", base)
    marker = checkpoint_folder(run, STEPS) / MARKER
    facts = json.loads(marker.read_text())
    facts["lora"]["base"]["folder"] = str(base)
    marker.write_text(json.dumps(facts))
    fixed = [f"run.folder={run}", "training.steps=6"]
    assert preflight([config], fixed, 1).initial_checkpoint().folder == base  # type: ignore[union-attr]
    shutil.rmtree(base)
    moved = preflight([config], fixed, 1)  # checkpoint.initial_weights names the same weights elsewhere
    assert moved.initial_checkpoint().folder == folder / "base"  # type: ignore[union-attr]
    other = write_base(tmp_path / "other", {**MODELS["biases"], "norm_epsilon": 1e-5, "init_std": 0.5})
    problem = _problem_of(lambda: _run_tool(["merge-lora", str(run), str(tmp_path / "out")]))
    assert problem.rule == "missing-base"
    assert _problem_of(lambda: _run_tool(["verify", str(run)])).rule == "missing-base"
    arguments = ["merge-lora", str(run), str(tmp_path / "out"), "--base"]
    assert checkpoint_tool([*arguments, str(folder / "base")]) == 0
    _change_one_number(other)
    assert _problem_of(lambda: _run_tool([*arguments, str(other), "--overwrite"])).rule == "base-changed"
    problem = _problem_of(lambda: preflight([config], [*fixed, f"checkpoint.initial_weights={other}"], 1))
    assert problem.rule == "base-changed"


def _run_tool(arguments: list[str]) -> None:
    """Runs an operation so that its error arrives here."""
    import importlib

    from checkpoint_tools.__main__ import operation_parser
    from checkpoint_tools.options.commands import OPERATIONS
    from megatron_ko.config.options import read_options

    name = arguments[0]
    options = read_options(OPERATIONS[name].options, operation_parser(name), arguments[1:])
    importlib.import_module(f"checkpoint_tools.operations.{name.replace('-', '_')}").run(options)


def _change_one_number(folder: Path) -> None:
    """Rewrites a checkpoint with another first weight."""
    store = mcore.open_mcore(folder)
    first = store.names()[0]
    changed = replace(store, read=lambda name: store.tensor(name) + (1.0 if name == first else 0.0))
    shutil.move(folder, folder.parent / "before")
    moved = mcore.open_mcore(folder.parent / "before")
    mcore.write_mcore(replace(changed, read=lambda n: moved.tensor(n) + (1.0 if n == first else 0.0)), folder)


def test_adapters_are_not_taken_for_weights(finished, tmp_path):
    config, folder = finished
    fixed = [f"run.folder={tmp_path / 'run'}", f"checkpoint.initial_weights={folder / 'run'}"]
    assert _problem_of(lambda: preflight([config], fixed, 1)).rule == "adapters-not-merged"
    assert _problem_of(lambda: preflight([config], [*fixed, "lora=none"], 1)).rule == "adapters-not-merged"
    assert _problem_of(lambda: mcore.megatron_scores(folder / "run", [])).rule == "adapters-not-merged"
    assert (
        _problem_of(lambda: _run_tool(["export-lora", str(folder / "base"), str(tmp_path / "x")])).rule
        == "no-adapters"
    )
    with pytest.raises(CheckpointError):
        mcore.open_merged(Checkpoint.read(folder / "base"))


def test_the_example_is_a_run(finished, tmp_path):
    _, folder = finished
    changes = [
        f"run.folder={tmp_path}", f"model.from={folder / 'base'}", f"checkpoint.initial_weights={folder / 'base'}",
        f"data.manifest={folder / 'data' / 'manifest.json'}", "training.sequence_length=64",
    ]  # fmt: skip
    checked = preflight([str(ROOT / "examples" / "lora" / "train.yaml")], changes, 2)
    adapters = checked.lora_of(checked.plan.stages_from(0)[0][0])
    assert adapters is not None
    assert (adapters.rank, adapters.alpha) == (8, 16)


def test_targets_are_weights_in_the_order_of_the_forward_pass():
    assert single_targets(LoraConfig(rank=1, alpha=1, targets=["fc2", "k", "fc1"])) == [
        "k",
        "gate",
        "up",
        "fc2",
    ]
    assert single_targets(None) == []


# --- slow: all layouts, 20 steps; kill -9 ----------------------------------------------------------------


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory) -> Callable[[str], tuple[str, Path]]:
    """A run of 20 steps on one rank, once per model."""
    runs: dict[str, tuple[str, Path]] = {}

    def run(model: str) -> tuple[str, Path]:
        if model not in runs:
            folder = tmp_path_factory.mktemp("twenty")
            write_tiny_data(folder / "data")
            config = write_config(folder, write_base(folder / "base", MODELS[model]), model)
            ranks.train(config, [*_TWENTY, f"run.folder={folder / 'one'}"])
            runs[model] = config, folder
        return runs[model]

    return run


_TWENTY = ["training.steps=20", "checkpoint.every_steps=20"]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_trains_like_one_rank(one_rank, model, name):
    config, folder = one_rank(model)
    count, layout = LAYOUTS[name]
    run = folder / name.replace(" ", "_")
    ranks.train(config, [*_TWENTY, *layout, f"run.folder={run}"], count)
    assert_equal_curves(curve(run), curve(folder / "one"))
    expected = records(folder / "one", "valid")[-1]["loss"]
    assert records(run, "valid")[-1]["loss"] == pytest.approx(expected, abs=LOSS)


@pytest.mark.slow
def test_recomputed_layers_train_their_adapters(one_rank):
    config, folder = one_rank("tied")
    ranks.train(config, [*_TWENTY, "parallel.recompute.type=full", f"run.folder={folder / 'recomputed'}"])
    assert_equal_curves(curve(folder / "recomputed"), curve(folder / "one"))


@pytest.mark.slow
def test_one_step_in_bf16_is_that_of_one_rank(one_rank):
    config, folder = one_rank("biases")
    count, layout = LAYOUTS["TP2 with sequence parallel"]
    bf16 = ["training.steps=1", "schedule.warmup_steps=0", "precision.dtype=bf16"]
    ranks.train(config, [*bf16, f"run.folder={folder / 'bf16'}"])
    ranks.train(config, [*bf16, *layout, f"run.folder={folder / 'bf16_sp'}"], count)
    (loss, norm), (loss_sp, norm_sp) = curve(folder / "bf16")[1], curve(folder / "bf16_sp")[1]
    assert loss_sp == pytest.approx(loss, abs=2e-3)
    assert norm_sp == pytest.approx(norm, rel=2e-2)


@pytest.mark.slow
def test_a_killed_run_continues_bit_for_bit(one_rank):
    config, folder = one_rank("biases")
    run = folder / "killed"
    every = ["training.steps=20", "checkpoint.every_steps=2", "parallel.tensor=2"]
    command = [sys.executable, "-m", "megatron_ko.train", config, *every, "--ranks", "2"]
    ranks.train(config, [*every, f"run.folder={folder / 'whole'}"], 2)
    process = subprocess.Popen([*command, f"run.folder={run}"], cwd=ROOT, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not checkpoint_folder(run, 4).joinpath(MARKER).is_file() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert newest_checkpoint(run).step < 20
    subprocess.run(
        [*command, f"run.folder={run}"], cwd=ROOT, check=True, timeout=240, stdout=subprocess.DEVNULL
    )
    assert curve(run) == curve(folder / "whole")
    assert same_tensors(checkpoint_folder(run, 20), checkpoint_folder(folder / "whole", 20))
