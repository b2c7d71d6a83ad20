"""lm-eval reads an export: a local task of two choices. Skips itself where lm-eval is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from checkpoint_tools.verify import hf_logits
from tests.checkpoint_tools.tiny_checkpoint import write_tiny_checkpoint

REASON = "needs the package lm_eval: pip install -e '.[eval]'"
lm_eval = pytest.importorskip("lm_eval", reason=REASON)
tasks = pytest.importorskip("lm_eval.tasks", reason=REASON)
QUESTIONS = [
    ("w7 w8", ["w9", "w10 w11"]),
    ("w900", ["w901 w3", "w902"]),
    ("w40 w41 w42", ["w5", "w6"]),
    ("w77", ["w78 w79", "w80 w81"]),
]
"""A question and two choices, in words of the tokenizer of the tiny data."""


def log_likelihood(folder: Path, text: str, choice: str) -> float:
    """Sum of the log probabilities of the tokens that ``choice`` adds to ``text``, by transformers."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    context = tokenizer(text)["input_ids"]
    whole = tokenizer(f"{text} {choice}")["input_ids"]
    scores = hf_logits(folder, torch.tensor([whole]))[0].log_softmax(-1)
    return sum(float(scores[at - 1, whole[at]]) for at in range(len(context), len(whole)))


def test_lm_eval_scores_an_export_as_transformers_does(tmp_path, run):
    write_tiny_checkpoint(tmp_path)
    export = tmp_path / "export"
    assert run("to-hf", src=tmp_path / "checkpoint", dst=export) == 0
    rows = [{"question": question, "choices": choices, "answer": 0} for question, choices in QUESTIONS]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    task = {
        "task": "local_choices", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}", "doc_to_target": "answer", "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "choices.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    manager = tasks.TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False)
    results = lm_eval.simple_evaluate(
        model="hf", model_args={"pretrained": str(export), "dtype": "float32"}, tasks=["local_choices"],
        task_manager=manager, device="cpu", batch_size=2, bootstrap_iters=0,
    )  # fmt: skip
    right = 0
    for sample in results["samples"]["local_choices"]:
        question, choices = QUESTIONS[sample["doc_id"]]
        truth = [log_likelihood(export, question, choice) for choice in choices]
        assert [response[0][0] for response in sample["resps"]] == pytest.approx(truth, abs=1e-3)
        assert truth[0] != truth[1]
        right += truth[0] > truth[1]
    assert results["results"]["local_choices"]["acc,none"] == right / len(QUESTIONS)
