"""State of one preprocessing run, shared by its steps: configuration, output folder, inputs, runner.

Owns the paths of a step's files, exclusive use of the folder, and dispatch of tasks to the runner. A step is a module
with ``VERSION`` and ``run(context) -> Outcome``.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import locked_folder
from preprocessing.config.pipeline import Config
from preprocessing.readers.input_units import InputHashes, Unit, find_units
from preprocessing.running.markers import Marker, Outputs, key_of
from preprocessing.running.progress import StepProgress
from preprocessing.running.tasks import Outcome, Runner, StepTask, Task

__all__ = ["Context", "Outcome", "Task"]
LEFTOVER_AGE_S = 24 * 3600.0
"""Age from which temporary files in a shared folder are removed."""


class Context:
    """One configuration and its output folder. ``runner`` may be None where no task runs."""

    def __init__(self, loaded: Loaded[Config], runner: Runner | None = None):
        self.loaded = loaded
        self.config = loaded.config
        self.folder = Path(self.config.output.folder).expanduser()
        self._runner = runner
        self._hashes = InputHashes(self.folder / "steps" / "input_hashes.json")
        self._finished: dict[str, dict[str, Outputs]] = {}

    @property
    def runner(self) -> Runner:
        assert self._runner is not None, "a runner is needed to run tasks"
        return self._runner

    def for_worker(self) -> Context:
        """Returns a copy for another process: with the units, without the runner."""
        _ = self.units  # listed once, here
        copied = copy.copy(self)
        copied._runner = None
        copied._finished = {}
        return copied

    @functools.cached_property
    def units(self) -> list[Unit]:
        return find_units(self.loaded, self._hashes)

    def identity(self, unit: Unit) -> Any:
        """JSON that changes with the content of the unit."""
        parts = [
            [label, part and dataclasses.astuple(part), *self._hashes.of(file)]
            for file, label, part in unit.parts()
        ]
        return [parts, self.watched_identity(unit), *([list(unit.shared)] if unit.shared else [])]

    def watched_identity(self, unit: Unit) -> list[Any]:
        """JSON that changes with the files that describe the documents of a unit without being documents: licenses."""
        return [[str(file), *self._hashes.of(file)] for file in unit.watched]

    def save_hashes(self) -> None:
        self._hashes.save()

    def sections(self, *names: str) -> list[Any]:
        """Sections of the configuration as JSON."""
        return [self.as_data(getattr(self.config, name)) for name in names]

    @staticmethod
    def as_data(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: Context.as_data(item) for name, item in value.items()}
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]

    # --- files ---------------------------------------------------------------------------------------------

    def path(self, step: str, name: str, suffix: str = ".parquet") -> Path:
        """Path of a result that ``step`` writes for the task or unit ``name``."""
        return self.folder / "steps" / step / f"{name}{suffix}"

    def dropped_path(self, step: str, name: str) -> Path:
        """Path of the documents that ``step`` drops from the unit ``name``."""
        return self.folder / "dropped" / f"{step}-{name}.parquet"

    @property
    def text_step(self) -> str:
        """The last step that changes text."""
        return "lines" if self.config.lines.enabled else "clean"

    def documents_path(self, unit: Unit) -> Path:
        """Path of a unit's documents, as the steps after ``text_step`` read them."""
        return self.path(self.text_step, unit.name)

    # --- tasks ---------------------------------------------------------------------------------------------

    def upstream(self, step: str, name: str) -> str:
        """Content hash of a finished task whose files another task reads. Raises DataError if it is not finished."""
        content = Marker(self.folder, f"{step}/{name}").content()
        if content is None:
            raise DataError(
                f"{self.folder}: step {step!r} is not finished for {name!r}; run 'mko data {step} ...'",
                rule="step-not-finished",
            )
        return content

    def summary_of(self, step: str) -> dict[str, Any]:
        """The shared entries of a finished step's summary. Raises DataError if it is not finished."""
        summary = Marker(self.folder, step).shared_summary()
        if summary is None:
            raise DataError(
                f"{self.folder}: step {step!r} is not finished; run 'mko data {step} ...'",
                rule="step-not-finished",
            )
        return summary

    def finish(self, step: str, tasks: Sequence[Task], version: int) -> list[dict[str, Any]]:
        """Runs the unfinished tasks with the runner; returns the summaries of all, in the order of ``tasks``.

        ``version`` is the step's.
        """
        step_tasks = [
            StepTask(step, number, task, key_of(step, version, task.name, task.depends))
            for number, task in enumerate(tasks)
        ]
        markers = {item.marker_name: Marker(self.folder, item.marker_name) for item in step_tasks}
        summaries = {item.marker_name: markers[item.marker_name].read(item.key) for item in step_tasks}
        todo = [item for item in step_tasks if summaries[item.marker_name] is None]
        if todo:
            size = sum(task.size for task in tasks)
            progress = StepProgress(step, len(todo), size, size - sum(item.task.size for item in todo))

            def done(item: StepTask, summary: dict[str, Any]) -> None:
                summaries[item.marker_name] = summary
                progress.add(item.task.size, summary)

            try:
                self.runner.run(self, todo, done)
            finally:
                progress.close()
        written = {name: marker.contents() for name, marker in markers.items()}
        self._finished.setdefault(step, {}).update(written)
        return [summaries[item.marker_name] or {} for item in step_tasks]

    def finish_step(self, step: str, key: str, outcome: Outcome) -> None:
        """Removes files that no task of this run wrote, and marks the step finished.

        The content of the step is the content of its tasks, in their order (later steps depend on the order of the
        inputs), and the shared entries of its summary.
        """
        self.remove_others(step)
        tasks = self._finished.get(step, {})
        known = {name: entry for outputs in tasks.values() for name, entry in outputs.items()}
        content = key_of(list(tasks.items()), {name: outcome.summary[name] for name in outcome.shared})
        marker = Marker(self.folder, step)
        marker.write(key, outcome.outputs, outcome.summary, known, content, outcome.shared)

    def remove_others(self, step: str) -> None:
        """Removes files of ``step`` that belong to no task of this run, such as those of an input that was removed."""
        tasks = self._finished.get(step, {})
        keep = {Marker(self.folder, name).path for name in tasks}
        keep |= {self.folder / name for outputs in tasks.values() for name in outputs}
        for path in [
            *(self.folder / "steps" / step).rglob("*"),
            *(self.folder / "dropped").glob(f"{step}-*"),
        ]:
            if path.is_file() and path not in keep and not path.name.startswith("."):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Allows one run at a time and removes temporary files of a killed run (in a shared folder, old ones only)."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                [
                    self.loaded.problem(
                        "output.folder",
                        f"cannot create {self.folder} ({error.strerror}); choose a folder that is writable",
                        "folder-not-writable",
                    )
                ]
            ) from None
        if self.runner.shared:
            if self.runner.leads:
                self._remove_leftovers(LEFTOVER_AGE_S)
            yield
            return
        with locked_folder(self.folder):
            self._remove_leftovers(0.0)
            yield

    def _remove_leftovers(self, age_s: float) -> None:
        for leftover in self.folder.rglob(".*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime >= age_s:
                    leftover.unlink()
