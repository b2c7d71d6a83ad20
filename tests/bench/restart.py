"""From the end of a job to the first step after its requeue, on a real Slurm of two nodes on this machine.

    python -m tests.bench.restart [--repeats N] [--preflight]

Prints one JSON line with medians in seconds: ``requeue_to_step_s`` and its parts. ``slurm_s``: Slurm frees the nodes and starts
the job again (its delay of two minutes is skipped); ``start_s``: batch script, imports, process group, model (with --preflight also
that); ``load_step_s``: checkpoint, data, and the first step.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import pytest

from megatron_ko.formats.run_folder import read_metrics
from tests.slurm.local_slurm import LocalSlurm, local_slurm, missing, wait_until
from tests.slurm.submitted import Run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--preflight", action="store_true")
    given = parser.parse_args()
    if absent := missing():
        print(f"a local Slurm needs {', '.join(absent)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slurm").mkdir()
        with local_slurm(folder / "slurm") as slurm:
            parts = [restart(slurm, folder / str(n), given.preflight) for n in range(given.repeats)]
    medians = {key: round(statistics.median(part[key] for part in parts), 2) for key in parts[0]}
    print(json.dumps({"bench": "restart", **medians, "repeats": given.repeats, "preflight": given.preflight}))
    return 0


def restart(slurm: LocalSlurm, folder: Path, preflight: bool) -> dict[str, float]:
    """Seconds of each part of one restart."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = Run(slurm, folder, monkeypatch, 200, preflight=preflight)
        run.wait_for_checkpoint()
        slurm.signal(run.job, signal.SIGUSR1)
        run.wait_for_requeue()
        before = run.step()
        wait_until(lambda: slurm.idle_nodes() == 2, "two idle nodes", run.text)
        slurm.start_now(run.job)
        run.wait_for_step(before + 1)
        end = run.ends()[0]["time"]
        again = next(r["time"] for r in run.history() if r["event"] == "start" and r["restart"] == 1)
        records = list(read_metrics(run.folder / "metrics.jsonl"))
        started = [r["time"] for r in records if r["kind"] == "start"][-1]
        stepped = next(r["time"] for r in records if r["kind"] == "train" and r["time"] > started)
        slurm.run("scancel", run.job)
        wait_until(lambda: slurm.idle_nodes() == 2, "two idle nodes", run.text)
    return {
        "requeue_to_step_s": stepped - end,
        "slurm_s": again - end,
        "start_s": started - again,
        "load_step_s": stepped - started,
    }


if __name__ == "__main__":
    raise SystemExit(main())
