"""Training from a Hugging Face folder: converted once, loaded at every layout, equal to transformers, resumed, exported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from megatron_ko import initial_weights, train
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.run_folder import INITIAL_WEIGHTS
from megatron_ko.preflight import Preflight, preflight
from tests import ranks
from tests.checkpoint_tools.exaone import write_exaone
from tests.run_records import records
from tests.tiny_data import DOMAINS, write_tiny_data
from tests.tiny_run import tiny_config

pytestmark = pytest.mark.ranks
ROOT = Path(__file__).resolve().parents[2]
ROWS = {"llama": 1001, "qwen2": 1024}
"""Embedding rows; the tokenizer of the data has 1,001 tokens."""


def _configs() -> dict[str, Any]:
    from transformers import LlamaConfig, Qwen2Config

    shape: dict[str, Any] = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 128,
    }  # fmt: skip
    rope = {
        "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 6.0,
        "original_max_position_embeddings": 32,
    }  # fmt: skip
    return {
        "llama": LlamaConfig(
            **shape, vocab_size=ROWS["llama"], head_dim=32, rms_norm_eps=1e-5, rope_parameters=rope
        ),
        "qwen2": Qwen2Config(**shape, vocab_size=ROWS["qwen2"], rms_norm_eps=1e-6, tie_word_embeddings=True),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``data/`` and tiny random models of Hugging Face with the tokenizer of the data."""
    folder = tmp_path_factory.mktemp("bases")
    write_tiny_data(folder / "data")
    for name in ROWS:
        write_base(folder, name)
    return folder


def write_base(folder: Path, name: str) -> Path:
    """Writes a random model of a family with the tokenizer of ``folder/data``; returns its folder."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(_configs()[name])
    with torch.no_grad():
        for weight, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in weight else 0.0, 0.1)
    model.save_pretrained(folder / name)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(folder / "data" / "tokenizer" / file, folder / name / file)
    return folder / name


def write_run(folder: Path, base: Path, run: Path, **model: Any) -> str:
    """A configuration that takes shape and weights from ``base`` and writes to ``run``."""
    config = tiny_config(folder)
    config["run"]["folder"] = str(run)
    config["model"] = {"from": str(base), "vocab_multiple": 8, **model}
    config["training"]["steps"] = 2
    config["schedule"] = {"type": "constant"}
    config["checkpoint"] = {"every_steps": 2, "initial_weights": str(base)}
    path = run.parent / f"{run.name}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _convert_in_a_warm_process(request, monkeypatch):
    """Converts in a process that has imported torch already, except in tests of the process itself."""
    if "own_process" not in request.keywords:
        monkeypatch.setattr(initial_weights, "_convert_in_process", _convert_warm)


def _convert_warm(*arguments: Any) -> None:
    ranks.on_ranks(1, _convert, *arguments)


def _convert(rank: int, init_method: str, base: Any, target: Path, source: dict) -> None:
    with pytest.raises(SystemExit) as ended:
        initial_weights._convert(
            base, target.parent / initial_weights.TEMPORARY, target, source, os.getppid()
        )
    assert not ended.value.code


def start(config: str, overrides: list[str], count: int = 1) -> Preflight:
    """Converts and trains, as ``mko train`` does, in warm ranks."""
    checked = preflight([config], overrides, count)
    with checked.lock_run_folder():
        checked = initial_weights.convert(checked)
        ranks.on_ranks(count, ranks._train, checked)
    return checked


def loss_of_transformers(base: Path, data: Path, name: str, length: int = 64) -> float:
    """Mean loss over every token of a validation set but the first, each in its window of ``length`` tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    stream = torch.from_numpy(np.fromfile(data / "tokens" / f"{name}_valid.bin", np.uint16).astype(np.int64))
    total, count = 0.0, 0
    for begin in range(0, len(stream) - 1, length):
        window = stream[begin : begin + length + 1]
        with torch.no_grad():
            logits = model(window[None, :-1]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
        count += len(window) - 1
    return total / count


LAYOUTS = {
    "tp1": (1, []),
    "tp2": (2, ["parallel.tensor=2"]),
    "pp2": (2, ["parallel.pipeline=2"]),
}
CASES = [
    *(("llama", "tp2"), ("qwen2", "pp2")),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (("llama", "pp2"), ("qwen2", "tp2"))),
    *(pytest.param(name, "tp1", marks=pytest.mark.slow) for name in ROWS),
]


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_the_baseline_is_the_loss_of_transformers(folder, tmp_path, name, layout):
    count, changes = LAYOUTS[layout]
    base, run = folder / name, tmp_path / "run"
    start(write_run(folder, base, run), changes, count)
    baseline, last = records(run, "valid")
    assert (baseline["step"], last["step"]) == (0, 2)
    for domain in DOMAINS:
        assert baseline["loss"][domain] == pytest.approx(
            loss_of_transformers(base, folder / "data", domain), abs=1e-4
        )
        assert last["loss"][domain] < baseline["loss"][domain]
    weights = records(run, "start")[0]["weights"]
    converted = Checkpoint.read(run / INITIAL_WEIGHTS)
    assert weights == {"kind": "Hugging Face", "path": str(base), "step": 0, "hash": converted.short_hash}
    verification = json.loads((run / INITIAL_WEIGHTS / "verification.json").read_text())["weights"]
    assert verification["largest_difference"] == 0
    assert (verification["a"], verification["b"]) == (str(base), str(run / INITIAL_WEIGHTS))


