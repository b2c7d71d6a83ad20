"""A tiny training run on tiny data: a configuration file whose every value is small."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.tiny_data import write_tiny_data


def tiny_config(folder: Path) -> dict:
    return {
        "run": {"folder": str(folder / "run"), "device": "cpu", "seed": 1, "timeout_s": 60.0},
        "model": {
            "layers": 4, "hidden_size": 64, "ffn_hidden_size": 128, "heads": 4, "kv_groups": 2,
            "max_sequence_length": 128, "vocab_multiple": 8, "tied_embeddings": False,
        },
        "precision": {"dtype": "fp32"},
        "training": {"steps": 10, "global_batch_size": 8, "micro_batch_size": 2, "sequence_length": 64},
        "optimizer": {"learning_rate": 3e-3},
        "schedule": {"type": "cosine", "warmup_steps": 2},
        "data": {"manifest": str(folder / "data" / "manifest.json"), "workers": 0},
        "reporting": {"every_steps": 1, "peak_tflops": 1.0},
        "checkpoint": {"every_steps": 5},
    }  # fmt: skip


def write_tiny_run(folder: Path) -> str:
    """Writes ``data/`` and ``train.yaml`` into ``folder``; returns the path of the configuration."""
    write_tiny_data(folder / "data")
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(tiny_config(folder), sort_keys=False), encoding="utf-8")
    return str(path)
