"""Start-up times: ``--help``, a configuration with errors, and the first training step on two ranks.

    python -m tests.bench.startup [--repeats N]

Prints one JSON line: median CPU seconds (user and system) of ``--help`` and of an invalid configuration, and wall seconds
from the launch to the end of the first step of a tiny model on two CPU ranks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.tiny_run import write_tiny_run

TRAIN = [sys.executable, "-m", "megatron_ko.train"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_tiny_run(folder)
        result = {
            "bench": "startup",
            "help_cpu_s": _median(lambda: cpu_seconds([*TRAIN, "--help"], 0), repeats),
            "config_error_cpu_s": _median(
                lambda: cpu_seconds(
                    [*TRAIN, config, "model.layer=3", "training.steps=0", "parallel.tensor=3"], 2
                ),
                repeats,
            ),
            "first_step_s": _median(lambda: first_step_seconds(config, folder), repeats),
            "repeats": repeats,
        }
    print(json.dumps(result))


def _median(measure, repeats: int) -> float:
    measure()  # fills the caches of the file system
    return round(statistics.median(measure() for _ in range(repeats)), 3)


def cpu_seconds(command: list[str], expected_code: int) -> float:
    """User and system time of ``command`` and its children; its exit code must be ``expected_code``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run(command, capture_output=True, timeout=60).returncode
    assert code == expected_code, f"{command} ended with {code} instead of {expected_code}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_step_seconds(config: str, folder: Path) -> float:
    """Wall seconds from the launch to the record of the first step."""
    run = folder / f"run-{time.monotonic_ns()}"
    begin = time.time()
    command = [*TRAIN, config, "--ranks", "2", "training.steps=2", f"run.folder={run}"]
    subprocess.run(
        command, check=True, capture_output=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return next(record["time"] for record in records if record["kind"] == "train") - begin


if __name__ == "__main__":
    main()
