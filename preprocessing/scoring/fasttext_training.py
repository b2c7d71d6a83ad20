"""Trains one fastText classifier in a process of its own: ``python -m preprocessing.scoring.fasttext_training SETTINGS.json``.

Owns what makes a training repeatable. fastText 0.9.2 sets the first tenth of the vectors when it has one thread and
leaves the others as the memory is (``DenseMatrix::uniform``): in a process that has freed memory before, training
stops with "Encountered NaN" or ends differently. Here the C library is told to hand out blocks filled with zeros.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# glibc fills what it hands out with the complement of this byte (mallopt(3), M_PERTURB)
ZEROED_BLOCKS = {"MALLOC_PERTURB_": "255"}


def train_apart(settings: dict[str, Any], model: Path, folder: Path) -> str | None:
    """Trains with arguments of ``fasttext.train_supervised`` and saves; returns what went wrong, or None."""
    given = folder / "settings.json"
    given.write_text(json.dumps({"settings": settings, "model": str(model)}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(given)],
        env={**os.environ, **ZEROED_BLOCKS},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]


def main() -> None:
    import fasttext

    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    fasttext.train_supervised(**given["settings"]).save_model(given["model"])


if __name__ == "__main__":
    main()
