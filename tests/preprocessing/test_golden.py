"""Every step writes its golden outputs and declares the files it reads; ``golden`` updates the outputs."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.running import tasks
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.steps import deduplicate, order
from tests.preprocessing import golden
from tests.preprocessing.golden_inputs import RUNS

# Files that a task may read without their content in ``depends``, because it lists the part that it uses.
PARTLY_DECLARED = {
    ("balance/shards", "balance/plan"),  # ``rows``: the hash of the plan's rows for this file
    ("encode/parts", "train-tokenizer/tokenizer"),  # SHA-256 of the files of the folder
    ("encode/manifest", "train-tokenizer/tokenizer"),
}


class Reads:
    """Files that each task opened, and the tasks whose content is in its key."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.opened: dict[str, set[Path]] = defaultdict(set)
        self.declared: dict[str, set[str]] = {}
        self._current: str | None = None
        self._of_content: dict[str, set[str]] = defaultdict(set)
        sys.addaudithook(self._opened)  # cannot be removed; does nothing while no task runs
        for name in ("read_table", "read_metadata"):
            patch.setattr(pq, name, self._noting(getattr(pq, name)))
        patch.setattr(pq.ParquetFile, "__init__", self._noting(pq.ParquetFile.__init__, position=1))
        upstream, real_run = Context.upstream, tasks.run_task

        def noted_upstream(context: Context, step: str, name: str) -> str:
            content = upstream(context, step, name)
            self._of_content[content].add(f"{step}/{name}")
            return content

        def noted_run(context: Context, task: tasks.StepTask) -> dict[str, Any]:
            self._current = task.marker_name
            self.opened[self._current] = set()
            self.declared[self._current] = set(self._tasks_in(task.task.depends))
            try:
                return real_run(context, task)
            finally:
                self._current = None

        patch.setattr(Context, "upstream", noted_upstream)
        patch.setattr("preprocessing.running.processes.run_task", noted_run)
        # its hash would hide the contents
        patch.setattr(deduplicate, "key_of", lambda *parts: list(parts))

    def _tasks_in(self, value: Any):
        if isinstance(value, str):
            yield from self._of_content.get(value, ())
        elif isinstance(value, (list, tuple, dict)):
            for part in value.values() if isinstance(value, dict) else value:
                yield from self._tasks_in(part)

    def _opened(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self._current is not None:
            self._note(arguments[0], write="w" in (arguments[1] or ""))

    def _noting(self, function, position: int = 0):
        def noted(*arguments, **named):
            self._note(arguments[position])
            return function(*arguments, **named)

        return noted

    def _note(self, path: Any, write: bool = False) -> None:
        if self._current is not None and not write and isinstance(path, (str, Path)):
            self.opened[self._current].add(Path(path).resolve())


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """``(hashes, reads, folder)`` of all golden runs."""
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        reads = Reads(patch)
        yield golden.golden_of(folder), reads, folder


def test_every_step_writes_its_golden_outputs(result):
    differences = golden.differences(result[0], golden.read_golden())
    assert not differences, "\n".join(difference.message for difference in differences)


def test_every_type_of_input_and_every_step_is_in_the_golden_outputs(result):
    written = (result[2] / "out" / "steps" / "clean").glob("*.parquet")
    units = {path.name.split(".")[0].split("-")[0] for path in written}
    assert units == {
        "encyclopedia", "web", "noisy", "broken", "wiki", "parallel", "boards", "news", "saved", "pages", "crawl", "dump",
        "notes", "old", "repository",
    }  # fmt: skip
    for step, entry in result[0].items():
        assert entry["outputs"], step
        empty = golden.hash_of_step(result[2] / "nowhere", step)
        assert empty not in entry["outputs"].values(), step


def test_keys_of_tasks_cover_every_file_they_open(result):
    """A task does not run again for a file that is not in its key."""
    _, reads, folder = result
    out = folder / "out"
    owner = {}
    for path in (out / "steps").rglob("*.json"):
        name = str(path.relative_to(out / "steps"))[:-5]
        if name not in order.STEPS:
            owner |= {output.resolve(): name for output in Marker(out, name).outputs()}
    assert len(owner) > 100
    pairs = set()
    for task, opened in reads.opened.items():
        for path in opened:
            other = owner.get(path, task)
            if other != task and not _partly_declared(task, other):
                pairs.add((task.split("/")[0], other.split("/")[0]))
                assert other in reads.declared[task], (
                    f"{task} opens {path} of {other}, which is not in its key"
                )
    assert {
        ("measure", "lines"),
        ("filter", "clean"),
        ("balance", "deduplicate"),
        ("encode", "balance"),
    } <= pairs


def _partly_declared(task: str, other: str) -> bool:
    return any(task.startswith(reader) and other.startswith(read) for reader, read in PARTLY_DECLARED)


def test_steps_list_every_step_whose_files_their_tasks_declare(result):
    """The table of steps decides whether a step is up to date before its tasks are checked."""
    reads = {step: set(entry.reads) for step, entry in order.STEPS.items()}
    for task, declared in result[1].declared.items():
        step = task.split("/")[0]
        others = {other.split("/")[0] for other in declared} - {step}
        named = reads[step] | ({"clean", "lines"} if order.TEXT in reads[step] else set())
        assert others <= named, task


# --- differences to the golden outputs ------------------------------------------------------------------------


def _golden(version: int, value: str) -> golden.Golden:
    return {"clean": {"version": version, "outputs": dict.fromkeys(RUNS, value)}}


def test_other_bytes_under_the_same_version_are_a_problem_that_an_update_does_not_hide():
    (difference,) = golden.differences(_golden(1, "b"), _golden(1, "a"))
    assert (difference.step, difference.same_version) == ("clean", True)
    assert "preprocessing/steps/clean.py" in difference.message and golden.UPDATE in difference.message
    assert not golden.may_update(_golden(1, "b"), _golden(1, "a"))
    assert golden.may_update(_golden(2, "b"), _golden(1, "a"))
    assert golden.differences(_golden(2, "b"), _golden(1, "a"))
    assert not golden.differences(_golden(1, "a"), _golden(1, "a"))


def test_a_step_after_one_with_another_version_keeps_its_own():
    def both(version, clean, balance):
        return _golden(version, clean) | {"balance": {"version": 1, "outputs": dict.fromkeys(RUNS, balance)}}

    found = golden.differences(both(2, "b", "b"), both(1, "a", "a"))
    assert [(item.step, item.same_version) for item in found] == [("clean", False), ("balance", False)]
    assert golden.may_update(both(2, "b", "b"), both(1, "a", "a"))
    assert not golden.may_update(both(1, "a", "b"), both(1, "a", "a"))


def test_content_covers_values_and_not_their_storage(tmp_path):
    def content(values, **options):
        pq.write_table(pa.table({"a": pa.array(values)}), tmp_path / "t.parquet", **options)
        return golden.content_of(tmp_path / "t.parquet")

    assert content([1, 2, None]) == content([1, 2, None], compression="zstd", row_group_size=1)
    assert content([1, 2, None]) != content([1, 2, 3])
    assert content([1.0, 2.0]) == content([1.0 + 1e-9, 2.0]) != content([1.001, 2.0])
    assert content(["가"]) != content(["각"])
