"""One run of preprocessing as its steps see it: configuration, output folder, inputs, runner.

Owns where a step keeps its files, the exclusive use of the folder, and handing tasks to the runner. A step is
a module with ``VERSION`` and ``run(context) -> Outcome``.
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
from preprocessing.running.tasks import KeyedTask, Outcome, Runner, Task

__all__ = ["Context", "Outcome", "Task"]
OLD_S = 24 * 3600.0


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
        """The same for another process: units are found once, the runner stays here."""
        _ = self.units
        made = copy.copy(self)
        made._runner = None
        made._finished = {}
        return made

    @functools.cached_property
    def units(self) -> list[Unit]:
        return find_units(self.loaded, self._hashes)

    def identity(self, unit: Unit) -> Any:
        """JSON that changes when the content of the unit does."""
        parts = [
            [label, part and dataclasses.astuple(part), *self._hashes.of(file)]
            for file, label, part in unit.parts()
        ]
        return [parts, self.watched(unit)]

    def watched(self, unit: Unit) -> list[Any]:
        """JSON that changes when a file does that is no document but says something of them: a license file."""
        return [[str(file), *self._hashes.of(file)] for file in unit.watched]

    def save_hashes(self) -> None:
        self._hashes.save()

    def part(self, *names: str) -> list[Any]:
        """Sections of the configuration as JSON."""
        return [self.as_data(getattr(self.config, name)) for name in names]

    @staticmethod
    def as_data(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: Context.as_data(item) for name, item in value.items()}
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]

    # --- files ---------------------------------------------------------------------------------------------

    def path(self, step: str, name: str, suffix: str = ".parquet") -> Path:
        """Where ``step`` keeps a result of the task or unit ``name``."""
        return self.folder / "steps" / step / f"{name}{suffix}"

    def dropped(self, step: str, name: str) -> Path:
        """Where ``step`` keeps the documents it drops of a unit."""
        return self.folder / "dropped" / f"{step}-{name}.parquet"

    @property
    def text_step(self) -> str:
        """The last step that changes text."""
        return "lines" if self.config.lines.enabled else "clean"

    def documents(self, unit: Unit) -> Path:
        """The documents of a unit, as the steps after ``text_step`` see them."""
        return self.path(self.text_step, unit.name)

    # --- tasks ---------------------------------------------------------------------------------------------

    def upstream(self, step: str, name: str) -> str:
        """Content of a finished task whose files another one reads. Raises DataError when it is not finished."""
        content = Marker(self.folder, f"{step}/{name}").content()
        if content is None:
            raise DataError(
                f"{self.folder}: step {step!r} is not finished for {name!r}; run 'python -m preprocessing {step} ...'"
            )
        return content

    def summary_of(self, step: str) -> dict[str, Any]:
        """What an earlier step shares of its summary. Raises DataError when it is not finished."""
        summary = Marker(self.folder, step).shared_summary()
        if summary is None:
            raise DataError(
                f"{self.folder}: step {step!r} is not finished; run 'python -m preprocessing {step} ...'"
            )
        return summary

    def finish(self, step: str, tasks: Sequence[Task], version: int) -> list[dict[str, Any]]:
        """Runs the tasks that are not finished, wherever the runner does it; the summaries in the order of ``tasks``.

        ``version`` is that of the step.
        """
        keyed = [
            KeyedTask(step, number, task, key_of(step, version, task.name, task.depends))
            for number, task in enumerate(tasks)
        ]
        markers = {one.marker_name: Marker(self.folder, one.marker_name) for one in keyed}
        summaries = {one.marker_name: markers[one.marker_name].read(one.key) for one in keyed}
        todo = [one for one in keyed if summaries[one.marker_name] is None]
        if todo:
            size = sum(task.size for task in tasks)
            shown = StepProgress(step, len(todo), size, size - sum(one.task.size for one in todo))

            def done(one: KeyedTask, summary: dict[str, Any]) -> None:
                summaries[one.marker_name] = summary
                shown.add(one.task.size, summary)

            try:
                self.runner.run(self, todo, done)
            finally:
                shown.close()
        written = {name: marker.contents() for name, marker in markers.items()}
        self._finished.setdefault(step, {}).update(written)
        return [summaries[one.marker_name] or {} for one in keyed]

    def finish_step(self, step: str, key: str, outcome: Outcome) -> None:
        """Removes what no task of this run wrote, and marks the step finished.

        Its content is what its tasks wrote, in their order (the order of the inputs counts for later steps), and what it
        shares of its summary.
        """
        self.remove_others(step)
        tasks = self._finished.get(step, {})
        known = {name: seen for outputs in tasks.values() for name, seen in outputs.items()}
        content = key_of(list(tasks.items()), {name: outcome.summary[name] for name in outcome.shared})
        marker = Marker(self.folder, step)
        marker.write(key, outcome.outputs, outcome.summary, known, content, outcome.shared)

    def remove_others(self, step: str) -> None:
        """Files of ``step`` that none of the tasks finished in this run wrote: of inputs no longer named."""
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
        """One run at a time; temporary files of a killed one are removed (in a shared folder, old ones only)."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"output.folder: {self.folder} cannot be made ({error.strerror}); give a folder that may be written"
            ) from None
        if self.runner.shared:
            if self.runner.leads:
                self._remove_leftovers(OLD_S)
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
