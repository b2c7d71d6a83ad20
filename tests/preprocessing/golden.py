"""Hashes of each step's outputs for small inputs: they change only together with the VERSION of the step.

    python -m tests.preprocessing.golden                 # lists differences to golden_outputs.json
    python -m tests.preprocessing.golden --update        # updates the file if versions were increased
    python -m tests.preprocessing.golden --new-inputs    # updates the file after a change of golden_inputs.py, not of steps

Hashes cover the logical content (values of tables and arrays, other files byte by byte), so that they do not depend on
the versions of the libraries that write the files.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from megatron_ko.config.loading import load
from megatron_ko.files import write_json
from preprocessing.cli import main as preprocess
from preprocessing.config.pipeline import RULES, Config
from preprocessing.running.markers import Marker
from preprocessing.running.processes import ProcessRunner
from preprocessing.steps import order, pipeline
from tests.preprocessing.golden_inputs import RUNS, write_inputs

GOLDEN = Path(__file__).with_name("golden_outputs.json")
UPDATE = "python -m tests.preprocessing.golden --update"
DIGITS = 4
"""Significant digits of floats that are compared: the last ones differ between processors."""
# fields that vary with library versions or machines
OMITTED = {"readers", "engine", "file_bytes"}

Golden = dict[str, dict[str, Any]]
"""``{"version": N, "outputs": {run: hash}}`` by step."""


def golden_of(folder: Path) -> Golden:
    """Runs every configuration in the empty folder ``folder``."""
    config = write_inputs(folder)
    outputs: Golden = {
        name: {"version": order.module_of(name).VERSION, "outputs": {}} for name in order.STEPS
    }
    with inside(folder):
        if preprocess(["train-quality", config.name]):
            raise RuntimeError("the language model of the golden outputs could not be trained")
        for run, overrides in RUNS.items():
            loaded = load(Config, [config.name], overrides, RULES)
            pipeline.run(loaded, "run", ProcessRunner(1))
            for step in order.steps_of(loaded.config):
                outputs[step]["outputs"][run] = hash_of_step(Path(loaded.config.output.folder), step)
    return outputs


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Works in ``folder``: some outputs contain the path of their folder, which then is the same everywhere."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def hash_of_step(out: Path, step: str) -> str:
    """Hash of the files and summaries of a step's tasks."""
    digest = hashlib.sha256()
    folder = out / "steps" / step
    names = sorted(str(path.relative_to(out / "steps"))[:-5] for path in folder.rglob("*.json"))
    for marker in (Marker(out, name) for name in [step, *names]):
        summary = marker.read()
        if summary is None:
            continue  # a JSON output, not a marker
        digest.update(
            json.dumps([str(marker.path.relative_to(out)), _comparable(summary)], sort_keys=True).encode()
        )
        for path in sorted(marker.outputs()):
            digest.update(f"\n{path.relative_to(out)}\n".encode())
            digest.update(content_of(path))
    return digest.hexdigest()[:32]


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(part) for name, part in value.items() if name not in OMITTED}
    if isinstance(value, list):
        return [_comparable(part) for part in value]
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else value


def content_of(path: Path) -> bytes:
    """Logical content of a file."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        columns = {field.name: [str(field.type), table[field.name].to_pylist()] for field in table.schema}
        return json.dumps(_comparable_columns(columns), ensure_ascii=False, default=bytes.hex).encode()
    if path.suffix in (".npy", ".npz"):
        loaded = np.load(path, allow_pickle=False)
        arrays = (
            {name: loaded[name] for name in sorted(loaded.files)} if path.suffix == ".npz" else {"": loaded}
        )
        return b"".join(
            f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes()
            for name, array in arrays.items()
        )
    if path.suffix == ".json":
        return json.dumps(
            _comparable(json.loads(path.read_text(encoding="utf-8"))), ensure_ascii=False
        ).encode()
    return path.read_bytes()


def _comparable_columns(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        name: [column_type, [f"{v:.{DIGITS}g}" if isinstance(v, float) else v for v in values]]
        for name, (column_type, values) in columns.items()
    }


@dataclass(frozen=True)
class Difference:
    """A step whose outputs or version differ from the golden ones; ``same_version``: its version must increase first."""

    step: str
    same_version: bool
    message: str


def differences(outputs: Golden, golden: Golden) -> list[Difference]:
    """Steps that must increase their version, or whose golden outputs are outdated.

    A step after one that has another version writes other bytes because it reads other bytes, so it may keep its own.
    """
    found = []
    raised_before = False
    for step, now in outputs.items():
        before = golden.get(step, {"version": None, "outputs": {}})
        changed = [run for run in RUNS if now["outputs"].get(run) != before["outputs"].get(run)]
        if not changed and now["version"] == before["version"]:
            continue
        is_raised = now["version"] != before["version"]
        if is_raised:
            message = (
                f"VERSION is {now['version']}, but the golden outputs have {before['version']}: run {UPDATE}"
            )
        elif raised_before:
            message = f"reads other bytes than before: run {UPDATE}"
        else:
            file = order.STEPS[step].module.replace(".", "/") + ".py"
            message = (
                f"writes other bytes than before (run {', '.join(changed)}) with the same VERSION: if this is intended, "
                f"increase VERSION in {file} and run {UPDATE}"
            )
        found.append(Difference(step, not (is_raised or raised_before), f"{step}: {message}"))
        raised_before |= is_raised
    return found


def may_update(outputs: Golden, golden: Golden) -> bool:
    return not any(difference.same_version for difference in differences(outputs, golden))


def read_golden() -> Golden:
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.preprocessing.golden", description=__doc__)
    parser.add_argument(
        "--update", action="store_true", help="update golden_outputs.json if versions were increased"
    )
    parser.add_argument("--new-inputs", action="store_true", help="update it regardless of versions")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="empty folder that keeps the outputs, to compare them"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        outputs = golden_of(folder)
    golden = read_golden()
    found = differences(outputs, golden)
    print("\n".join(item.message for item in found) or "every step writes its golden outputs")
    if arguments.new_inputs or (arguments.update and may_update(outputs, golden)):
        write_json(GOLDEN, outputs)
        print(f"wrote {GOLDEN}")
        return 0
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
