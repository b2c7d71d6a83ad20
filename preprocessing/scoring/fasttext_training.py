"""Trains a fastText classifier in its own process: ``python -m preprocessing.scoring.fasttext_training SETTINGS.json``.

Owns the reproducibility of the training. With one thread, fastText 0.9.2 initializes only the first tenth of the vectors
(``DenseMatrix::uniform``) and leaves the rest as allocated: in a process that has freed memory, training fails with
"Encountered NaN" or gives another result. An environment variable therefore makes the C library zero its blocks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# glibc fills allocated memory with the complement of this byte (mallopt(3), M_PERTURB)
ZEROED_BLOCKS = {"MALLOC_PERTURB_": "255"}


def train_apart(settings: dict[str, Any], model: Path, folder: Path) -> str | None:
    """Trains with the arguments of ``fasttext.train_supervised`` and saves; returns the error message, or None."""
    request = folder / "settings.json"
    request.write_text(json.dumps({"settings": settings, "model": str(model)}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(request)],
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

    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    fasttext.train_supervised(**request["settings"]).save_model(request["model"])


if __name__ == "__main__":
    main()
