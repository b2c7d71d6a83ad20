"""The same run without Slurm: ranks of this machine, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def train_without_slurm(folder: Path, arguments: Sequence[str], ranks: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "megatron_ko", "train", *arguments, "--ranks", str(ranks)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "run" / "metrics.jsonl").is_file()
