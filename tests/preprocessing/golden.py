"""Hashes of what every step writes for small inputs: they change only together with the VERSION of the step.

    python -m tests.preprocessing.golden                 # what differs from golden_outputs.json
    python -m tests.preprocessing.golden --update        # writes it anew where versions were raised
    python -m tests.preprocessing.golden --new-inputs    # writes it anew: golden_inputs.py changed, no step did

Hashes are of logical content (values of tables and arrays, other files byte by byte), so that they do not depend on the
versions of the libraries that write the files.
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
"""Significant digits of floats that count: the last ones differ between processors."""
# of other versions of the libraries, or of other machines
LEFT_OUT = {"readers", "engine", "file_bytes"}

Golden = dict[str, dict[str, Any]]
"""``{"version": N, "outputs": {run: hash}}`` by step."""


def golden_of(folder: Path) -> Golden:
    """Runs every configuration in ``folder``, which is empty."""
    config = write_inputs(folder)
    found: Golden = {name: {"version": order.module_of(name).VERSION, "outputs": {}} for name in order.STEPS}
    with inside(folder):
        if preprocess(["train-quality", config.name]):
            raise RuntimeError("the language model of the golden outputs could not be trained")
        for run, overrides in RUNS.items():
            loaded = load(Config, [config.name], overrides, RULES)
            pipeline.run(loaded, "run", ProcessRunner(1))
            for step in order.steps_of(loaded.config):
                found[step]["outputs"][run] = hash_of_step(Path(loaded.config.output.folder), step)
    return found


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Some outputs name the folder they are in: it has the same name everywhere."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def hash_of_step(out: Path, step: str) -> str:
    """Of the files and summaries of the tasks of a step."""
    digest = hashlib.sha256()
    folder = out / "steps" / step
    names = sorted(str(path.relative_to(out / "steps"))[:-5] for path in folder.rglob("*.json"))
    for marker in (Marker(out, name) for name in [step, *names]):
        summary = marker.read()
        if summary is None:
            continue  # a result in JSON, not a marker
        digest.update(
            json.dumps([str(marker.path.relative_to(out)), _kept(summary)], sort_keys=True).encode()
        )
        for path in sorted(marker.outputs()):
            digest.update(f"\n{path.relative_to(out)}\n".encode())
            digest.update(content_of(path))
    return digest.hexdigest()[:32]


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _kept(part) for name, part in value.items() if name not in LEFT_OUT}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else value


def content_of(path: Path) -> bytes:
    """What a reader gets out of a file."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        columns = {field.name: [str(field.type), table[field.name].to_pylist()] for field in table.schema}
        return json.dumps(_kept_values(columns), ensure_ascii=False, default=bytes.hex).encode()
    if path.suffix in (".npy", ".npz"):
        loaded = np.load(path, allow_pickle=False)
        arrays = (
            {name: loaded[name] for name in sorted(loaded.files)} if path.suffix == ".npz" else {"": loaded}
        )
        return b"".join(
            f"{name} {one.dtype} {one.shape} ".encode() + one.tobytes() for name, one in arrays.items()
        )
    if path.suffix == ".json":
        return json.dumps(_kept(json.loads(path.read_text(encoding="utf-8"))), ensure_ascii=False).encode()
    return path.read_bytes()


def _kept_values(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        name: [kind, [f"{v:.{DIGITS}g}" if isinstance(v, float) else v for v in values]]
        for name, (kind, values) in columns.items()
    }


def problems(found: Golden, golden: Golden) -> list[str]:
    """One sentence for each step that must raise its version, or whose golden outputs are old."""
    said = []
    for step, now in found.items():
        before = golden.get(step, {"version": None, "outputs": {}})
        changed = [run for run in RUNS if now["outputs"].get(run) != before["outputs"].get(run)]
        if not changed and now["version"] == before["version"]:
            continue
        file = order.STEPS[step].module.replace(".", "/") + ".py"
        if now["version"] != before["version"]:
            said.append(
                f"{step}: VERSION is {now['version']}, the golden outputs are of {before['version']}: run {UPDATE}"
            )
        else:
            said.append(
                f"{step}: writes other bytes than before (run {', '.join(changed)}) under the same VERSION: if that is "
                f"meant, raise VERSION in {file} and run {UPDATE}"
            )
    return said


def must_not_update(found: Golden, golden: Golden) -> list[str]:
    return [said for said in problems(found, golden) if "under the same VERSION" in said]


def read_golden() -> Golden:
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.preprocessing.golden", description=__doc__)
    parser.add_argument(
        "--update", action="store_true", help="write golden_outputs.json where versions were raised"
    )
    parser.add_argument("--new-inputs", action="store_true", help="write it, whatever the versions are")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="an empty folder for the outputs, to compare them"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = golden_of(folder)
    golden = read_golden()
    said = problems(found, golden)
    print("\n".join(said) or "every step writes its golden outputs")
    if given.new_inputs or (given.update and not must_not_update(found, golden)):
        write_json(GOLDEN, found)
        print(f"wrote {GOLDEN}")
        return 0
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