def test_an_exaone_starts_with_the_loss_of_the_llama_with_its_tensors(folder, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(3)
    config = LlamaConfig(**{**_configs()["llama"].to_dict(), "head_dim": 16})
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "llama")
    base, run = write_exaone(tmp_path / "llama", tmp_path / "exaone"), tmp_path / "run"
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(folder / "llama" / file, base / file)
    start(write_run(folder, base, run), ["parallel.tensor=2"], 2)
    baseline, last = records(run, "valid")
    for domain in DOMAINS:
        truth = loss_of_transformers(tmp_path / "llama", folder / "data", domain)
        assert baseline["loss"][domain] == pytest.approx(truth, abs=1e-4)
        assert last["loss"][domain] < baseline["loss"][domain]


def test_rows_without_a_token_are_trained_resumed_and_exported(folder, tmp_path):
    from safetensors.torch import load_file

    from checkpoint_tools.__main__ import main as checkpoint_tools

    base = folder / "qwen2"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for run in (whole, parts):
        start(write_run(folder, base, run), ["training.steps=4"])
    newest = parts / "checkpoints" / "step_00000004"
    shutil.rmtree(newest)
    shutil.rmtree(parts / INITIAL_WEIGHTS)  # not needed any more
    start(str(tmp_path / "parts.yaml"), ["training.steps=4"])
    assert [r["loss"] for r in records(parts, "train")] == [r["loss"] for r in records(whole, "train")]
    assert [r["loss"] for r in records(parts, "valid")] == [r["loss"] for r in records(whole, "valid")]
    assert Checkpoint.read(newest).vocab_size == 1024
    assert checkpoint_tools(["to-hf", str(parts), str(tmp_path / "hf")]) == 0
    exported, source = load_file(tmp_path / "hf" / "model.safetensors"), load_file(base / "model.safetensors")
    assert {n: t.shape for n, t in exported.items()} == {n: t.shape for n, t in source.items()}
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["vocab_size"] == 1024


def test_a_run_that_starts_again_before_its_first_checkpoint_has_one_baseline(folder, tmp_path):
    run = tmp_path / "run"
    config = write_run(folder, folder / "llama", run)
    start(config, [])
    shutil.rmtree(run / "checkpoints")
    start(config, [])
    assert [record["step"] for record in records(run, "valid")] == [0, 2]


