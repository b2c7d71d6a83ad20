"""A small finished job by the contracts of docs/formats.md, with hostile text in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HOSTILE = '<script>alert("x")</script>'
TRAIN_YAML = """
run: {{folder: {runs}/train, device: cpu}}
model: {{layers: 2, hidden_size: 64, ffn_hidden_size: 128, heads: 4, kv_groups: 2, max_sequence_length: 128}}
precision: {{dtype: fp32}}
parallel: {{tensor: 2}}
training: {{steps: 40, global_batch_size: 4, micro_batch_size: 2, sequence_length: 128}}
optimizer: {{learning_rate: 1e-3}}
schedule: {{type: cosine, warmup_steps: 4}}
data: {{manifest: {runs}/data/manifest.json}}
"""
DATA_YAML = """
output: {{folder: {runs}/data}}
inputs:
  web: {{type: jsonl, lang: ko, paths: [{runs}/corpus.jsonl]}}
domains:
  ko: {{langs: [ko]}}
tokenizer: {{vocab_size: 300}}
"""


def _set(name: str, split: str, tokens: int) -> dict[str, Any]:
    return {"name": name, "split": split, "tokens": tokens, "text_bytes": 3 * tokens, "documents": 7}


def _efficiency(bytes_per_token: float) -> dict[str, float]:
    return {
        "documents": 3, "bytes": 3000, "characters": 1500, "words": 300, "tokens": round(3000 / bytes_per_token),
        "bytes_per_token": bytes_per_token, "characters_per_token": 1.25, "tokens_per_word": 2.5,
    }  # fmt: skip


def _funnel() -> dict[str, Any]:
    source = {
        "name": "web", "lang": "en+ko", "documents_in": 1234, "bytes_in": 2_000_000, "bad_records": 5,
        "changed": {"html": 11}, "dropped": {"spam": 16, "near_duplicate": 7}, "masked": {"email": 21},
        "documents_out": 1211, "bytes_out": 1_500_000,
    }  # fmt: skip
    return {
        "sources": [source],
        "steps": [
            {"name": "read", "documents": 1234, "bytes": 2_000_000},
            {"name": "clean", "documents": 1211, "bytes": 1_500_000},
        ],
        "domains": [
            {"name": "ko", "split": "train", "documents": 1211, "bytes": 1_500_000, "tokens": 50_000}
        ],
        "examples": {
            "spam": [{"id": f"doc-{HOSTILE}", "before": f"{HOSTILE} 광고\u202e 문의", "after": None}],
            "html": [{"id": "doc-2", "before": f"<b>한글</b>{HOSTILE}", "after": "한글"}],
        },
    }


def _metrics() -> list[dict[str, Any]]:
    start = {
        "kind": "start", "time": 1000.0, "step": 0, "world_size": 2, "parameters": 3_926_528, "tokens_per_step": 512,
        "peak_tflops": 0.0391, "peak_name": "fp32 matrix product measured", "versions": {"torch": "2.13.0"},
    }  # fmt: skip
    lines = [start]
    for step in range(5, 41, 5):
        lines.append({
            "kind": "train", "time": 1000.0 + step, "step": step, "samples": 4 * step, "tokens": 512 * step,
            "loss": 8 - step / 10, "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_s": 512.0, "tflops": 0.02,
            "mfu": 0.5, "memory_gib": 0.75, "eta_s": 40.0 - step,
        })  # fmt: skip
    for step, loss in ((20, 6.543), (40, 5.432)):
        values = {"loss": {"ko": loss, "en": loss + 1}, "bits_per_byte": {"ko": loss / 2, "en": loss / 3}}
        lines.append({"kind": "valid", "time": 1000.0 + step, "step": step, "tokens": 512 * step, **values})
    return [*lines, {"kind": "end", "time": 1042.0, "step": 40, "reason": "done"}]


@pytest.fixture
def job_folder(tmp_path: Path) -> Path:
    """A folder of runs that a report can be written from."""
    runs = tmp_path / "runs"
    weights = {
        "a": "x",
        "b": "y",
        "summary": "verified 38 tensors, largest difference 0",
        "largest_difference": 0.0,
    }
    weights |= {"tensors": {"model.norm.weight": 0.0}, "missing": [], "extra": [], "settings": []}
    logits = {
        "a": "x",
        "b": "y",
        "positions": 128,
        "difference": 1.43e-6,
        "agreement": 1.0,
        "tolerance": 1e-4,
    }
    sample = {"lang": "ko", "prompt": "한글은 ", "text": f"글자다 {HOSTILE}"}
    files: dict[str, Any] = {
        "data/manifest.json": {
            "format": "megatron_ko-data-1",
            "sets": [
                _set("ko", "train", 50_000),
                _set("en", "train", 25_000),
                _set("ko", "valid", 900),
                _set("en", "valid", 400),
            ],
            "mixture": {"ko": 0.75, "en": 0.25},
        },
        "data/funnel.json": _funnel(),
        "data/tokenizer_report.json": {
            "vocab_size": 4001,
            "tokenizers": {
                "this": {"ko": _efficiency(3.0), "en": _efficiency(2.79)},
                "english_only": {"ko": _efficiency(1.0), "en": _efficiency(3.1)},
            },
            "english_only_problem": None,
        },
        "train/hf/verification.json": {"weights": weights, "logits": logits},
        "train/samples.json": {"settings": {"temperature": 0.7, "seed": 1234}, "samples": [sample]},
    }
    for name, content in files.items():
        path = runs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    (runs / "train" / "config.yaml").write_text(TRAIN_YAML.format(runs=runs), encoding="utf-8")
    (runs / "train" / "plan.txt").write_text("ranks        2 = tensor 2\n", encoding="utf-8")
    lines = "".join(json.dumps(line) + "\n" for line in _metrics())
    (runs / "train" / "metrics.jsonl").write_text(lines + '{"kind": "tra', encoding="utf-8")
    return runs


@pytest.fixture
def example_folder(tmp_path: Path) -> Path:
    """``data.yaml`` and ``train.yaml`` of a job that nobody has run yet."""
    folder, runs = tmp_path / "example", tmp_path / "runs"
    folder.mkdir()
    runs.mkdir()
    (folder / "data.yaml").write_text(DATA_YAML.format(runs=runs), encoding="utf-8")
    (folder / "train.yaml").write_text(TRAIN_YAML.format(runs=runs), encoding="utf-8")
    (runs / "corpus.jsonl").write_text('{"text": "한글"}\n', encoding="utf-8")
    return folder
