"""The same run without Slurm: two ranks of this machine, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def train_on_two_ranks(folder: Path, arguments: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "megatron_ko", "train", *arguments, "--ranks", "2"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "run" / "metrics.jsonl").is_file()
