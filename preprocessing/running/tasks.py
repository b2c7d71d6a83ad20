"""Tasks: units of work that a step passes to a runner.

Owns the contract between steps and runners. A finished task has a marker with its key, so its outputs are the same
no matter which process runs it and how often the run is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from preprocessing.running.markers import Marker


class RunContext(Protocol):
    """The part of ``preprocessing.running.context.Context``, a layer above, that runners use."""

    folder: Path

    def for_worker(self) -> RunContext: ...


@dataclass(frozen=True)
class Outcome:
    """Files written by a task or step, and its summary (JSON) for the marker and the funnel.

    ``shared``: entries of a step's summary that later steps read; they count as its content.
    """

    outputs: list[Path]
    summary: dict[str, Any]
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """``function(context, *arguments) -> Outcome`` is a module-level function; ``depends`` is the JSON of everything the
    result depends on except the version of the step: configuration, identities of inputs, and ``context.upstream`` of
    every task whose files it reads; ``size``: bytes it reads, for the progress bar."""

    name: str
    function: Callable[..., Outcome]
    arguments: tuple[Any, ...] = ()
    depends: Any = None
    size: int = 0


@dataclass(frozen=True)
class StepTask:
    """A task of the step ``step``; ``key`` identifies its result, ``number`` is its index among all tasks of the step."""

    step: str
    number: int
    task: Task
    key: str

    @property
    def marker_name(self) -> str:
        return f"{self.step}/{self.task.name}"


Done = Callable[[StepTask, dict[str, Any]], None]


class Runner(Protocol):
    """``leads`` is true in the one process that writes the files that belong to no task."""

    leads: bool
    shared: bool
    """Whether other processes work in the same folder at the same time."""

    def run(self, context: RunContext, tasks: Sequence[StepTask], done: Done) -> None:
        """Runs the tasks and returns when each has its marker; calls ``done`` as each ends. Re-raises a task's error."""
        ...

    def wait_for(self, context: RunContext, marker: Marker, key: str) -> None:
        """Returns when the leading process has written ``marker``."""
        ...

    def close(self) -> None: ...


def run_task(context: RunContext, step_task: StepTask) -> dict[str, Any]:
    """Runs a task, writes its marker last, and returns the summary."""
    marker = Marker(context.folder, step_task.marker_name)
    marker.remove()
    outcome = step_task.task.function(context, *step_task.task.arguments)
    marker.write(step_task.key, outcome.outputs, outcome.summary)
    return outcome.summary
