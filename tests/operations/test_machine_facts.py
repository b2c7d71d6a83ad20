"""Facts of a machine: GPUs as nvidia-smi prints them, and data that is the same copy or not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.operations.machine_facts import GPU_FIELDS, data_hash, facts_of_rank, gpus
from tests.tiny_run import write_tiny_run

ROW = "0, NVIDIA H100 80GB HBM3, 81559, 4, 0, 0x0000000000000001, 580.65.06"


def write_nvidia_smi(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_gpu_has_every_field(tmp_path, monkeypatch):
    write_nvidia_smi(tmp_path, f"echo '{ROW}'; echo '{ROW.replace('0, N', '1, N', 1)}'", monkeypatch)
    found = gpus()
    assert isinstance(found, list) and [gpu["index"] for gpu in found] == ["0", "1"]
    assert set(found[0]) == set(GPU_FIELDS) and found[0]["memory.total"] == "81559"


def test_a_newer_driver_has_another_name_for_throttling(tmp_path, monkeypatch):
    text = f"""[[ $1 == *clocks_event* ]] && {{ echo '{ROW}'; exit 0; }}
echo 'Field "clocks_throttle_reasons.active" is not a valid field to query.'; exit 2"""
    write_nvidia_smi(tmp_path, text, monkeypatch)
    found = gpus()
    assert isinstance(found, list) and found[0]["clocks_throttle_reasons.active"] == "0x0000000000000001"


def test_no_gpu_is_a_reason(tmp_path, monkeypatch):
    write_nvidia_smi(tmp_path, "echo 'No devices were found'; exit 6", monkeypatch)
    assert gpus() == "No devices were found"
    monkeypatch.setenv("PATH", "/nonexistent")
    assert gpus() == "nvidia-smi is not installed"


def test_a_changed_token_file_changes_the_hash_of_the_data(tmp_path):
    config = load(Config, [write_tiny_run(tmp_path)], []).config
    first = data_hash(config)
    assert data_hash(config) == first and not first.startswith("error")
    manifest = read_manifest(Path(config.data.manifest))
    path = Path(f"{manifest.path.parent / manifest.sets[0].pairs[0].prefix}.bin")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert data_hash(config) != first
    path.unlink()
    assert data_hash(config).startswith("error: ")


def test_a_manifest_may_be_relative_to_the_working_folder(tmp_path, monkeypatch):
    config = load(Config, [write_tiny_run(tmp_path)], []).config
    monkeypatch.chdir(tmp_path)
    path = os.path.relpath(config.data.manifest, tmp_path)
    relative = replace(config, data=replace(config.data, manifest=path))
    assert not data_hash(relative).startswith("error")


def test_only_the_first_rank_of_a_host_looks_at_the_host(tmp_path):
    config = load(Config, [write_tiny_run(tmp_path)], []).config
    first, second = (facts_of_rank(config, 4 + local, local, {"SLURMD_NODENAME": "n1"}) for local in (0, 1))
    assert first["host"] == second["host"] == "n1" and first["packages"] == second["packages"]
    assert "data" in first and "data" not in second and first["gpus"] == []
