"""One ``mko submit`` from raw text to a scored model, on a real Slurm of two nodes: data, training, conversion, evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from megatron_ko.formats.manifest import read_manifest
from tests.preprocessing.corpus import write_config
from tests.slurm.local_slurm import LocalSlurm, needs_slurm, wait_until
from tests.slurm.submitted import Run, write_cluster
from tests.tiny_run import tiny_config

pytestmark = [*needs_slurm, pytest.mark.slow]
COMPILED_S = 1200.0
"""Longest time in seconds for which the data is waited for: a busy machine compiles its kernels for minutes."""
# A substitute for the package lm_eval, which would load its tasks from the internet: a score of the exported model.
LM_EVAL = """\
import argparse, json
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
for name in ("model", "model_args", "tasks", "output_path"):
    parser.add_argument(f"--{name}", required=True)
given = parser.parse_args()
folder = given.model_args.removeprefix("pretrained=")
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
ids = torch.tensor([tokenizer.encode("두루미는 겨울에 철원 들판으로 날아온다.")])
loss = model(ids, labels=ids).loss.item()
Path(given.output_path).mkdir()
(Path(given.output_path) / "results.json").write_text(json.dumps({"tasks": given.tasks, "loss": loss}))
"""
STEPS = ("data", "convert", "evaluate")
ENDS = ("COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "NODE_FAIL")


def test_the_whole_way_runs_to_its_end(slurm, tmp_path, monkeypatch):
    config = write_whole_way(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))  # jobs inherit it
    options = ["--data", "data.yaml", "--data-tasks", "2", "--convert", "exported", "--evaluate", "one_task"]
    run = Run(slurm, tmp_path, monkeypatch, 10, *options, config=config, preflight=True)
    others = run.submission.others
    assert tuple(others) == STEPS
    # the training waits for the data, the conversion for the training, the evaluation for the conversion
    order = [others["data"], run.job, others["convert"], others["evaluate"]]
    for before, after in zip(order, order[1:]):
        assert before in slurm.job(after)["Dependency"]
    wait_until(lambda: state(slurm, order[0]) in ENDS, "the data", run.text, COMPILED_S)
    assert state(slurm, order[0]) == "COMPLETED", run.text()
    run.wait_for_end()
    for one in order[2:]:
        wait_until(lambda one=one: state(slurm, one) in ENDS, "the step", run.text)
        assert state(slurm, one) == "COMPLETED", run.text()
    manifest = read_manifest(tmp_path / "data" / "manifest.json")
    assert manifest.vocab_size == 777
    verification = json.loads((tmp_path / "exported" / "verification.json").read_text(encoding="utf-8"))
    assert verification["weights"]["largest_difference"] == 0
    results = json.loads((run.folder / "evaluation" / "results.json").read_text(encoding="utf-8"))
    assert results["tasks"] == "one_task" and 0 < results["loss"] < 20


def write_whole_way(folder: Path) -> str:
    """Writes a corpus, ``data.yaml``, ``train.yaml`` whose manifest does not exist yet, and the substitute for lm_eval."""
    write_cluster(folder)
    write_config(folder, out="data")
    tree = tiny_config(folder)
    tree["model"]["vocab_size"] = 777
    (folder / "train.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    package = folder / "packages" / "lm_eval"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(LM_EVAL, encoding="utf-8")
    return "train.yaml"


def state(slurm: LocalSlurm, job: str) -> str:
    """State of a job; of an array, COMPLETED once all of its tasks are, else another of theirs."""
    shown = slurm.run("scontrol", "--oneliner", "show", "job", job)
    states = {field.split("=", 1)[1] for field in shown.split() if field.startswith("JobState=")}
    return next(iter(states - {"COMPLETED"}), "COMPLETED")