def test_our_own_checkpoint_has_a_baseline_and_a_name(folder, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    start(write_run(folder, folder / "llama", first), [])
    start(write_run(folder, first, second), [])
    assert records(second, "valid")[0]["loss"] == pytest.approx(records(first, "valid")[-1]["loss"], abs=1e-5)
    weights = records(second, "start")[0]["weights"]
    assert (weights["kind"], weights["path"], weights["step"]) == ("checkpoint", str(first), 2)
    assert not (second / INITIAL_WEIGHTS).exists()


# --- the conversion, without training ----------------------------------------------------------------------


def convert(config: str, *overrides: str) -> Checkpoint:
    checked = initial_weights.convert(preflight([config], overrides, 1))
    assert isinstance(checked.initial, Checkpoint)
    return checked.initial


def test_it_is_done_once_and_again_when_the_folder_or_a_setting_changes(folder, tmp_path):
    base = shutil.copytree(folder / "llama", tmp_path / "base")
    run = tmp_path / "run"
    config = write_run(folder, base, run)
    first = convert(config)
    marker = run / INITIAL_WEIGHTS / "checkpoint.json"
    written = marker.stat().st_mtime_ns
    assert convert(config).short_hash == first.short_hash and marker.stat().st_mtime_ns == written
    assert convert(config, "model.vocab_multiple=16").padded_vocab_size == 1008
    assert marker.stat().st_mtime_ns > written
    os.utime(base / "model.safetensors", (1, 1))
    written = marker.stat().st_mtime_ns
    assert convert(config).short_hash == first.short_hash
    assert marker.stat().st_mtime_ns > written


@pytest.mark.any_core
@pytest.mark.own_process
def test_a_killed_conversion_is_done_again(folder, tmp_path):
    """Killed as soon as its temporary folder exists, and with the state of every later moment."""
    run = tmp_path / "run"
    config = write_run(folder, folder / "llama", run)
    command = [sys.executable, "-m", "megatron_ko.train", config]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    temporary, target = run / initial_weights.TEMPORARY, run / INITIAL_WEIGHTS
    end = time.monotonic() + 100
    while not temporary.exists() and not target.exists() and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert time.monotonic() < end
    assert convert(config).vocab_size == 1001 and not temporary.exists()
    shutil.copytree(target, temporary)  # killed before it was renamed
    (target / initial_weights.SOURCE).unlink()  # killed while an earlier state was removed
    (target / "metadata.json").unlink()
    assert convert(config).vocab_size == 1001 and not temporary.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
def test_a_missing_gpu_is_reported_before_the_conversion(folder, tmp_path, capsys):
    run = tmp_path / "run"
    config = write_run(folder, folder / "llama", run)
    assert train.main([config, "run.device=cuda"]) == 2
    error = capsys.readouterr().err
    assert "run.device" in error and not (run / INITIAL_WEIGHTS).exists()


@pytest.mark.any_core
@pytest.mark.own_process
def test_a_failed_conversion_leaves_nothing(folder, tmp_path):
    base = shutil.copytree(folder / "llama", tmp_path / "base")
    run = tmp_path / "run"
    config = write_run(folder, base, run)
    with open(base / "model.safetensors", "r+b") as file:
        file.truncate(5000)
    with pytest.raises(SystemExit) as caught:
        convert(config)
    assert caught.value.code == 2
    assert not (run / INITIAL_WEIGHTS).exists() and not (run / initial_weights.TEMPORARY).exists()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_value_of_half_precision_is_kept(folder, tmp_path, dtype):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    from checkpoint_tools.formats import mcore

    base = shutil.copytree(folder / "llama", tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(base).to(getattr(torch, dtype)).save_pretrained(base)
    store = mcore.open_mcore(convert(write_run(folder, base, tmp_path / "run")).folder)
    assert store.dtype == ("bf16" if dtype == "bfloat16" else "fp32")
    for name, tensor in load_file(base / "model.safetensors").items():
        assert torch.equal(store.tensor(name).float(), tensor.float())


# --- mistakes ----------------------------------------------------------------------------------------------


def test_a_tokenizer_larger_than_the_embedding_names_the_remedy(folder, tmp_path):
    large = tmp_path / "large"
    write_tiny_data(large / "data", vocab_size=1100)
    config = write_run(large, folder / "llama", tmp_path / "run")
    with pytest.raises(ConfigError) as caught:
        preflight([config], [], 1)
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == ("model.vocab_size", "vocabulary-mismatch")
    assert "mko checkpoint expand-vocab" in problem.message
    assert "1001" in problem.message and "1100" in problem.message


def test_shape_rows_and_tokenizer_of_the_weights_must_be_those_of_the_run(folder, tmp_path):
    other = tmp_path / "other"
    write_tiny_data(other / "data")
    tokenizer = json.loads((other / "data" / "tokenizer" / "fingerprint.json").read_text())["fingerprint"]
    base = shutil.copytree(folder / "llama", tmp_path / "base")
    description = json.loads((base / "tokenizer.json").read_text())
    description["model"]["vocab"] = {p: i for i, p in enumerate(reversed(description["model"]["vocab"]))}
    description["added_tokens"] = []
    (base / "tokenizer.json").write_text(json.dumps(description))
    config = write_run(other, base, tmp_path / "run")
    with pytest.raises(CheckpointError) as caught:
        preflight([config], [f"model.from={folder / 'qwen2'}"], 1)
    problems = {problem.path: problem for problem in caught.value.problems}
    assert {"model.qkv_bias", "model.tied_embeddings", "vocab_size", "tokenizer_fingerprint"} <= set(problems)
    assert tokenizer[:19] in problems["tokenizer_fingerprint"].message
    assert "expand-vocab" in problems["tokenizer_fingerprint"].message
    assert "1,001" in problems["vocab_size"].message and "1,024" in problems["vocab_size"].message
    with pytest.raises(CheckpointError) as caught:
        preflight(
            [config], [f"model.from={folder / 'llama'}", f"checkpoint.initial_weights={folder / 'qwen2'}"], 1
        )
    problems = {problem.path: problem for problem in caught.value.problems}
    assert "model.vocab_size: 1024" in problems["vocab_size"].message


@pytest.mark.slow
def test_under_torchrun_one_rank_converts_and_the_others_wait(folder, tmp_path):
    run = tmp_path / "run"
    config = write_run(folder, folder / "llama", run)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "megatron_ko.train", config, "parallel.tensor=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert records(run, "valid")[0]["step"] == 0
    assert Checkpoint.read(run / "checkpoints" / "step_00000002").vocab_size == 1001
